//! Telling of requests through a workflow, where nobody can answer.

use std::sync::{Arc, Mutex};

use approvals_core::memory::{InMemoryApprover, InMemoryDirectory, MemoryStore};
use approvals_core::{
    ApprovalError, Desk, Gate, Requester, Requirement, async_trait, requires_approval,
};
use approvals_teams::{Http, HttpError, Workflow};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

const ADDRESS: &str =
    "https://abc.01.environment.api.powerplatform.com:443/powerautomate/x?sig=secret";

/// What a workflow was sent, and what it answers next.
#[derive(Debug, Default)]
struct Trigger {
    sent: Mutex<Vec<Value>>,
    answers: Mutex<Vec<u16>>,
}

#[async_trait]
impl Http for Trigger {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        assert_eq!(request.uri().to_string(), ADDRESS);
        let status = self.answers.lock().unwrap().pop().unwrap_or(202);
        if status == 202 {
            let body = serde_json::from_slice(request.body()).unwrap();
            self.sent.lock().unwrap().push(body);
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        Ok(response)
    }
}

#[requires_approval(policy = "exports", action = "sample.told", crate = ::approvals_core)]
async fn told(rows: &str) -> Result<(), ApprovalError> {
    Ok(())
}

async fn ask(trigger: &Arc<Trigger>, inbox: bool) -> Result<(), ApprovalError> {
    let directory = Arc::new(InMemoryDirectory::new());
    directory.person("alice", ["reviewers"]).unwrap();
    directory.person("bob", ["others"]).unwrap();
    let desk = Desk::new(Arc::new(MemoryStore::on_tokio_time()), directory);
    let workflow = Workflow::new(trigger.clone(), ADDRESS.into(), "https://a.example/r/").unwrap();
    let mut gate = Gate::with_desk(desk)
        .policy("exports", Requirement::one_of("reviewers").unwrap())
        .approver("workflow", |_| Arc::new(workflow));
    if inbox {
        // Somebody who may agree, and does not.
        gate = gate.approver("inbox", InMemoryApprover::new().connect());
    }
    let gate = gate.build().await.unwrap();
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
