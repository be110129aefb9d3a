//! Files that change while they are used.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use approvals_core::{Clock as _, ClockError, Directory as _, Requester, Whom};
use approvals_directory::{FileDirectory, Reloaded};
use approvals_testing::ManualClock;

use crate::support::{Folder, PEOPLE, group, person, slack};

async fn exists(directory: &FileDirectory, who: &str) -> bool {
    directory.exists(&person(who)).await.unwrap()
}

#[tokio::test]
async fn what_a_file_says_holds_once_it_is_loaded_again() {
    let folder = Folder::of(PEOPLE);
    let clock = Arc::new(ManualClock::new());
    let directory = folder.at(&clock).open().unwrap();
    let opened = clock.now().unwrap();
    clock.advance(Duration::from_secs(60));
    assert_eq!(directory.reload().unwrap(), Reloaded::Unchanged);
    assert_eq!(directory.status().loaded_at, Some(opened));
    folder.write(&PEOPLE.replace("name = \"Dave Example\"", "active = false"));
    assert!(exists(&directory, "dave").await);
    assert_eq!(directory.reload().unwrap(), Reloaded::Changed);
    assert!(!exists(&directory, "dave").await);
    assert_eq!(directory.status().loaded_at, clock.now().ok());
    // Clones are the same directory.
    let clone = directory.clone();
    folder.write(PEOPLE);
    clone.reload().unwrap();
    assert!(exists(&directory, "dave").await);
}

#[tokio::test]
async fn a_broken_file_leaves_what_was_known_and_says_since_when_and_why() {
    let folder = Folder::of(PEOPLE);
    let clock = Arc::new(ManualClock::new());
    let directory = folder.at(&clock).open().unwrap();
    let since = clock.now().unwrap();
    folder.write("[groups.leads]\npeople = ['nobody']");
    let error = directory.reload().unwrap_err();
    assert_eq!(
        folder.told(&error),
        "people.toml:2:11: `nobody` is nobody: add the person as `[people.…]`, or correct the name (in group `leads`)"
    );
    assert!(exists(&directory, "dave").await);
    clock.advance(Duration::from_secs(60));
    // Broken in another way, it is still broken since then.
    fs::remove_file(folder.people()).unwrap();
    let error = directory.reload().unwrap_err();
    let stale = directory.status().stale.unwrap();
    assert_eq!(stale.since, Some(since));
    assert_eq!(stale.why, error);
    assert!(exists(&directory, "dave").await);
    // Repaired as it was.
    folder.write(PEOPLE);
    assert_eq!(directory.reload().unwrap(), Reloaded::Unchanged);
    assert_eq!(directory.status().stale, None);
}

#[test]
fn a_broken_file_is_an_error_in_the_log() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        directory.reload().unwrap();
        assert_eq!(log.errors(), 0);
        folder.write("[people");
        directory.reload().unwrap_err();
        assert_eq!(log.errors(), 1);
    });
}

/// Counts errors.
#[derive(Debug, Clone, Default)]
struct Log(Arc<AtomicUsize>);

impl Log {
    fn errors(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_broken_links_file_leaves_everything_as_it_was() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    folder.write(&PEOPLE.replace("[people.dave]", "[people.erin]"));
    fs::write(folder.links(), "[[links]]").unwrap();
    let error = directory.reload().unwrap_err();
    assert!(folder.told(&error).starts_with("links.toml:1:1: "));
    assert!(exists(&directory, "dave").await);
    assert!(!exists(&directory, "erin").await);
}

#[test]
fn what_is_wrong_with_either_file_is_told_at_once() {
    let folder = Folder::of("[people.alice]");
    fs::write(folder.links(), "links = 1").unwrap();
    let error = FileDirectory::open(folder.people()).unwrap_err();
    let told = folder.told(&error);
    let files: Vec<_> = told.lines().map(|line| &line[..11]).collect();
    assert_eq!(files, ["people.toml", "links.toml:"]);
}

#[tokio::test]
async fn people_that_are_stale_for_too_long_are_nobody() {
    let folder = Folder::of(PEOPLE);
    let clock = Arc::new(ManualClock::new());
    let limit = Duration::from_secs(3600);
    let opening = folder.at(&clock).stale_for_at_most(limit);
    let directory = opening.open().unwrap();
    folder.write("[people");
    directory.reload().unwrap_err();
    clock.advance(limit);
    assert!(exists(&directory, "dave").await);
    clock.advance(Duration::from_millis(1));
    let error = directory.exists(&person("dave")).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("has been broken for more than"), "{said}");
    let requester = Requester::person("dave").unwrap();
    let whom = Whom {
        requester: &requester,
        identities: &[&slack("UBOB")],
        groups: &[],
    };
    assert!(directory.resolve(&whom).await.is_err());
    let by_email = directory.by_email(&slack("U1"), "dave@example.com").await;
    assert!(by_email.is_err());
    assert!(directory.email(&person("dave")).await.is_err());
    folder.write(PEOPLE);
    directory.reload().unwrap();
    assert!(exists(&directory, "dave").await);
}

#[tokio::test]
async fn while_the_clock_fails_stale_people_are_nobody_where_there_is_a_limit() {
    let folder = Folder::of(PEOPLE);
    let clock = Arc::new(ManualClock::new());
    let opening = folder.at(&clock);
    let directory = opening
        .stale_for_at_most(Duration::from_secs(3600))
        .open()
        .unwrap();
    clock.fail(Some(ClockError::Unreadable("no".to_owned())));
    assert!(exists(&directory, "dave").await);
    folder.write("[people");
    directory.reload().unwrap_err();
    assert!(directory.exists(&person("dave")).await.is_err());
}

/// A file in which everybody is in one group, and their identities carry its number.
fn version(number: u32) -> String {
    format!(
        "[people.alice]\nidentities = [{{ channel = 'slack', tenant = 'T1', user = 'UA{number}' }}]\n\
         [people.bob]\nidentities = [{{ channel = 'slack', tenant = 'T1', user = 'UB{number}' }}]\n\
         [groups.g{number}]\npeople = ['alice', 'bob']\n\
         [agents.exporter]\nowners = ['{}']\n",
        ["alice", "bob"][number as usize % 2]
    )
}

#[test]
fn everything_that_is_asked_at_once_is_answered_from_one_version() {
    let folder = Folder::of(&version(0));
    let directory = folder.open();
    let done = AtomicBool::new(false);
    let identities = [slack("UA0"), slack("UB0"), slack("UA1"), slack("UB1")];
    let identities: Vec<_> = identities.iter().collect();
    let (even, odd) = (group("g0"), group("g1"));
    let requester = Requester::agent("exporter").unwrap();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let runtime = runtime();
                    let mut seen = [0_u32; 2];
                    while !done.load(Ordering::Relaxed) || seen.contains(&0) {
                        let whom = Whom {
                            requester: &requester,
                            identities: &identities,
                            groups: &[&even, &odd],
                        };
                        let found = runtime.block_on(directory.resolve(&whom)).unwrap();
                        let voters: Vec<_> = found
                            .voters
                            .iter()
                            .map(|voter| voter.as_ref().map(|one| one.groups.as_slice().to_vec()))
                            .collect();
                        let chain = found.chain.unwrap();
                        let owner = chain.as_slice()[0].as_str();
                        let (in_even, in_odd) = (Some(vec![even.clone()]), Some(vec![odd.clone()]));
                        let is_even = [in_even.clone(), in_even, None, None];
                        let is_odd = [None, None, in_odd.clone(), in_odd];
                        match owner {
                            "alice" => assert_eq!(voters, is_even),
                            _ => assert_eq!(voters, is_odd),
                        }
                        seen[usize::from(owner == "bob")] += 1;
                    }
                })
            })
            .collect();
        for number in 1..200 {
            folder.write(&version(number % 2));
            directory.reload().unwrap();
            std::thread::yield_now();
        }
        // Whoever has not seen one of both yet gets to see it.
        done.store(true, Ordering::Relaxed);
        let mut number = 0;
        while readers.iter().any(|reader| !reader.is_finished()) {
            folder.write(&version(number % 2));
            directory.reload().unwrap();
            number += 1;
        }
    });
}
