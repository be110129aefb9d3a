//! Building a gate: everything that could be wrong is found before the first call.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc;

use super::archiving::Archiving;
use super::duties::Duties;
use super::freeze::FreezeView;
use super::shared::{Channel, Named, Shared};
use super::sinks::Sinks;
use super::{Gate, Inner, worker};
use crate::approver::Approver;
use crate::audit::{AuditSink, Sink};
use crate::call::{RedactionKey, RedactionKeyError};
use crate::desk::{ChannelDesk, Desk};
use crate::directory::{Directory, DirectoryError, Members};
use crate::id::{ChannelId, Environment, GroupId, NameError, OwnerId, PolicyName, SinkId};
use crate::policy::{Policy, RequirementError};
use crate::principal::Requester;
use crate::review::Limits;
use crate::store::lookup::PROPOSAL_COUNTS_FOR;
use crate::store::{RequestStore, StoreError};

/// How many allowed calls wait for the store at most.
const BUFFER: usize = 65_536;

/// How soon after they finished requests may be archived.
const SOONEST: Duration = PROPOSAL_COUNTS_FOR;

/// How the calls that policy allows are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AllowRecording {
    /// Batched into the store behind the call: nothing is lost while the process lives, and calls
    /// are held up when the buffer is full.
    #[default]
    Buffered,
    /// In the store, and acknowledged by every required sink, before the body runs.
    Durable,
}

/// Why a gate could not be built.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// No policy was given.
    #[error("the gate has no policy: add one with `policy(name, …)`")]
    NoPolicy,
    /// Two policies have one name.
    #[error("two policies are named `{0}`: rename one, or combine them with `Strictest`")]
    DuplicatePolicy(PolicyName),
    /// No channel was given.
    #[error(
        "the gate has no approver: add a channel with `approver(name, …)`, or nobody can agree"
    )]
    NoApprover,
    /// Two channels have one name.
    #[error("two approvers are named `{0}`: rename one")]
    DuplicateApprover(ChannelId),
    /// Two sinks have one name.
    #[error("two audit sinks are named `{0}`: rename one")]
    DuplicateSink(SinkId),
    /// A policy names a group that does not exist.
    #[error(
        "the policy `{policy}` names the group `{group}`, which does not exist: create it or correct the name"
    )]
    UnknownGroup {
        /// The policy.
        policy: PolicyName,
        /// The group.
        group: GroupId,
    },
    /// A policy asks a group that nobody is in.
    #[error("the policy `{policy}` asks the group `{group}`, which nobody is in: add somebody")]
    EmptyGroup {
        /// The policy.
        policy: PolicyName,
        /// The group.
        group: GroupId,
    },
    /// The gate's environment is none of those that the host declared.
    #[error("the gate's environment `{0}` is not among its `environments`: add it there")]
    UnknownEnvironment(Environment),
    /// A durable store needs a redaction key that outlives the process.
    #[error(
        "the store outlives the process, and there is no redaction key: set one with `redaction_key(…)`"
    )]
    NoRedactionKey,
    /// Requests are to be archived while they still count for something.
    #[error(
        "`archive_after` is {0:?}: use at least a day, since denials and proposals count for as long"
    )]
    ArchivedTooSoon(Duration),
    /// A name is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A duration or a limit is absurd.
    #[error(transparent)]
    Setting(#[from] RequirementError),
    /// There is no redaction key and none could be made.
    #[error(transparent)]
    RedactionKey(#[from] RedactionKeyError),
    /// The directory cannot answer.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Collects what a gate is made of. The first error is told by [`build`](Self::build).
#[derive(Debug)]
#[must_use = "a gate exists once it is built"]
pub struct GateBuilder {
    desk: Desk,
    policies: HashMap<PolicyName, Arc<Named>>,
    channels: Vec<Channel>,
    sinks: Vec<Sink>,
    environment: Option<Environment>,
    environments: BTreeSet<Environment>,
    redaction: Option<Arc<RedactionKey>>,
    limits: Limits,
    lease: Duration,
    staleness: Duration,
    allow: AllowRecording,
    single_requester: Option<Requester>,
    archive_after: Option<Duration>,
    error: Option<GateError>,
}

impl Gate {
    /// Starts a gate over a store and a directory.
    pub fn builder(store: Arc<dyn RequestStore>, directory: Arc<dyn Directory>) -> GateBuilder {
        GateBuilder::new(Desk::new(store, directory))
    }

    /// Starts a gate over a desk, where channels were given theirs before.
    pub fn with_desk(desk: Desk) -> GateBuilder {
        GateBuilder::new(desk)
    }
}

impl GateBuilder {
    fn new(desk: Desk) -> Self {
        Self {
            desk,
            policies: HashMap::new(),
            channels: Vec::new(),
            sinks: Vec::new(),
            environment: None,
            environments: BTreeSet::new(),
            redaction: None,
            limits: Limits::default(),
            lease: Duration::from_secs(30),
            staleness: Duration::from_secs(30),
            allow: AllowRecording::default(),
            single_requester: None,
            archive_after: None,
            error: None,
        }
    }

    fn attempt(mut self, step: impl FnOnce(&mut Self) -> Result<(), GateError>) -> Self {
        if self.error.is_none() {
            self.error = step(&mut self).err();
        }
        self
    }

    /// Adds a policy under the name that annotations give. A [`Requirement`](crate::Requirement)
    /// is one, and [`policy::from_fn`](crate::policy::from_fn) makes one of a closure.
    pub fn policy(self, name: &str, policy: impl Policy + 'static) -> Self {
        self.attempt(|gate| {
            let name = PolicyName::new(name)?;
            let named = Named {
                requester_groups: policy.mentions().requester_groups.into_iter().collect(),
                policy: Box::new(policy),
                version: OnceLock::new(),
            };
            if gate.policies.contains_key(&name) {
                return Err(GateError::DuplicatePolicy(name));
            }
            gate.policies.insert(name, Arc::new(named));
            Ok(())
        })
    }

    /// Adds a channel. It is made from its desk, so that it can hand votes in.
    pub fn approver<A: Approver + 'static>(
        self,
        name: &str,
        channel: impl FnOnce(ChannelDesk) -> Arc<A>,
    ) -> Self {
        self.attempt(|gate| {
            let id = ChannelId::new(name)?;
            if gate.channels.iter().any(|channel| channel.id == id) {
                return Err(GateError::DuplicateApprover(id));
            }
            let approver = channel(gate.desk.channel(id.clone()));
            gate.channels.push(Channel { id, approver });
            Ok(())
        })
    }

    /// Adds a sink that is fed behind the calls and never loses an event.
    pub fn audit_sink(self, name: &str, sink: Arc<dyn AuditSink>) -> Self {
        self.sink(name, sink, false)
    }

    /// Adds a sink that holds every effect until it has acknowledged the event that licenses it.
    pub fn required_audit_sink(self, name: &str, sink: Arc<dyn AuditSink>) -> Self {
        self.sink(name, sink, true)
    }

    fn sink(self, name: &str, sink: Arc<dyn AuditSink>, required: bool) -> Self {
        self.attempt(|gate| {
            let id = SinkId::new(name)?;
            if gate.sinks.iter().any(|sink| sink.id == id) {
                return Err(GateError::DuplicateSink(id));
            }
            gate.sinks.push(Sink { id, required, sink });
            Ok(())
        })
    }

    /// Declares the closed set of environments. A call in any other is refused.
    pub fn environments<I>(self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let names: Vec<_> = names.into_iter().map(Environment::new).collect();
        self.attempt(|gate| {
            for name in names {
                gate.environments.insert(name?);
            }
            Ok(())
        })
    }

    /// Says in which environment this gate's calls happen, unless a call names its own.
    pub fn environment(self, name: &str) -> Self {
        self.attempt(|gate| {
            gate.environment = Some(Environment::new(name)?);
            Ok(())
        })
    }

    /// Fingerprints redacted arguments under this key. Mandatory with a durable store, and the same
    /// for all replicas.
    pub fn redaction_key(mut self, key: RedactionKey) -> Self {
        self.redaction = Some(Arc::new(key));
        self
    }

    /// Sets the limits that keep people from being worn down.
    pub fn limits(self, limits: Limits) -> Self {
        self.attempt(|gate| {
            gate.limits = limits.checked()?;
            Ok(())
        })
    }

    /// How long a claim holds without being renewed (default 30 seconds).
    pub fn lease(self, lease: Duration) -> Self {
        self.attempt(|gate| {
            gate.lease = crate::policy::checked("lease", lease)?;
            Ok(())
        })
    }

    /// How long the freeze flag may go unread before the gate counts as frozen (default 30
    /// seconds).
    pub fn freeze_staleness(self, staleness: Duration) -> Self {
        self.attempt(|gate| {
            gate.staleness = crate::policy::checked("freeze_staleness", staleness)?;
            Ok(())
        })
    }

    /// How allowed calls are recorded.
    pub fn record_allowed(mut self, recording: AllowRecording) -> Self {
        self.allow = recording;
        self
    }

    /// Takes every call that names no requester as this one's: for a process that serves one
    /// requester only.
    pub fn single_requester(mut self, requester: Requester) -> Self {
        self.single_requester = Some(requester);
        self
    }

    /// Has requests archived so long after they finished (default: never). They are listed no more,
    /// and their arguments, comments and votes are gone from the store; the outcome of one with a
    /// key is still found under it, and the trail keeps everything, for whichever sinks have it.
    ///
    /// What still decides about something is kept however old it is: an open grant and the denials
    /// that close it, a review that is owed, a request in doubt. One of the gates that share a
    /// store does it, every ten minutes.
    pub fn archive_after(self, time: Duration) -> Self {
        self.attempt(|gate| {
            if time < SOONEST {
                return Err(GateError::ArchivedTooSoon(time));
            }
            gate.archive_after = Some(time);
            Ok(())
        })
    }

    /// Checks everything, and starts the gate's worker on this runtime.
    ///
    /// # Errors
    /// [`GateError`] says what to mend.
    pub async fn build(mut self) -> Result<Gate, GateError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.policies.is_empty() {
            return Err(GateError::NoPolicy);
        }
        if self.channels.is_empty() {
            return Err(GateError::NoApprover);
        }
        if let Some(environment) = &self.environment
            && !self.environments.contains(environment)
        {
            return Err(GateError::UnknownEnvironment(environment.clone()));
        }
        let store = self.desk.store();
        let redaction = match self.redaction {
            Some(key) => key,
            None if store.is_durable() => return Err(GateError::NoRedactionKey),
            None => Arc::new(RedactionKey::random()?),
        };
        check_groups(self.desk.directory().as_ref(), &self.policies).await?;
        let duties = Arc::new(Duties::new(OwnerId::new(), self.lease));
        let sinks = Sinks::new(self.sinks, &duties);
        sinks.register(store.as_ref()).await?;
        let shared = Arc::new(Shared::new(
            self.desk,
            self.policies,
            self.channels,
            sinks,
            self.environment,
            self.environments,
            redaction,
            self.limits,
            self.lease,
            self.allow,
            self.single_requester,
            FreezeView::new(self.staleness),
            duties,
            Archiving::new(self.archive_after),
        ));
        shared.store().heartbeat(shared.owner, shared.lease).await?;
        shared.read_freeze().await?;
        shared.take_duties().await;
        shared.sinks.start(shared.desk.store());
        let (jobs, jobs_in) = mpsc::unbounded_channel();
        let (allowed, allowed_in) = mpsc::channel(BUFFER);
        // Subscribed here, so that no change is missed before the worker is first polled.
        let changes = shared.store().hints().subscribe();
        let last_word = worker::LastWord(Arc::clone(&shared));
        tokio::spawn(worker::run(last_word, jobs_in, allowed_in, changes));
        let inner = Inner {
            shared,
            jobs,
            allowed,
        };
        Ok(Gate {
            inner: Arc::new(inner),
        })
    }
}

/// Invariant 12: a group that does not exist or that nobody is in is found before the first call.
async fn check_groups(
    directory: &dyn Directory,
    policies: &HashMap<PolicyName, Arc<Named>>,
) -> Result<(), GateError> {
    for (name, named) in policies {
        let mentions = named.policy.mentions();
        for group in &mentions.reviewer_groups {
            let (policy, group) = (name.clone(), group.clone());
            match directory.members(&group).await? {
                Members::NoSuchGroup => return Err(GateError::UnknownGroup { policy, group }),
                Members::Listed(people) if people.is_empty() => {
                    return Err(GateError::EmptyGroup { policy, group });
                }
                Members::Listed(_) | Members::Unenumerable => {}
            }
        }
        for group in &mentions.requester_groups {
            if directory.members(group).await? == Members::NoSuchGroup {
                return Err(GateError::UnknownGroup {
                    policy: name.clone(),
                    group: group.clone(),
                });
            }
        }
    }
    Ok(())
}
