//! Where all of a request is shown.

use std::fmt;
use std::sync::Arc;

use approvals_core::RequestId;

/// The longest: a service limits addresses, and an id follows.
const MOST: usize = 2_000;

/// The beginning of the address where all of a request is shown; the request's id follows.
#[derive(Clone, PartialEq, Eq)]
pub struct PageLink(Arc<str>);

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no link: write where all requests are shown, as `https://approvals.example.com/requests/`"
)]
pub struct LinkError(pub String);

impl PageLink {
    /// Checks the text.
    ///
    /// # Errors
    /// [`LinkError`] when it is not an address with `https` or `http`.
    pub fn new(text: &str) -> Result<Self, LinkError> {
        let uri: Result<http::Uri, _> = text.parse();
        let known = uri.is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some()
        });
        if known && text.len() <= MOST {
            return Ok(Self(text.into()));
        }
        Err(LinkError(text.to_owned()))
    }

    /// Where this request is shown.
    #[must_use]
    pub fn of(&self, request: RequestId) -> String {
        format!("{}{request}", self.0)
    }
}

impl fmt::Debug for PageLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
