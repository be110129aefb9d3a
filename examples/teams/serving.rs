//! Serves callbacks with hyper. Anything else that serves HTTP does as well.

use std::convert::Infallible;

use approvals_teams::{MOST_CALLBACK_BYTES, Teams};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, teams: Teams) {
    while let Ok((stream, _)) = listener.accept().await {
        let teams = teams.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let teams = teams.clone();
            async move { Ok::<_, Infallible>(respond(&teams, request).await.map(Full::new)) }
        });
        tokio::spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                eprintln!("a connection broke: {error}");
            }
        });
    }
}

/// The whole body is read before anything is judged by it, and no more than a callback may have.
async fn respond(teams: &Teams, request: Request<Incoming>) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    match Limited::new(body, MOST_CALLBACK_BYTES).collect().await {
        Ok(body) => {
            let request = Request::from_parts(parts, body.to_bytes());
            teams.respond(&request).await
        }
        Err(_) => {
            let mut refused = Response::new(Bytes::new());
            *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            refused
        }
    }
}
