//! Who attempts a call, and on whose behalf.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{NameError, PersonId};

/// What a principal is. Only people vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A human being, known to the directory.
    Person,
    /// A program that a model steers.
    Agent,
    /// A program that no model steers.
    Service,
}

/// The id of a person, an agent or a service: `person:alice`, `agent:exporter`, `service:ci`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PrincipalId {
    kind: PrincipalKind,
    name: PersonId,
}

/// A text that names no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrincipalError {
    /// The kind is missing or unknown.
    #[error("{0:?} names no principal: write `person:alice`, `agent:exporter` or `service:ci`")]
    Kind(String),
    /// The name is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl PrincipalId {
    /// The principal that is this person.
    #[must_use]
    pub const fn person(id: PersonId) -> Self {
        Self {
            kind: PrincipalKind::Person,
            name: id,
        }
    }

    /// An agent.
    ///
    /// # Errors
    /// [`NameError`] when the name is malformed.
    pub fn agent(name: &str) -> Result<Self, NameError> {
        Ok(Self {
            kind: PrincipalKind::Agent,
            name: PersonId::new(name)?,
        })
    }

    /// A service.
    ///
    /// # Errors
    /// [`NameError`] when the name is malformed.
    pub fn service(name: &str) -> Result<Self, NameError> {
        Ok(Self {
            kind: PrincipalKind::Service,
            name: PersonId::new(name)?,
        })
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// Its text, in parts.
    pub(crate) fn parts(&self) -> [&str; 2] {
        let kind = match self.kind {
            PrincipalKind::Person => "person:",
            PrincipalKind::Agent => "agent:",
            PrincipalKind::Service => "service:",
        };
        [kind, self.name.as_str()]
    }

    /// Its name without the kind.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The person it is, if it is one.
    #[must_use]
    pub fn as_person(&self) -> Option<&PersonId> {
        match self.kind {
            PrincipalKind::Person => Some(&self.name),
            PrincipalKind::Agent | PrincipalKind::Service => None,
        }
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts()
            .into_iter()
            .try_for_each(|part| f.write_str(part))
    }
}

impl fmt::Debug for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for PrincipalId {
    type Err = PrincipalError;
    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        match text.split_once(':') {
            Some(("person", name)) => Ok(Self::person(PersonId::new(name)?)),
            Some(("agent", name)) => Ok(Self::agent(name)?),
            Some(("service", name)) => Ok(Self::service(name)?),
            _ => Err(PrincipalError::Kind(text.to_owned())),
        }
    }
}

impl TryFrom<String> for PrincipalId {
    type Error = PrincipalError;
    fn try_from(text: String) -> Result<Self, PrincipalError> {
        text.parse()
    }
}

impl From<PrincipalId> for String {
    fn from(id: PrincipalId) -> String {
        id.to_string()
    }
}

/// Longer than any version of it has been, in bytes.
const LONGEST_TRACE: usize = 256;

/// Who attempts a call: an agent, a service or a person, and every principal it acts for.
///
/// Cheap to clone. Principal ids are part of the digest; model, version, run, session and trace are
/// recorded and shown, but do not decide.
///
/// ```
/// use approvals_core::Requester;
/// let requester = Requester::agent("exporter")?
///     .acting_for("person:alice")?
///     .model("example-model-4", "2026-05")
///     .run("run-42");
/// assert_eq!(requester.actor().to_string(), "agent:exporter");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Requester(Arc<Chain>);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Chain {
    actor: PrincipalId,
    acting_for: Vec<PrincipalId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model_version: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<Box<str>>,
}

impl Requester {
    fn new(actor: PrincipalId) -> Self {
        Self(Arc::new(Chain {
            actor,
            acting_for: Vec::new(),
            model: None,
            model_version: None,
            run: None,
            session: None,
            trace: None,
        }))
    }

    /// An agent. Say for whom it acts, or let the directory know its owner: an agent with neither
    /// is refused.
    ///
    /// # Errors
    /// [`NameError`] when the name is malformed.
    pub fn agent(name: &str) -> Result<Self, NameError> {
        PrincipalId::agent(name).map(Self::new)
    }

    /// A service.
    ///
    /// # Errors
    /// [`NameError`] when the name is malformed.
    pub fn service(name: &str) -> Result<Self, NameError> {
        PrincipalId::service(name).map(Self::new)
    }

    /// A person who calls without an agent between.
    ///
    /// # Errors
    /// [`NameError`] when the name is malformed.
    pub fn person(name: &str) -> Result<Self, NameError> {
        Ok(Self::new(PrincipalId::person(PersonId::new(name)?)))
    }

    fn with(mut self, change: impl FnOnce(&mut Chain)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Adds a principal that it acts for, the nearest first: `person:alice`, `agent:planner`.
    ///
    /// # Errors
    /// [`PrincipalError`] when the text names no principal.
    pub fn acting_for(self, principal: &str) -> Result<Self, PrincipalError> {
        let principal = principal.parse()?;
        Ok(self.with(|chain| chain.acting_for.push(principal)))
    }

    /// The agent's model and its version.
    #[must_use]
    pub fn model(self, name: &str, version: &str) -> Self {
        self.with(|chain| {
            chain.model = Some(name.into());
            chain.model_version = Some(version.into());
        })
    }

    /// The run that the call belongs to.
    #[must_use]
    pub fn run(self, id: &str) -> Self {
        self.with(|chain| chain.run = Some(id.into()))
    }

    /// The session that the call belongs to.
    #[must_use]
    pub fn session(self, id: &str) -> Self {
        self.with(|chain| chain.session = Some(id.into()))
    }

    /// The W3C `traceparent` of the call. What is none is left out, as that specification has it.
    #[must_use]
    pub fn trace(self, traceparent: &str) -> Self {
        let trace = is_traceparent(traceparent).then(|| traceparent.into());
        self.with(|chain| chain.trace = trace)
    }

    /// Who attempts the call.
    #[must_use]
    pub fn actor(&self) -> &PrincipalId {
        &self.0.actor
    }

    /// Every principal it acts for, the nearest first.
    #[must_use]
    pub fn principals(&self) -> &[PrincipalId] {
        &self.0.acting_for
    }

    /// The actor and every principal it acts for.
    pub fn chain(&self) -> impl Iterator<Item = &PrincipalId> {
        std::iter::once(&self.0.actor).chain(&self.0.acting_for)
    }

    /// The far end of the chain: on whose behalf this happens in the end.
    #[must_use]
    pub fn root(&self) -> &PrincipalId {
        self.0.acting_for.last().unwrap_or(&self.0.actor)
    }

    /// The agent's model, if it said.
    #[must_use]
    pub fn model_name(&self) -> Option<&str> {
        self.0.model.as_deref()
    }

    /// The model's version, if it said.
    #[must_use]
    pub fn model_version(&self) -> Option<&str> {
        self.0.model_version.as_deref()
    }

    /// The run id, if it said.
    #[must_use]
    pub fn run_id(&self) -> Option<&str> {
        self.0.run.as_deref()
    }

    /// The session id, if it said.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.0.session.as_deref()
    }

    /// The W3C `traceparent`, if it said.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.0.trace.as_deref()
    }
}

/// `version-trace-parent-flags` of 2, 32, 16 and 2 lower-case hexadecimal digits; neither id is zero.
/// Later versions may have more.
fn is_traceparent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut next = |digits: usize| {
        parts.next().filter(|part| {
            let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            part.len() == digits && part.bytes().all(hexadecimal)
        })
    };
    let (Some(version), Some(trace), Some(parent), Some(_)) =
        (next(2), next(32), next(16), next(2))
    else {
        return false;
    };
    let plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-');
    let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
    let ends = version != "00" || parts.next().is_none();
    version != "ff"
        && !is_zero(trace)
        && !is_zero(parent)
        && ends
        && text.len() <= LONGEST_TRACE
        && text.bytes().all(plain)
}

impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Requester({self})")
    }
}

impl fmt::Display for Requester {
    /// `agent:exporter for person:alice`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.actor, f)?;
        for principal in &self.0.acting_for {
            f.write_str(" for ")?;
            fmt::Display::fmt(principal, f)?;
        }
        Ok(())
    }
}

/// Who a person is on a channel: the channel, the tenant (workspace, organisation) and the user id
/// that the vendor never gives to somebody else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChannelIdentity {
    /// The channel.
    pub channel: crate::id::ChannelId,
    /// The workspace or organisation; empty where the channel has none.
    pub tenant: Arc<str>,
    /// The vendor's immutable user id.
    pub user: Arc<str>,
}

impl ChannelIdentity {
    /// The identity of this user in this tenant of a channel.
    #[must_use]
    pub fn new(channel: crate::id::ChannelId, tenant: &str, user: &str) -> Self {
        Self {
            channel,
            tenant: tenant.into(),
            user: user.into(),
        }
    }
}

impl fmt::Display for ChannelIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.channel, self.tenant, self.user)
    }
}
