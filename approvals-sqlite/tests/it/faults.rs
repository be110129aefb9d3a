//! What goes wrong with files: a clear error, nothing released, nothing lost.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use approvals_core::store::{Filter, Opened};
use approvals_core::{RequestStore, StoreError};
use approvals_sqlite::{OpenError, SqliteStore};

use crate::support::{House, events, intended, message, sink, withdraw};

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_loses_nothing() {
    let house = House::new();
    let store = house.builder().largest(400 * 1024).open().await.unwrap();
    let sink = sink(&store).await;
    let mut asked = Vec::new();
    let limits = approvals_core::Limits {
        pending: 10_000,
        asks_per_hour: 10_000,
        ..approvals_core::Limits::default()
    };
    let mut sample = house.sample().table(&"x".repeat(2_000)).limits(limits);
    let refused = loop {
        match store.open(sample.opening(), vec![intended()]).await {
            Ok(Opened::Asked { record, .. }) => asked.push(record),
            other => break other,
        }
        sample = sample.table(&format!("{}{}", asked.len(), "x".repeat(2_000)));
        assert!(asked.len() < 1_000, "it is never full");
    };
    let Err(StoreError::Full(why)) = &refused else {
        panic!("it was {refused:?}");
    };
    assert!(
        why.contains("no room") && why.contains("free some"),
        "{why}"
    );
    assert!(!asked.is_empty());
    let listed = store.list(&Filter::default(), None, 1_000).await.unwrap();
    assert_eq!(listed, asked);
    let trail = events(&store, &sink).await;
    assert_eq!(trail.len(), asked.len());
    store.close().await;

    // With room again it goes on where it was, without a gap.
    let store = house.store().await;
    house.ask(&store, &sample).await;
    let numbers: Vec<u64> = events(&store, &sink)
        .await
        .iter()
        .map(|e| e.number)
        .collect();
    let last = u64::try_from(asked.len() + 1).unwrap();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_change_that_does_not_fit_takes_no_other_with_it() {
    let house = House::new();
    let store = house.builder().largest(400 * 1024).open().await.unwrap();
    let store = std::sync::Arc::new(store);
    let lock = house.lock();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let store = std::sync::Arc::clone(&store);
            let large = if n == 3 {
                "x".repeat(1_000_000)
            } else {
                n.to_string()
            };
            let opening = house.sample().table(&large).opening();
            tokio::spawn(async move { (n, store.open(opening, vec![intended()]).await) })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    lock.release();
    for task in tasks {
        match task.await.unwrap() {
            (3, Err(StoreError::Full(_))) => {}
            (n, Ok(Opened::Asked { .. })) => assert_ne!(n, 3),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        store
            .list(&Filter::default(), None, 10)
            .await
            .unwrap()
            .len(),
        7
    );
}

#[tokio::test]
async fn a_file_that_is_locked_for_too_long_is_an_error_and_nothing_is_done() {
    let house = House::new();
    let store = house
        .builder()
        .busy_timeout(Duration::from_millis(50))
        .open()
        .await
        .unwrap();
    let record = house.ask(&store, &house.sample()).await;
    let lock = house.lock();
    let swap = house.swap(&record, &withdraw());
    let told = store.compare_and_swap(swap.clone()).await.unwrap_err();
    assert!(
        matches!(&told, StoreError::Unreachable(why) if why.contains("locked by another process")),
        "{told}"
    );
    // Reading goes on.
    assert_eq!(
        store.read(record.id()).await.unwrap().unwrap().record,
        record
    );
    lock.release();
    assert_eq!(
        store.read(record.id()).await.unwrap().unwrap().record,
        record
    );
    store.compare_and_swap(swap).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_as_it_is() {
    let house = House::new();
    let text = "These are minutes of a meeting, and no database. ".repeat(100);
    std::fs::write(house.directory.file(), &text).unwrap();
    let told = house.builder().open().await.unwrap_err();
    assert!(matches!(told, OpenError::NotADatabase { .. }), "{told}");
    assert!(told.to_string().contains("not a SQLite database"), "{told}");
    assert_eq!(
        std::fs::read_to_string(house.directory.file()).unwrap(),
        text
    );
}

#[tokio::test]
async fn the_database_of_another_program_is_left_as_it_is() {
    let house = House::new();
    house.edit("CREATE TABLE customers (id INTEGER PRIMARY KEY)");
    let before = std::fs::read(house.directory.file()).unwrap();
    let told = house.builder().open().await.unwrap_err();
    assert!(matches!(told, OpenError::Foreign { .. }), "{told}");
    assert_eq!(std::fs::read(house.directory.file()).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_says_so_and_releases_nothing() {
    let house = House::new();
    let store = house.store().await;
    let record = house.ask(&store, &house.sample()).await;
    store.close().await;
    // Every page but the first, which has the list of tables.
    let mut bytes = std::fs::read(house.directory.file()).unwrap();
    for byte in bytes.iter_mut().skip(4096) {
        *byte = 0xa5;
    }
    std::fs::write(house.directory.file(), &bytes).unwrap();
    let told = match house.builder().open().await {
        Err(told @ OpenError::Damaged { .. }) => told.to_string(),
        Err(other) => panic!("{other}"),
        Ok(store) => {
            let swap = house.swap(&record, &withdraw());
            let told = message(store.compare_and_swap(swap).await);
            let read = message(store.read(record.id()).await);
            assert!(read.contains("damaged"), "{read}");
            told
        }
    };
    assert!(
        told.contains("damaged") && told.contains("backup"),
        "{told}"
    );
}

#[tokio::test]
async fn a_damaged_record_is_named_and_others_are_read() {
    let house = House::new();
    let store = house.store().await;
    let damaged = house.ask(&store, &house.sample()).await;
    let whole = house.ask(&store, &house.sample().table("orders")).await;
    house.edit(
        "UPDATE requests SET record = substr(record, 1, 100) WHERE record LIKE '%customers%'",
    );
    let told = message(store.read(damaged.id()).await);
    assert!(
        told.contains("damaged") && told.contains("backup"),
        "{told}"
    );
    assert!(told.contains(&damaged.id().to_string()), "{told}");
    assert_eq!(store.read(whole.id()).await.unwrap().unwrap().record, whole);
}

#[tokio::test]
async fn a_file_in_a_directory_that_does_not_exist_is_an_error() {
    let told = SqliteStore::open("/nowhere/at/all/requests.db")
        .await
        .unwrap_err();
    assert!(
        told.to_string().contains("/nowhere/at/all/requests.db"),
        "{told}"
    );
}

/// Root may write what nobody may, so that root runs it as somebody else.
#[tokio::test]
async fn a_file_that_cannot_be_written_is_an_error_and_nothing_is_done() {
    const FILE: &str = "APPROVALS_SQLITE_READ_ONLY";
    let name = "faults::a_file_that_cannot_be_written_is_an_error_and_nothing_is_done";
    if let Some(file) = std::env::var_os(FILE) {
        let told = SqliteStore::open(file).await.unwrap_err();
        assert!(matches!(told, OpenError::ReadOnly { .. }), "{told}");
        assert!(told.to_string().contains("needs to write"), "{told}");
        return;
    }
    let house = House::new();
    house.store().await.close().await;
    let before = std::fs::read(house.directory.file()).unwrap();
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&house.directory.file(), 0o444);
    set(house.directory.path(), 0o555);
    // A copy that somebody else may run.
    let program = house.directory.path().with_extension("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set(&program, 0o755);
    let mut child = std::process::Command::new(&program);
    child
        .args([name, "--exact", "--nocapture"])
        .env(FILE, house.directory.file())
        .current_dir("/");
    if std::fs::write(house.directory.path().join("probe"), "").is_ok() {
        let _ = std::fs::remove_file(house.directory.path().join("probe"));
        child.uid(65_534).gid(65_534);
    }
    let output = child.output();
    set(house.directory.path(), 0o755);
    let _ = std::fs::remove_file(&program);
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    assert_eq!(std::fs::read(house.directory.file()).unwrap(), before);
}

/// A clock that panics while it is told to: whatever a change is judged by may have a bug.
#[derive(Debug)]
struct Panicking(
    std::sync::Arc<approvals_testing::ManualClock>,
    std::sync::atomic::AtomicBool,
);

impl approvals_core::Clock for Panicking {
    fn now(&self) -> Result<approvals_core::Timestamp, approvals_core::ClockError> {
        let panics = self.1.load(std::sync::atomic::Ordering::Relaxed);
        assert!(!panics, "this clock panics when it is told to");
        self.0.now()
    }
}

#[tokio::test]
async fn a_change_that_panics_is_refused_and_the_next_one_is_carried_out() {
    let house = House::new();
    let clock = std::sync::Arc::new(Panicking(house.clock.clone(), false.into()));
    let store = house.builder().clock(clock.clone()).open().await.unwrap();
    let sink = sink(&store).await;
    let record = house.ask(&store, &house.sample()).await;
    let swap = house.swap(&record, &withdraw());
    clock.1.store(true, std::sync::atomic::Ordering::Relaxed);
    let told = message(store.compare_and_swap(swap.clone()).await);
    assert!(told.contains("panicked"), "{told}");
    clock.1.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(
        store.read(record.id()).await.unwrap().unwrap().record,
        record
    );
    store.compare_and_swap(swap).await.unwrap();
    assert_eq!(events(&store, &sink).await.len(), 2);
}
