//! An identity is linked by a code that was shown to the person and came from the account.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::{Clock as _, Directory as _};
use approvals_directory::{FileDirectory, Link};
use approvals_testing::ManualClock;

use crate::support::{Folder, PEOPLE, channel, person, slack};

#[tokio::test]
async fn a_code_that_comes_from_an_account_links_it_and_stays_so_after_a_restart() {
    let folder = Folder::of(PEOPLE);
    let clock = Arc::new(ManualClock::new());
    let directory = folder.at(&clock).open().unwrap();
    assert_eq!(directory.person(&slack("UDAVE")).await.unwrap(), None);
    let code = directory
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap();
    let ten_minutes = Duration::from_secs(600);
    assert_eq!(code.expires(), clock.now().unwrap().plus(ten_minutes));
    let linked = directory
        .finish_link(&slack("UDAVE"), code.reveal())
        .unwrap();
    assert_eq!(linked, person("dave"));
    let expected = Link {
        person: person("dave"),
        identity: slack("UDAVE"),
        at: clock.now().unwrap(),
    };
    for directory in [directory, folder.open()] {
        let found = directory.person(&slack("UDAVE")).await.unwrap();
        assert_eq!(found, Some(person("dave")));
        let listed = directory
            .identities(&person("dave"), &channel("slack"))
            .await;
        assert_eq!(listed.unwrap(), [slack("UDAVE")]);
        assert_eq!(directory.links(), std::slice::from_ref(&expected));
        assert_eq!(directory.status().stale, None);
    }
}

#[tokio::test]
async fn a_code_of_one_process_is_good_in_another() {
    let folder = Folder::of(PEOPLE);
    let (server, command) = (folder.open(), folder.open());
    let code = command
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap();
    server.finish_link(&slack("UDAVE"), code.reveal()).unwrap();
    let found = server.person(&slack("UDAVE")).await.unwrap();
    assert_eq!(found, Some(person("dave")));
    assert_eq!(command.person(&slack("UDAVE")).await.unwrap(), None);
    command.reload().unwrap();
    let found = command.person(&slack("UDAVE")).await.unwrap();
    assert_eq!(found, Some(person("dave")));
}

#[tokio::test]
async fn a_channel_links_through_the_port_what_is_linked_here() {
    let folder = Folder::of(PEOPLE);
    let directory: Arc<dyn approvals_core::Directory> = Arc::new(folder.open());
    let code = folder
        .open()
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap();
    let wrong = directory.link_by_code(&slack("UDAVE"), "nonsense").await;
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "this code is wrong, was used before or has expired: ask for a new one"
    );
    let linked = directory.link_by_code(&slack("UDAVE"), code.reveal()).await;
    assert_eq!(linked.unwrap(), person("dave"));
    assert_eq!(folder.open().links().len(), 1);
}

#[test]
fn however_a_code_is_typed_it_is_the_same_code() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    for (number, typing) in [
        |code: &str| code.to_lowercase(),
        |code: &str| code.replace('-', ""),
        |code: &str| format!("  {}\n", code.replace('-', " ")),
        |code: &str| code.replace('0', "O").replace('1', "l"),
    ]
    .iter()
    .enumerate()
    {
        let code = directory
            .begin_link(&person("dave"), &channel("slack"))
            .unwrap();
        let account = slack(&format!("UDAVE{number}"));
        directory
            .finish_link(&account, &typing(code.reveal()))
            .unwrap();
    }
    assert_eq!(directory.links().len(), 4);
}

#[test]
fn the_links_file_holds_no_code_and_is_its_owners_alone() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = directory
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap();
    let kept = fs::read_to_string(folder.links()).unwrap().to_uppercase();
    assert!(kept.contains("SHA256"));
    assert!(!kept.contains(code.reveal()));
    assert!(!kept.contains(&code.reveal().replace('-', "")));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.links()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn codes_differ_and_have_130_bits() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let mut seen = std::collections::BTreeSet::new();
    let mut letters = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let code = directory
            .begin_link(&person("dave"), &channel("slack"))
            .unwrap();
        let text = code.reveal().replace('-', "");
        assert_eq!(text.len(), 26);
        letters.extend(text.bytes());
        assert!(seen.insert(text));
    }
    assert_eq!(letters.len(), 32);
}

#[tokio::test]
async fn a_link_that_is_removed_links_nobody() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = directory
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap();
    directory
        .finish_link(&slack("UDAVE"), code.reveal())
        .unwrap();
    assert!(directory.unlink(&slack("UDAVE")).unwrap());
    assert!(!directory.unlink(&slack("UDAVE")).unwrap());
    for directory in [directory, folder.open()] {
        assert_eq!(directory.person(&slack("UDAVE")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_link_can_be_removed_while_the_people_file_is_broken() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = directory
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap();
    directory
        .finish_link(&slack("UDAVE"), code.reveal())
        .unwrap();
    folder.write("[people");
    assert!(directory.unlink(&slack("UDAVE")).unwrap());
    assert_eq!(directory.person(&slack("UDAVE")).await.unwrap(), None);
    let alice = directory.person(&slack("UALICE")).await.unwrap();
    assert_eq!(alice, Some(person("alice")));
}

#[tokio::test]
async fn whoever_is_added_again_under_an_id_does_not_inherit_its_links() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let code = directory
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap();
    directory
        .finish_link(&slack("UDAVE"), code.reveal())
        .unwrap();
    let without_dave = PEOPLE.replace("[people.dave]", "[people.erin]");
    folder.write(&without_dave.replace("dave@", "erin@"));
    directory.reload().unwrap();
    assert_eq!(directory.person(&slack("UDAVE")).await.unwrap(), None);
    // The next change of the links forgets what is nobody's.
    directory
        .begin_link(&person("erin"), &channel("slack"))
        .unwrap();
    folder.write(PEOPLE);
    directory.reload().unwrap();
    assert_eq!(directory.person(&slack("UDAVE")).await.unwrap(), None);
    assert!(directory.links().is_empty());
}

#[test]
fn of_writers_in_several_threads_none_loses_what_another_wrote() {
    let folder = Folder::of(PEOPLE);
    // As several processes would: each with its own directory, and its own lock.
    let one_by_one = |writer: usize| {
        let directory = folder.open();
        for number in 0..5 {
            let name = channel(&format!("chat{writer}"));
            let code = directory.begin_link(&person("dave"), &name).unwrap();
            let account = approvals_core::ChannelIdentity::new(name, "", &format!("dave{number}"));
            directory.finish_link(&account, code.reveal()).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for writer in 0..4 {
            scope.spawn(move || one_by_one(writer));
        }
    });
    assert_eq!(folder.open().links().len(), 20);
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["links.toml", "links.toml.lock", "people.toml"]);
}

#[tokio::test]
async fn what_a_writer_left_who_was_killed_is_no_obstacle() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    // Half of a file that was never renamed, and a lock that ended with its process.
    fs::write(
        folder.path().join("links.toml.new"),
        "[[links]]\nperson = 'mall",
    )
    .unwrap();
    fs::write(folder.path().join("links.toml.lock"), "").unwrap();
    let code = directory
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap();
    directory
        .finish_link(&slack("UDAVE"), code.reveal())
        .unwrap();
    assert!(!folder.path().join("links.toml.new").exists());
    let found = folder.open().person(&slack("UDAVE")).await.unwrap();
    assert_eq!(found, Some(person("dave")));
}

#[test]
fn links_can_be_kept_elsewhere_than_beside_a_file_that_is_mounted() {
    let (folder, elsewhere) = (Folder::of(PEOPLE), Folder::new());
    let opening = FileDirectory::at(folder.people()).links(elsewhere.links());
    let directory = opening.open().unwrap();
    directory
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap();
    assert!(elsewhere.links().exists());
    assert!(!folder.links().exists());
}
