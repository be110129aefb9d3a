//! A server whose disk is full.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::review::{Limits, Record};
use approvals_core::store::{Filter, Opened};
use approvals_core::{Phase, RequestStore, StoreError};
use approvals_postgres::PostgresStore;
use approvals_testing::postgres::PrivateServer;
use approvals_testing::sample::Sample;
use approvals_testing::{FullDisk, SmallDisk};

use crate::support::{Place, ask, finished, sample, server_in, skip};

fn plenty(sample: Sample) -> Sample {
    sample.limits(Limits {
        pending: 100_000,
        asks_per_hour: 100_000,
        ..Limits::default()
    })
}

/// Asks until the store says that it cannot; returns what it acknowledged, and what it said.
async fn ask_until_full(store: &PostgresStore, about: &Sample) -> (Vec<Arc<Record>>, StoreError) {
    let mut asked = Vec::new();
    loop {
        let sample = about.clone().table(&format!("full {}", asked.len()));
        match store.open(sample.opening(), Vec::new()).await {
            Ok(Opened::Asked { record, .. }) => asked.push(record),
            Ok(other) => panic!("people should be asked: {other:?}"),
            Err(error) => return (asked, error),
        }
    }
}

/// Dropped in this order: the server before the disk that it is on.
struct Full {
    store: Arc<PostgresStore>,
    place: Place,
    server: PrivateServer,
    disk: SmallDisk,
}

async fn on_a_small_disk() -> Option<Full> {
    let Some(disk) = SmallDisk::mount(96).unwrap() else {
        skip("a small disk cannot be mounted by this user");
        return None;
    };
    let server = server_in(disk.path())?;
    let place = Place::at(server.url("postgres"));
    let store = place.builder().answer_within(Duration::from_secs(5));
    let store = Arc::new(store.connect().await.unwrap());
    Some(Full {
        disk,
        server,
        place,
        store,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_clear_error_and_what_was_acknowledged_is_there_when_there_is_room() {
    let Some(full) = on_a_small_disk().await else {
        return;
    };
    let Full {
        disk,
        server,
        place,
        store,
    } = &full;
    let about = plenty(sample(store).await);
    let before = ask(store, &about).await;
    let ballast = disk.fill().unwrap();
    let (mut acknowledged, error) = ask_until_full(store, &about).await;
    assert!(
        matches!(error, StoreError::Full(_) | StoreError::Unreachable(_)),
        "{error:?}"
    );
    acknowledged.push(before);
    fs::remove_file(&ballast).unwrap();
    restart(server);
    let store = place.store().await;
    for record in &acknowledged {
        let stands = store.read(record.id()).await.unwrap().unwrap();
        assert_eq!(*stands.record, **record);
    }
    // One that failed is there or not; none is there that nobody asked for.
    let everything = store.list(&Filter::default(), None, 100_000).await;
    let there = everything.unwrap().len();
    assert!(
        (acknowledged.len()..=acknowledged.len() + 1).contains(&there),
        "{there} of {}",
        acknowledged.len()
    );
    let record = finished(&store, &about.table("after")).await;
    assert_eq!(record.state.phase(), Phase::Succeeded);
}

/// A server that could not write what it had to may have stopped.
fn restart(server: &PrivateServer) {
    server.crash().unwrap();
    server.restart().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_runs_whose_start_is_not_stored() {
    let Some(full) = on_a_small_disk().await else {
        return;
    };
    let Full {
        disk,
        server,
        place,
        store,
    } = &full;
    let full = FullDisk::fill(Arc::<PostgresStore>::clone(store), disk).await;
    let full = full.unwrap();
    full.make_room().unwrap();
    restart(server);
    let store = place.store().await;
    full.has_every_start_in(store.as_ref()).await.unwrap();
}
