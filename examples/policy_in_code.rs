//! Policies written in code: rules, a bare requirement, a closure, and several at once.
//!
//! `cargo run --example policy_in_code` prints what each of them says to a few calls.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{Answer, InMemoryApprover, InMemoryDirectory, MemoryStore};
use approvals_core::{
    ApprovalError, Audience, Gate, Mentions, Quorum, Reasons, Requester, Requirement, Risk, Rules,
    Stage, Strictest, Verdict, policy, requires_approval,
};

#[requires_approval(policy = "payments", action = "payments.refund", risk = medium)]
async fn refund(order: u64, cents: u64) -> Result<String, ApprovalError> {
    Ok(format!("order {order} got {cents} cents back"))
}

#[requires_approval(policy = "releases", action = "releases.publish", risk = high)]
async fn publish(version: &str) -> Result<String, ApprovalError> {
    Ok(format!("version {version} is out"))
}

#[requires_approval(policy = "mail", action = "mail.send")]
async fn send_mail(to: &str) -> Result<String, ApprovalError> {
    Ok(format!("{to} has mail"))
}

/// Rules by action. Of those that match the strictest wins, and what no rule matches is denied.
fn payments() -> Result<Rules, Box<dyn Error>> {
    // A missing or odd argument is not small.
    let cents = |call: &approvals_core::Call| call.argument("cents").and_then(|c| c.as_u64());
    Ok(Rules::new()
        .allow_when("payments.refund", "small-refunds", move |call, _| {
            cents(call).is_some_and(|cents| cents <= 2_000)
        })?
        .review_when(
            "payments.refund",
            "large-refunds",
            Requirement::one_of("support-leads")?.comment_on_deny(),
            move |call, _| cents(call).is_none_or(|cents| cents > 2_000),
        )?)
}

/// A requirement is itself a policy: every call is reviewed. This one has two stages.
fn releases() -> Result<Requirement, Box<dyn Error>> {
    let first = Stage::of(Quorum::of(1, ["engineers"])?)
        .decide_within(Duration::from_secs(30 * 60))?
        // When nobody decides in time, the leads are asked as well; the seat stays the same.
        .escalate_to(Audience::of(["support-leads"])?);
    let then = Stage::of(Quorum::of(1, ["person:carol"])?);
    Ok(Requirement::review(first)
        .then(then)?
        .at_least(Risk::High)
        .named("releases-in-two-steps", "an engineer looks, then carol")?)
}

/// Two policies as one, the strictest wins. The second is a closure.
fn mail() -> Result<Strictest, Box<dyn Error>> {
    let outside = Reasons::rule("no-mail-outside", "mail leaves the company")?;
    let inside = Reasons::rule("mail-inside", "mail stays in the company")?;
    let domain = policy::from_fn(move |call, _facts| {
        let to = call.argument("to").and_then(|to| to.value());
        match to.as_ref().and_then(|to| to.as_str()) {
            Some(to) if to.ends_with("@example.com") => Verdict::Allow(inside.clone()),
            _ => Verdict::Deny(outside.clone()),
        }
    })
    // Names what the closure asks, so that `build` can check it. This one asks nobody.
    .mentioning(Mentions::default());
    let all = Rules::new().allow("mail.send", "mail-is-allowed")?;
    Ok(Strictest::of(all).and(domain))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = InMemoryDirectory::new();
    directory.person("alice", ["engineers", "support-leads"])?;
    directory.person("carol", ["engineers"])?;
    directory.person("dana", ["engineers"])?;
    let approver = InMemoryApprover::new();
    let gate = Gate::builder(Arc::new(MemoryStore::new()), Arc::new(directory))
        .policy("payments", payments()?)
        .policy("releases", releases()?)
        .policy("mail", mail()?)
        .approver("script", approver.connect())
        .build()
        .await?;
    let requester = Requester::agent("assistant")?.acting_for("person:dana")?;

    let calls = async {
        println!("small refund   {:?}", refund(1, 1_500).await);
        approver.script([Answer::deny("alice", "ask the customer first")]);
        println!("large refund   {}", told(refund(2, 150_000).await));

        let publishing = publish("2.0.0");
        let reviewing = async {
            let request = approver.next().await;
            request.approve_as("alice").await?;
            request.approve_as("carol").await
        };
        let (published, reviewed) = tokio::join!(publishing, reviewing);
        println!(
            "release        {:?}, reviewed by {}",
            published?,
            reviewed?.votes.len()
        );

        println!("mail inside    {:?}", send_mail("bob@example.com").await);
        println!(
            "mail outside   {}",
            told(send_mail("eve@elsewhere.test").await)
        );
        Ok::<(), Box<dyn Error>>(())
    };
    gate.scope(requester.scope(calls)).await
}

/// What the agent is told.
fn told(outcome: Result<String, ApprovalError>) -> String {
    outcome.unwrap_or_else(|refusal| refusal.to_string())
}
