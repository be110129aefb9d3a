//! Settings of the channel, and what is wrong with them.

use std::sync::Arc;

use approvals_channel::linking;
use approvals_channel::{ByEmail, Http, HttpError, Https, LinkError, Memory, PageLink, Unheard};
use approvals_core::{ChannelDesk, Clock, Directory, SystemClock};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::addresses::Addresses;
use crate::api::Api;
use crate::card::{Face, LARGEST, USUAL};
use crate::channel::{Inner, MOST_ASIDES, Teams};
use crate::cloud::Cloud;
use crate::conversations::Conversations;
use crate::credential::Credential;
use crate::destination::{Destination, Place, Routes};
use crate::id::{AppId, TenantId};
use crate::keys::Keys;
use crate::people::People;

/// What Teams publishes for one app in one tenant.
const CALLS_PER_SECOND: usize = 30;

/// Settings that make no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The secret is empty.
    #[error(
        "the client secret is empty: copy its value from the app registration's certificates & secrets"
    )]
    Secret,
    /// There is no route, or one without a destination.
    #[error("there is no route, or one without a destination: nobody would be asked")]
    NoRoute,
    /// A route leads to reviewers, and there is no directory to say who they are.
    #[error(
        "a route leads to the reviewers: give the channel the directory, so that it knows who they are"
    )]
    NoDirectory,
    /// The cloud has no service.
    #[error("no service of this cloud is known: name one with `Cloud::service`")]
    NoService,
    /// The link is not one.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Cards that are too small for anything, or too large for Teams.
    #[error("cards of {0} bytes: at least {USUAL} and at most {LARGEST} are possible")]
    Bytes(usize),
    /// Calls are limited to none.
    #[error("a limit of 0 calls a second would post nothing")]
    NoCalls,
    /// The client could not be made.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Settings of a Teams channel.
///
/// ```
/// # use std::sync::Arc;
/// # use approvals_core::memory::{InMemoryDirectory, MemoryStore};
/// use approvals_core::{ChannelId, ChannelIdentity, Desk, Gate, Requirement};
/// use approvals_teams::{
///     AppId, Destination, InMemoryConversations, Route, Routes, TeamsBuilder, TenantId,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = "example".into();
/// let tenant = "22222222-0000-0000-0000-000000000000";
/// let directory = Arc::new(InMemoryDirectory::new());
/// directory.person("alice", ["senior-engineers"])?;
/// let teams = ChannelId::new("teams")?;
/// let alice = "a11ce000-0000-0000-0000-000000000000";
/// directory.link(ChannelIdentity::new(teams.clone(), tenant, alice), "alice")?;
///
/// let desk = Desk::new(Arc::new(MemoryStore::new()), directory.clone());
/// let app = AppId::new("00000000-0000-0000-0000-00000000abcd")?;
/// let to = Destination::channel("19:abc@thread.tacv2")?;
/// // In earnest a `ConversationsFile`, which outlives the process.
/// let conversations = Arc::new(InMemoryConversations::default());
/// let channel = TeamsBuilder::new(app, secret, TenantId::new(tenant)?, conversations)
///     .routes(Routes::new().to(Route::all(), [to]))
///     .build(desk.channel(teams))?;
///
/// let gate = Gate::with_desk(desk)
///     .policy("prod-db", Requirement::one_of("senior-engineers")?)
///     .approver("teams", |_| Arc::new(channel.clone()))
///     .build()
///     .await?;
/// // Whatever serves HTTP hands every POST of the messaging endpoint to this:
/// let respond = async move |request: http::Request<bytes::Bytes>| channel.respond(&request).await;
/// # let _ = (gate, respond);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a channel exists once it is built"]
pub struct TeamsBuilder {
    app: AppId,
    secret: SecretString,
    tenant: TenantId,
    conversations: Arc<dyn Conversations>,
    routes: Routes,
    link: Option<String>,
    bytes: usize,
    directory: Option<Arc<dyn Directory>>,
    by_email: Option<Arc<ByEmail>>,
    cloud: Cloud,
    http: Option<Arc<dyn Http>>,
    clock: Option<Arc<dyn Clock>>,
    calls_per_second: usize,
}

impl TeamsBuilder {
    /// The bot's application id and client secret, the one tenant that it is of, and where it keeps
    /// the conversations that it was installed in.
    pub fn new(
        app: AppId,
        secret: SecretString,
        tenant: TenantId,
        conversations: Arc<dyn Conversations>,
    ) -> Self {
        Self {
            app,
            secret,
            tenant,
            conversations,
            routes: Routes::new(),
            link: None,
            bytes: USUAL,
            directory: None,
            by_email: None,
            cloud: Cloud::default(),
            http: None,
            clock: None,
            calls_per_second: CALLS_PER_SECOND,
        }
    }

    /// Which request goes where.
    pub fn routes(mut self, routes: Routes) -> Self {
        self.routes = routes;
        self
    }

    /// The beginning of the address where all of a request is shown; its id follows. Cards that
    /// cannot show everything lead there.
    pub fn link(mut self, link: &str) -> Self {
        self.link = Some(link.to_owned());
        self
    }

    /// How large a card may become, in bytes of UTF-16 (default 28 KiB, at most 80).
    pub const fn card_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// The directory, for routes that lead to reviewers.
    pub fn directory(mut self, directory: Arc<dyn Directory>) -> Self {
        self.directory = Some(directory);
        self
    }

    /// Has Teams say what the addresses of its users are, for the directory that finds people by
    /// them; the desk needs the same one.
    pub fn people_by_email(mut self, by_email: Arc<ByEmail>) -> Self {
        self.by_email = Some(by_email);
        self
    }

    /// Another cloud than the public one.
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// Another way out than [`Https`].
    pub fn http(mut self, http: Arc<dyn Http>) -> Self {
        self.http = Some(http);
        self
    }

    /// The clock that tokens are judged by; the host's unless one is given.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The most calls a second in the tenant (default 30, which Teams publishes).
    pub const fn calls_per_second(mut self, calls: usize) -> Self {
        self.calls_per_second = calls;
        self
    }

    /// The channel, on its desk. Nothing is asked of Microsoft yet.
    ///
    /// # Errors
    /// [`SettingsError`] when the settings make no channel.
    pub fn build(self, desk: ChannelDesk) -> Result<Teams, SettingsError> {
        if self.secret.expose_secret().trim().is_empty() {
            return Err(SettingsError::Secret);
        }
        if self.routes.is_empty() {
            return Err(SettingsError::NoRoute);
        }
        if self.calls_per_second == 0 {
            return Err(SettingsError::NoCalls);
        }
        if !(USUAL..=LARGEST).contains(&self.bytes) {
            return Err(SettingsError::Bytes(self.bytes));
        }
        if self.cloud.default_service().is_none() {
            return Err(SettingsError::NoService);
        }
        let asks = |to: &Destination| to.calls_reviewers || to.place == Place::Reviewers;
        let reviewers = self.routes.all().any(asks);
        if reviewers && self.directory.is_none() {
            return Err(SettingsError::NoDirectory);
        }
        let link = self.link.as_deref().map(PageLink::new).transpose()?;
        let http = match self.http {
            Some(http) => http,
            None => Arc::new(Https::new()?),
        };
        let keys = Keys::new(Arc::clone(&http), &self.cloud);
        let credential = Credential::new(self.app.clone(), self.secret, &self.tenant, &self.cloud);
        let api = Api::new(http, self.cloud, credential, self.calls_per_second);
        let api = Arc::new(api);
        let people = Arc::new(People::new(Arc::clone(&api), self.tenant.clone()));
        if let Some(by_email) = &self.by_email {
            let conversations = Arc::clone(&self.conversations);
            let addresses = Addresses::new(Arc::clone(&people), conversations, &self.routes);
            by_email.ask(desk.channel().clone(), Arc::new(addresses));
        }
        let bytes = self.bytes;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        Ok(Teams(Arc::new_cyclic(|own| Inner {
            own: own.clone(),
            api,
            desk,
            app: self.app,
            tenant: self.tenant,
            routes: self.routes,
            face: Face { link, bytes },
            directory: self.directory,
            conversations: self.conversations,
            keys,
            clock,
            people,
            memory: Memory::default(),
            unheard: Unheard::default(),
            links_tried: linking::attempts(),
            asides: Arc::new(Semaphore::new(MOST_ASIDES)),
        })))
    }
}
