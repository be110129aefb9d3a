//! The gate as the benches set it up: in memory, everything on, limits out of the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::review::{Asked, Record};
use approvals_core::{
    ApprovalError, Approver, ApproverError, AuditError, AuditSink, CastVote, ChannelDesk, Choice,
    Coverage, Event, Gate, Limits, Notice, Presentation, Receipt, RedactionKey, RequestId,
    RequestStore, Requester, Requirement, Rules, async_trait, requires_approval,
};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::Failure;
use crate::arguments::{Arguments, Options};

/// An export that policy allows by its name: its arguments are not captured.
///
/// # Errors
/// When the gate refuses.
#[requires_approval(policy = "benches", action = "bench.allowed_by_name")]
pub async fn allowed_by_name(
    database: &str,
    rows: u64,
    columns: &[String],
    options: &Options,
) -> Result<u64, ApprovalError> {
    Ok(rows + (database.len() + columns.len() + options.format.len()) as u64)
}

/// An export that policy allows by a look at its arguments: all four are captured.
///
/// # Errors
/// When the gate refuses.
#[requires_approval(policy = "benches", action = "bench.allowed_by_arguments")]
pub async fn allowed_by_arguments(
    database: &str,
    rows: u64,
    columns: &[String],
    options: &Options,
) -> Result<u64, ApprovalError> {
    Ok(rows + (database.len() + columns.len() + options.format.len()) as u64)
}

/// An export that one reviewer must agree to. `body` is told when the body is first polled.
///
/// # Errors
/// When the gate refuses.
#[requires_approval(policy = "benches", action = "bench.reviewed", skip(body))]
pub async fn reviewed<F: FnOnce() -> T + Send, T: Send>(
    database: &str,
    rows: u64,
    columns: &[String],
    options: &Options,
    body: F,
) -> Result<T, ApprovalError> {
    std::hint::black_box((database, rows, columns, options));
    Ok(body())
}

/// The same, with one argument whose type the bench chooses.
///
/// # Errors
/// When the gate refuses.
#[requires_approval(policy = "benches", action = "bench.reviewed", skip(body))]
pub async fn reviewed_whole<A: Serialize + Sync, F: FnOnce() -> T + Send, T: Send>(
    arguments: &A,
    body: F,
) -> Result<T, ApprovalError> {
    std::hint::black_box(arguments);
    Ok(body())
}

/// Asks for a [`reviewed`] export with these arguments.
///
/// # Errors
/// When the gate refuses.
pub async fn ask<T: Send>(
    arguments: &Arguments,
    body: impl FnOnce() -> T + Send,
) -> Result<T, ApprovalError> {
    let Arguments {
        database,
        rows,
        columns,
        options,
    } = arguments;
    reviewed(database, *rows, columns, options, body).await
}

/// A sink that buffers nothing but a count: whatever a real one does comes on top for any gate.
#[derive(Debug, Default)]
pub struct CountingSink(AtomicU64);

impl CountingSink {
    /// How many events it was given.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl AuditSink for CountingSink {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        self.0.fetch_add(events.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// A channel that hands its notices to whoever reviews.
#[derive(Debug)]
struct Queue(mpsc::UnboundedSender<Notice>);

#[async_trait]
impl Approver for Queue {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        let gone = |_| ApproverError::for_good("nobody reviews any more");
        self.0.send(notice.clone()).map_err(gone)?;
        Ok(Receipt::none())
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Ok(())
    }
}

/// Says yes for a person.
#[derive(Clone, Debug)]
pub struct Reviewer(ChannelDesk);

impl Reviewer {
    /// Approves a request as its notice shows it.
    ///
    /// # Errors
    /// When the vote does not count.
    pub async fn approve(&self, notice: &Notice) -> Result<Arc<Record>, Failure> {
        Ok(self.0.vote(yes(notice.asked(), notice.revision())).await?)
    }

    /// The record of a request, wherever it was asked.
    ///
    /// # Errors
    /// When there is none.
    pub async fn look(&self, request: RequestId) -> Result<Arc<Record>, Failure> {
        Ok(self.0.look(request).await?)
    }

    /// Approves a request as its record stands.
    ///
    /// # Errors
    /// When the vote does not count.
    pub async fn agree(&self, record: &Record) -> Result<Arc<Record>, Failure> {
        Ok(self.0.vote(yes(&record.asked, record.revision)).await?)
    }
}

fn yes(asked: &Asked, revision: u64) -> CastVote {
    CastVote {
        request: asked.id,
        tenant: String::new(),
        user: "alice".to_owned(),
        choice: Choice::Approve,
        comment: None,
        proposal: None,
        digest: asked.digest,
        shown: asked.shown,
        revision,
    }
}

/// A gate, who asks, who reviews, and what arrives for review.
#[derive(Debug)]
pub struct Bench {
    /// The gate.
    pub gate: Gate,
    /// Who asks.
    pub requester: Requester,
    /// Who reviews.
    pub reviewer: Reviewer,
    /// What arrives for review.
    pub notices: mpsc::UnboundedReceiver<Notice>,
    /// What is told of every event.
    pub sink: Arc<CountingSink>,
}

impl Bench {
    /// A gate on the in-memory store, with so many policies of so many rules.
    ///
    /// # Errors
    /// When it cannot be built.
    pub async fn new(policies: usize) -> Result<Self, Failure> {
        Self::over(Arc::new(MemoryStore::new()), policies).await
    }

    /// A gate on this store, with so many policies of so many rules.
    ///
    /// # Errors
    /// When it cannot be built.
    pub async fn over(store: Arc<dyn RequestStore>, policies: usize) -> Result<Self, Failure> {
        let directory = Arc::new(InMemoryDirectory::new());
        directory.person("alice", ["seniors"])?;
        directory.person("bob", ["owners"])?;
        let mut rules = Rules::new()
            .allow("bench.allowed_by_name", "by-name")?
            .allow_when("bench.allowed_by_arguments", "by-arguments", |call, _| {
                call.argument("rows").is_some()
            })?
            .review("bench.reviewed", "exports", Requirement::one_of("seniors")?)?
            .review(
                "bench.reviewed_by_key",
                "exports-by-key",
                Requirement::one_of("seniors")?,
            )?;
        for other in 1..policies {
            rules = rules.allow(&format!("other.action-{other}"), "other")?;
        }
        let sink = Arc::new(CountingSink::default());
        let (sender, notices) = mpsc::unbounded_channel();
        let mut desk = None;
        let mut builder = Gate::builder(store, directory)
            .policy("benches", rules)
            .audit_sink("count", Arc::<CountingSink>::clone(&sink))
            .redaction_key(RedactionKey::random()?)
            .limits(Limits {
                pending: u32::MAX,
                asks_per_hour: u32::MAX,
                denials: u32::MAX,
                pause: Duration::from_secs(60),
                denial_stands_for: Duration::from_secs(60),
            })
            .approver("queue", |channel| {
                desk = Some(channel);
                Arc::new(Queue(sender))
            });
        for other in 1..policies {
            let policy = Rules::new().allow("other.action", "other")?;
            builder = builder.policy(&format!("other-{other}"), policy);
        }
        Ok(Self {
            gate: builder.build().await?,
            requester: Requester::agent("exporter")?.acting_for("person:bob")?,
            reviewer: Reviewer(desk.ok_or("the gate made no channel")?),
            notices,
            sink,
        })
    }

    /// Runs a future whose calls go through this gate and are its requester's.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        self.gate.scope(self.requester.scope(future)).await
    }

    /// Starts a task that says yes to everything from now on. Without it the caller reviews.
    #[must_use]
    pub fn approve_everything(mut self) -> Approving {
        let reviewer = self.reviewer.clone();
        tokio::spawn(async move {
            while let Some(notice) = self.notices.recv().await {
                if let Err(error) = reviewer.approve(&notice).await {
                    eprintln!("a vote was refused: {error}");
                    return;
                }
            }
        });
        Approving {
            gate: self.gate,
            requester: self.requester,
        }
    }
}

/// A gate whose every question is answered yes by a task of its own.
#[derive(Clone, Debug)]
pub struct Approving {
    /// The gate.
    pub gate: Gate,
    /// Who asks.
    pub requester: Requester,
}

impl Approving {
    /// Runs a future whose calls go through this gate and are its requester's.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        self.gate.scope(self.requester.scope(future)).await
    }
}
