//! Several stores on one database.

use std::sync::Arc;

use approvals_core::audit::NewEvent;
use approvals_core::review::{Choice, Limits};
use approvals_core::store::{Freeze, Swapped};
use approvals_core::{OwnerId, RequestStore, SinkId, What};
use approvals_testing::sample::{Sample, person};
use sqlx::Executor;
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use crate::support::{PATIENCE, Place, ask, claim, done, finished, sample, start, swap, vote};

fn plenty(sample: Sample) -> Sample {
    sample.limits(Limits {
        pending: 10_000,
        asks_per_hour: 10_000,
        denials: 10_000,
        ..Limits::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_listening_wakes_everybody() {
    let Some(place) = Place::new() else { return };
    let (one, other) = (place.store().await, place.store().await);
    let record = ask(&one, &sample(&one).await).await;
    let mut watch = other.hints().watch(record.id());
    let listening = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE query LIKE 'LISTEN \"approvals_{}\"%' AND pid <> pg_backend_pid()",
        place.schema
    );
    place.execute(&listening).await;
    timeout(PATIENCE, watch.changed()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_whole_cycle_only_the_decision_is_told_to_other_processes() {
    let Some(place) = Place::new() else { return };
    let store = place.store().await;
    let mut listener = PgListener::connect(&place.url).await.unwrap();
    let channel = format!("approvals_{}", place.schema);
    listener.listen(&channel).await.unwrap();
    let record = finished(&store, &sample(&store).await).await;
    let mut connection = place.connection().await;
    sqlx::query("SELECT pg_notify($1, 'the end')")
        .bind(channel)
        .execute(&mut connection)
        .await
        .unwrap();
    let mut told = Vec::new();
    loop {
        let said = timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
        match said.payload() {
            "the end" => break,
            payload => told.push(payload.split(' ').next().unwrap().to_owned()),
        }
    }
    assert_eq!(told, [record.id().to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_after_a_freeze_that_was_acknowledged() {
    let Some(place) = Place::new() else { return };
    let (one, other) = (place.store().await, place.store().await);
    let sink = SinkId::new("observer").unwrap();
    one.register_sink(&sink).await.unwrap();
    for n in 0..20 {
        let sample = plenty(sample(&one).await).table(&n.to_string());
        let record = ask(&one, &sample).await;
        let id = record.id();
        done(&one, id, &vote(&record, "alice", Choice::Approve)).await;
        let owner = OwnerId::new();
        done(&one, id, &claim(owner)).await;
        let mut begin = swap(&one, id, &start(owner, 1)).await;
        begin.unfrozen = true;
        begin.stands = true;
        let now = one.now().await.unwrap();
        let freezing = tokio::spawn({
            let other = Arc::clone(&other);
            async move {
                let (by, reason): (_, Arc<str>) = (person("dave"), "stop".into());
                let freeze = Freeze {
                    by: by.clone(),
                    reason: Arc::clone(&reason),
                    since: now,
                };
                let event = NewEvent::new(What::Frozen { by, reason });
                other.set_freeze(Some(freeze), event).await.unwrap();
            }
        });
        let started = one.compare_and_swap(begin).await.unwrap();
        freezing.await.unwrap();
        let events = one.events(&sink, 1_000).await.unwrap();
        let place_of = |wanted: fn(&What) -> bool| events.iter().position(|e| wanted(&e.what));
        let frozen = place_of(|what| matches!(what, What::Frozen { .. })).unwrap();
        let begun = place_of(|what| matches!(what, What::Started { .. }));
        match started {
            Swapped::Done { .. } => assert!(begun.unwrap() < frozen),
            Swapped::Frozen => assert_eq!(begun, None),
            other => panic!("{other:?}"),
        }
        let last = events.last().unwrap().number;
        one.acknowledge(&sink, last).await.unwrap();
        let thaw = NewEvent::new(What::Thawed {
            by: person("dave"),
            reason: "go on".into(),
        });
        one.set_freeze(None, thaw).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_waits_for_a_start_that_was_judged_before_it() {
    let Some(place) = Place::new() else { return };
    let (one, other) = (place.store().await, place.store().await);
    let record = ask(&one, &sample(&one).await).await;
    done(&one, record.id(), &vote(&record, "alice", Choice::Approve)).await;
    let mut claiming = swap(&one, record.id(), &claim(OwnerId::new())).await;
    claiming.unfrozen = true;
    // It holds the share of the freeze, and waits for its turn to number its events.
    let mut blocker = place.connection().await;
    blocker
        .execute("BEGIN; SELECT FROM head FOR UPDATE")
        .await
        .unwrap();
    let claiming = tokio::spawn({
        let one = Arc::clone(&one);
        async move { one.compare_and_swap(claiming).await.unwrap() }
    });
    place.until_somebody_waits("transactionid").await;
    let now = record.asked.asked_at;
    let freezing = tokio::spawn(async move {
        let (by, reason): (_, Arc<str>) = (person("dave"), "stop".into());
        let freeze = Freeze {
            by: by.clone(),
            reason: Arc::clone(&reason),
            since: now,
        };
        let event = NewEvent::new(What::Frozen { by, reason });
        other.set_freeze(Some(freeze), event).await.unwrap();
    });
    place.until_somebody_waits("advisory").await;
    assert!(!freezing.is_finished());
    blocker.execute("COMMIT").await.unwrap();
    assert!(matches!(claiming.await.unwrap(), Swapped::Done { .. }));
    freezing.await.unwrap();
    assert!(one.freeze().await.unwrap().is_some());
}
