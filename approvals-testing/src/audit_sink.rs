//! The suite that any audit sink must pass.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use approvals_core::{AuditSink, Event, EventId, OwnerId, Reasons, Timestamp, What, async_trait};

use crate::report::{Judgment, Report, Rule, ensure, rules};
use crate::sample::{Sample, requester};

/// How the suite opens a sink and looks at what it has kept.
///
/// ```
/// use std::sync::Arc;
/// use approvals_core::{AuditSink, EventId, async_trait, memory::InMemoryAuditSink};
/// use approvals_testing::audit_sink::{Kept, conformance};
///
/// #[derive(Debug, Default)]
/// struct InMemory(Arc<InMemoryAuditSink>);
///
/// #[async_trait]
/// impl Kept for InMemory {
///     async fn open(&self) -> Arc<dyn AuditSink> {
///         self.0.clone()
///     }
///     async fn kept(&self) -> Vec<EventId> {
///         self.0.events().iter().map(|event| event.id).collect()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// conformance(|| async { Arc::new(InMemory::default()) as Arc<dyn Kept> }).await.assert_kept();
/// # }
/// ```
#[async_trait]
pub trait Kept: fmt::Debug + Send + Sync {
    /// Opens the sink over what it has kept so far, as after a restart of the process.
    async fn open(&self) -> Arc<dyn AuditSink>;

    /// What it has kept, in its order.
    async fn kept(&self) -> Vec<EventId>;
}

/// Judges the sinks that `make` makes: a new, empty one for each rule.
pub async fn conformance<F, S>(make: F) -> Report
where
    F: Fn() -> S,
    S: Future<Output = Arc<dyn Kept>>,
{
    let mut report = Report::new("audit sink");
    for rule in RULES {
        report.judge(rule, make().await).await;
    }
    report
}

type World = Arc<dyn Kept>;

const RULES: &[Rule<World>] = rules![World:
    "what a sink acknowledges it keeps, in order" => keeps,
    "an event that is offered again is kept once" => idempotent,
    "an event that comes again under another number is kept once" => renumbered,
    "what was kept before a restart is kept, and still known" => restart,
    "nothing to record is no error" => nothing,
    "concurrent batches are kept whole, each once" => crowd,
    "events of any content are kept" => any_content,
];

fn event(number: u64, what: What) -> Event {
    Event {
        number,
        id: EventId::new(),
        at: Timestamp::from_millis(1_769_860_800_000 + number),
        request: None,
        revision: 0,
        what,
    }
}

fn events(numbers: std::ops::RangeInclusive<u64>) -> Vec<Event> {
    numbers
        .map(|number| {
            let why = format!("sample {number}").into();
            event(number, What::Withdrawn { why })
        })
        .collect()
}

fn ids(events: &[Event]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

async fn keeps(world: World) -> Judgment {
    let sink = world.open().await;
    let all = events(1..=6);
    for batch in all.chunks(2) {
        sink.record(batch).await?;
    }
    let kept = world.kept().await;
    ensure!(kept == ids(&all), "of 6 events it has {kept:?}");
    Ok(())
}

async fn idempotent(world: World) -> Judgment {
    let sink = world.open().await;
    let all = events(1..=6);
    let (first, rest) = all.split_at(3);
    sink.record(first).await?;
    sink.record(first).await?;
    // Some that it has, and some that are new.
    sink.record(&all).await?;
    sink.record(rest).await?;
    let kept = world.kept().await;
    ensure!(
        kept == ids(&all),
        "of 6 events, offered again, it has {kept:?}"
    );
    Ok(())
}

async fn renumbered(world: World) -> Judgment {
    let sink = world.open().await;
    let mut all = events(1..=2);
    sink.record(&all).await?;
    // A store whose answer was lost takes the same events a second time.
    let again: Vec<Event> = all
        .iter()
        .map(|event| Event {
            number: event.number + 2,
            ..event.clone()
        })
        .collect();
    sink.record(&again).await?;
    let next = events(5..=5);
    sink.record(&next).await?;
    all.extend(next);
    let kept = world.kept().await;
    ensure!(kept == ids(&all), "of 3 events it has {kept:?}");
    Ok(())
}

async fn restart(world: World) -> Judgment {
    let all = events(1..=4);
    let (first, rest) = all.split_at(2);
    world.open().await.record(first).await?;
    let kept = world.kept().await;
    ensure!(kept == ids(first), "after a restart it has {kept:?}");
    let sink = world.open().await;
    sink.record(first).await?;
    sink.record(rest).await?;
    let kept = world.kept().await;
    ensure!(kept == ids(&all), "after it went on it has {kept:?}");
    Ok(())
}

async fn nothing(world: World) -> Judgment {
    let sink = world.open().await;
    sink.record(&[]).await?;
    let kept = world.kept().await;
    ensure!(kept.is_empty(), "of no events it has {kept:?}");
    Ok(())
}

async fn crowd(world: World) -> Judgment {
    let sink = world.open().await;
    let all = events(1..=20);
    // Two replicas that feed the same sink offer it the same events.
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (sink, all) = (Arc::clone(&sink), all.clone());
            tokio::spawn(async move {
                for batch in all.chunks(5) {
                    sink.record(batch).await?;
                }
                Ok::<(), approvals_core::AuditError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let kept = world.kept().await;
    ensure!(kept == ids(&all), "of 20 events it has {kept:?}");
    Ok(())
}

async fn any_content(world: World) -> Judgment {
    let sink = world.open().await;
    let sample = |table: &str| Sample::at(Timestamp::from_millis(1)).table(table).opening();
    let long = "long ".repeat(20_000);
    let texts = [
        "",
        "nul \u{0}",
        "\u{202e}bidi",
        "\"'\\\n",
        "日本語 🦀",
        &long,
    ];
    let mut all = Vec::new();
    for (number, text) in (1..).zip(texts) {
        let asked = sample(text).asked;
        all.push(event(number, What::Requested { asked }));
    }
    let next = u64::try_from(all.len())?;
    let owner = OwnerId::new();
    let others = [
        What::Allowed {
            action: "sample.export".parse()?,
            requester: requester(),
            call: None,
            reasons: Reasons::rule("sample", "allowed")?,
            policy_version: Some("2026-11".into()),
        },
        What::Approved,
        What::Expired,
        What::Claimed {
            fence: u64::MAX,
            owner,
            struck: 0,
            policy_version: None,
        },
        What::Finished {
            fence: 1,
            succeeded: true,
            summary: None,
        },
    ];
    for (number, what) in (next + 1..).zip(others) {
        all.push(event(number, what));
    }
    sink.record(&all).await?;
    let kept = world.kept().await;
    ensure!(
        kept == ids(&all),
        "of {} events it has {}",
        all.len(),
        kept.len()
    );
    Ok(())
}
