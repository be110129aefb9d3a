//! What the server answers when it cannot, and what becomes of it.

use approvals_core::review::Choice;
use approvals_core::store::Swapped;
use approvals_core::{RequestStore, StoreError};

use crate::support::{Place, ask, sample, swap, vote};

impl Place {
    /// Makes the storing of events fail with this code so many times from now on.
    async fn fail(&self, code: &str, times: u32) {
        self.execute(&format!(
            "CREATE SEQUENCE tries; \
             CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('tries') <= {times} THEN \
             RAISE EXCEPTION 'so it is' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER fail BEFORE INSERT ON events EXECUTE FUNCTION fail()"
        ))
        .await;
    }

    async fn heal(&self) {
        self.execute("DROP TRIGGER fail ON events; DROP FUNCTION fail; DROP SEQUENCE tries")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_cannot_do_is_an_error_of_its_kind_and_nothing_is_done() {
    let Some(place) = Place::new() else { return };
    let store = place.store().await;
    let record = ask(&store, &sample(&store).await).await;
    let voting = swap(
        &store,
        record.id(),
        &vote(&record, "alice", Choice::Approve),
    )
    .await;
    for (code, is_of_its_kind) in [
        (
            "53100",
            (|e| matches!(e, StoreError::Full(_))) as fn(&StoreError) -> bool,
        ),
        ("25006", |e| matches!(e, StoreError::Unreachable(_))),
        ("55P03", |e| matches!(e, StoreError::Unreachable(_))),
        ("57014", |e| matches!(e, StoreError::Unreachable(_))),
        ("58030", |e| matches!(e, StoreError::Unreachable(_))),
        ("42P01", |e| matches!(e, StoreError::Invalid(_))),
        ("23514", |e| matches!(e, StoreError::Invalid(_))),
        ("XX001", |e| matches!(e, StoreError::Invalid(_))),
    ] {
        place.fail(code, 100).await;
        let error = store.compare_and_swap(voting.clone()).await.unwrap_err();
        assert!(is_of_its_kind(&error), "{code}: {error:?}");
        assert!(error.to_string().contains("so it is"), "{code}: {error}");
        place.heal().await;
        let stands = store.read(record.id()).await.unwrap().unwrap();
        assert_eq!(*stands.record, *record, "{code}");
    }
    let voted = store.compare_and_swap(voting).await.unwrap();
    assert!(matches!(voted, Swapped::Done { .. }), "{voted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_undid_is_done_again_a_few_times_and_then_given_up() {
    let Some(place) = Place::new() else { return };
    let store = place.store().await;
    let record = ask(&store, &sample(&store).await).await;
    let voting = swap(
        &store,
        record.id(),
        &vote(&record, "alice", Choice::Approve),
    )
    .await;
    place.fail("40001", u32::MAX).await;
    let error = store.compare_and_swap(voting.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    let mut connection = place.connection().await;
    let tries: i64 = sqlx::query_scalar("SELECT last_value FROM tries")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(tries, 8);
    place.heal().await;
    place.fail("40001", 3).await;
    let voted = store.compare_and_swap(voting).await.unwrap();
    assert!(matches!(voted, Swapped::Done { .. }), "{voted:?}");
    let stands = store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(stands.record.revision, 2);
}
