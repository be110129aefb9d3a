//! Names that are none.

use approvals_core::{
    ActionName, ChannelId, Environment, GroupId, IdempotencyKey, PersonId, PolicyName, PrincipalId,
    RequestId, Requester, RuleId, Rules, SinkId,
};

use super::message;

#[test]
fn an_empty_name_says_what_was_to_be_named_and_gives_an_example() {
    for (said, whole) in [
        (
            message(ActionName::new("")),
            "the action name is empty: give it a name such as `db.export`",
        ),
        (
            message(PolicyName::new("")),
            "the policy name is empty: give it a name such as `prod-db`",
        ),
        (
            message(RuleId::new("")),
            "the rule id is empty: give it a name such as `db-export-needs-review`",
        ),
        (
            message(PersonId::new("")),
            "the person id is empty: give it a name such as `alice`",
        ),
        (
            message(GroupId::new("")),
            "the group id is empty: give it a name such as `senior-engineers`",
        ),
        (
            message(ChannelId::new("")),
            "the channel id is empty: give it a name such as `slack`",
        ),
        (
            message(SinkId::new("")),
            "the sink id is empty: give it a name such as `merkle-log`",
        ),
        (
            message(Environment::new("")),
            "the environment is empty: give it a name such as `production`",
        ),
        (
            message(IdempotencyKey::new("")),
            "the idempotency key is empty: give it a name such as `run-42/step-3`",
        ),
    ] {
        assert_eq!(said, whole);
    }
}

#[test]
fn a_malformed_action_name_shows_the_character_and_what_is_allowed() {
    for (text, whole) in [
        (
            "db export",
            "the action name \"db export\" has the character ' ': use ASCII letters, digits and `_-.:/`, such as `db.export`",
        ),
        (
            "db.export\n",
            "the action name \"db.export\\n\" has the character '\\n': use ASCII letters, digits and `_-.:/`, such as `db.export`",
        ),
        (
            "db.exp\u{43e}rt",
            "the action name \"db.expоrt\" has the character 'о': use ASCII letters, digits and `_-.:/`, such as `db.export`",
        ),
        (
            "db\u{202e}.export",
            "the action name \"db\\u{202e}.export\" has the character '\\u{202e}': use ASCII letters, digits and `_-.:/`, such as `db.export`",
        ),
    ] {
        assert_eq!(message(ActionName::new(text)), whole);
    }
    assert_eq!(
        message(ActionName::new("a".repeat(257))),
        "the action name has 257 bytes: at most 256 are allowed"
    );
}

#[test]
fn a_rule_says_which_of_its_names_is_malformed() {
    assert_eq!(
        message(Rules::new().allow("db read", "reads")),
        "the action name \"db read\" has the character ' ': use ASCII letters, digits and `_-.:/`, such as `db.export`"
    );
    assert_eq!(
        message(Rules::new().deny("db.drop", "no drops")),
        "the rule id \"no drops\" has the character ' ': use ASCII letters, digits and `_-.:/@#`, such as `db-export-needs-review`"
    );
}

#[test]
fn a_principal_without_a_kind_is_told_how_to_write_one() {
    assert_eq!(
        message("alice".parse::<PrincipalId>()),
        "\"alice\" names no principal: write `person:alice`, `agent:exporter` or `service:ci`"
    );
    assert_eq!(
        message(Requester::agent("exporter").unwrap().acting_for("robot:r2")),
        "\"robot:r2\" names no principal: write `person:alice`, `agent:exporter` or `service:ci`"
    );
    assert_eq!(
        message("person:".parse::<PrincipalId>()),
        "the person id is empty: give it a name such as `alice`"
    );
    assert_eq!(
        message("req_12".parse::<RequestId>()),
        "\"req_12\" is not an id: it is `req_` followed by 32 hexadecimal digits"
    );
}
