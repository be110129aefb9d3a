//! The stand-in over a network.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Serves requests with a function, each connection in a task of its own, until it is dropped.
pub(crate) async fn serve<F>(listener: TcpListener, respond: F)
where
    F: Fn(&Request<Bytes>) -> Option<Response<Bytes>> + Clone + Send + Sync + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let respond = respond.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let respond = respond.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body
                    .collect()
                    .await
                    .map(http_body_util::Collected::to_bytes);
                let request = Request::from_parts(parts, body.unwrap_or_default());
                // Nothing to answer with is a connection that is torn.
                let response = respond(&request);
                response
                    .map(|response| response.map(Full::new))
                    .ok_or_else(|| std::io::Error::other("torn"))
            }
        });
        tokio::spawn(async move {
            let _: Result<(), _> = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
