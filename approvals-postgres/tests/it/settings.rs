//! What is refused before anything is connected.

use std::time::Duration;

use approvals_postgres::{ConnectError, PostgresStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const URL: &str = "postgres://postgres:secret@localhost:1/none";

async fn refused(store: approvals_postgres::PostgresStoreBuilder) -> String {
    store.connect().await.unwrap_err().to_string()
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_with_what_to_write() {
    let builder = || PostgresStore::builder(URL);
    for (store, wanted) in [
        (builder().schema(""), "`schema` is no name"),
        (
            builder().schema("a\"; DROP SCHEMA b"),
            "`schema` is no name",
        ),
        (builder().schema("pg_temp"), "`schema` begins with `pg_`"),
        (builder().max_connections(0), "`max_connections` is 0"),
        (
            builder().answer_within(Duration::ZERO),
            "`answer_within` is less than 100 ms",
        ),
        (PostgresStore::builder("mysql:"), "the URL cannot be used"),
    ] {
        let error = refused(store).await;
        assert!(error.contains(wanted), "{error}");
    }
}

#[tokio::test]
async fn no_message_and_no_debug_output_shows_the_password() {
    let store = PostgresStore::builder(URL).answer_within(Duration::from_millis(100));
    let shown = format!("{store:?}");
    assert!(!shown.contains("secret"), "{shown}");
    let error = store.connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
    assert!(
        !format!("{error} {error:?}").contains("secret"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_reached_over_a_network_is_not_spoken_to_in_clear() {
    // Not an address that stands for this machine in a URL.
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut asked = [0; 8];
        client.read_exact(&mut asked).await.unwrap();
        // It has no TLS, or somebody on the way says so.
        client.write_all(b"N").await.unwrap();
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said).await;
        said
    });
    let url = format!("postgres://postgres:secret@127.0.0.2:{port}/none");
    let store = PostgresStore::builder(&url).answer_within(Duration::from_secs(2));
    let error = store.connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
    assert_eq!(server.await.unwrap(), b"", "it was told something in clear");
}
