//! Stores with one flaw each.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::audit::{Event, NewEvent};
use approvals_core::memory::MemoryStore;
use approvals_core::review::{Limits, Opening, Phase, Record};
use approvals_core::store::{
    Delivery, Due, Duty, Filter, Freeze, Hints, Known, Opened, RequestStore, Snapshot, StoreError,
    Swap, Swapped,
};
use approvals_core::{
    ChannelId, Clock, Digest, OwnerId, RequestId, SinkId, SystemClock, Timestamp,
};
use approvals_testing::store::{conformance, duties_conformance, processes_conformance};
use approvals_testing::wrapping::{Wrapping, WrapsStore};

use super::assert_breaks;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    SkipsTheRevision,
    ChecksTheRevisionThenActs,
    IgnoresNotAfter,
    NotAfterOneMilliLate,
    IgnoresFreeze,
    IgnoresDoubtAtTheSwap,
    LosesEvents,
    NeverHints,
    ForgetsKeys,
    KnowsOfNoDoubt,
    KnowsOfNoCopies,
    ForgetsDenials,
    ForgetsLimits,
    ReplacesTheSameId,
    WarnsNobodyOfDoubt,
    GivesUsesBack,
    LosesDeliveries,
    NotesNoDelivery,
    NumbersFromZero,
    IgnoresTheLimit,
    OffersStrangers,
    AcknowledgesNothing,
    AcknowledgesAhead,
    NothingIsDue,
    NeverAbandons,
    HearsNoHeartbeat,
    ListsEverything,
    ListsFromTheStart,
    ListsNothingOwed,
    StartsAgainWhereFiltered,
    CutsBeforeItFilters,
    EverythingIsPending,
    HidesFreeze,
    FreezesInSilence,
    HasItsOwnClock,
    ShowsTheClockGoingBack,
    SwallowsClockFailures,
    TellsTheWrongLastEvent,
    NoCopyIsDue,
    EveryCopyIsDue,
    ArchivesTooEarly,
    ArchivesWhatIsPending,
}

const FLAWS: [(Flaw, &str); 42] = {
    use Flaw::*;
    [
        (
            SkipsTheRevision,
            "a swap of another revision is a conflict and does nothing",
        ),
        (
            ChecksTheRevisionThenActs,
            "exactly one of concurrent swaps of one revision wins",
        ),
        (
            IgnoresNotAfter,
            "a swap from its `not_after` on is too late and does nothing",
        ),
        (
            NotAfterOneMilliLate,
            "a swap from its `not_after` on is too late and does nothing",
        ),
        (
            IgnoresFreeze,
            "a swap that must be unfrozen is refused while frozen, and others are not",
        ),
        (
            IgnoresDoubtAtTheSwap,
            "a swap that must stand is refused while an equal call is in doubt, and others are not",
        ),
        (
            LosesEvents,
            "a swap replaces the expected revision, with its events, and what it wrote is read",
        ),
        (
            NeverHints,
            "a change completes every watch that began before it",
        ),
        (
            ForgetsKeys,
            "a key finds its request, whatever became of it, and refuses another call",
        ),
        (
            KnowsOfNoDoubt,
            "what is known under a key, if anything, is what opening finds, and asking changes nothing",
        ),
        (
            KnowsOfNoCopies,
            "what is known under a key, if anything, is what opening finds, and asking changes nothing",
        ),
        (
            ForgetsDenials,
            "a denial of the same digest stands, and then people are asked again",
        ),
        (
            ForgetsLimits,
            "the limits on asks within the hour and after denials hold",
        ),
        (ReplacesTheSameId, "an id is used once"),
        (
            WarnsNobodyOfDoubt,
            "a call in doubt is refused, or asked with a warning when it is idempotent",
        ),
        (
            GivesUsesBack,
            "concurrent openings take no more uses than a grant has",
        ),
        (
            LosesDeliveries,
            "an opening stores its record, its deliveries and its event in one commit",
        ),
        (
            NotesNoDelivery,
            "a delivery is noted in place of what was noted for its channel",
        ),
        (
            NumbersFromZero,
            "events are numbered 1, 2, 3, … whatever stored them",
        ),
        (
            IgnoresTheLimit,
            "a sink is offered its events in order until it acknowledges them",
        ),
        (
            OffersStrangers,
            "a sink that is not registered is offered nothing and cannot acknowledge",
        ),
        (
            AcknowledgesNothing,
            "a sink is offered its events in order until it acknowledges them",
        ),
        (
            AcknowledgesAhead,
            "acknowledging ahead of the store is refused and moves nothing",
        ),
        (
            NothingIsDue,
            "what is due is listed, the most overdue first, and the next time is told",
        ),
        (
            NeverAbandons,
            "requests are abandoned when the gate that waits for them is silent, and no others",
        ),
        (
            HearsNoHeartbeat,
            "requests are abandoned when the gate that waits for them is silent, and no others",
        ),
        (ListsEverything, "a list has what its filter wants, by id"),
        (
            ListsNothingOwed,
            "a list of what owes a review has it from the broken glass until the review",
        ),
        (
            StartsAgainWhereFiltered,
            "a filtered list that is read in pages has what the whole one has",
        ),
        (
            CutsBeforeItFilters,
            "a filtered list that is read in pages has what the whole one has",
        ),
        (
            ListsFromTheStart,
            "a list that is read in pages misses nothing and repeats nothing",
        ),
        (
            EverythingIsPending,
            "pending requests of a digest are found, and no others",
        ),
        (
            HidesFreeze,
            "freeze is told wherever it is asked for, and is in the trail",
        ),
        (
            FreezesInSilence,
            "freeze is told wherever it is asked for, and is in the trail",
        ),
        (
            HasItsOwnClock,
            "the store's time is that of its clock, wherever it is told",
        ),
        (ShowsTheClockGoingBack, "the store's time never decreases"),
        (
            SwallowsClockFailures,
            "a clock that fails is an error of the clock, and nothing is done",
        ),
        (
            TellsTheWrongLastEvent,
            "an append returns its last event's number, and stores nothing when it is empty",
        ),
        (
            NoCopyIsDue,
            "an intent that nobody acts on is due a while after it was made",
        ),
        (
            EveryCopyIsDue,
            "copies that are due are listed by channel, the most overdue first",
        ),
        (ArchivesTooEarly, "nothing is archived before its time"),
        (
            ArchivesWhatIsPending,
            "what is pending, in doubt, owed or granted is never archived",
        ),
    ]
};

#[tokio::test(start_paused = true)]
async fn a_store_with_any_of_these_flaws_fails_the_suite() {
    for (flaw, rule) in FLAWS {
        let report = conformance(|clock| async move {
            Arc::new(Wrapping(Flawed {
                inner: MemoryStore::with_clock(Arc::clone(&clock)),
                silent: Arc::default(),
                clock,
                flaw,
            })) as Arc<dyn RequestStore>
        })
        .await;
        assert_breaks(&report, &flaw, rule);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_gives_everybody_every_duty_is_not_for_several_processes() {
    let report = duties_conformance(|clock| async move {
        Arc::new(Wrapping(Flawed {
            inner: MemoryStore::with_clock(Arc::clone(&clock)),
            silent: Arc::default(),
            clock,
            flaw: Flaw::NeverHints,
        })) as Arc<dyn RequestStore>
    })
    .await;
    for rule in [
        "a duty is one gate's until its time has passed",
        "of many gates that want a duty at once one has it",
    ] {
        assert_breaks(&report, &"the provided lease", rule);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_that_know_nothing_of_each_other_fail_the_suite_of_several_processes() {
    let report = processes_conformance(|clock| async move {
        [clock.clone(), clock]
            .map(|clock| Arc::new(MemoryStore::with_clock(clock)) as Arc<dyn RequestStore>)
    })
    .await;
    let broken = report.broken().iter().map(|broken| broken.rule);
    assert_eq!(broken.collect::<Vec<_>>(), report.judged());
}

#[derive(Debug)]
struct Flawed {
    inner: MemoryStore,
    silent: Arc<Hints>,
    clock: Arc<dyn Clock>,
    flaw: Flaw,
}

impl Flawed {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    async fn stands(&self, id: RequestId) -> Option<u64> {
        let read = self.inner.read(id).await.ok().flatten();
        read.map(|snapshot| snapshot.record.revision)
    }
}

impl WrapsStore for Flawed {
    fn inner(&self) -> &dyn RequestStore {
        &self.inner
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        match self.flaw {
            Flaw::HasItsOwnClock => Ok(SystemClock::new().now()?),
            Flaw::ShowsTheClockGoingBack => Ok(self.clock.now()?),
            Flaw::SwallowsClockFailures => {
                Ok(self.inner.now().await.unwrap_or(Timestamp::from_millis(0)))
            }
            _ => self.inner.now().await,
        }
    }

    async fn known(&self, key: Digest, digest: Digest) -> Result<Known, StoreError> {
        let mut known = self.inner.known(key, digest).await?;
        match self.flaw {
            Flaw::KnowsOfNoDoubt => known.standing.same_digest.clear(),
            Flaw::KnowsOfNoCopies => known.deliveries = Arc::from([]),
            _ => {}
        }
        Ok(known)
    }

    async fn open(&self, mut new: Opening, with: Vec<Delivery>) -> Result<Opened, StoreError> {
        match self.flaw {
            Flaw::ForgetsKeys => new.key = None,
            Flaw::ForgetsDenials => new.limits.denial_stands_for = Duration::ZERO,
            Flaw::ForgetsLimits => {
                new.limits = Limits {
                    asks_per_hour: u32::MAX,
                    pending: u32::MAX,
                    denials: u32::MAX,
                    ..new.limits
                }
            }
            _ => {}
        }
        let with = if self.is(Flaw::LosesDeliveries) {
            Vec::new()
        } else {
            with
        };
        let again = new.clone();
        let opened = self.inner.open(new, with).await;
        match (self.flaw, opened) {
            (Flaw::ReplacesTheSameId, Err(StoreError::Invalid(_))) => {
                let read = self.inner.read(again.asked.id).await?;
                Ok(Opened::Found(read.unwrap().record))
            }
            (Flaw::WarnsNobodyOfDoubt, Ok(Opened::Asked { record, last_event })) => {
                let mut record = Record::clone(&record);
                record.asked = again.asked;
                let record = Arc::new(record);
                Ok(Opened::Asked { record, last_event })
            }
            (Flaw::GivesUsesBack, Ok(Opened::Granted { record, last_event })) => {
                let grantor = self.inner.read(record.granted_by.unwrap()).await?;
                let mut richer = Record::clone(&grantor.unwrap().record);
                richer.revision += 1;
                richer.grant.as_mut().unwrap().uses_left += 1;
                let swap = Swap {
                    expected: richer.revision - 1,
                    record: richer.into(),
                    events: Vec::new(),
                    not_after: None,
                    unfrozen: false,
                    stands: false,
                };
                self.inner.compare_and_swap(swap).await?;
                Ok(Opened::Granted { record, last_event })
            }
            (_, opened) => opened,
        }
    }

    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        let read = self.inner.read(id).await?;
        Ok(read.map(|snapshot| Snapshot {
            frozen: snapshot.frozen && !self.is(Flaw::HidesFreeze),
            ..snapshot
        }))
    }

    async fn compare_and_swap(&self, mut swap: Swap) -> Result<Swapped, StoreError> {
        let id = swap.record.id();
        match self.flaw {
            Flaw::SkipsTheRevision => {
                swap.expected = self.stands(id).await.unwrap_or(swap.expected);
            }
            Flaw::ChecksTheRevisionThenActs if self.stands(id).await == Some(swap.expected) => {
                tokio::task::yield_now().await;
                swap.expected = self.stands(id).await.unwrap_or(swap.expected);
            }
            Flaw::IgnoresNotAfter => swap.not_after = None,
            Flaw::NotAfterOneMilliLate => {
                swap.not_after = swap.not_after.map(|at| at.plus(Duration::from_millis(1)));
            }
            Flaw::IgnoresFreeze => swap.unfrozen = false,
            Flaw::IgnoresDoubtAtTheSwap => swap.stands = false,
            Flaw::LosesEvents => swap.events.clear(),
            _ => {}
        }
        self.inner.compare_and_swap(swap).await
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, StoreError> {
        let wrong = u64::from(self.is(Flaw::TellsTheWrongLastEvent));
        Ok(self.inner.append(events).await? + wrong)
    }

    async fn events(&self, sink: &SinkId, limit: usize) -> Result<Vec<Event>, StoreError> {
        match self.flaw {
            Flaw::IgnoresTheLimit => self.inner.events(sink, usize::MAX).await,
            Flaw::OffersStrangers => Ok(self.inner.events(sink, limit).await.unwrap_or_default()),
            Flaw::NumbersFromZero => {
                let mut events = self.inner.events(sink, limit).await?;
                events.iter_mut().for_each(|event| event.number -= 1);
                Ok(events)
            }
            _ => self.inner.events(sink, limit).await,
        }
    }

    async fn acknowledge(&self, sink: &SinkId, number: u64) -> Result<(), StoreError> {
        match self.flaw {
            Flaw::AcknowledgesNothing => Ok(()),
            Flaw::AcknowledgesAhead => {
                let _ = self.inner.acknowledge(sink, number).await;
                Ok(())
            }
            _ => self.inner.acknowledge(sink, number).await,
        }
    }

    async fn note_delivery(&self, id: RequestId, delivery: Delivery) -> Result<(), StoreError> {
        if self.is(Flaw::NotesNoDelivery) {
            return Ok(());
        }
        self.inner.note_delivery(id, delivery).await
    }

    async fn copies_due(
        &self,
        channel: &ChannelId,
        limit: usize,
    ) -> Result<Vec<RequestId>, StoreError> {
        match self.flaw {
            Flaw::NoCopyIsDue => Ok(Vec::new()),
            Flaw::EveryCopyIsDue => {
                let all = self.inner.list(&Filter::default(), None, limit).await?;
                Ok(all.iter().map(|record| record.id()).collect())
            }
            _ => self.inner.copies_due(channel, limit).await,
        }
    }

    /// As the trait provides it: everybody has every duty.
    async fn lease(&self, _: &Duty, _: OwnerId, lease: Duration) -> Result<bool, StoreError> {
        Ok(lease > Duration::ZERO)
    }

    async fn due(&self, limit: usize) -> Result<Due, StoreError> {
        let mut due = self.inner.due(limit).await?;
        match self.flaw {
            Flaw::NothingIsDue => due.requests.clear(),
            Flaw::NeverAbandons => due.abandoned.clear(),
            _ => {}
        }
        Ok(due)
    }

    async fn pending_with(&self, digest: Digest) -> Result<Vec<RequestId>, StoreError> {
        if self.is(Flaw::EverythingIsPending) {
            let all = self.inner.list(&Filter::default(), None, 100).await?;
            return Ok(all.iter().map(|record| record.id()).collect());
        }
        self.inner.pending_with(digest).await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        match self.flaw {
            Flaw::ListsEverything => self.inner.list(&Filter::default(), after, limit).await,
            Flaw::ListsNothingOwed if filter.review_owed => Ok(Vec::new()),
            Flaw::StartsAgainWhereFiltered if !filter.phases.is_empty() => {
                self.inner.list(filter, None, limit).await
            }
            Flaw::CutsBeforeItFilters => {
                let mut page = self.inner.list(&Filter::default(), after, limit).await?;
                page.retain(|record| filter.wants(record));
                Ok(page)
            }
            Flaw::ListsFromTheStart => self.inner.list(filter, None, limit).await,
            Flaw::ArchivesWhatIsPending => {
                let mut all = self.inner.list(filter, after, limit).await?;
                all.retain(|record| record.state.phase() != Phase::Pending);
                Ok(all)
            }
            _ => self.inner.list(filter, after, limit).await,
        }
    }

    async fn set_freeze(&self, freeze: Option<Freeze>, event: NewEvent) -> Result<(), StoreError> {
        self.inner.set_freeze(freeze, event).await?;
        if self.is(Flaw::FreezesInSilence) {
            let sink = SinkId::new("observer").unwrap();
            let events = self.inner.events(&sink, usize::MAX).await?;
            let last = events.last().map_or(0, |event| event.number);
            self.inner.acknowledge(&sink, last).await?;
        }
        Ok(())
    }

    async fn heartbeat(&self, owner: OwnerId, lease: Duration) -> Result<(), StoreError> {
        if self.is(Flaw::HearsNoHeartbeat) {
            return Ok(());
        }
        self.inner.heartbeat(owner, lease).await
    }

    async fn archive(&self, finished_for: Duration) -> Result<u64, StoreError> {
        let finished_for = match self.flaw {
            Flaw::ArchivesTooEarly => Duration::ZERO,
            _ => finished_for,
        };
        self.inner.archive(finished_for).await
    }

    fn hints(&self) -> &Arc<Hints> {
        match self.flaw {
            Flaw::NeverHints => &self.silent,
            _ => self.inner.hints(),
        }
    }
}
