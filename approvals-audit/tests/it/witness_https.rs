//! Witnesses on a network.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use approvals_audit::export::EndpointError;
use approvals_audit::{
    Cosigner, Directory, HttpsTransport, Note, Publisher, Signer as _, VerifierKey, Witness,
    WitnessError,
};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::mini_witness::MiniWitness;
use crate::support::*;

/// Serves with this function, and returns where.
async fn serving<F>(respond: F) -> String
where
    F: Fn(&Request<Bytes>) -> Response<Bytes> + Clone + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let respond = respond.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let respond = respond.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let response = respond(&Request::from_parts(parts, body));
                    Ok::<_, std::convert::Infallible>(response.map(Full::new))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// Serves a witness, and returns where.
async fn served(mini: &Arc<MiniWitness>) -> String {
    let mini = Arc::clone(mini);
    serving(move |request| {
        assert_eq!(
            (request.method(), request.uri().path()),
            (&Method::POST, "/witness/add-checkpoint")
        );
        let answer = mini.answer(request.body());
        let mut response = Response::builder().status(answer.status);
        if let Some(content_type) = answer.content_type {
            response = response.header("content-type", content_type);
        }
        response.body(answer.body.into()).unwrap()
    })
    .await
}

fn witness(address: &str, key: &VerifierKey) -> Witness {
    let transport = HttpsTransport::new().unwrap();
    Witness::over_https(&format!("{address}/witness"), key.clone(), &transport).unwrap()
}

fn publisher(log: &Path, key: &VerifierKey, witness: Witness) -> Publisher {
    Publisher::of(log, [key.clone()]).witness(witness)
}

/// What one witness says who does not sign.
async fn refused(log: &Path, key: &VerifierKey, witness: Witness) -> WitnessError {
    let mut published = publisher(log, key, witness).once().await.unwrap();
    assert_eq!((published.witnesses, published.refused.len()), (0, 1));
    assert!(Directory::at(log).witnessed().unwrap().is_none());
    published.refused.remove(0)
}

/// The same, of whoever answers so.
async fn answered(response: fn() -> Response<Bytes>) -> WitnessError {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(place.path(), 10).await;
    let address = serving(move |_| response()).await;
    let own = Cosigner::generate("example.org/witness").unwrap();
    refused(place.path(), &key, witness(&address, own.key())).await
}

#[tokio::test]
async fn a_witness_on_a_network_signs_and_one_that_knows_another_size_is_asked_from_there() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), trail(700));
    written(place.path(), &key, &all[..300]).await;
    let mini = MiniWitness::of(key.key());
    let address = served(&mini).await;
    let publisher = publisher(place.path(), key.key(), witness(&address, mini.key()));
    let published = publisher.once().await.unwrap();
    assert!(published.refused.is_empty(), "{:?}", published.refused);
    written(place.path(), &key, &all[300..]).await;
    std::fs::remove_file(place.path().join("checkpoint.witnessed")).unwrap();
    let published = publisher.once().await.unwrap();
    assert_eq!((published.witnesses, published.checkpoint.size), (1, 700));
    assert_eq!(mini.statuses(), [200, 409, 200]);
    let note = Directory::at(place.path()).witnessed().unwrap().unwrap();
    let both = [key.key().clone(), mini.key().clone()];
    assert_eq!(Note::parse(&note).unwrap().verify(&both).unwrap().len(), 2);
}

#[tokio::test]
async fn a_witness_on_a_network_that_does_not_know_the_log_or_saw_another_says_so() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let [log, shorter, other] = ["log", "shorter", "other"].map(|name| place.path().join(name));
    written(&log, &key, &trail(300)).await;
    written(&shorter, &key, &trail(200)).await;
    written(&other, &key, &trail(400)).await;
    // 404 and 403: it was given no log, or the log with another key.
    for (mini, status) in [
        (MiniWitness::of_nothing(), 404),
        (MiniWitness::of(crate::support::key().key()), 403),
    ] {
        let error = refused(&log, key.key(), witness(&served(&mini).await, mini.key())).await;
        let WitnessError::Refused { status: told, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((told, mini.statuses()), (status, vec![status]));
    }
    let mini = MiniWitness::of(key.key());
    let of_mini = witness(&served(&mini).await, mini.key());
    let published = publisher(&log, key.key(), of_mini.clone()).once().await;
    assert_eq!(published.unwrap().witnesses, 1);
    mini.statuses();
    let error = refused(&shorter, key.key(), of_mini.clone()).await;
    assert!(
        matches!(
            error,
            WitnessError::SetBack {
                seen: 300,
                size: 200,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(mini.statuses(), [409]);
    let error = refused(&other, key.key(), of_mini).await;
    assert!(matches!(error, WitnessError::Forked(_)), "{error}");
    assert_eq!(mini.statuses(), [409, 422]);
}

#[tokio::test]
async fn an_answer_of_a_witness_that_is_longer_than_64_kib_is_not_read() {
    let error = answered(|| Response::new(vec![b'x'; (64 << 10) + 1].into())).await;
    let WitnessError::Transport { error, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(error.0, "its body is longer than 65536 bytes");
    // As long as may be, it is read, and is no signature.
    let error = answered(|| Response::new(vec![b'x'; 64 << 10].into())).await;
    assert!(matches!(error, WitnessError::Signature { .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_of_a_witness_is_not_followed() {
    let error = answered(|| {
        let redirect = Response::builder()
            .status(307)
            .header("location", "/elsewhere/add-checkpoint");
        redirect.body(Bytes::new()).unwrap()
    })
    .await;
    // Whoever followed it would be redirected again and never end; and so says the answer.
    let said = error.to_string();
    assert!(matches!(error, WitnessError::Refused { status: 307, .. }));
    assert!(said.contains("which is not followed"), "{said}");
}

#[tokio::test]
async fn a_witness_that_does_not_end_its_answer_is_given_up_after_30_seconds() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(place.path(), 10).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (heard, has_heard) = oneshot::channel();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut piece = [0; 4096];
        assert!(stream.read(&mut piece).await.unwrap() > 0);
        let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\nexample.org/";
        stream.write_all(begun).await.unwrap();
        heard.send(()).unwrap();
        // It is open until this is dropped.
        std::future::pending::<()>().await;
    });
    let own = Cosigner::generate("example.org/witness").unwrap();
    let witness = witness(&address, own.key());
    let (began, path) = (Instant::now(), place.path().to_owned());
    let refusal = tokio::spawn(async move { refused(&path, &key, witness).await });
    has_heard.await.unwrap();
    // Now there is nothing to wait for but the limit.
    tokio::time::pause();
    let WitnessError::Transport { error, .. } = refusal.await.unwrap() else {
        panic!("it was answered");
    };
    assert_eq!(error.0, "no answer in time");
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(30), "{waited:?}");
    assert!(waited < Duration::from_secs(60), "{waited:?}");
    server.abort();
}

#[tokio::test]
async fn a_witness_whose_certificate_nobody_trusts_is_told_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(place.path(), 10).await;
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], secret)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let accepting = tokio_rustls::TlsAcceptor::from(Arc::new(settings)).accept(stream);
        accepting.await.is_ok()
    });
    let own = Cosigner::generate("example.org/witness").unwrap();
    let error = refused(place.path(), &key, witness(&address, own.key())).await;
    let said = error.to_string();
    assert!(said.contains("invalid peer certificate"), "{said}");
    assert!(!server.await.unwrap(), "the server was spoken to");
}

#[test]
fn a_witness_on_another_machine_is_not_spoken_to_in_clear() {
    let transport = HttpsTransport::new().unwrap();
    let own = Cosigner::generate("example.org/witness").unwrap();
    let of = |address: &str| {
        let witness = Witness::over_https(address, own.key().clone(), &transport);
        witness.map(|_| ()).map_err(|error| match error {
            WitnessError::Endpoint(error) => error,
            other => panic!("{other}"),
        })
    };
    assert_eq!(of("https://witness.example.com/log/"), Ok(()));
    assert_eq!(of("http://localhost:8080"), Ok(()));
    let in_clear = Err(EndpointError::InClear("witness.example.com".to_owned()));
    assert_eq!(of("http://witness.example.com"), in_clear);
    for wrong in [
        "witness.example.com",
        "ftp://witness.example.com",
        "https://witness.example.com/?log=1",
        "https://witness.example.com/#log",
        "",
    ] {
        let refused = of(wrong);
        assert!(
            matches!(refused, Err(EndpointError::Address(_))),
            "{wrong}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn the_program_has_witnesses_sign_and_the_verifier_wants_their_signatures() {
    let place = tempfile::tempdir().unwrap();
    let (log, copy) = (place.path().join("log"), place.path().join("copy"));
    let (key, all) = (key(), trail(300));
    written(&log, &key, &all[..200]).await;
    let mini = MiniWitness::of(key.key());
    let address = format!("{}/witness", served(&mini).await);
    let (own, of_mini) = (key.key().to_string(), mini.key().to_string());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (log_at, copy_at) = (text(&log), text(&copy));
    let publish = || {
        let arguments = ["-k", &own, "-w", &address, &of_mini, "--copy", &copy_at];
        let program = env!("CARGO_BIN_EXE_approvals-audit-witness");
        run(program, &[&arguments[..], &[&log_at]].concat())
    };
    let verify = |witness: &str, path: &Path| {
        let arguments = ["-k", &own, "--witness", witness, &text(path)];
        run(env!("CARGO_BIN_EXE_approvals-audit-verify"), &arguments)
    };
    let (code, said) = verify(&of_mini, &log).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no witness has signed the log"), "{said}");
    let (code, said) = publish().await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("200 entries: signed by 1 witnesses"),
        "{said}"
    );
    written(&log, &key, &all[200..]).await;
    let (code, said) = verify(&of_mini, &log).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("signed its first 200 entries"), "{said}");
    let (code, said) = verify(&of_mini, &copy).await;
    assert_eq!(code, 0, "{said}");
    // Another witness, and the log itself, have not witnessed it.
    let another = Cosigner::generate("example.org/witness").unwrap();
    for path in [&log, &copy] {
        let (code, said) = verify(&another.key().to_string(), path).await;
        assert_eq!(code, 1, "{said}");
    }
    assert_eq!(verify(&own, &log).await.0, 2);
    // Whoever has the log's key writes another one, and keeps what the witness signed.
    let rewritten = place.path().join("rewritten");
    written(&rewritten, &key, &trail(300)).await;
    let witnessed = "checkpoint.witnessed";
    std::fs::copy(log.join(witnessed), rewritten.join(witnessed)).unwrap();
    assert_eq!(verify_plain(&own, &text(&rewritten)).await, 0);
    let (code, said) = verify(&of_mini, &rewritten).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("seen when the log had 200"), "{said}");
}

async fn verify_plain(key: &str, log: &str) -> i32 {
    let program = env!("CARGO_BIN_EXE_approvals-audit-verify");
    run(program, &["-k", key, log]).await.0
}

/// What a program says, while the server goes on answering.
fn run(program: &'static str, arguments: &[&str]) -> impl Future<Output = (i32, String)> + use<> {
    let mut command = std::process::Command::new(program);
    command.args(arguments);
    async move {
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = ran.await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        let code = output.status.code().unwrap();
        (code, String::from_utf8(said).unwrap())
    }
}
