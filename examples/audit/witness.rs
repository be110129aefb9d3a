//! Somebody else signs that the log only grew: whoever has the log's key cannot rewrite what they
//! have seen.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use approvals_audit::{
    Checkpoint, Cosigner, Hash, HttpsTransport, Note, Publisher, VerifierKey, Witness,
    verify_consistency,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::Error;

/// Has the log witnessed, and returns the witness's key.
pub(crate) async fn witnessed(log: &Path, key: &VerifierKey) -> Result<VerifierKey, Error> {
    // In your house: `https://witness.example.org`, and the key that its operator gave you.
    let (address, witness) = stand_in(key.clone()).await?;

    let transport = HttpsTransport::new()?;
    let publisher = Publisher::of(log, [key.clone()]).witness(Witness::over_https(
        &address,
        witness.clone(),
        &transport,
    )?);
    // `every` does so for good, in a task or in a process of its own.
    let published = publisher.once().await?;
    if let Some(refused) = published.refused.into_iter().next() {
        return Err(refused.into());
    }
    let size = published.checkpoint.size;
    println!("  {} has signed the first {size} entries", witness.name());
    Ok(witness)
}

/// A witness of this log, on this machine. Yours belongs to somebody else.
async fn stand_in(log: VerifierKey) -> Result<(String, VerifierKey), Error> {
    let own = Arc::new(Cosigner::generate("example.org/witness")?);
    let key = own.key().clone();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let seen = Arc::new(Mutex::new((0, Hash::of_nothing())));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (own, log, seen) = (Arc::clone(&own), log.clone(), Arc::clone(&seen));
            let service = service_fn(move |request: Request<Incoming>| {
                let (own, log, seen) = (Arc::clone(&own), log.clone(), Arc::clone(&seen));
                async move {
                    let body = request.into_body().collect().await;
                    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
                    let (status, text) = match seen.lock() {
                        Ok(mut seen) => answer(&own, &log, &mut seen, &body),
                        Err(_) => (500, String::new()),
                    };
                    let mut response = Response::new(Full::new(Bytes::from(text)));
                    *response.status_mut() = status.try_into().unwrap_or_default();
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok((address, key))
}

/// Signs a checkpoint that goes on from the last one.
fn answer(own: &Cosigner, log: &VerifierKey, seen: &mut (u64, Hash), body: &[u8]) -> (u16, String) {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let Some((head, note)) = text.split_once("\n\n") else {
        return (400, String::new());
    };
    let proof: Vec<Hash> = head.lines().skip(1).filter_map(Hash::parse).collect();
    let checkpoint = Checkpoint::verified(note.as_bytes(), std::slice::from_ref(log));
    let (Ok(note), Ok(checkpoint)) = (Note::parse(note.as_bytes()), checkpoint) else {
        return (403, String::new());
    };
    let new = (checkpoint.size, checkpoint.root);
    if seen.0 > 0 && verify_consistency(*seen, new, &proof).is_err() {
        return (422, String::new());
    }
    *seen = new;
    let now = std::time::UNIX_EPOCH.elapsed();
    let seconds = now.map_or(0, |since| since.as_secs());
    (200, own.line(&note, seconds))
}
