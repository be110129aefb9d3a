//! Whom a store speaks to.

use std::path::PathBuf;
use std::time::Duration;

use approvals_core::RequestStore;
use approvals_postgres::{ConnectError, PostgresStore};
use approvals_testing::postgres::PrivateServer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sqlx::{ConnectOptions, Connection};

use crate::support::own_server;

/// Somebody who certifies servers.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server that is reached by TCP, and its port.
fn listening() -> Option<(PrivateServer, u16)> {
    let server = own_server()?;
    let port = server.listen().unwrap();
    Some((server, port))
}

/// A server with a certificate for `localhost` alone, its port and the file of who certified it.
fn certified() -> Option<(PrivateServer, u16, PathBuf)> {
    let (server, port) = listening()?;
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let certificate = server.put("server.crt", &certificate.pem()).unwrap();
    let key = server.put("server.key", &key.serialize_pem()).unwrap();
    server.set("ssl", "on");
    server.set("ssl_cert_file", certificate.to_str().unwrap());
    server.set("ssl_key_file", key.to_str().unwrap());
    server.crash().unwrap();
    server.restart().unwrap();
    let root = server.put("root.crt", &authority.pem()).unwrap();
    Some((server, port, root))
}

async fn connect(host: &str, port: u16, parameters: &str) -> Result<PostgresStore, ConnectError> {
    let url = format!("postgres://postgres@{host}:{port}/postgres?{parameters}");
    let store = PostgresStore::builder(&url).answer_within(Duration::from_secs(5));
    store.connect().await
}

async fn refused(host: &str, port: u16, parameters: &str) -> String {
    let error = connect(host, port, parameters).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_that_is_trusted_is_spoken_to_in_secret() {
    let Some((server, port, root)) = certified() else {
        return;
    };
    let verified = format!("sslmode=verify-full&sslrootcert={}", root.display());
    let store = connect("localhost", port, &verified).await.unwrap();
    store.now().await.unwrap();
    // As the server sees it.
    let options: sqlx::postgres::PgConnectOptions = server.url("postgres").parse().unwrap();
    let mut beside = options.connect().await.unwrap();
    let (all, secret): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl \
         JOIN pg_stat_activity USING (pid) WHERE application_name = 'approvals'",
    )
    .fetch_one(&mut beside)
    .await
    .unwrap();
    beside.close().await.unwrap();
    assert!(all >= 2, "one that works and one that listens: {all}");
    assert_eq!(secret, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_certificate_is_nobodys_or_anothers_is_refused() {
    let Some((server, port, root)) = certified() else {
        return;
    };
    // By an authority that did not certify it, and by those of the system.
    let other = server.put("other.crt", &authority().pem()).unwrap();
    let by_another = format!("sslmode=verify-full&sslrootcert={}", other.display());
    for parameters in [by_another.as_str(), "sslmode=verify-full"] {
        let error = refused("localhost", port, parameters).await;
        assert!(error.contains("invalid peer certificate"), "{error}");
    }
    // By the right one, for another name.
    let verified = format!("sslmode=verify-full&sslrootcert={}", root.display());
    let error = refused("127.0.0.1", port, &verified).await;
    assert!(error.contains("not valid for name"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_where_it_has_to_be_verified() {
    let Some((server, port)) = listening() else {
        return;
    };
    server.crash().unwrap();
    server.restart().unwrap();
    let error = refused("localhost", port, "sslmode=verify-full").await;
    assert!(error.contains("server does not support TLS"), "{error}");
}
