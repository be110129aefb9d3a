//! Processes of several versions on the same tables and records.

use approvals_core::review::{Choice, SCHEMA};
use approvals_core::{RequestStore, StoreError};
use approvals_postgres::ConnectError;
use sqlx::Row;

use crate::support::{Place, ask, sample, swap, vote};

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_newer_version_that_this_one_cannot_follow_are_refused() {
    let Some(place) = Place::new() else { return };
    drop(place.store().await);
    place
        .execute("INSERT INTO versions (version, oldest) VALUES (8, 6)")
        .await;
    let error = place.builder().connect().await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Newer { found: 8, known: 5 }),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("upgrade this process"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_newer_version_that_was_made_for_a_rolling_upgrade_can_be_used() {
    let Some(place) = Place::new() else { return };
    drop(place.store().await);
    place
        .execute(
            "ALTER TABLE requests ADD COLUMN novelty text NOT NULL DEFAULT ''; \
             INSERT INTO versions (version, oldest) VALUES (6, 2)",
        )
        .await;
    let store = place.store().await;
    let record = ask(&store, &sample(&store).await).await;
    let stands = store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(*stands.record, *record);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_a_newer_version_is_read_and_not_replaced() {
    let Some(place) = Place::new() else { return };
    let store = place.store().await;
    let record = ask(&store, &sample(&store).await).await;
    let voting = swap(
        &store,
        record.id(),
        &vote(&record, "alice", Choice::Approve),
    )
    .await;
    let (known, newer) = (record.schema, SCHEMA + 1);
    place
        .execute(&format!(
            "UPDATE requests SET schema = {newer}, \
             record = replace(record, '\"schema\":{known},', '\"schema\":{newer},\"novelty\":7,')"
        ))
        .await;
    let stands = store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(stands.record.schema, newer);
    let error = store.compare_and_swap(voting).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
    assert!(error.to_string().contains("newer version"), "{error}");
    let mut connection = place.connection().await;
    let kept: String = sqlx::query_scalar("SELECT record FROM requests")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(kept.contains("\"novelty\":7"), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_is_an_error_that_names_it() {
    let Some(place) = Place::new() else { return };
    let store = place.store().await;
    let record = ask(&store, &sample(&store).await).await;
    place
        .execute("UPDATE requests SET record = left(record, 100)")
        .await;
    let error = store.read(record.id()).await.unwrap_err();
    assert!(
        error.to_string().contains(&record.id().to_string()),
        "{error}"
    );
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_connect_at_once_make_the_tables_once() {
    let Some(place) = Place::new() else { return };
    let all: Vec<_> = (0..6)
        .map(|_| tokio::spawn(place.builder().connect()))
        .collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_make_nothing_works_on_tables_that_are_there() {
    let Some(place) = Place::new() else { return };
    drop(place.store().await);
    let schema = &place.schema;
    place
        .execute(&format!(
            "CREATE ROLE {schema}_worker LOGIN; \
             GRANT USAGE ON SCHEMA {schema} TO {schema}_worker; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {schema}_worker"
        ))
        .await;
    let worker = Place {
        url: place.url.replace("postgres@", &format!("{schema}_worker@")),
        ..place.clone()
    };
    let store = worker.store().await;
    ask(&store, &sample(&store).await).await;
    drop(store);
    place
        .execute(&format!(
            "DROP OWNED BY {schema}_worker; DROP ROLE {schema}_worker"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_compressed_by_lz4_where_the_server_has_it() {
    let Some(place) = Place::new() else { return };
    drop(place.store().await);
    let row = sqlx::query(
        "SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' \
         AND 'lz4' = ANY (enumvals)) AS has_lz4, \
         coalesce(to_jsonb(a)->>'attcompression', '') = 'l' AS by_lz4 \
         FROM pg_attribute a WHERE attrelid = 'requests'::regclass AND attname = 'record'",
    )
    .fetch_one(&mut place.connection().await)
    .await
    .unwrap();
    let (has, by): (bool, bool) = (row.get("has_lz4"), row.get("by_lz4"));
    assert_eq!(has, by);
}
