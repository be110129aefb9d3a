//! Reads the trail and the files, and compares them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_core::store::Filter;
use approvals_core::{Gate, PersonId, Phase, RequestId, RequestStore, SinkId, StoreError};
use approvals_testing::wrapping::Wrapping;
use tokio::time::sleep;

use super::Report;
use crate::Failure;
use crate::files::{Directory, Followed, lines};
use crate::flaw::Flaw;
use crate::place::Place;
use crate::point::Points;
use crate::points::PointedStore;
use crate::setting::{Inbox, LEASE, gate};
use crate::trail::{Broken, Trail, Violation};

/// How long the store may take to answer after its server was killed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many events are read at once.
const PAGE: usize = 500;

pub(super) struct Observer {
    store: Arc<dyn RequestStore>,
    sink: SinkId,
    files: Directory,
    effects: Followed,
    decisions: Followed,
    unlicensed: Followed,
    operations: Followed,
    answers_one: Followed,
    answers_two: Followed,
    trail: Trail,
}

impl Observer {
    pub(super) async fn new(
        place: &Place,
        files: Directory,
        flaw: Option<Flaw>,
    ) -> Result<Self, Failure> {
        let store = Wrapping(PointedStore {
            inner: place.open_within(PATIENCE).await?,
            points: Arc::new(Points::new(None)),
            flaw: flaw.filter(|flaw| *flaw == Flaw::NeverDue),
        });
        let sink = SinkId::new("observer")?;
        store.register_sink(&sink).await?;
        Ok(Self {
            store: Arc::new(store),
            sink,
            effects: Followed::new(files.effects()),
            decisions: Followed::new(files.decisions()),
            unlicensed: Followed::new(files.unlicensed()),
            operations: Followed::new(files.operations()),
            answers_one: Followed::new(files.answers("one")),
            answers_two: Followed::new(files.answers("two")),
            files,
            trail: Trail::default(),
        })
    }

    /// Compares what the files have gained with the trail as it is after they were read: what is
    /// licensed comes after what licenses it.
    pub(super) async fn look(&mut self, report: &mut Report) -> Result<(), Failure> {
        let answers = [self.answers_one.news()?, self.answers_two.news()?];
        // A body leaves its line before its caller is answered.
        let effects = self.effects.news()?;
        let decisions = self.decisions.news()?;
        let unlicensed = self.unlicensed.news()?;
        let operations = self.operations.news()?;
        self.read(report).await?;
        let violations = &mut report.violations;
        self.trail.judge_effects(&effects, violations);
        self.trail.judge_decisions(&decisions, violations);
        self.trail.judge_unlicensed(&unlicensed, violations);
        self.trail.judge_operations(&operations, violations);
        for answers in answers {
            self.trail.judge_answers(&answers, violations);
        }
        Ok(())
    }

    async fn read(&mut self, report: &mut Report) -> Result<(), Failure> {
        loop {
            let (store, sink) = (&self.store, &self.sink);
            let events = until_reached(|| store.events(sink, PAGE)).await?;
            let Some(last) = events.last() else {
                return Ok(());
            };
            for event in &events {
                self.trail.read(event, &mut report.violations);
            }
            until_reached(|| store.acknowledge(sink, last.number)).await?;
        }
    }

    /// Waits until everything that is claimed or started now has gone on from there.
    pub(super) async fn settle(
        &mut self,
        within: Duration,
        report: &mut Report,
    ) -> Result<(), Failure> {
        self.look(report).await?;
        let deadline = Instant::now() + within;
        let held: HashSet<(RequestId, Phase)> = self.held().collect();
        loop {
            let left = self.held().find(|left| held.contains(left));
            let Some((left, phase)) = left else {
                return self.look(report).await;
            };
            if Instant::now() > deadline {
                report.violations.push(Violation {
                    broken: Broken::NotInDoubt,
                    found: format!("{left} was given up, and is {phase} still"),
                });
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
            self.read(report).await?;
            if !report.violations.is_empty() {
                return Ok(());
            }
        }
    }

    fn held(&self) -> impl Iterator<Item = (RequestId, Phase)> {
        let held = [Phase::Claimed, Phase::Executing].into_iter();
        held.flat_map(|phase| self.in_phase(phase).map(move |id| (id, phase)))
    }

    fn in_phase(&self, phase: Phase) -> impl Iterator<Item = RequestId> {
        let requests = self.trail.requests.iter();
        requests.filter_map(move |(id, history)| (history.phase() == phase).then_some(*id))
    }

    /// When everybody is gone: one more replica finds what they abandoned, and a person finds out
    /// what became of it. Every record is where its trail says.
    pub(super) async fn end(
        &mut self,
        within: Duration,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let gate = gate(Arc::clone(&self.store), LEASE, |_| Arc::new(Inbox)).await?;
        self.settle(within, report).await?;
        if !report.violations.is_empty() {
            return Ok(());
        }
        self.compare(&gate, report).await?;
        let effects = lines(&self.files.effects())?;
        let ran: HashSet<&str> = effects.iter().filter_map(|l| l.split(' ').nth(1)).collect();
        let operator = PersonId::new("olga")?;
        let in_doubt: Vec<RequestId> = self.in_phase(Phase::InDoubt).collect();
        for request in in_doubt {
            let succeeded = ran.contains(request.to_string().as_str());
            report.in_doubt_after_effect += u64::from(succeeded);
            gate.resolve(request, &operator, "looked into the file", succeeded)
                .await?;
        }
        self.look(report).await?;
        self.compare(&gate, report).await
    }

    async fn compare(&self, gate: &Gate, report: &mut Report) -> Result<(), Failure> {
        let (mut after, mut seen) = (None, 0);
        loop {
            let page = gate.requests(&Filter::default(), after, 200).await?;
            let Some(last) = page.last() else {
                break;
            };
            after = Some(last.id());
            for record in page {
                seen += 1;
                let history = self.trail.requests.get(&record.id());
                let told = history.map(crate::trail::History::phase);
                let now = record.state.phase();
                let owes = history.is_some_and(crate::trail::History::owes_review);
                if told != Some(now) || record.review_owed.is_some() != owes {
                    report.violations.push(Violation {
                        broken: Broken::RecordDisagrees,
                        found: format!("{} is {now}, and its trail says {told:?}", record.id()),
                    });
                }
            }
        }
        if seen != self.trail.requests.len() {
            report.violations.push(Violation {
                broken: Broken::RecordDisagrees,
                found: format!(
                    "{seen} records are listed, and the trail knows {}",
                    self.trail.requests.len()
                ),
            });
        }
        Ok(())
    }

    /// Counts what was done.
    pub(super) fn count(&self, report: &mut Report) -> Result<(), Failure> {
        let histories = || self.trail.requests.values();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let was = |phase| count(histories().filter(|history| history.was(phase)).count());
        report.requests = count(self.trail.requests.len());
        report.events = self.trail.last;
        report.votes = self.trail.votes;
        report.decisions = count(lines(&self.files.decisions())?.len());
        report.bodies = count(lines(&self.files.effects())?.len());
        report.licences = count(lines(&self.files.licences())?.len());
        report.answers = 0;
        for agent in ["one", "two"] {
            report.answers += count(lines(&self.files.answers(agent))?.len());
        }
        report.started = count(histories().filter(|h| h.started.is_some()).count());
        report.in_doubt = was(Phase::InDoubt);
        report.denied = was(Phase::Denied);
        report.expired = was(Phase::Expired);
        report.withdrawn = was(Phase::Withdrawn);
        report.revoked = was(Phase::Revoked);
        report.freezes = self.trail.freezes;
        report.granted = count(histories().filter(|h| h.is_granted()).count());
        report.opened = count(histories().filter(|h| h.was_opened()).count());
        report.operations = count(lines(&self.files.operations())?.len());
        let claims = |history: &crate::trail::History| {
            let claimed = history.phases.iter().filter(|p| **p == Phase::Claimed);
            claimed.count() > 1
        };
        report.claimed_again = count(histories().filter(|h| claims(h)).count());
        Ok(())
    }
}

/// Asks again while the server is down.
async fn until_reached<T, F>(ask: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Err(StoreError::Unreachable(_)) if Instant::now() < deadline => {
                sleep(Duration::from_millis(20)).await;
            }
            answer => return answer,
        }
    }
}
