//! Settings of the channel, and what is wrong with them.

use std::sync::Arc;
use std::time::Duration;

use approvals_channel::linking;
use approvals_channel::{
    Attempts, ByEmail, Http, HttpError, Https, LinkError, Memory, PageLink, Unheard,
};
use approvals_core::{ChannelDesk, Clock, Directory, SystemClock};
use secrecy::{ExposeSecret, SecretString};

use crate::api::Api;
use crate::channel::{Inner, Slack};
use crate::destination::{Place, Routes};
use crate::endpoints::Endpoints;
use crate::id::AppId;
use crate::people::{Installation, People};
use crate::signature::SigningSecrets;

/// Slack says "several hundred a minute" for all messages of an app in a workspace.
const POSTS_PER_MINUTE: usize = 300;
/// So many forms a user may open within a minute.
const FORMS: u32 = 10;

/// Settings that make no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The token is empty.
    #[error(
        "the bot token is empty: copy it from the app's OAuth & Permissions page, it begins with `xoxb-`"
    )]
    Token,
    /// It is not said where the app is installed.
    #[error(
        "it is not said where the app is installed: name a workspace or an organisation, so that others' clicks are refused"
    )]
    NotInstalled,
    /// There is no route, or one without a destination.
    #[error("there is no route, or one without a destination: nobody would be asked")]
    NoRoute,
    /// A route leads to reviewers, and there is no directory to say who they are.
    #[error(
        "a route leads to the reviewers: give the channel the directory, so that it knows who they are"
    )]
    NoDirectory,
    /// The link is not one.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Messages per minute are limited to none.
    #[error("a limit of 0 messages a minute would post nothing")]
    NoPosts,
    /// The client could not be made.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Settings of a Slack channel.
///
/// ```
/// # use std::sync::Arc;
/// # use approvals_core::memory::{InMemoryDirectory, MemoryStore};
/// use approvals_core::{ChannelId, ChannelIdentity, Desk, Gate, Requirement};
/// use approvals_slack::{
///     AppId, Destination, Installation, Route, Routes, SigningSecrets, SlackBuilder, TeamId,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (token, secret) = ("xoxb-example".into(), "8f742231b10e8888abcd99yyyzzz85a5".into());
/// let directory = Arc::new(InMemoryDirectory::new());
/// directory.person("alice", ["senior-engineers"])?;
/// let slack = ChannelId::new("slack")?;
/// directory.link(ChannelIdentity::new(slack.clone(), "T0123456789", "U0ALICE"), "alice")?;
///
/// let desk = Desk::new(Arc::new(MemoryStore::new()), directory.clone());
/// let channel = SlackBuilder::new(token, SigningSecrets::new(&secret)?, AppId::new("A0123456789")?)
///     .installed_in(Installation::Workspace(TeamId::new("T0123456789")?))
///     .routes(Routes::new().to(Route::all(), [Destination::channel("C0APPROVALS")?]))
///     .build(desk.channel(slack))?;
///
/// let gate = Gate::with_desk(desk)
///     .policy("prod-db", Requirement::one_of("senior-engineers")?)
///     .approver("slack", |_| Arc::new(channel.clone()))
///     .build()
///     .await?;
/// // Whatever serves HTTP hands every POST of the interactivity address to this:
/// let respond = move |request: http::Request<bytes::Bytes>| channel.respond(&request);
/// # let _ = (gate, respond);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a channel exists once it is built"]
pub struct SlackBuilder {
    token: SecretString,
    secrets: SigningSecrets,
    app: AppId,
    installations: Vec<Installation>,
    routes: Routes,
    link: Option<String>,
    directory: Option<Arc<dyn Directory>>,
    by_email: Option<Arc<ByEmail>>,
    endpoints: Endpoints,
    http: Option<Arc<dyn Http>>,
    clock: Option<Arc<dyn Clock>>,
    posts_per_minute: usize,
}

impl SlackBuilder {
    /// The app's bot token, its signing secrets and its id.
    pub fn new(token: SecretString, secrets: SigningSecrets, app: AppId) -> Self {
        Self {
            token,
            secrets,
            app,
            installations: Vec::new(),
            routes: Routes::new(),
            link: None,
            directory: None,
            by_email: None,
            endpoints: Endpoints::default(),
            http: None,
            clock: None,
            posts_per_minute: POSTS_PER_MINUTE,
        }
    }

    /// Where the app is installed: clicks from anywhere else are refused.
    pub fn installed_in(mut self, installation: Installation) -> Self {
        self.installations.push(installation);
        self
    }

    /// Which request goes where.
    pub fn routes(mut self, routes: Routes) -> Self {
        self.routes = routes;
        self
    }

    /// The beginning of the address where all of a request is shown; its id follows. Messages that
    /// cannot show everything lead there.
    pub fn link(mut self, link: &str) -> Self {
        self.link = Some(link.to_owned());
        self
    }

    /// The directory, for routes that lead to reviewers.
    pub fn directory(mut self, directory: Arc<dyn Directory>) -> Self {
        self.directory = Some(directory);
        self
    }

    /// Has Slack say what the confirmed addresses of its users are, for the directory that finds people
    /// by them; the desk needs the same one. Reviewers whom the directory knows no account of are
    /// written to by their addresses then. Needs the scope `users:read.email`.
    pub fn people_by_email(mut self, by_email: Arc<ByEmail>) -> Self {
        self.by_email = Some(by_email);
        self
    }

    /// Another Slack than `slack.com`.
    pub fn endpoints(mut self, endpoints: Endpoints) -> Self {
        self.endpoints = endpoints;
        self
    }

    /// Another way out than [`Https`].
    pub fn http(mut self, http: Arc<dyn Http>) -> Self {
        self.http = Some(http);
        self
    }

    /// The clock that signatures are judged by; the host's unless one is given.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The most messages a minute in the workspace (default 300). Slack publishes "several hundred".
    pub const fn posts_per_minute(mut self, posts: usize) -> Self {
        self.posts_per_minute = posts;
        self
    }

    /// The channel, on its desk. Nothing is asked of Slack yet.
    ///
    /// # Errors
    /// [`SettingsError`] when the settings make no channel.
    pub fn build(self, desk: ChannelDesk) -> Result<Slack, SettingsError> {
        if self.token.expose_secret().trim().is_empty() {
            return Err(SettingsError::Token);
        }
        if self.installations.is_empty() {
            return Err(SettingsError::NotInstalled);
        }
        if self.routes.is_empty() {
            return Err(SettingsError::NoRoute);
        }
        if self.posts_per_minute == 0 {
            return Err(SettingsError::NoPosts);
        }
        let reviewers = self
            .routes
            .all()
            .any(|to| to.calls_reviewers || to.place == Place::Reviewers);
        if reviewers && self.directory.is_none() {
            return Err(SettingsError::NoDirectory);
        }
        let link = self.link.as_deref().map(PageLink::new).transpose()?;
        let http = match self.http {
            Some(http) => http,
            None => Arc::new(Https::new()?),
        };
        let api = Api::new(http, self.endpoints, self.token, self.posts_per_minute);
        let api = Arc::new(api);
        let people = Arc::new(People::new(Arc::clone(&api), self.installations));
        if let Some(by_email) = &self.by_email {
            by_email.ask(desk.channel().clone(), Arc::clone(&people) as _);
        }
        Ok(Slack(Arc::new(Inner {
            api,
            desk,
            app: self.app,
            routes: self.routes,
            link,
            directory: self.directory,
            secrets: self.secrets,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock::new())),
            people,
            by_email: self.by_email,
            replays: crate::replay::Replays::default(),
            memory: Memory::default(),
            unheard: Unheard::default(),
            answered: tokio::sync::Mutex::default(),
            forms_opened: Attempts::new(FORMS, u32::MAX, Duration::from_secs(60)),
            links_tried: linking::attempts(),
        })))
    }
}
