//! The task that looks whether files have changed, under paused time.

use std::fs;
use std::time::Duration;

use approvals_core::Directory as _;
use approvals_directory::FileDirectory;
use tokio::time::sleep;

use crate::support::{Folder, PEOPLE, channel, person, slack};

const EVERY: Duration = Duration::from_secs(5);
/// Long enough for a change to be found, and to be found the same.
const A_WHILE: Duration = Duration::from_secs(12);

async fn exists(directory: &FileDirectory, who: &str) -> bool {
    directory.exists(&person(who)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_is_loaded_and_a_broken_one_is_not() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let watching = tokio::spawn(directory.watch(EVERY));
    let with_erin = PEOPLE.replace("[people.dave]", "[people.erin]");
    folder.write(&with_erin);
    sleep(A_WHILE).await;
    assert!(exists(&directory, "erin").await);
    folder.write("[people");
    sleep(A_WHILE).await;
    assert!(exists(&directory, "erin").await);
    let why = directory.status().stale.unwrap().why;
    assert!(folder.told(&why).starts_with("people.toml:1:8: "), "{why}");
    // As it was before it was broken: nothing to load, and no longer stale.
    folder.write(&with_erin);
    sleep(A_WHILE).await;
    assert_eq!(directory.status().stale, None);
    fs::remove_file(folder.people()).unwrap();
    sleep(A_WHILE).await;
    assert!(directory.status().stale.is_some());
    folder.write(PEOPLE);
    sleep(A_WHILE).await;
    assert_eq!(directory.status().stale, None);
    assert!(exists(&directory, "dave").await);
    assert!(!watching.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_another_process_made_is_found() {
    let folder = Folder::of(PEOPLE);
    let (server, command) = (folder.open(), folder.open());
    tokio::spawn(server.watch(EVERY));
    let code = command
        .begin_link(&person("dave"), &channel("slack"))
        .unwrap();
    command.finish_link(&slack("UDAVE"), code.reveal()).unwrap();
    assert_eq!(server.person(&slack("UDAVE")).await.unwrap(), None);
    sleep(A_WHILE).await;
    let found = server.person(&slack("UDAVE")).await.unwrap();
    assert_eq!(found, Some(person("dave")));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_still_being_written_is_not_taken_for_all_of_it() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    tokio::spawn(directory.watch(EVERY));
    let whole = format!("{PEOPLE}\n[people.erin]\nname = 'Erin'\nactive = false\n");
    // Each part would load, with Erin active.
    let part = whole.strip_suffix("active = false\n").unwrap();
    folder.write(part);
    // The first look is after five seconds, the second half a second later.
    sleep(EVERY + Duration::from_millis(250)).await;
    folder.write(&format!("{part}# more to come\n"));
    sleep(Duration::from_millis(500)).await;
    assert!(!exists(&directory, "erin").await);
    folder.write(&whole);
    sleep(A_WHILE).await;
    assert!(!exists(&directory, "erin").await);
    assert_eq!(directory.status().stale, None);
    assert!(
        directory
            .people()
            .iter()
            .any(|one| one.person == person("erin"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_watch_ends_with_the_directory() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let watching = tokio::spawn(directory.watch(Duration::ZERO));
    sleep(EVERY).await;
    assert!(!watching.is_finished());
    drop(directory);
    watching.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_somebody_found_half_written_is_not_stale_when_it_is_whole_again() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    tokio::spawn(directory.watch(EVERY));
    sleep(A_WHILE).await;
    // Between two looks: truncated, read by somebody, and written again with the same contents.
    folder.write("[people");
    directory.reload().unwrap_err();
    folder.write(PEOPLE);
    assert!(directory.status().stale.is_some());
    sleep(A_WHILE).await;
    assert_eq!(directory.status().stale, None);
}
