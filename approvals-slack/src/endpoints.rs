//! Where Slack is.

use http::Uri;

/// The addresses of a Slack: where its Web API is, and where answers to a click may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    api: String,
    hooks: Vec<Uri>,
    /// The end of the hosts that connections are made to, or the one that stands in for them.
    sockets: Sockets,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Sockets {
    /// Hosts of this domain, over TLS.
    Of(&'static str),
    /// This host and port.
    At(String),
}

/// An address that nothing is sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address for a Slack: write `https://host`, or `http://` on this machine")]
pub struct EndpointError(String);

impl Default for Endpoints {
    fn default() -> Self {
        Self::commercial()
    }
}

impl Endpoints {
    /// `slack.com`.
    #[must_use]
    pub fn commercial() -> Self {
        let sockets = Sockets::Of(".slack.com");
        Self::of("https://slack.com", &["https://hooks.slack.com"], sockets)
    }

    /// `slack-gov.com`.
    #[must_use]
    pub fn government() -> Self {
        let sockets = Sockets::Of(".slack-gov.com");
        Self::of(
            "https://slack-gov.com",
            &["https://hooks.slack-gov.com"],
            sockets,
        )
    }

    /// A stand-in for both: `http://127.0.0.1:8080`. Over a network only with TLS.
    ///
    /// # Errors
    /// [`EndpointError`] when it is not an address with `https`, or with `http` on this machine.
    pub fn stand_in(origin: &str) -> Result<Self, EndpointError> {
        let refused = || EndpointError(origin.to_owned());
        let uri: Uri = origin.parse().map_err(|_| refused())?;
        let local = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
        let bare = uri.query().is_none() && matches!(uri.path(), "" | "/");
        match uri.scheme_str() {
            Some("https") if bare => {}
            Some("http") if bare && local => {}
            _ => return Err(refused()),
        }
        let origin = origin.trim_end_matches('/');
        let sockets = Sockets::At(uri.authority().map(ToString::to_string).unwrap_or_default());
        Ok(Self::of(origin, &[origin], sockets))
    }

    fn of(api: &str, hooks: &[&str], sockets: Sockets) -> Self {
        Self {
            api: api.to_owned(),
            hooks: hooks.iter().filter_map(|hook| hook.parse().ok()).collect(),
            sockets,
        }
    }

    /// The address of a method.
    pub(crate) fn method(&self, name: &str) -> String {
        format!("{}/api/{name}", self.api)
    }

    /// Whether a connection may be made to this address.
    #[cfg(feature = "socket-mode")]
    pub(crate) fn is_socket(&self, address: &str) -> bool {
        let Ok(uri) = address.parse::<Uri>() else {
            return false;
        };
        let authority = uri
            .authority()
            .map(http::uri::Authority::as_str)
            .unwrap_or_default();
        match &self.sockets {
            // Neither user information nor another port.
            Sockets::Of(domain) => {
                uri.scheme_str() == Some("wss")
                    && authority.ends_with(domain)
                    && !authority.contains(['@', ':'])
            }
            Sockets::At(known) => {
                matches!(uri.scheme_str(), Some("ws" | "wss")) && authority == known
            }
        }
    }

    /// The address, where answers to a click may be sent to it: an address in a callback says where
    /// this process is to send something.
    pub(crate) fn hook(&self, address: &str) -> Option<Uri> {
        let uri: Uri = address.parse().ok()?;
        let known = |hook: &Uri| {
            // Also the same user information and port, which are none.
            uri.scheme() == hook.scheme() && uri.authority() == hook.authority()
        };
        self.hooks.iter().any(known).then_some(uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_sent_to_slack_and_nowhere_else() {
        let slack = Endpoints::commercial();
        assert!(
            slack
                .hook("https://hooks.slack.com/actions/T01/1/xyz")
                .is_some()
        );
        assert!(
            slack
                .hook("https://HOOKS.slack.com/actions/T01/1/xyz")
                .is_some()
        );
        for other in [
            "http://hooks.slack.com/actions/T01",
            "https://hooks.slack.com.evil.example/actions",
            "https://hooks.slack.com@evil.example/",
            "https://user@hooks.slack.com/",
            "https://hooks.slack.com:8443/",
            "https://hooks.slack-gov.com/actions",
            "https://169.254.169.254/latest/meta-data",
            "//hooks.slack.com/actions",
            "/actions",
            "hooks.slack.com",
            "file:///etc/passwd",
            "",
        ] {
            assert_eq!(slack.hook(other), None, "{other}");
        }
    }

    #[cfg(feature = "socket-mode")]
    #[test]
    fn connections_are_made_to_slack_and_nowhere_else() {
        let slack = Endpoints::commercial();
        assert!(slack.is_socket("wss://wss-primary.slack.com/link/?ticket=1"));
        for other in [
            "ws://wss-primary.slack.com/link",
            "wss://evil.example/link",
            "wss://evil.example/.slack.com",
            "wss://evilslack.com/",
            "wss://wss-primary.slack.com:444/",
            "wss://evil.example@wss-primary.slack.com/",
            "wss://127.0.0.1/",
            "",
        ] {
            assert!(!slack.is_socket(other), "{other}");
        }
    }

    #[test]
    fn a_stand_in_without_tls_is_on_this_machine() {
        assert!(Endpoints::stand_in("http://127.0.0.1:8080").is_ok());
        assert!(Endpoints::stand_in("https://slack.test/").is_ok());
        for other in [
            "http://slack.test",
            "http://127.0.0.1.evil.example",
            "slack.test",
            "https://slack.test/x",
        ] {
            assert!(Endpoints::stand_in(other).is_err(), "{other}");
        }
    }
}
