//! Calls that are made while the disk of a store fills up.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{Answer, InMemoryApprover, InMemoryDirectory};
use approvals_core::review::Limits;
use approvals_core::{
    ApprovalError, Call, Gate, Kind, Phase, RedactionKey, RequestId, RequestStore, Requirement,
};
use tokio::time::timeout;

use crate::SmallDisk;
use crate::sample::{REVIEWERS, Sample};

/// How long a call waits for people that are never heard.
const SOON: Duration = Duration::from_secs(5);

/// How many calls are made while there is room.
const WITH_ROOM: u32 = 3;

/// How many calls that did not run show that the disk is full.
const REFUSED: u32 = 5;

/// How many calls a disk has room for at most.
const CALLS: u32 = 2_000;

type Failure = Box<dyn Error + Send + Sync>;

/// What ran while a disk filled up.
#[derive(Debug)]
pub struct FullDisk {
    ran: BTreeMap<RequestId, u32>,
    ballast: PathBuf,
}

impl FullDisk {
    /// Makes calls that somebody agrees to over a gate of its own on this store, fills the disk after
    /// the first few, and goes on until calls do not run any more.
    ///
    /// # Errors
    /// When a call is refused for anything but that the store cannot be reached, when nothing ran
    /// while there was room, or when the disk is never full.
    pub async fn fill(store: Arc<dyn RequestStore>, disk: &SmallDisk) -> Result<Self, Failure> {
        let about = Sample::at(store.now().await?);
        let approver = InMemoryApprover::new();
        let gate = gate(store, &approver).await?;
        let mut ran: BTreeMap<RequestId, u32> = BTreeMap::new();
        let mut ballast = None;
        let mut refused = 0;
        for number in 0..CALLS {
            if number == WITH_ROOM {
                ballast = Some(disk.fill()?);
            }
            approver.script([Answer::approve("alice")]);
            let call = about.clone().table(&format!("full {number}")).call();
            match timeout(SOON, run(&gate, &call)).await {
                Ok(Ok(request)) => *ran.entry(request).or_default() += 1,
                Ok(Err(error)) if error.kind() == Kind::Unavailable && ballast.is_some() => {
                    refused += 1;
                }
                Ok(Err(error)) => return Err(error.into()),
                // The vote could not be stored, so it waits for people.
                Err(_) => refused += 1,
            }
            // The last of them were made when nothing could be written any more.
            if refused == REFUSED {
                break;
            }
        }
        match ballast {
            Some(ballast) if refused == REFUSED => Ok(Self { ran, ballast }),
            _ => Err("the disk is never full".into()),
        }
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When what fills the disk cannot be removed.
    pub fn make_room(&self) -> Result<(), Failure> {
        Ok(std::fs::remove_file(&self.ballast)?)
    }

    /// Whether the start of everything that ran is stored: once, and as what has run.
    ///
    /// # Errors
    /// Says which is not.
    pub async fn has_every_start_in(&self, store: &dyn RequestStore) -> Result<(), Failure> {
        for (request, times) in &self.ran {
            let Some(snapshot) = store.read(*request).await? else {
                return Err(format!("{request} ran and is not there").into());
            };
            let phase = snapshot.record.state.phase();
            let has_run = matches!(phase, Phase::Succeeded | Phase::Executing | Phase::InDoubt);
            if !has_run || *times != 1 {
                return Err(format!("{request} ran {times} times and is {phase}").into());
            }
        }
        Ok(())
    }
}

async fn gate(store: Arc<dyn RequestStore>, approver: &InMemoryApprover) -> Result<Gate, Failure> {
    let directory = InMemoryDirectory::new();
    directory.person("alice", [REVIEWERS])?;
    directory.person("bob", ["agents-owners"])?;
    let gate = Gate::builder(store, Arc::new(directory))
        .policy("sample", Requirement::one_of(REVIEWERS)?)
        .approver("memory", approver.connect())
        .limits(Limits {
            pending: 100_000,
            asks_per_hour: 100_000,
            ..Limits::default()
        })
        .redaction_key(RedactionKey::random()?);
    Ok(gate.build().await?)
}

/// Runs a call, and says which request it ran under.
async fn run(gate: &Gate, call: &Call) -> Result<RequestId, ApprovalError> {
    let admitted = gate.authorize(call.clone()).await?;
    let permit = admitted.start(call).await?;
    let request = permit.request_id();
    permit.finish(true).await;
    // Only what policy allows has none, and policy asks for somebody.
    Ok(request.unwrap_or(RequestId::from_bytes([0; 16])))
}
