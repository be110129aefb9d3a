//! Where exports and checkpoints are sent on a network.

use approvals_channel::Https;
use http::Uri;

/// What is told of who sends.
pub(crate) const USER_AGENT: &str = concat!("approvals/", env!("CARGO_PKG_VERSION"));

/// An endpoint's address or headers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no address of an endpoint.
    #[error("an endpoint's address is `https://host/path`: {0}")]
    Address(String),
    /// What is sent, and what proves who sends it, could be read and changed on the way.
    #[error("`{0}` is reached over a network in clear: use https")]
    InClear(String),
    /// It is no header.
    #[error("`{0}` is no header of HTTP, or its value cannot be sent")]
    Header(String),
    /// The host trusts nobody.
    #[error("no HTTPS client: {0}")]
    Client(String),
}

/// Reads an address: of HTTPS, or of this machine itself, to which nothing leaves it.
pub(crate) fn address(text: &str) -> Result<Uri, EndpointError> {
    let uri: Uri = text
        .parse()
        .map_err(|error: http::uri::InvalidUri| EndpointError::Address(error.to_string()))?;
    let host = uri.host().unwrap_or_default().to_owned();
    if host.is_empty() {
        return Err(EndpointError::Address("it names no host".to_owned()));
    }
    let here = ["localhost", "127.0.0.1", "[::1]"].contains(&&*host);
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if here => Ok(uri),
        Some("http") => Err(EndpointError::InClear(host)),
        Some(_) | None => Err(EndpointError::Address("it is not of https".to_owned())),
    }
}

/// A client that trusts the roots of the host.
pub(crate) fn client() -> Result<Https, EndpointError> {
    Https::new().map_err(|error| EndpointError::Client(error.to_string()))
}
