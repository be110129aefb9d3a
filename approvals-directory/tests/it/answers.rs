//! What the directory answers.

use approvals_core::{ChannelIdentity, Directory as _, Members, Membership};
use approvals_directory::FileDirectory;

use crate::support::{Folder, PEOPLE, channel, group, person, slack};

#[tokio::test]
async fn of_a_group_that_is_not_there_membership_is_unknown() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    for (who, of, answer) in [
        ("alice", "engineers", Membership::Member),
        ("bob", "engineers", Membership::Member),
        ("alice", "leads", Membership::NotMember),
        ("nobody", "leads", Membership::NotMember),
        ("alice", "nowhere", Membership::Unknown),
    ] {
        let found = directory.membership(&person(who), &group(of)).await;
        assert_eq!(found.unwrap(), answer, "{who} in {of}");
    }
    let nowhere = directory.members(&group("nowhere")).await.unwrap();
    assert_eq!(nowhere, Members::NoSuchGroup);
}

#[tokio::test]
async fn whoever_has_left_neither_exists_nor_votes_nor_counts() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let carol = person("carol");
    assert!(!directory.exists(&carol).await.unwrap());
    assert_eq!(directory.person(&slack("UCAROL")).await.unwrap(), None);
    let identities = directory.identities(&carol, &channel("slack")).await;
    assert!(identities.unwrap().is_empty());
    let engineers = directory.members(&group("engineers")).await.unwrap();
    let expected = [person("alice"), person("bob")].into_iter().collect();
    assert_eq!(engineers, Members::Listed(expected));
    let owners = directory.owners(&"agent:exporter".parse().unwrap()).await;
    assert_eq!(owners.unwrap(), [person("bob")].into_iter().collect());
    // Kept, so that nobody else gets the id.
    let entries = directory.people();
    let entry = entries.iter().find(|entry| entry.person == carol).unwrap();
    assert!(!entry.active);
}

/// An account that is nobody's.
fn account(name: &str) -> ChannelIdentity {
    ChannelIdentity::new(channel(name), "T1", "UNEW")
}

/// Who has this address on `teams`, where nobody has an identity.
async fn found(directory: &FileDirectory, address: &str) -> Option<String> {
    let found = directory.by_email(&account("teams"), address).await;
    found.unwrap().map(|person| person.to_string())
}

#[tokio::test]
async fn an_address_finds_the_one_active_person_who_has_exactly_it() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    assert_eq!(
        found(&directory, "alice@example.com").await.as_deref(),
        Some("alice")
    );
    assert_eq!(
        found(&directory, "BOB@EXAMPLE.COM").await.as_deref(),
        Some("bob")
    );
    for address in [
        "carol@example.com",
        "alice@example.com ",
        "alice@example.co",
        "alice+work@example.com",
        "a.lice@example.com",
        "Alice Example <alice@example.com>",
        // The Kelvin sign and the long s, which fold to letters in Unicode.
        "alice@example.com\u{0}",
        "alice@e\u{17f}ample.com",
        "alice_example.com#EXT#@contoso.example",
        "",
    ] {
        assert_eq!(found(&directory, address).await, None, "{address:?}");
    }
}

#[tokio::test]
async fn an_address_finds_nobody_who_has_an_identity_on_the_channel() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let on = async |name, address| directory.by_email(&account(name), address).await.unwrap();
    assert_eq!(on("slack", "alice@example.com").await, None);
    assert_eq!(
        on("teams", "alice@example.com").await,
        Some(person("alice"))
    );
    // A link is an identity as well.
    assert_eq!(on("slack", "dave@example.com").await, Some(person("dave")));
    let code = directory
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap();
    directory
        .finish_link(&slack("UDAVE"), code.reveal())
        .unwrap();
    assert_eq!(on("slack", "dave@example.com").await, None);
}

#[tokio::test]
async fn an_account_that_is_somebodys_becomes_nobody_else_by_its_address() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    // Of somebody active, and of somebody who has left.
    for user in ["UALICE", "UCAROL"] {
        let found = directory.by_email(&slack(user), "dave@example.com").await;
        assert_eq!(found.unwrap(), None, "{user}");
    }
}

#[tokio::test]
async fn the_address_of_an_active_person_is_told_and_nobody_elses() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let of = async |name| directory.email(&person(name)).await.unwrap();
    assert_eq!(of("bob").await.as_deref(), Some("bob@example.com"));
    assert_eq!(of("carol").await, None);
    assert_eq!(of("nobody").await, None);
}

#[test]
fn debug_shows_no_people_and_no_codes() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let shown = format!("{directory:?}");
    assert!(!shown.contains("lice"), "{shown}");
    let code = directory
        .begin_link(&person("alice"), &channel("slack"))
        .unwrap();
    let shown = format!("{code:?}");
    assert!(!shown.contains(code.reveal()), "{shown}");
}

#[tokio::test]
async fn groups_that_are_nested_a_thousand_deep_are_groups() {
    use std::fmt::Write as _;
    let mut file = "people.alice.name = 'Alice'\ngroups.g0.people = ['alice']\n".to_owned();
    for n in 1..1000 {
        writeln!(file, "groups.g{n}.groups = ['g{}']", n - 1).unwrap();
    }
    let folder = Folder::of(&file);
    let directory = folder.open();
    let found = directory.membership(&person("alice"), &group("g999")).await;
    assert_eq!(found.unwrap(), Membership::Member);
}
