//! What operators see: spans, events and metrics.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use approvals_core::{Kind, Phase};
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};

use crate::support::{Body, a_senior, agent, by_hand, export, person, refusal, seconds, world};

/// Every metric by its name and labels.
#[derive(Debug, Default)]
struct Metrics(Mutex<BTreeMap<String, Arc<Number>>>);

/// A counter, a gauge or the number of a histogram's samples.
#[derive(Debug, Default)]
struct Number(AtomicU64);

impl HistogramFn for Number {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Metrics {
    fn at(&self, key: &Key) -> Arc<Number> {
        let mut name = key.name().to_owned();
        for label in key.labels() {
            write!(name, " {}={}", label.key(), label.value()).unwrap();
        }
        Arc::clone(self.0.lock().unwrap().entry(name).or_default())
    }

    /// Those that are not zero.
    fn read(&self) -> Vec<(String, f64)> {
        let metrics = self.0.lock().unwrap();
        let all = metrics.iter().map(|(name, number)| {
            let raw = number.0.load(Ordering::SeqCst);
            let value = if name.starts_with("approvals_pending") {
                f64::from_bits(raw)
            } else {
                raw as f64
            };
            (name.clone(), value)
        });
        all.filter(|(_, value)| *value != 0.0).collect()
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Shared(self.at(key))))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Shared(self.at(key))))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.at(key))
    }
}

struct Shared(Arc<Number>);

impl metrics::CounterFn for Shared {
    fn increment(&self, by: u64) {
        self.0.0.fetch_add(by, Ordering::SeqCst);
    }
    fn absolute(&self, value: u64) {
        self.0.0.store(value, Ordering::SeqCst);
    }
}

impl metrics::GaugeFn for Shared {
    fn increment(&self, by: f64) {
        let now = f64::from_bits(self.0.0.load(Ordering::SeqCst));
        self.0.0.store((now + by).to_bits(), Ordering::SeqCst);
    }
    fn decrement(&self, by: f64) {
        metrics::GaugeFn::increment(self, -by);
    }
    fn set(&self, value: f64) {
        self.0.0.store(value.to_bits(), Ordering::SeqCst);
    }
}

/// What is logged, a line for each span and event of this crate.
#[derive(Debug, Default, Clone)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Log {
    fn changes(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let changes = lines.iter().filter(|line| line.contains("request changed"));
        let part = |line: &String, name: &str| {
            let (_, rest) = line.split_once(&format!(" {name}=")).unwrap();
            rest.split(' ').next().unwrap().to_owned()
        };
        let told = changes.map(|line| format!("{} {}", part(line, "from"), part(line, "to")));
        told.collect()
    }

    fn has(&self, text: &str) -> bool {
        self.0
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains(text))
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("approvals_core")
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        let mut lines = self.0.lock().unwrap();
        lines.push(line.0);
        Id::from_u64(lines.len() as u64)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test(start_paused = true)]
async fn every_change_of_a_request_is_told_and_counted_once() {
    let (metrics, log) = (Metrics::default(), Log::default());
    let _metrics = metrics::set_default_local_recorder(&metrics);
    // With one alone `tracing` asks whichever thread comes first, and those of other tests have none.
    let _another = tracing::Dispatch::new(Log::default());
    let _log = tracing::subscriber::set_default(log.clone());
    let quick = a_senior().deadline(seconds(60)).unwrap();
    let world = world(quick).await;

    let traced = world.run_as(agent().trace(TRACE), Body::Succeeds, export("a", 1));
    let vote = async {
        let asked = world.approver.next().await;
        assert!(
            metrics
                .read()
                .contains(&("approvals_pending".to_owned(), 1.0))
        );
        asked.approve_as("alice").await.unwrap();
    };
    let (ran, ()) = tokio::join!(traced, vote);
    ran.unwrap();
    world.denied("alice", export("b", 1)).await;
    let late = refusal(world.run(export("c", 1)).await);
    assert_eq!(late.kind(), Kind::TimedOut);
    let withdrawn = world.gate.ask(by_hand(1)).await.unwrap().unwrap();
    world.gate.withdraw(withdrawn).await.unwrap();
    assert_eq!(world.phase(withdrawn).await, Phase::Withdrawn);
    world.gate.freeze(&person("root"), "drill").await.unwrap();
    world.gate.thaw(&person("root"), "over").await.unwrap();
    world.gate.flush().await;

    let decided = |name: &str| {
        ["approved", "denied", "expired", "withdrawn"].map(|o| (format!("{name} outcome={o}"), 1.0))
    };
    let mut expected = Vec::from(decided("approvals_decisions_total"));
    expected.push(("approvals_refused_total kind=denied".to_owned(), 1.0));
    expected.push(("approvals_refused_total kind=timed_out".to_owned(), 1.0));
    expected.push(("approvals_requests_total".to_owned(), 4.0));
    expected.extend(decided("approvals_time_to_decision_seconds"));
    expected.push(("approvals_votes_total channel=test".to_owned(), 2.0));
    assert_eq!(metrics.read(), expected);

    let expected = [
        "pending approved",
        "approved claimed",
        "claimed executing",
        "executing succeeded",
        "pending denied",
        "pending expired",
        "pending withdrawn",
    ];
    assert_eq!(log.changes(), expected);
    assert!(log.has("approvals.command request=") && log.has("command=\"vote\""));
    assert!(log.has(&format!("trace=\"{TRACE}\"")) && log.has("frozen=true"));
}

#[tokio::test(start_paused = true)]
async fn the_trace_of_a_call_is_in_its_event_and_what_is_none_is_left_out() {
    let world = world(a_senior()).await;
    let call = world.run_as(agent().trace(TRACE), Body::Succeeds, export("a", 1));
    let vote = async {
        world
            .approver
            .next()
            .await
            .approve_as("alice")
            .await
            .unwrap()
    };
    let (ran, voted) = tokio::join!(call, vote);
    ran.unwrap();
    let trail = serde_json::to_string(&world.trail(voted.id()).await).unwrap();
    assert!(trail.contains(TRACE), "{trail}");
    let later = format!("01{}-more", &TRACE[2..]);
    assert_eq!(agent().trace(&later).traceparent(), Some(&*later));
    for none in [
        "",
        "00",
        &TRACE.to_uppercase(),
        &TRACE[..54],
        &format!("{TRACE}-more"),
        &format!("ff{}", &TRACE[2..]),
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n[x](https://evil.example)",
        &format!("01{}-{}", &TRACE[2..], "x".repeat(300)),
        &format!("01{}-[x](https://evil.example)", &TRACE[2..]),
    ] {
        assert_eq!(agent().trace(none).traceparent(), None, "{none:?}");
    }
}
