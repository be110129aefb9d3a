//! Which Microsoft cloud: where tokens come from, who signs, and where the bot may send its own.

use http::Uri;

/// The addresses of a cloud, and the services that the bot's token may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    login: String,
    scope: &'static str,
    metadata: String,
    issuer: &'static str,
    services: Vec<Service>,
}

/// The beginning of the addresses of a Connector.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Service {
    url: String,
    uri: Uri,
}

/// An address that nothing is sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address of a service: write `https://host/path`, or `http://` on this machine"
)]
pub struct CloudError(String);

impl Default for Cloud {
    fn default() -> Self {
        Self::public()
    }
}

impl Cloud {
    /// The public cloud.
    #[must_use]
    pub fn public() -> Self {
        let mut cloud = Self::of(
            "https://login.microsoftonline.com",
            "https://api.botframework.com/.default",
            "https://login.botframework.com/v1/.well-known/openidconfiguration",
            "https://api.botframework.com",
        );
        cloud
            .services
            .extend(service("https://smba.trafficmanager.net/teams"));
        cloud
    }

    /// The clouds of the government of the United States. Which service there is has to be said
    /// with [`service`](Self::service).
    #[must_use]
    pub fn government() -> Self {
        Self::of(
            "https://login.microsoftonline.us",
            "https://api.botframework.us/.default",
            "https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
            "https://api.botframework.us",
        )
    }

    /// The cloud in China. Which service there is has to be said with [`service`](Self::service).
    #[must_use]
    pub fn china() -> Self {
        Self::of(
            "https://login.partner.microsoftonline.cn",
            "https://api.botframework.azure.cn/.default",
            "https://login.botframework.azure.cn/v1/.well-known/openidconfiguration",
            "https://api.botframework.azure.cn",
        )
    }

    /// A stand-in for all of it, as `http://127.0.0.1:8080`: tokens from `/TENANT/oauth2/v2.0/token`,
    /// keys from `/openid`, and a service at `/teams`. Over a network only with TLS.
    ///
    /// # Errors
    /// [`CloudError`] when it is not an address with `https`, or with `http` on this machine.
    pub fn stand_in(origin: &str) -> Result<Self, CloudError> {
        let origin = origin.trim_end_matches('/');
        let mut cloud = Self::public();
        cloud.login = service(origin)
            .ok_or_else(|| CloudError(origin.to_owned()))?
            .url;
        cloud.metadata = format!("{origin}/openid");
        cloud.services.clear();
        cloud.service(&format!("{origin}/teams"))
    }

    /// Adds a service that the bot's token may be sent to; the first of all is the one that is asked
    /// where no conversation says another.
    ///
    /// # Errors
    /// [`CloudError`] when it is not an address with `https`, or with `http` on this machine.
    pub fn service(mut self, url: &str) -> Result<Self, CloudError> {
        let known = service(url).ok_or_else(|| CloudError(url.to_owned()))?;
        self.services.push(known);
        Ok(self)
    }

    /// Has the keys of whoever signs come from another place.
    ///
    /// # Errors
    /// [`CloudError`] when it is not an address with `https`, or with `http` on this machine.
    pub fn metadata(mut self, url: &str) -> Result<Self, CloudError> {
        self.metadata = service(url).ok_or_else(|| CloudError(url.to_owned()))?.url;
        Ok(self)
    }

    fn of(login: &str, scope: &'static str, metadata: &str, issuer: &'static str) -> Self {
        Self {
            login: login.to_owned(),
            scope,
            metadata: metadata.to_owned(),
            issuer,
            services: Vec::new(),
        }
    }

    pub(crate) fn token_address(&self, tenant: &str) -> String {
        format!("{}/{tenant}/oauth2/v2.0/token", self.login)
    }

    pub(crate) const fn scope(&self) -> &'static str {
        self.scope
    }

    pub(crate) fn metadata_address(&self) -> &str {
        &self.metadata
    }

    pub(crate) const fn issuer(&self) -> &'static str {
        self.issuer
    }

    /// The service that is asked where no conversation says another.
    pub(crate) fn default_service(&self) -> Option<&str> {
        self.services.first().map(|service| service.url.as_str())
    }

    /// This service without a slash at its end, where the bot's token may be sent to it: an address
    /// in an activity says where this process is to send its token.
    pub(crate) fn allowed(&self, url: &str) -> Option<String> {
        if self.services.iter().any(|own| own.is_plainly(url)) {
            return Some(url.strip_suffix('/').unwrap_or(url).to_owned());
        }
        let found = service(url)?;
        let known = |own: &Service| {
            // Also the same user information and port, which are none.
            own.uri.scheme() == found.uri.scheme() && own.uri.authority() == found.uri.authority()
        };
        let plain = found.uri.query().is_none() && !found.url.contains("..");
        (plain && self.services.iter().any(known)).then_some(found.url)
    }
}

impl Service {
    /// Whether an address begins, letter by letter, as this one does before its path, and has nothing
    /// after that but a plain path. Most do, and need not be taken apart to be compared.
    fn is_plainly(&self, url: &str) -> bool {
        let (Some(scheme), Some(authority)) = (self.uri.scheme_str(), self.uri.authority()) else {
            return false;
        };
        let path = url.strip_prefix(scheme);
        let path = path.and_then(|rest| rest.strip_prefix("://"));
        let path = path.and_then(|rest| rest.strip_prefix(authority.as_str()));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_');
        path.is_some_and(|path| path.starts_with('/') && path.bytes().all(plain))
    }
}

fn service(url: &str) -> Option<Service> {
    let url = url.strip_suffix('/').unwrap_or(url);
    let uri: Uri = url.parse().ok()?;
    let local = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let right = match uri.scheme_str() {
        Some("https") => uri.host().is_some(),
        Some("http") => local,
        Some(_) | None => false,
    };
    right.then(|| Service {
        url: url.to_owned(),
        uri,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bots_token_is_sent_to_services_that_are_known_and_nowhere_else() {
        let cloud = Cloud::public();
        let emea = "https://smba.trafficmanager.net/emea";
        assert_eq!(cloud.allowed(&format!("{emea}/")).as_deref(), Some(emea));
        assert_eq!(cloud.allowed(emea).as_deref(), Some(emea));
        for (url, read) in [
            (
                "https://SMBA.trafficmanager.net/emea/",
                "https://SMBA.trafficmanager.net/emea",
            ),
            (
                "https://smba.trafficmanager.net/a%20b",
                "https://smba.trafficmanager.net/a%20b",
            ),
            (
                "https://smba.trafficmanager.net/",
                "https://smba.trafficmanager.net",
            ),
            (
                "https://smba.trafficmanager.net",
                "https://smba.trafficmanager.net",
            ),
        ] {
            assert_eq!(cloud.allowed(url).as_deref(), Some(read));
        }
        for other in [
            "http://smba.trafficmanager.net/emea/",
            "https://smba.trafficmanager.net.evil.example/",
            "https://smba.trafficmanager.net@evil.example/",
            "https://user@smba.trafficmanager.net/",
            "https://smba.trafficmanager.net:8443/",
            "https://evil.example/smba.trafficmanager.net",
            "https://smba.infra.gcc.teams.microsoft.com/teams",
            "https://smba.trafficmanager.net/?x=",
            "https://smba.trafficmanager.nets/emea",
            "https://smba.trafficmanager.net/a b",
            "https://smba.trafficmanager.net\\emea",
            "https://smba.trafficmanager.net/a/../b",
            "https://169.254.169.254/latest",
            "//smba.trafficmanager.net/emea/",
            "file:///etc/passwd",
            "",
        ] {
            assert_eq!(cloud.allowed(other), None, "{other}");
        }
        let gcc = "https://smba.infra.gcc.teams.microsoft.com/teams";
        assert!(cloud.service(gcc).unwrap().allowed(gcc).is_some());
    }

    #[test]
    fn a_national_cloud_has_its_own_issuer_and_no_service_until_one_is_said() {
        for cloud in [Cloud::government(), Cloud::china()] {
            assert_ne!(cloud.issuer(), Cloud::public().issuer());
            assert_eq!(cloud.default_service(), None);
        }
        assert!(Cloud::stand_in("http://127.0.0.1:9").is_ok());
        assert!(Cloud::stand_in("http://teams.test").is_err());
    }
}
