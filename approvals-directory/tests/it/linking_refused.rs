//! What does not link.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::{ChannelIdentity, ClockError, Directory as _};
use approvals_directory::{FileDirectory, LinkCode, LinkError};
use approvals_testing::ManualClock;

use crate::support::{Folder, PEOPLE, channel, person, slack};

fn begun(directory: &FileDirectory, who: &str) -> LinkCode {
    let begun = directory.begin_link(&person(who), &channel("slack"));
    begun.unwrap()
}

fn refused(directory: &FileDirectory, account: &ChannelIdentity, code: &str) -> LinkError {
    directory.finish_link(account, code).unwrap_err()
}

#[tokio::test]
async fn any_account_could_be_linked_without_proof_of_possession() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    // Whoever says that an account is theirs is believed nothing: not without a code,
    let refusal = refused(&directory, &slack("UMALLORY"), "dave");
    assert!(matches!(refusal, LinkError::WrongCode));
    // and not with one that looks like it.
    let code = begun(&directory, "dave");
    let last = if code.reveal().ends_with('0') {
        '1'
    } else {
        '0'
    };
    let guess = format!("{}{last}", &code.reveal()[..code.reveal().len() - 1]);
    let refusal = refused(&directory, &slack("UMALLORY"), &guess);
    assert!(matches!(refusal, LinkError::WrongCode));
    let found = directory.person(&slack("UMALLORY")).await.unwrap();
    assert_eq!(found, None);
}

#[test]
fn a_code_links_once() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = begun(&directory, "dave");
    directory
        .finish_link(&slack("UDAVE"), code.reveal())
        .unwrap();
    let again = refused(&directory, &slack("UMALLORY"), code.reveal());
    assert!(matches!(again, LinkError::WrongCode));
    assert_eq!(
        again.to_string(),
        "this code is wrong, was used before or has expired: ask for a new one"
    );
}

#[tokio::test]
async fn a_code_that_others_could_read_links_nothing_and_the_others_stay_good() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let hearing = folder.open();
    let (read, other) = (begun(&directory, "dave"), begun(&directory, "alice"));
    // By whichever process hears of it first, also while the people file is broken.
    folder.write("[people");
    hearing.spend_code(read.reveal()).await.unwrap();
    assert!(!directory.revoke_code(read.reveal()).unwrap());
    assert!(!directory.revoke_code("nonsense").unwrap());
    folder.write(PEOPLE);
    let refusal = refused(&directory, &slack("UMALLORY"), read.reveal());
    assert!(matches!(refusal, LinkError::WrongCode));
    directory
        .finish_link(&slack("UALICE"), other.reveal())
        .unwrap();
}

#[tokio::test]
async fn a_code_that_could_not_be_ended_is_not_said_to_be() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = begun(&directory, "dave");
    fs::write(folder.links(), "[links").unwrap();
    assert!(directory.spend_code(code.reveal()).await.is_err());
}

#[test]
fn a_code_that_has_expired_links_nothing() {
    let folder = Folder::of(PEOPLE);
    let clock = Arc::new(ManualClock::new());
    let directory = folder
        .at(&clock)
        .code_valid_for(Duration::from_secs(60))
        .open()
        .unwrap();
    let late = begun(&directory, "dave");
    clock.advance(Duration::from_millis(60_000));
    let refusal = refused(&directory, &slack("UDAVE"), late.reveal());
    assert!(matches!(refusal, LinkError::Expired));
    let in_time = begun(&directory, "dave");
    clock.advance(Duration::from_millis(59_999));
    directory
        .finish_link(&slack("UDAVE"), in_time.reveal())
        .unwrap();
}

#[test]
fn a_later_code_ends_an_earlier_one_of_the_same_person() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let (earlier, later) = (begun(&directory, "dave"), begun(&directory, "dave"));
    let refusal = refused(&directory, &slack("UDAVE"), earlier.reveal());
    assert!(matches!(refusal, LinkError::WrongCode));
    directory
        .finish_link(&slack("UDAVE"), later.reveal())
        .unwrap();
}

#[test]
fn a_code_of_one_channel_links_nothing_on_another_and_stays_good() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = begun(&directory, "dave");
    let elsewhere = ChannelIdentity::new(channel("http"), "", "dave");
    let refusal = refused(&directory, &elsewhere, code.reveal());
    assert!(matches!(refusal, LinkError::OtherChannel(ref right) if *right == channel("slack")));
    directory
        .finish_link(&slack("UDAVE"), code.reveal())
        .unwrap();
}

#[tokio::test]
async fn an_identity_of_somebody_else_is_not_linked_to_a_second_person() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = begun(&directory, "dave");
    // From the file, also of somebody who left.
    for (account, owner) in [("UALICE", "alice"), ("UCAROL", "carol")] {
        let refusal = refused(&directory, &slack(account), code.reveal());
        assert!(matches!(refusal, LinkError::Taken(ref taken) if *taken == person(owner)));
        assert!(!refusal.to_string().contains(owner), "{refusal}");
    }
    // And from a link.
    directory
        .finish_link(&slack("UDAVE"), code.reveal())
        .unwrap();
    let code = begun(&directory, "alice");
    let refusal = refused(&directory, &slack("UDAVE"), code.reveal());
    assert!(matches!(refusal, LinkError::Taken(_)));
    let found = directory.person(&slack("UDAVE")).await.unwrap();
    assert_eq!(found, Some(person("dave")));
}

#[test]
fn an_identity_that_is_the_persons_already_is_linked_once() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = begun(&directory, "alice");
    let linked = directory.finish_link(&slack("UALICE"), code.reveal());
    assert_eq!(linked.unwrap(), person("alice"));
    assert!(directory.links().is_empty());
    folder.open();
}

#[test]
fn nobody_who_is_unknown_or_has_left_is_linked() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    for who in ["carol", "nobody"] {
        let refusal = directory
            .begin_link(&person(who), &channel("slack"))
            .unwrap_err();
        assert!(matches!(refusal, LinkError::UnknownPerson(_)), "{who}");
    }
    // Nor who leaves in between.
    let code = begun(&directory, "dave");
    folder.write(&PEOPLE.replace("name = \"Dave Example\"", "active = false"));
    let refusal = refused(&directory, &slack("UDAVE"), code.reveal());
    assert!(matches!(refusal, LinkError::UnknownPerson(_)));
}

#[test]
fn what_is_no_code_is_a_wrong_code() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = begun(&directory, "dave");
    let right = code.reveal();
    let longer = format!("{right}0");
    let endless = "0".repeat(1_000_000);
    for typed in [
        "",
        "0",
        &right[1..],
        &longer,
        &endless,
        "../../etc/passwd",
        "ÄÖÜ",
        "00000-00000-00000-00000-00000-0",
    ] {
        let refusal = refused(&directory, &slack("UDAVE"), typed);
        assert!(matches!(refusal, LinkError::WrongCode));
    }
}

#[test]
fn an_account_that_its_channel_does_not_have_is_not_linked() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = begun(&directory, "dave");
    for account in [slack("dave"), slack(""), slack("U1\n[[links]]")] {
        let refusal = refused(&directory, &account, code.reveal());
        assert!(matches!(refusal, LinkError::Malformed(_)), "{account}");
    }
}

#[test]
fn nothing_is_linked_when_the_clock_fails() {
    let folder = Folder::of(PEOPLE);
    let clock = Arc::new(ManualClock::new());
    let directory = folder.at(&clock).open().unwrap();
    let code = begun(&directory, "dave");
    clock.fail(Some(ClockError::Unreadable("no".to_owned())));
    let refusal = refused(&directory, &slack("UDAVE"), code.reveal());
    assert!(matches!(refusal, LinkError::Clock(_)));
    let refusal = directory
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap_err();
    assert!(matches!(refusal, LinkError::Clock(_)));
}

#[test]
fn nothing_is_linked_while_a_file_is_broken() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = begun(&directory, "dave");
    folder.write("[people");
    let refusal = refused(&directory, &slack("UDAVE"), code.reveal());
    assert!(matches!(refusal, LinkError::Broken(_)));
    folder.write(PEOPLE);
    let links = fs::read_to_string(folder.links()).unwrap();
    fs::write(folder.links(), "links = 3").unwrap();
    let refusal = refused(&directory, &slack("UDAVE"), code.reveal());
    assert!(matches!(refusal, LinkError::Broken(_)));
    fs::write(folder.links(), links).unwrap();
    directory
        .finish_link(&slack("UDAVE"), code.reveal())
        .unwrap();
}

#[tokio::test]
async fn a_link_that_cannot_be_written_does_not_hold() {
    let folder = Folder::of(PEOPLE);
    let links = folder.path().join("gone").join("links.toml");
    fs::create_dir(links.parent().unwrap()).unwrap();
    let opening = FileDirectory::at(folder.people()).links(&links);
    let directory = opening.open().unwrap();
    let code = begun(&directory, "dave");
    fs::remove_dir_all(links.parent().unwrap()).unwrap();
    let refusal = refused(&directory, &slack("UDAVE"), code.reveal());
    assert!(matches!(refusal, LinkError::Unwritable(_)), "{refusal:?}");
    assert_eq!(directory.person(&slack("UDAVE")).await.unwrap(), None);
}

#[test]
fn a_links_file_with_an_identity_of_two_people_does_not_load() {
    let folder = Folder::of(PEOPLE);
    let link = |person: &str, user: &str| {
        format!(
            "[[links]]\nperson = '{person}'\nchannel = 'slack'\ntenant = 'T1'\nuser = '{user}'\nlinked_at = 1\n"
        )
    };
    let links = [
        link("dave", "UBOB"),
        link("dave", "UDAVE"),
        link("alice", "UDAVE"),
        "[[links]]\nperson = 'a b'\nnote = ''\n[[codes]]\nperson = 'dave'\nchannel = 'slack'\nsha256 = 'x'\nexpires_at = -1\n".to_owned(),
    ];
    fs::write(folder.links(), links.concat()).unwrap();
    let error = FileDirectory::open(folder.people()).unwrap_err();
    assert_eq!(
        folder.told(&error),
        "links.toml:5:8: the identity `slack:T1:UBOB` is linked to `dave`, and the people file gives it to `bob`: remove one of both\n\
         links.toml:17:8: the identity `slack:T1:UDAVE` is linked to `dave` already: remove one of the links\n\
         links.toml:19:1: an identity of a link has no `channel` or no `user`: write both, and the `tenant` where the channel has one\n\
         links.toml:20:10: the person id `a b` has the character ' ': use ASCII letters, digits and `_-.@+`, such as `alice`\n\
         links.toml:21:1: a link has no key `note`: it has `person`, `channel`, `tenant`, `user`, `linked_at`\n\
         links.toml:26:14: `expires_at` cannot be this number: write a number that is not negative"
    );
}

#[test]
fn links_that_could_not_be_read_again_are_not_written() {
    let folder = Folder::of(PEOPLE);
    let link =
        |n| format!("{{person='dave',channel='slack',tenant='T1',user='U{n}',linked_at=0}},");
    // Somebody wrote them shorter than the program does.
    let links: String = (0..20_000).map(link).collect();
    let links = format!("links = [{links}]");
    fs::write(folder.links(), &links).unwrap();
    let directory = folder.open();
    let refused = directory.begin_link(&person("dave"), &channel("slack"));
    let refused = refused.unwrap_err();
    assert!(matches!(refused, LinkError::Unwritable(_)), "{refused:?}");
    assert_eq!(fs::read_to_string(folder.links()).unwrap(), links);
    // What is there still is read, now and after a restart.
    directory.reload().unwrap();
    folder.open();
}
