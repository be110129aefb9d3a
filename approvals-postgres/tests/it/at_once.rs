//! Openings and swaps that are judged by the conditions of one statement, beside those that are judged by what was
//! read before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::audit::NewEvent;
use approvals_core::review::{Choice, Command, Record, Refusal, Refused};
use approvals_core::store::{Delivery, DeliveryState, Freeze, Opened, Swap, Swapped};
use approvals_core::{Coverage, Limits, OwnerId, RequestStore, StoreError, SystemClock, What};
use approvals_postgres::PostgresStore;
use approvals_testing::sample::{Sample, ballot, person};
use sqlx::Row;

use crate::support::{Place, ask, claim, done, sample, start, swap, vote};

/// A swap as a gate makes it.
async fn guarded(store: &PostgresStore, record: &Record, command: &Command) -> Swap {
    let runs = matches!(command, Command::Claim(_) | Command::Start { .. });
    Swap {
        not_after: record.due_at(),
        unfrozen: runs,
        stands: runs,
        ..swap(store, record.id(), command).await
    }
}

/// Asked and approved.
async fn approved(store: &PostgresStore) -> Arc<Record> {
    let record = ask(store, &sample(store).await).await;
    let yes = vote(&record, "alice", Choice::Approve);
    done(store, record.id(), &yes).await
}

/// Makes a claim that is guarded, after something else; nothing comes of it.
async fn refused_after(
    store: &PostgresStore,
    record: &Record,
    change: impl FnOnce(&mut Swap),
) -> Swapped {
    let mut claiming = guarded(store, record, &claim(OwnerId::new())).await;
    change(&mut claiming);
    let stood = store.read(record.id()).await.unwrap().unwrap();
    let came = store.compare_and_swap(claiming).await.unwrap();
    let stands = store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(*stands.record, *stood.record);
    came
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_that_something_stands_against_is_told_what_it_is() {
    let Some(place) = Place::new() else { return };
    let store = place.store().await;
    let record = approved(&store).await;
    let now = store.now().await.unwrap();
    let late = refused_after(&store, &record, |swap| swap.not_after = Some(now)).await;
    assert!(matches!(late, Swapped::TooLate), "{late:?}");

    let (by, reason): (_, Arc<str>) = (person("dave"), "stop".into());
    let freeze = Freeze {
        by: by.clone(),
        reason: Arc::clone(&reason),
        since: now,
    };
    let frozen = NewEvent::new(What::Frozen {
        by: by.clone(),
        reason: Arc::clone(&reason),
    });
    store.set_freeze(Some(freeze), frozen).await.unwrap();
    let frozen = refused_after(&store, &record, |_| {}).await;
    assert!(matches!(frozen, Swapped::Frozen), "{frozen:?}");
    let thawed = NewEvent::new(What::Thawed { by, reason });
    store.set_freeze(None, thawed).await.unwrap();

    // An equal call runs, and nobody hears of it again.
    let equal = approved(&store).await;
    let owner = OwnerId::new();
    done(&store, equal.id(), &claim(owner)).await;
    done(&store, equal.id(), &start(owner, 1)).await;
    let why = Arc::from("its process is gone");
    done(&store, equal.id(), &Command::Abandon { fence: 1, why }).await;
    let fallen = refused_after(&store, &record, |_| {}).await;
    assert!(
        matches!(fallen, Swapped::Fallen(Refused::EqualInDoubt(by)) if by == equal.id()),
        "{fallen:?}"
    );

    let before = guarded(&store, &record, &claim(OwnerId::new())).await;
    let revoke = Command::Revoke {
        by: person("dave"),
        reason: "no".into(),
    };
    done(&store, record.id(), &revoke).await;
    let beaten = store.compare_and_swap(before).await.unwrap();
    assert!(matches!(beaten, Swapped::Conflict), "{beaten:?}");
}

/// What an opening with these limits comes to, where the store has just been heard of.
async fn opened(store: &PostgresStore, sample: Sample) -> Opened {
    store.now().await.unwrap();
    store.open(sample.opening(), Vec::new()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_something_decides_about_is_told_what_it_is() {
    let Some(place) = Place::new() else { return };
    let store = place.store().await;
    let now = store.now().await.unwrap();
    let sample = || Sample::at(now);
    let first = ask(&store, &sample().key("step-1")).await;
    let found = opened(&store, sample().key("step-1")).await;
    assert!(
        matches!(&found, Opened::Found(record) if record.id() == first.id()),
        "{found:?}"
    );
    let opening = sample().key("step-1").opening();
    let known = store
        .known(opening.key.unwrap(), opening.asked.digest)
        .await;
    assert_eq!(known.unwrap().standing.keyed, Some(Arc::clone(&first)));
    let other = opened(&store, sample().table("salaries").key("step-1")).await;
    assert!(
        matches!(&other, Opened::Refused(Refusal::KeyOfAnotherCall(_))),
        "{other:?}"
    );
    let limits = |pending, asks_per_hour| Limits {
        pending,
        asks_per_hour,
        ..Limits::default()
    };
    let pending = opened(&store, sample().limits(limits(1, 60))).await;
    assert!(
        matches!(pending, Opened::Refused(Refusal::TooManyPending(1))),
        "{pending:?}"
    );
    let asks = opened(&store, sample().limits(limits(2, 1))).await;
    assert!(
        matches!(asks, Opened::Refused(Refusal::TooManyAsks(1))),
        "{asks:?}"
    );
    let mut again = sample().opening();
    again.asked = Arc::clone(&first.asked);
    store.now().await.unwrap();
    let again = store.open(again, Vec::new()).await;
    assert!(matches!(again, Err(StoreError::Invalid(_))), "{again:?}");

    // An equal call is in doubt.
    let owner = OwnerId::new();
    done(&store, first.id(), &vote(&first, "alice", Choice::Approve)).await;
    done(&store, first.id(), &claim(owner)).await;
    done(&store, first.id(), &start(owner, 1)).await;
    let why = Arc::from("its process is gone");
    done(&store, first.id(), &Command::Abandon { fence: 1, why }).await;
    let in_doubt = opened(&store, sample()).await;
    assert!(
        matches!(&in_doubt, Opened::Refused(Refusal::InDoubt(by)) if by.id() == first.id()),
        "{in_doubt:?}"
    );

    // Denied, with a proposal whose author has a part in what takes it up.
    let asked = ask(&store, &sample().table("salaries")).await;
    let mut denial = ballot(&asked.asked, 1, "alice", Choice::Deny);
    denial.proposal = Some(Arc::new(BTreeMap::from([(
        "table".to_owned(),
        "invoices".into(),
    )])));
    done(&store, asked.id(), &Command::Vote(Box::new(denial))).await;
    let denied = opened(&store, sample().table("salaries")).await;
    assert!(
        matches!(&denied, Opened::Refused(Refusal::DenialStands(by)) if by.id() == asked.id()),
        "{denied:?}"
    );
    let taken_up = opened(&store, sample().table("invoices")).await;
    assert!(
        matches!(&taken_up, Opened::Asked { record, .. } if record.excluded.contains(&person("alice"))),
        "{taken_up:?}"
    );
}

/// What is stored of a request, without what differs between any two.
async fn stored(place: &Place, record: &Record) -> (String, Vec<String>) {
    let mut connection = place.connection().await;
    let row = sqlx::query(
        "SELECT concat_ws(' ', schema, revision, phase, action, due_at IS NULL, \
         awaited_by IS NULL, decides, grant_until IS NULL, denied_at IS NULL, \
         denied_here_at IS NULL, denied_here_at = changed_at, proposed_to, review_owed, \
         changed_at >= asked_at, key IS NULL, (SELECT count(*) FROM keys k WHERE k.request = r.id), \
         (SELECT string_agg(principal, ' ' ORDER BY principal) FROM requesters q \
         WHERE q.request = r.id), (SELECT string_agg(concat_ws(' ', channel, due IS NULL, \
         due_kept), ' ') FROM deliveries d WHERE d.request = r.id), changed_at <= (SELECT latest FROM head)) AS columns, \
         ARRAY(SELECT e.what::jsonb ->> 'what' FROM events e WHERE e.request = r.id \
         ORDER BY e.number) AS events FROM requests r WHERE id = $1",
    )
    .bind(record.id().to_bytes().to_vec())
    .fetch_one(&mut connection)
    .await
    .unwrap();
    let events: Vec<Option<String>> = row.get("events");
    let events = events.into_iter().map(Option::unwrap_or_default).collect();
    (row.get("columns"), events)
}

/// Everything that a swap stores, in two requests: one that was run, one that was denied with a
/// proposal.
async fn all_stored(place: &Place, store: &PostgresStore) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    let keyed = sample(store).await.table("invoices").key("step-1");
    let intended = Delivery {
        channel: "memory".parse().unwrap(),
        coverage: Coverage::Whole,
        state: DeliveryState::Intended,
        revision: 1,
    };
    let opened = store.open(keyed.opening(), vec![intended]).await.unwrap();
    let Opened::Asked { record, last_event } = opened else {
        panic!("people should be asked: {opened:?}");
    };
    assert_eq!(store.append(Vec::new()).await.unwrap(), last_event);
    let read = store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(read.record, record);
    all.push(stored(place, &record).await);
    let mut record = approved(store).await;
    let owner = OwnerId::new();
    let finish = Command::Finish {
        fence: 1,
        succeeded: true,
        summary: None,
    };
    for command in [claim(owner), start(owner, 1), finish] {
        let swap = guarded(store, &record, &command).await;
        let swapped = store.compare_and_swap(swap).await.unwrap();
        let Swapped::Done { record: after, .. } = swapped else {
            panic!("it should be done: {swapped:?}");
        };
        record = after;
        all.push(stored(place, &record).await);
    }
    let other = sample(store).await.table("salaries");
    let asked = ask(store, &other).await;
    let mut denial = ballot(&asked.asked, 1, "alice", Choice::Deny);
    denial.proposal = Some(Arc::new(BTreeMap::from([(
        "table".to_owned(),
        "orders".into(),
    )])));
    let denial = Command::Vote(Box::new(denial));
    let denied = done(store, asked.id(), &denial).await;
    all.push(stored(place, &denied).await);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_or_a_swap_in_one_round_trip_stores_what_one_in_two_does() {
    let Some(at_once) = Place::new() else { return };
    let judged = Place::at(at_once.url.clone());
    let one = at_once.store().await;
    // A clock that the server does not read has to be read between the two.
    let two = judged.builder().clock(Arc::new(SystemClock::new()));
    let two = two.answer_within(Duration::from_secs(10)).connect().await;
    let stored = all_stored(&at_once, &one).await;
    assert_eq!(stored, all_stored(&judged, &two.unwrap()).await);
    assert!(stored.iter().all(|(_, events)| !events.is_empty()));
}
