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
    "{0:?} is no link: write where all requests are shown, as `https://approvals.example.com/requests/`; without TLS only on this machine"
)]
pub struct LinkError(pub String);

impl PageLink {
    /// Checks the text.
    ///
    /// # Errors
    /// [`LinkError`] when it is not an address with `https`, or with `http` on this machine: what is
    /// shown there is what people agree to, so nobody on the way may change it.
    pub fn new(text: &str) -> Result<Self, LinkError> {
        let uri: Result<http::Uri, _> = text.parse();
        let known = uri.is_ok_and(|uri| match uri.scheme_str() {
            Some("https") => uri.host().is_some(),
            Some("http") => matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]")),
            Some(_) | None => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_where_nobody_on_the_way_changes_what_is_shown() {
        for right in [
            "https://approvals.example.com/requests/",
            "http://127.0.0.1:8080/requests/",
            "http://localhost/",
        ] {
            assert!(PageLink::new(right).is_ok(), "{right}");
        }
        for wrong in [
            "http://approvals.example.com/requests/",
            "http://127.0.0.1.example.com/",
            "http://localhost@evil.example/",
            "javascript:alert(1)",
            "ftp://approvals.example.com/",
            "/requests/",
            "",
        ] {
            assert!(PageLink::new(wrong).is_err(), "{wrong}");
        }
    }
}
