//! Files of earlier versions, brought up to this one, and processes of earlier versions that still
//! have them open.

use std::time::Duration;

use approvals_core::review::{Choice, Command};
use approvals_core::store::encoding;
use approvals_core::store::{Delivery, DeliveryState, Filter, Retry};
use approvals_core::{ChannelId, OwnerId, Receipt, Record, RequestId, RequestStore};
use approvals_sqlite::SqliteStore;
use approvals_testing::sample::{claim, claim_and_start, copies_in_every_state, vote};

use crate::support::{House, events, intended, sink, withdraw};

const VERSION_1: &str = include_str!("../../migrations/0001_requests.sql");
const VERSION_2: &str = include_str!("../../migrations/0002_duties.sql");
const VERSION_3: &str = include_str!("../../migrations/0003_seals.sql");
const VERSION_4: &str = include_str!("../../migrations/0004_entries.sql");

/// What a request is found by, as a text.
const ENTRIES: &str = "
SELECT group_concat(kind || '/' || hex(value) || '/' || typeof(value) || '/' || part || '/' || hex(request), char(10))
FROM (SELECT * FROM entries WHERE kind > 1 ORDER BY kind, value, part, request)";

/// Copies what has been the same since the first version from a file of this version.
const THE_SAME: &str = "
DELETE FROM meta;
INSERT INTO meta
SELECT 1, ('0x' || substr(hex(head), 1, 16)) ->> '$', ('0x' || substr(hex(head), 17, 16)) ->> '$', number, frozen
FROM now.meta, (SELECT part AS number, request AS head FROM now.entries WHERE kind = 1 ORDER BY part DESC LIMIT 1);
INSERT INTO keys SELECT * FROM now.keys;
INSERT INTO tombstones SELECT * FROM now.tombstones;
INSERT INTO buckets SELECT * FROM now.buckets;
INSERT INTO proposals SELECT * FROM now.proposals;
INSERT INTO gates SELECT * FROM now.gates;
INSERT INTO events SELECT * FROM now.events;
INSERT INTO sinks SELECT * FROM now.sinks;
";

/// Copies the rest into the tables of versions 1 to 3.
const AS_BEFORE_4: &str = "
INSERT INTO requests (id, revision, schema, phase, finished, due_at, digest, found, bucket, waiter, review_owed, action, changed_at, deliveries, record)
SELECT id, revision, schema, phase, finished, due_at, digest, found, bucket, waiter, review_owed, action, changed_at, copies, record FROM now.requests;
INSERT INTO principals SELECT value, kind = 14, request FROM now.entries WHERE kind IN (10, 14);
INSERT INTO changes SELECT part, substr(request, 17) FROM now.entries WHERE kind = 1 AND length(request) = 32;
";

/// Copies the rest into the tables of version 4.
const AS_OF_4: &str = "
INSERT INTO requests SELECT * FROM now.requests;
INSERT INTO entries
SELECT kind, value, part, iif(kind = 1, substr(request, 17), request) FROM now.entries WHERE kind > 1 OR length(request) > 16;
";

/// Turns the file into what these migrations make, with what is in it.
fn as_of(house: &House, migrations: &[&str]) {
    let (now, before) = (
        house.directory.file(),
        house.directory.path().join("before.db"),
    );
    let hand = rusqlite::Connection::open(&before).unwrap();
    hand.pragma_update(None, "application_id", 0x6170_5276)
        .unwrap();
    hand.pragma_update(None, "user_version", 1).unwrap();
    for migration in migrations {
        hand.execute_batch(migration).unwrap();
    }
    hand.execute("ATTACH ? AS now", [now.to_str()]).unwrap();
    hand.execute_batch(THE_SAME).unwrap();
    let rest = match migrations.len() {
        4 => AS_OF_4,
        _ => AS_BEFORE_4,
    };
    hand.execute_batch(rest).unwrap();
    hand.execute_batch("DETACH now").unwrap();
    drop(hand);
    std::fs::rename(before, now).unwrap();
}

/// A store in which there are requests in every phase that is reached by hand, with copies.
async fn busy(house: &House) -> SqliteStore {
    let store = house.store().await;
    sink(&store).await;
    let owner = OwnerId::new();
    let asked = async |table: &str| house.ask(&store, &house.sample().table(table)).await.id();
    let finish = |succeeded| Command::Finish {
        fence: 1,
        succeeded,
        summary: None,
    };
    house
        .ask(&store, &house.sample().table("waited for").waiter(owner))
        .await;
    house
        .ask(&store, &house.sample().table("keyed").key("step-1"))
        .await;
    house
        .carry(&store, asked("withdrawn").await, &withdraw())
        .await;
    let denied = asked("denied").await;
    house.vote(&store, denied, Choice::Deny).await;
    house.clock.advance(Duration::from_secs(1));
    for steps in [
        vec![],
        vec![claim(owner)],
        vec![claim_and_start(owner)],
        vec![claim_and_start(owner), finish(true)],
        vec![claim_and_start(owner), finish(false)],
        vec![
            claim_and_start(owner),
            Command::Abandon {
                fence: 1,
                why: "it is not known".into(),
            },
        ],
    ] {
        let id = asked(&format!("{steps:?}")).await;
        house.vote(&store, id, Choice::Approve).await;
        for step in steps {
            house.carry(&store, id, &step).await;
        }
    }
    let opening = house.sample().table("copied").opening();
    let all = every_state(house);
    store.open(opening, all).await.unwrap();
    store
}

fn every_state(house: &House) -> Vec<Delivery> {
    copies_in_every_state(house.sample().opening().asked.asked_at)
}

/// Whether each copy is due at its time and not before.
async fn each_is_due_in_time(house: &House, store: &SqliteStore, id: RequestId, all: &[Delivery]) {
    let asked_at = store.read(id).await.unwrap().unwrap().record.asked.asked_at;
    for seconds in [29, 30, 39, 40, 49, 50, 5_000] {
        house.clock.set(asked_at.plus(Duration::from_secs(seconds)));
        let now = store.now().await.unwrap();
        for delivery in all {
            let due = delivery.due(asked_at).is_some_and(|due| due <= now);
            let found = store.copies_due(&delivery.channel, 10).await.unwrap();
            let wanted: &[RequestId] = if due { &[id] } else { &[] };
            assert_eq!(found, wanted, "{delivery:?} after {seconds} s");
        }
    }
}

/// Everything that a store tells of a file.
async fn told(store: &SqliteStore) -> String {
    let all: Vec<std::sync::Arc<Record>> =
        store.list(&Filter::default(), None, 1_000).await.unwrap();
    let due = store.due(1_000).await.unwrap();
    let trail = events(store, &approvals_core::SinkId::new("observer").unwrap()).await;
    let mut copies = Vec::new();
    for record in &all {
        copies.push(store.deliveries(record.id()).await.unwrap());
    }
    format!("{all:?}\n{due:?}\n{trail:?}\n{copies:?}")
}

#[tokio::test]
async fn a_file_of_an_earlier_version_finds_everything_as_if_this_one_had_written_it() {
    for migrations in [
        vec![VERSION_1],
        vec![VERSION_1, VERSION_2],
        vec![VERSION_1, VERSION_2, VERSION_3],
        vec![VERSION_1, VERSION_2, VERSION_3, VERSION_4],
    ] {
        let house = House::new();
        let store = busy(&house).await;
        let before = told(&store).await;
        store.close().await;
        let entries = house.look(ENTRIES);
        as_of(&house, &migrations);
        let store = house.store().await;
        assert_eq!(told(&store).await, before);
        assert_eq!(house.look(ENTRIES), entries);
        let oldest = "SELECT CAST(user_version AS TEXT) FROM pragma_user_version";
        assert_eq!(house.look(oldest), "5");
        // What is there goes on, and what is new is found beside it.
        for record in store.list(&Filter::default(), None, 1_000).await.unwrap() {
            if record.state.phase() == approvals_core::Phase::Pending {
                house.carry(&store, record.id(), &withdraw()).await;
            }
        }
        let record = house.ask(&store, &house.sample().table("new")).await;
        let due = store.due(10).await.unwrap();
        assert!(due.next.is_some() && due.abandoned.is_empty(), "{due:?}");
        let pending = Filter {
            phases: vec![approvals_core::Phase::Pending],
            ..Filter::default()
        };
        assert_eq!(store.list(&pending, None, 10).await.unwrap(), [record]);
    }
}

#[tokio::test]
async fn a_record_says_the_same_where_what_was_asked_was_put_into_words_before() {
    let house = House::new();
    let store = busy(&house).await;
    let all = store.list(&Filter::default(), None, 1_000).await.unwrap();
    assert_eq!(all.len(), 11);
    for record in all {
        let asked = encoding::encode_asked(&record.asked).unwrap();
        let (text, place) = encoding::encode_with(&record, &asked).unwrap();
        assert_eq!(text, encoding::encode(&record).unwrap());
        assert_eq!(text[place], asked);
        let stands = format!(
            "SELECT record FROM requests WHERE hex(id) = '{}'",
            record.id().to_bytes().map(|b| format!("{b:02X}")).concat()
        );
        assert_eq!(house.look(&stands), text);
    }
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date_with_the_copies_that_are_due_in_it() {
    let house = House::new();
    let store = house.store().await;
    let all = every_state(&house);
    let opening = house.sample().opening();
    let id = opening.asked.id;
    store.open(opening, all.clone()).await.unwrap();
    store.close().await;
    as_of(&house, &[VERSION_1]);
    let store = house.store().await;
    assert_eq!(store.deliveries(id).await.unwrap().to_vec(), all);
    each_is_due_in_time(&house, &store, id, &all).await;
}

#[tokio::test]
async fn copies_are_due_by_what_was_noted_last() {
    let house = House::new();
    let store = house.store().await;
    let all = every_state(&house);
    let opening = house.sample().opening();
    let id = opening.asked.id;
    store.open(opening, vec![intended()]).await.unwrap();
    for delivery in &all {
        store.note_delivery(id, delivery.clone()).await.unwrap();
    }
    each_is_due_in_time(&house, &store, id, &all).await;
    let due = async |channel: &ChannelId| store.copies_due(channel, 10).await.unwrap();
    assert_eq!(due(&intended().channel).await, [id]);
    let again = Delivery {
        state: DeliveryState::Failed {
            why: "it did not answer".to_owned(),
            retry: Some(Retry {
                attempts: 9,
                at: store.now().await.unwrap().plus(Duration::from_secs(60)),
            }),
        },
        ..intended()
    };
    store.note_delivery(id, again.clone()).await.unwrap();
    assert!(due(&again.channel).await.is_empty(), "later");
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(due(&again.channel).await, [id]);
    let shown = Delivery {
        state: DeliveryState::Delivered(Receipt::none()),
        ..again
    };
    store.note_delivery(id, shown.clone()).await.unwrap();
    assert!(due(&shown.channel).await.is_empty(), "it is shown");
}

/// What processes of earlier versions read and write when they change a request.
const WRITTEN_BEFORE: [&str; 8] = [
    "SELECT latest, last_event, last_change, frozen, EXISTS (SELECT 1 FROM sinks) AS keeps_events FROM meta",
    "UPDATE meta SET latest = 1, last_event = 1, last_change = 1, frozen = NULL",
    "INSERT INTO requests (id, revision, schema, phase, finished, due_at, digest, found, bucket, waiter, review_owed, action, changed_at, deliveries, record) SELECT x'00', revision, schema, phase, finished, due_at, digest, found, bucket, waiter, review_owed, action, changed_at, '[]', record FROM requests",
    "INSERT INTO requests (id, revision, schema, phase, finished, due_at, digest, found, bucket, waiter, review_owed, action, changed_at, deliveries, copies_kept, record) SELECT x'00', revision, schema, phase, finished, due_at, digest, found, bucket, waiter, review_owed, action, changed_at, '[]', 1, record FROM requests",
    "INSERT INTO changes (number, request) VALUES (100, x'00')",
    "UPDATE requests SET deliveries = '[]'",
    "UPDATE requests SET deliveries = '[]', copies_kept = copies_kept + 1",
    "SELECT id, changed_at, record FROM requests INDEXED BY requests_finished WHERE finished = 1",
];

#[tokio::test]
async fn nothing_comes_of_what_a_process_of_an_earlier_version_does_to_a_request() {
    let house = House::new();
    let store = house.store().await;
    let record = house.ask(&store, &house.sample()).await;
    for sql in WRITTEN_BEFORE {
        let told = house.refused(sql);
        assert!(
            told.contains("no such") || told.contains("has no column"),
            "{told}"
        );
    }
    let vote = vote(&record, "alice", Choice::Approve);
    house.carry(&store, record.id(), &vote).await;
}

#[tokio::test]
async fn copies_go_with_their_request_when_it_is_archived() {
    let house = House::new();
    let store = house.store().await;
    let all = every_state(&house);
    let opening = house.sample().opening();
    let id = opening.asked.id;
    store.open(opening, all.clone()).await.unwrap();
    house.carry(&store, id, &withdraw()).await;
    house.clock.advance(Duration::from_secs(2 * 24 * 3600));
    assert_eq!(store.archive(Duration::ZERO).await.unwrap(), 1);
    for delivery in &all {
        let left = store.copies_due(&delivery.channel, 10).await.unwrap();
        assert!(left.is_empty(), "{delivery:?} is due of nothing");
    }
}
