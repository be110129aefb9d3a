//! What a gate and its worker share.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::archiving::Archiving;
use super::delivering::Pace;
use super::duties::Duties;
use super::freeze::FreezeView;
use super::local::LocalCopies;
use super::overdue::Looked;
use super::sinks::Sinks;
use super::updating::Copies;
use crate::approver::Approver;
use crate::call::RedactionKey;
use crate::desk::Desk;
use crate::directory::Directory;
use crate::gate::builder::AllowRecording;
use crate::id::{ChannelId, Environment, GroupId, OwnerId, PolicyName, RequestId};
use crate::policy::Policy;
use crate::principal::Requester;
use crate::review::Limits;
use crate::store::{Duty, RequestStore};

/// A policy as a gate knows it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) policy: Box<dyn Policy>,
    /// Groups whose membership it wants to know of the requester.
    pub(crate) requester_groups: Vec<GroupId>,
    /// The version that it had first, which it mostly still has: shared by all that it judges.
    pub(crate) version: OnceLock<Arc<str>>,
}

impl Named {
    /// Which version judges now.
    pub(crate) fn version(&self) -> Option<Arc<str>> {
        let now = self.policy.version()?;
        let first = self.version.get_or_init(|| now.into());
        Some(if **first == *now {
            Arc::clone(first)
        } else {
            now.into()
        })
    }
}

/// A channel as a gate knows it.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) approver: Arc<dyn Approver>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) owner: OwnerId,
    pub(crate) desk: Desk,
    pub(crate) policies: HashMap<PolicyName, Arc<Named>>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) sinks: Sinks,
    pub(crate) environment: Option<Environment>,
    pub(crate) environments: BTreeSet<Environment>,
    pub(crate) redaction: Arc<RedactionKey>,
    pub(crate) limits: Limits,
    pub(crate) lease: Duration,
    pub(crate) allow: AllowRecording,
    pub(crate) single_requester: Option<Requester>,
    pub(crate) freeze: FreezeView,
    /// When the worker looks next, in store milliseconds.
    pub(crate) looks_at: AtomicU64,
    /// When everything that was due had last taken effect.
    pub(crate) looked: Looked,
    /// Whether the worker has ended: nothing is due any more by itself.
    pub(crate) worker_gone: AtomicBool,
    /// Claims that this gate holds, with their fences: the worker renews their leases.
    held: Mutex<HashMap<RequestId, u64>>,
    /// Requests that nobody waits for any more and that the store did not withdraw: while this gate
    /// is alive its heartbeat keeps them, so the worker tries again. With until when, where the
    /// store knows no such request: it may be committing it yet.
    unwithdrawn: Mutex<BTreeMap<RequestId, Option<Instant>>>,
    /// What is being put before people now, by channel.
    presenting: Mutex<HashSet<(RequestId, ChannelId)>>,
    pub(super) copies: Copies,
    pub(super) local: LocalCopies,
    pub(super) duties: Arc<Duties>,
    pub(super) pace: Pace,
    pub(super) archiving: Archiving,
}

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "called once, by the builder")]
    pub(super) fn new(
        desk: Desk,
        policies: HashMap<PolicyName, Arc<Named>>,
        channels: Vec<Channel>,
        sinks: Sinks,
        environment: Option<Environment>,
        environments: BTreeSet<Environment>,
        redaction: Arc<RedactionKey>,
        limits: Limits,
        lease: Duration,
        allow: AllowRecording,
        single_requester: Option<Requester>,
        freeze: FreezeView,
        duties: Arc<Duties>,
        archiving: Archiving,
    ) -> Self {
        Self {
            owner: duties.owner(),
            desk,
            policies,
            channels,
            sinks,
            environment,
            environments,
            redaction,
            limits,
            lease,
            allow,
            single_requester,
            freeze,
            looks_at: AtomicU64::new(u64::MAX),
            looked: Looked::new(),
            worker_gone: AtomicBool::new(false),
            held: Mutex::default(),
            unwithdrawn: Mutex::default(),
            presenting: Mutex::default(),
            copies: Copies::default(),
            local: LocalCopies::default(),
            duties,
            pace: Pace::default(),
            archiving,
        }
    }

    pub(crate) fn store(&self) -> &dyn RequestStore {
        self.desk.store().as_ref()
    }

    pub(crate) fn directory(&self) -> &dyn Directory {
        self.desk.directory().as_ref()
    }

    /// Whether a channel's copies are in this process alone.
    pub(super) fn is_local(&self, channel: &ChannelId) -> bool {
        let mut channels = self.channels.iter();
        channels.any(|known| known.id == *channel && known.approver.is_local())
    }

    /// Whether messages of a channel are this gate's to mind.
    pub(super) fn minds(&self, channel: &Channel) -> bool {
        channel.approver.is_local() || self.duties.has(&Duty::Channel(channel.id.clone()))
    }

    /// Takes every duty that is free and renews those that this gate has. Says whether a channel
    /// is among those that it has come to have.
    pub(super) async fn take_duties(&self) -> bool {
        let store = self.store();
        self.duties.take(store, &Duty::Deadlines).await;
        self.sinks.take_duties(store).await;
        if self.archiving.is_wanted() {
            self.duties.take(store, &Duty::Archive).await;
        }
        let mut taken = false;
        for channel in &self.channels {
            if !channel.approver.is_local() {
                let duty = Duty::Channel(channel.id.clone());
                taken |= self.duties.take(store, &duty).await;
            }
        }
        taken
    }

    /// Leaves to others what this gate did for all. Sinks are left when they have been fed.
    pub(super) async fn give_duties_up(&self) {
        let store = self.store();
        self.duties.give_up(store, &Duty::Deadlines).await;
        self.duties.give_up(store, &Duty::Archive).await;
        for channel in &self.channels {
            let duty = Duty::Channel(channel.id.clone());
            self.duties.give_up(store, &duty).await;
        }
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, HashMap<RequestId, u64>> {
        self.held.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn unwithdrawn(&self) -> MutexGuard<'_, BTreeMap<RequestId, Option<Instant>>> {
        self.unwithdrawn.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn presenting(&self) -> MutexGuard<'_, HashSet<(RequestId, ChannelId)>> {
        self.presenting.lock().unwrap_or_else(|e| e.into_inner())
    }
}
