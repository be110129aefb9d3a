//! The store of a world: its records, under the guards that every store keeps.
//!
//! The loop around it (read, judge, swap, and again when somebody else was first) is the one that
//! the gate and the desk use. There is no second one here that could differ from it.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use approvals_core::memory::MemoryStore;
use approvals_core::review::{Command, Phase, Record, stands};
use approvals_core::store::{Snapshot, Swap, Swapped};
use approvals_core::{Digest, RequestId, RequestStore, StoreError, Timestamp, What, modelled};
use approvals_testing::wrapping::{Wrapping, WrapsStore};

/// What a store judges inside its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// That the record is still the one that the command was judged on.
    Revision,
    /// That it is not too late by now.
    Time,
    /// That nobody has frozen everything.
    Freeze,
    /// That what the request leans on stands.
    Standing,
}

/// The store, for one command at one moment.
#[derive(Debug)]
pub(super) struct Stored {
    now: Timestamp,
    frozen: bool,
    missing: Option<Guard>,
    /// After how many swaps the process ends that carries the command out.
    ends_after: Option<usize>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    records: Vec<Arc<Record>>,
    changes: Vec<Change>,
}

/// A record as it was swapped in, and what the trail says about it.
pub(super) type Change = (Arc<Record>, Vec<What>);

/// What became of a command.
pub(super) struct Carried {
    pub(super) records: Vec<Arc<Record>>,
    /// In the order in which they were swapped in.
    pub(super) changes: Vec<Change>,
    /// Whether the command took effect, and whoever carried it out knows.
    pub(super) done: bool,
}

impl Stored {
    pub(super) const fn of(records: Vec<Arc<Record>>, now: Timestamp) -> Self {
        let changes = Vec::new();
        Self {
            now,
            frozen: false,
            missing: None,
            ends_after: None,
            kept: Mutex::new(Kept { records, changes }),
        }
    }

    pub(super) const fn frozen(mut self, frozen: bool) -> Self {
        self.frozen = frozen;
        self
    }

    /// Leaves a guard out.
    pub(super) const fn without(mut self, guard: Option<Guard>) -> Self {
        self.missing = guard;
        self
    }

    pub(super) const fn ending_after(mut self, swaps: Option<usize>) -> Self {
        self.ends_after = swaps;
        self
    }

    /// Carries a command out as the gate and the desk do.
    pub(super) fn carry_out(
        self,
        id: RequestId,
        command: &Command,
        from: Option<Snapshot>,
    ) -> Carried {
        let store = Wrapping(self);
        let done = at_once(modelled::carry_out(&store, id, command, from));
        let Stored {
            ends_after, kept, ..
        } = store.0;
        let Kept { records, changes } = kept.into_inner().unwrap();
        let ended = ends_after.is_some_and(|most| changes.len() >= most);
        let done = done.unwrap_or_else(|error| {
            assert!(ended, "{command:?}: {error}");
            false
        });
        Carried {
            records,
            changes,
            done,
        }
    }

    fn keeps(&self, guard: Guard) -> bool {
        self.missing != Some(guard)
    }

    /// What is kept, unless the process has ended.
    fn kept(&self) -> Result<MutexGuard<'_, Kept>, StoreError> {
        let kept = self.kept.lock().unwrap();
        if self
            .ends_after
            .is_some_and(|most| kept.changes.len() >= most)
        {
            return Err(StoreError::Unreachable("the process has ended".to_owned()));
        }
        Ok(kept)
    }

    /// What a store does inside its commit.
    fn swapped(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let mut kept = self.kept()?;
        let Kept { records, changes } = &mut *kept;
        let id = swap.record.id();
        let place = records.iter().position(|record| record.id() == id);
        let place = place.ok_or_else(|| StoreError::Invalid(format!("there is no {id}")))?;
        if self.keeps(Guard::Revision) && records[place].revision != swap.expected {
            return Ok(Swapped::Conflict);
        }
        if self.keeps(Guard::Freeze) && swap.unfrozen && self.frozen {
            return Ok(Swapped::Frozen);
        }
        let late = swap.not_after.is_some_and(|from| from <= self.now);
        if self.keeps(Guard::Time) && late {
            return Ok(Swapped::TooLate);
        }
        if self.keeps(Guard::Standing) && swap.stands {
            let digest = swap.record.asked.digest;
            let equal = records.iter().filter(|r| r.asked.digest == digest);
            let equal: Vec<_> = equal.cloned().collect();
            let grantor = swap.record.granted_by;
            let grantor = equal.iter().find(|record| Some(record.id()) == grantor);
            let grantor = grantor.map(AsRef::as_ref);
            if let Err(fallen) = stands(&swap.record, &equal, grantor, self.now) {
                return Ok(Swapped::Fallen(fallen));
            }
        }
        records[place] = Arc::clone(&swap.record);
        let events = swap.events.into_iter().map(|event| event.what).collect();
        changes.push((Arc::clone(&swap.record), events));
        Ok(Swapped::Done {
            record: swap.record,
            last_event: 0,
        })
    }
}

/// Whatever a command does not ask for.
static NOTHING_ELSE: LazyLock<MemoryStore> = LazyLock::new(MemoryStore::new);

impl WrapsStore for Stored {
    fn inner(&self) -> &dyn RequestStore {
        &*NOTHING_ELSE
    }

    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        let kept = self.kept()?;
        let record = kept.records.iter().find(|record| record.id() == id);
        Ok(record.map(|record| Snapshot {
            record: Arc::clone(record),
            now: self.now,
            frozen: self.frozen,
        }))
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        self.swapped(swap)
    }

    async fn pending_with(&self, digest: Digest) -> Result<Vec<RequestId>, StoreError> {
        let kept = self.kept()?;
        let pending = kept.records.iter().filter(|record| {
            record.asked.digest == digest && record.state.phase() == Phase::Pending
        });
        Ok(pending.map(|record| record.id()).collect())
    }
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    match polled {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a store of the model answers at once"),
    }
}
