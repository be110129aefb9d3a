//! What a people file must not be: told by place, and with the fix.

use approvals_directory::MAX_MISTAKES;

use crate::support::wrong;

/// A file that has Alice in it, and this.
fn beside_alice(rest: &str) -> String {
    wrong(&format!("people.alice.name = 'Alice'\n{rest}"))
}

#[test]
fn everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file() {
    let told = wrong(
        r#"[people.alice]
email = "alice@example.com"
identities = [{ channel = "slack", tenant = "T1", user = "U1" }]
[people.bob]
email = "ALICE@example.com"
nickname = "bobby"
[[people.bob.identities]]
channel = "slack"
tenant = "T1"
user = "U1"
[people.carol]
[groups.leads]
people = ["alicia", "exporter"]
[groups.b]
groups = ["a", "nowhere"]
[groups.a]
groups = ["b"]
[groups.empty]
people = []
[agents.exporter]
owners = ["ALICE"]
[services.ci]
[robots.r2]
"#,
    );
    assert_eq!(
        told,
        "people.toml:5:9: the e-mail address `alice@example.com` is that of `alice` already (line 2): one address belongs to one person, correct one of them\n\
         people.toml:6:1: person `bob` has no key `nickname`: it has `name`, `email`, `active`, `identities`\n\
         people.toml:10:8: the identity `slack:T1:U1` is that of `alice` already (line 3): one identity belongs to one person, correct one of them\n\
         people.toml:11:9: person `carol` has nothing: write at least a `name`, an `email` or `identities`, or remove the person\n\
         people.toml:13:11: `alicia` is nobody: add the person as `[people.…]`, or correct the name (in group `leads`)\n\
         people.toml:13:21: `exporter` is `agent:exporter`, and only people vote and own: name a person (in group `leads`)\n\
         people.toml:15:11: groups go round in a circle: `a` → `b` → `a`: remove one of them from the other\n\
         people.toml:15:16: `nowhere` is no group: add it as `[groups.…]`, or correct the name (in group `b`)\n\
         people.toml:18:9: group `empty` is empty, and nobody could ever agree for it: name its `people` or `groups`, or remove it\n\
         people.toml:21:11: owner `ALICE` is nobody: write `alice` (of `agent:exporter`)\n\
         people.toml:22:11: nobody owns `ci`: name at least one person, `owners = [\"alice\"]`\n\
         people.toml:23:2: the file has no key `robots`: it has `people`, `groups`, `agents`, `services`"
    );
}

#[test]
fn a_person_of_whom_nothing_is_said_is_an_error() {
    assert_eq!(
        wrong("[people.alice]"),
        "people.toml:1:9: person `alice` has nothing: write at least a `name`, an `email` or `identities`, or remove the person"
    );
}

#[test]
fn a_file_without_people_is_an_error() {
    let told = "people.toml:1:1: nobody is in this file: add a person, such as `[people.alice]` with a `name`";
    assert_eq!(wrong(""), told);
    assert_eq!(wrong("# later\n[people]\n"), told);
}

#[test]
fn a_file_that_is_not_there_is_an_error_and_nobody_is_found() {
    let folder = crate::support::Folder::new();
    let error = approvals_directory::FileDirectory::open(folder.people()).unwrap_err();
    assert_eq!(
        folder.told(&error),
        "people.toml: there is no such file: create it, or correct the path"
    );
    assert_eq!(error.mistakes()[0].place(), None);
    assert_eq!(error.mistakes()[0].file(), folder.people());
}

#[test]
fn an_id_that_is_there_twice_is_an_error_beside_the_others() {
    assert_eq!(
        wrong(
            "[people.alice]\nname = 'Alice'\n[people.bob]\nname = 'Bob'\n[people.alice]\nemail = 'alice'\n"
        ),
        "people.toml:5:9: `alice` is there twice: remove one of them, or give it another name\n\
         people.toml:6:9: the e-mail address `alice` has no `@`: write it as `alice@example.com`"
    );
}

#[test]
fn broken_syntax_is_told_alone_and_all_of_it() {
    let told = wrong("[people.alice\nname = 'Alice'\n[groups.none]\nx = \n");
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(
        lines[0].starts_with("people.toml:1:14: this is no TOML: "),
        "{told}"
    );
    assert!(
        lines[1].starts_with("people.toml:4:5: this is no TOML: "),
        "{told}"
    );
}

#[test]
fn an_id_with_a_dot_that_lacks_quotes_is_an_error_that_says_so() {
    let told = wrong("[people.alice.example]\nname = 'Alice'");
    assert_eq!(
        told,
        "people.toml:1:15: person `alice` has no key `example`: it has `name`, `email`, `active`, `identities`; an id that has a dot needs quotes, such as `[people.\"a.b\"]`"
    );
}

#[test]
fn ids_that_differ_in_case_only_are_an_error() {
    assert_eq!(
        beside_alice("people.Alice.name = 'Another'"),
        "people.toml:2:8: the ids `Alice` and `alice` (line 1) differ in case only, and would be taken for one person: rename one of them"
    );
}

#[test]
fn an_agent_with_the_id_of_a_person_is_an_error() {
    assert_eq!(
        beside_alice("agents.Alice.owners = ['alice']"),
        "people.toml:2:8: `agent:Alice` has the id of the person `alice`: only people vote, so give one of them another id"
    );
}

#[test]
fn an_agent_or_a_service_in_a_group_is_an_error_however_it_is_named() {
    for (name, shown) in [
        ("exporter", "agent:exporter"),
        ("agent:exporter", "agent:exporter"),
        ("ci", "service:ci"),
    ] {
        let told = beside_alice(&format!(
            "agents.exporter.owners = ['alice']\nservices.ci.owners = ['alice']\ngroups.g.people = ['{name}']"
        ));
        assert_eq!(
            told,
            format!(
                "people.toml:4:20: `{name}` is `{shown}`, and only people vote and own: name a person (in group `g`)"
            )
        );
    }
    assert_eq!(
        beside_alice("agents.exporter.owners = ['alice']\ngroups.g.groups = ['exporter']"),
        "people.toml:3:20: `exporter` is `agent:exporter`, and only people are in groups: remove it (in group `g`)"
    );
}

#[test]
fn an_agent_cannot_own_an_agent_and_a_group_cannot_either() {
    assert_eq!(
        beside_alice(
            "groups.g.people = ['alice']\nagents.a.owners = ['alice']\nagents.b.owners = ['a', 'g']"
        ),
        "people.toml:4:20: owner `a` is `agent:a`, and only people vote and own: name a person (of `agent:b`)\n\
         people.toml:4:25: owner `g` is a group: groups in groups stand in `groups = […]`, and owners are people (of `agent:b`)"
    );
}

#[test]
fn a_group_of_people_who_are_not_active_is_empty() {
    assert_eq!(
        beside_alice(
            "people.carol = { name = 'Carol', active = false }\n[groups.g]\npeople = ['carol']\n[groups.around]\ngroups = ['g']"
        ),
        "people.toml:3:9: nobody in group `g` is active, and nobody could ever agree for it: add a person who is, or remove the group\n\
         people.toml:5:9: nobody in group `around` is active, and nobody could ever agree for it: add a person who is, or remove the group"
    );
}

#[test]
fn an_agent_whose_owners_are_not_active_is_owned_by_nobody() {
    assert_eq!(
        beside_alice(
            "people.carol = { name = 'Carol', active = false }\nagents.a.owners = ['carol']"
        ),
        "people.toml:3:8: nobody who owns `agent:a` is active: name a person who is, or remove it"
    );
}

#[test]
fn a_group_in_itself_is_a_circle() {
    assert_eq!(
        beside_alice("groups.g = { people = ['alice'], groups = ['g'] }"),
        "people.toml:2:44: groups go round in a circle: `g` → `g`: remove one of them from the other"
    );
}

#[test]
fn people_and_groups_in_each_others_lists_are_errors_that_say_where_they_belong() {
    assert_eq!(
        beside_alice(
            "groups.g.people = ['alice']\ngroups.h = { people = ['g'], groups = ['alice'] }"
        ),
        "people.toml:3:24: `g` is a group: groups in groups stand in `groups = […]`, and owners are people (in group `h`)\n\
         people.toml:3:40: `alice` is a person: people of a group stand in `people = […]` (in group `h`)"
    );
}

#[test]
fn one_who_is_in_a_list_twice_is_an_error() {
    assert_eq!(
        beside_alice("groups.g.people = ['alice', 'alice']\ngroups.h.groups = ['g', 'g']"),
        "people.toml:2:29: `alice` is in group `g` twice: remove one\n\
         people.toml:3:25: `g` is in group `h` twice: remove one"
    );
}

#[test]
fn malformed_names_are_errors_that_say_what_to_write() {
    assert_eq!(
        wrong(
            "people.'alice example'.name = 'Alice'\npeople.''.name = 'B'\ngroups.'a b'.people = []\npeople.x.name = \"a\\u202Eb\"\n"
        ),
        "people.toml:1:8: the person id `alice example` has the character ' ': use ASCII letters, digits and `_-.@+`, such as `alice`\n\
         people.toml:2:8: the person id is empty: give it a name such as `alice`\n\
         people.toml:3:8: group `a b` is empty, and nobody could ever agree for it: name its `people` or `groups`, or remove it\n\
         people.toml:3:8: the group id `a b` has the character ' ': use ASCII letters, digits and `_-.@+/:`, such as `senior-engineers`\n\
         people.toml:4:17: the name `a\\u{202e}b` cannot be shown: write up to 256 bytes without control and invisible characters"
    );
}

#[test]
fn values_of_the_wrong_type_are_errors_that_say_which_is_right() {
    assert_eq!(
        wrong(
            "groups = 3\n[people.a]\nname = 1\nactive = 'no'\n[people.b]\nidentities = 'slack'\n[people]\nc = true\n[agents.x]\nowners = 'a'\n"
        ),
        "people.toml:1:10: `groups` cannot be this number: write a table, such as `[people.alice]`\n\
         people.toml:3:8: `name` cannot be this number: write a text in quotes\n\
         people.toml:4:10: `active` cannot be a text: write `true` or `false`\n\
         people.toml:6:14: `identities` cannot be a text: write `[[people.….identities]]` with `channel`, `tenant` and `user`\n\
         people.toml:8:5: `c` cannot be `true` or `false`: write a table, such as `[people.alice]`\n\
         people.toml:10:10: `owners` cannot be a text: write a list, such as `[\"alice\", \"bob\"]`"
    );
}

#[test]
fn identities_that_their_channel_does_not_have_are_errors() {
    for (identity, told) in [
        (
            "{ channel = 'slack', user = 'U1' }",
            "tenant `` is no id of a Slack workspace or organisation: write the team id, such as `T024BE7LD`",
        ),
        (
            "{ channel = 'slack', tenant = 'T1', user = '@alice' }",
            "user `@alice` is no Slack user id: write the member id, such as `U061F7AUR`, and never a name",
        ),
        (
            "{ channel = 'slack-eu', tenant = 'T1', user = 'alice' }",
            "user `alice` is no Slack user id: write the member id, such as `U061F7AUR`, and never a name",
        ),
        (
            "{ channel = 'teams', tenant = '72F988BF-86F1-41AF-91AB-2D7CD011DB47', user = '3f2504e0-4f89-41d3-9a0c-0305e82c3301' }",
            "tenant `72F988BF-86F1-41AF-91AB-2D7CD011DB47` is no Microsoft Entra object id: write it in lower case, such as `3f2504e0-4f89-41d3-9a0c-0305e82c3301`",
        ),
        (
            "{ channel = 'teams', tenant = '72f988bf-86f1-41af-91ab-2d7cd011db47', user = 'alice@example.com' }",
            "user `alice@example.com` is no Microsoft Entra object id: write it in lower case, such as `3f2504e0-4f89-41d3-9a0c-0305e82c3301`",
        ),
        (
            "{ channel = 'http', user = ' alice' }",
            "user ` alice` has a character that no id has: write the channel's immutable id, in printable ASCII without spaces around it",
        ),
        (
            "{ channel = 'http', user = '' }",
            "the identity has no `user`: write the channel's immutable user id",
        ),
    ] {
        let file = format!("[people.alice]\nidentities = [{identity}]");
        let found = wrong(&file);
        let found = found.split_once(": ").unwrap().1;
        assert_eq!(found, format!("{told} (an identity of person `alice`)"));
    }
    assert_eq!(
        wrong(
            "[people.alice]\nidentities = [{ channel = 'slack', tenant = 'T1' }, { channel = 1, user = 'x', name = 'y' }]"
        ),
        "people.toml:2:15: an identity of person `alice` has no `channel` or no `user`: write both, and the `tenant` where the channel has one\n\
         people.toml:2:65: `channel` cannot be this number: write a text in quotes\n\
         people.toml:2:80: an identity of person `alice` has no key `name`: it has `channel`, `tenant`, `user`"
    );
}

#[test]
fn one_identity_twice_for_the_same_person_is_an_error() {
    let told = wrong(
        "[people.alice]\nidentities = [{ channel = 'http', user = 'a' },\n { channel = 'http', user = 'a' }]",
    );
    assert_eq!(
        told,
        "people.toml:3:29: the identity `http::a` is there twice (line 2): remove one"
    );
}

#[test]
fn addresses_that_could_be_two_or_nobodys_are_errors() {
    for (address, told) in [
        ("alice", "has no `@`: write it as `alice@example.com`"),
        (
            "alice@",
            "has a malformed domain: write it as `alice@example.com`",
        ),
        (
            "@example.com",
            "has a malformed part before the `@`: write it as `alice@example.com`",
        ),
        (
            "a@b@example.com",
            "has a malformed domain: write it as `alice@example.com`",
        ),
        (
            "alice@example.com.",
            "has a malformed domain: write it as `alice@example.com`",
        ),
        (
            "al ice@example.com",
            "has a malformed part before the `@`: write it as `alice@example.com`",
        ),
        (
            "ali\u{212a}e@example.com",
            "has characters that are not ASCII: write an internationalised domain as `xn--…`",
        ),
        (
            "alice_gmail.com#EXT#@contoso.example",
            "is the name of a guest (`#EXT#`): guests do not vote, write the person's own address",
        ),
    ] {
        let found = wrong(&format!("people.alice.email = '{address}'"));
        assert_eq!(
            found,
            format!("people.toml:1:22: the e-mail address `{address}` {told}")
        );
    }
}

#[test]
fn an_address_that_is_another_persons_id_is_an_error() {
    assert_eq!(
        wrong("people.'alice@example.com'.name = 'Alice'\npeople.bob.email = 'Alice@example.com'"),
        "people.toml:2:20: the e-mail address `alice@example.com` of `bob` is the id of another person: correct one of them"
    );
    let own = crate::support::Folder::of("people.'a@example.com'.email = 'A@example.com'");
    assert_eq!(own.open().people().len(), 1);
}

#[test]
fn the_first_hundred_mistakes_are_told_and_the_others_counted() {
    let names: Vec<_> = (0..500).map(|n| format!("'nobody{n}'")).collect();
    let told = beside_alice(&format!("groups.g.people = [\n{}]", names.join(",\n")));
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), MAX_MISTAKES + 1);
    assert!(lines[0].starts_with("people.toml:3:1: `nobody0`"), "{told}");
    assert!(
        lines[99].starts_with("people.toml:102:1: `nobody99`"),
        "{told}"
    );
    assert_eq!(lines[100], "and 400 more");
}

#[test]
fn what_a_file_holds_is_shown_escaped_and_cut_in_messages() {
    let told = beside_alice(&format!(
        "groups.g.people = [\"\\u001b[31m{}\"]",
        "x".repeat(10_000)
    ));
    assert!(told.contains("`\\u{1b}[31mxxx"), "{told}");
    assert!(told.contains("x…`"), "{told}");
    assert!(told.len() < 300, "{told}");
}
