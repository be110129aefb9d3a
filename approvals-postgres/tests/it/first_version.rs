//! Processes of the first version of the tables beside those of this one, and what they left.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::store::{Delivery, DeliveryState};
use approvals_core::{ChannelId, Receipt, RequestId, RequestStore, Timestamp};
use approvals_postgres::PostgresStore;
use approvals_testing::ManualClock;
use approvals_testing::sample::copies_in_every_state;

use crate::support::{Place, sample};

/// Takes from the tables what came after version 1.
const AS_OF_VERSION_1: &str = "DROP TABLE duties; DROP TABLE seals; \
     DROP FUNCTION swap_at_once; DROP FUNCTION open_at_once; DROP FUNCTION swap_in_one; \
     DROP TRIGGER made_by_version_1 ON deliveries; \
     DROP TRIGGER noted_by_version_1 ON deliveries; DROP FUNCTION written_by_version_1; \
     DROP FUNCTION due_of_version_1; ALTER TABLE deliveries DROP COLUMN due, DROP COLUMN due_kept; \
     DELETE FROM versions WHERE version > 1";

struct World {
    place: Place,
    clock: Arc<ManualClock>,
    store: PostgresStore,
    /// One delivery in each state, on a channel of its own.
    all: Vec<Delivery>,
    id: RequestId,
    asked_at: Timestamp,
}

impl World {
    async fn new() -> Option<Self> {
        let place = Place::new()?;
        let clock = Arc::new(ManualClock::new());
        let store = place.builder().clock(clock.clone()).connect().await;
        let store = store.unwrap();
        let opening = sample(&store).await.opening();
        let (id, asked_at) = (opening.asked.id, opening.asked.asked_at);
        let all = copies_in_every_state(asked_at);
        store.open(opening, all.clone()).await.unwrap();
        Some(Self {
            place,
            clock,
            store,
            all,
            id,
            asked_at,
        })
    }

    async fn due(&self, channel: &ChannelId) -> Vec<RequestId> {
        self.store.copies_due(channel, 10).await.unwrap()
    }

    /// Whether each copy is due at its time and not before.
    async fn each_is_due_in_time(&self) {
        for seconds in [29, 30, 39, 40, 49, 50, 5_000] {
            let now = self.asked_at.plus(Duration::from_secs(seconds));
            self.clock.set(now);
            for delivery in &self.all {
                let due = delivery.due(self.asked_at).is_some_and(|due| due <= now);
                let found = self.due(&delivery.channel).await;
                let wanted: &[RequestId] = if due { &[self.id] } else { &[] };
                assert_eq!(found, wanted, "{delivery:?} after {seconds} s");
            }
        }
    }
}

impl World {
    /// After [`each_is_due_in_time`](Self::each_is_due_in_time).
    async fn what_this_version_notes_is_due_in_time(&self) {
        let [.., failed, outdated] = self.all.as_slice() else {
            panic!("there are more: {:?}", self.all);
        };
        let again = Delivery {
            state: DeliveryState::Intended,
            ..failed.clone()
        };
        self.store.note_delivery(self.id, again).await.unwrap();
        let shown = Delivery {
            state: DeliveryState::Delivered(Receipt::none()),
            ..outdated.clone()
        };
        self.store.note_delivery(self.id, shown).await.unwrap();
        assert_eq!(self.due(&failed.channel).await, [self.id]);
        assert!(self.due(&outdated.channel).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_the_first_version_are_brought_up_to_date_with_the_copies_that_are_due() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.each_is_due_in_time().await;
    world.place.execute(AS_OF_VERSION_1).await;
    world.clock.set(world.asked_at);
    let builder = world.place.builder().clock(world.clock.clone());
    world.store = builder.connect().await.unwrap();
    let kept = world.store.deliveries(world.id).await.unwrap();
    assert_eq!(kept.to_vec(), world.all);
    world.each_is_due_in_time().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_a_process_of_the_first_version_notes_are_due_in_time() {
    // As it notes a delivery in place of what was noted, and as it makes a first one: it knows
    // nothing of when a copy is due.
    for found in [
        "UPDATE deliveries SET body = '{}'",
        "DELETE FROM deliveries",
    ] {
        let Some(world) = World::new().await else {
            return;
        };
        world.place.execute(found).await;
        let mut connection = world.place.connection().await;
        for delivery in &world.all {
            sqlx::query(
                "INSERT INTO deliveries (request, channel, body) \
                 SELECT id, $2, $3 FROM requests WHERE id = $1 \
                 ON CONFLICT (request, channel) DO UPDATE SET body = excluded.body",
            )
            .bind(world.id.to_bytes().to_vec())
            .bind(delivery.channel.as_str())
            .bind(serde_json::to_string(delivery).unwrap())
            .execute(&mut connection)
            .await
            .unwrap();
        }
        world.each_is_due_in_time().await;
        world.what_this_version_notes_is_due_in_time().await;
    }
}
