//! Telling of requests through a workflow, where nobody can answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::memory::{InMemoryApprover, InMemoryDirectory, MemoryStore};
use approvals_core::{
    ApprovalError, Desk, Gate, Limits, Requester, Requirement, async_trait, requires_approval,
};
use approvals_teams::{Http, HttpError, Workflow};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tokio::time::Instant;

const ADDRESS: &str =
    "https://abc.01.environment.api.powerplatform.com:443/powerautomate/x?sig=secret";

/// What a workflow was sent, and what it answers next.
#[derive(Debug, Default)]
struct Trigger {
    sent: Mutex<Vec<Value>>,
    answers: Mutex<Vec<u16>>,
    /// How long it asks to be left alone where it does not take something.
    retry_after: Option<u64>,
    /// Whether it keeps its connections open and says nothing.
    silent: bool,
    /// When it was called.
    calls: Mutex<Vec<Instant>>,
}

#[async_trait]
impl Http for Trigger {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        assert_eq!(request.uri().to_string(), ADDRESS);
        self.calls.lock().unwrap().push(Instant::now());
        if self.silent {
            std::future::pending::<()>().await;
        }
        let status = self.answers.lock().unwrap().pop().unwrap_or(202);
        if status == 202 {
            let body = serde_json::from_slice(request.body()).unwrap();
            self.sent.lock().unwrap().push(body);
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        if let Some(seconds) = self.retry_after.filter(|_| status != 202) {
            let headers = response.headers_mut();
            headers.insert(http::header::RETRY_AFTER, seconds.into());
        }
        Ok(response)
    }
}

#[requires_approval(policy = "exports", action = "sample.told", crate = ::approvals_core)]
async fn told(rows: &str) -> Result<(), ApprovalError> {
    Ok(())
}

/// A gate that tells of its requests through the workflow, with an inbox or without.
async fn gate(trigger: &Arc<Trigger>, inbox: Option<&InMemoryApprover>) -> Gate {
    let directory = Arc::new(InMemoryDirectory::new());
    directory.person("alice", ["reviewers"]).unwrap();
    directory.person("bob", ["others"]).unwrap();
    let desk = Desk::new(Arc::new(MemoryStore::on_tokio_time()), directory);
    let workflow = Workflow::new(trigger.clone(), ADDRESS.into(), "https://a.example/r/").unwrap();
    let limits = Limits {
        pending: u32::MAX,
        asks_per_hour: u32::MAX,
        ..Limits::default()
    };
    let mut gate = Gate::with_desk(desk)
        .policy("exports", Requirement::one_of("reviewers").unwrap())
        .limits(limits)
        .approver("workflow", |_| Arc::new(workflow));
    if let Some(inbox) = inbox {
        gate = gate.approver("inbox", inbox.connect());
    }
    gate.build().await.unwrap()
}

fn asking(gate: &Gate, rows: String) -> tokio::task::JoinHandle<Result<(), ApprovalError>> {
    let gate = gate.clone();
    let requester = Requester::agent("exporter").unwrap();
    let requester = requester.acting_for("person:bob").unwrap();
    tokio::spawn(async move { gate.scope(requester.scope(told(&rows))).await })
}

async fn ask(trigger: &Arc<Trigger>, inbox: bool) -> Result<(), ApprovalError> {
    // Somebody who may agree, and does not.
    let nobody = InMemoryApprover::new();
    let gate = gate(trigger, inbox.then_some(&nobody)).await;
    let requester = Requester::agent("exporter").unwrap();
    let requester = requester.acting_for("person:bob").unwrap();
    let asking = gate.scope(requester.scope(told("[x](https://evil.example)")));
    tokio::time::timeout(std::time::Duration::from_secs(60), asking)
        .await
        .unwrap_or(Ok(()))
}

#[tokio::test(start_paused = true)]
async fn a_workflow_alone_is_nobody_who_could_agree() {
    let trigger = Arc::new(Trigger::default());
    let refused = ask(&trigger, false).await.unwrap_err();
    let detail = format!("{refused} {:?}", refused.detail());
    assert!(detail.contains("takes no answers"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_workflow_is_told_with_a_link_and_without_buttons_and_again_where_it_was_busy() {
    let trigger = Arc::new(Trigger::default());
    trigger.answers.lock().unwrap().extend([429, 503]);
    let _ = ask(&trigger, true).await;
    let sent = trigger.sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 1);
    let card = sent[0]["attachments"][0]["content"].to_string();
    assert!(card.contains("https://a.example/r/req_"), "{card}");
    assert!(!card.contains("Action.Execute") && !card.contains("Action.Submit"));
    assert!(!card.contains("Input.Text"));
}

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn rows_of(sent: &Value) -> String {
    let card = sent["attachments"][0]["content"].to_string();
    let after = card.split("row ").nth(1).unwrap();
    after.chars().take_while(char::is_ascii_digit).collect()
}

#[tokio::test(start_paused = true)]
async fn a_workflow_is_started_no_more_than_four_times_a_second_and_tells_of_all() {
    let (trigger, inbox) = (Arc::new(Trigger::default()), InMemoryApprover::new());
    let gate = gate(&trigger, Some(&inbox)).await;
    // More than have their turn before the first give up waiting for it.
    let all: Vec<_> = (0..400)
        .map(|n| asking(&gate, format!("row {n}")))
        .collect();
    tokio::time::sleep(seconds(600)).await;
    let calls = trigger.calls.lock().unwrap().clone();
    for five in calls.windows(5) {
        assert!(five[4] - five[0] >= seconds(1), "{five:?}");
    }
    let sent = trigger.sent.lock().unwrap().clone();
    let mut told: Vec<String> = sent.iter().map(rows_of).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!((told.len(), sent.len()), (400, 400));
    all.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_a_workflow_asks_for_holds_all_notices() {
    for status in [429, 503] {
        let trigger = Arc::new(Trigger {
            answers: Mutex::new(vec![status]),
            retry_after: Some(40),
            ..Trigger::default()
        });
        let inbox = InMemoryApprover::new();
        let gate = gate(&trigger, Some(&inbox)).await;
        let one = asking(&gate, "row 1".to_owned());
        tokio::time::sleep(seconds(5)).await;
        let other = asking(&gate, "row 2".to_owned());
        tokio::time::sleep(seconds(120)).await;
        let calls = trigger.calls.lock().unwrap().clone();
        assert_eq!(calls.len(), 3, "{status}");
        assert!(calls[1] - calls[0] >= seconds(40), "{status}: {calls:?}");
        assert_eq!(trigger.sent.lock().unwrap().len(), 2, "{status}");
        assert!(!one.is_finished() && !other.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn a_workflow_that_does_not_answer_blocks_no_request_and_is_given_up() {
    let trigger = Arc::new(Trigger {
        silent: true,
        ..Trigger::default()
    });
    let inbox = InMemoryApprover::new();
    let gate = gate(&trigger, Some(&inbox)).await;
    let waiting = asking(&gate, "row 1".to_owned());
    let request = inbox.next().await;
    tokio::time::sleep(seconds(3_000)).await;
    // As often as it is tried, and no more for that request.
    assert_eq!(trigger.calls.lock().unwrap().len(), 12);
    assert!(!waiting.is_finished());
    let since = Instant::now();
    let other = asking(&gate, "row 2".to_owned());
    inbox.next().await.approve_as("alice").await.unwrap();
    assert!(other.await.unwrap().is_ok());
    assert!(since.elapsed() < seconds(1), "{:?}", since.elapsed());
    request.approve_as("alice").await.unwrap();
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_a_workflow_will_never_take_is_given_up_at_once_and_blocks_no_request() {
    for status in [400, 401, 404, 413] {
        let trigger = Arc::new(Trigger {
            answers: Mutex::new(vec![status; 99]),
            ..Trigger::default()
        });
        let inbox = InMemoryApprover::new();
        let gate = gate(&trigger, Some(&inbox)).await;
        let waiting = asking(&gate, "row 1".to_owned());
        let request = inbox.next().await;
        tokio::time::sleep(seconds(600)).await;
        assert_eq!(trigger.calls.lock().unwrap().len(), 1, "{status}");
        request.approve_as("alice").await.unwrap();
        assert!(waiting.await.unwrap().is_ok());
    }
}
