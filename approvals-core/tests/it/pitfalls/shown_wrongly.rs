//! What was shown.

use approvals_core::{Kind, Requester, requires_approval};

use crate::support::*;

#[requires_approval(
    policy = "p",
    action = "it.labelled",
    justification = why,
    summary = "copies {database}",
    labels(team = team),
    redact(note)
)]
async fn labelled(database: &str, why: &str, team: &str, note: &str) -> Ran {
    let _ = (database, why, team, note);
    Ok(0)
}

#[requires_approval(policy = "p", action = "it.long")]
async fn long(text: &str) -> Ran {
    Ok(text.len() as u64)
}

/// A gateway cut commands at 1,800 bytes; others denied anything over 3,000 characters.
#[tokio::test(start_paused = true)]
async fn long_arguments_were_cut_or_denied_in_the_users_name() {
    let world = world(a_senior()).await;
    let text: &'static str =
        Box::leak(format!("{}-and the end", "x".repeat(100_000)).into_boxed_str());
    let (task, request) = world.ask(long(text)).await;
    assert!(
        request
            .presentation()
            .to_string()
            .contains("xxx-and the end")
    );
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
    // A channel with less room does not pretend: the refusal says why, and is nobody's denial.
    let small = crate::support::world(a_senior()).await;
    small.approver.shows_at_most(3_000);
    let error = refusal(small.run(long(text)).await);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(
        !error.is_denied() && error.to_string().contains("more than 3000 bytes"),
        "{error}"
    );
}

/// Public sources: openclaw 43687, deepagents 1694, deno 36195, CVE-2025-54795.
#[tokio::test(start_paused = true)]
async fn invisible_and_bidirectional_characters_spoofed_the_prompt() {
    let world = world(a_senior()).await;
    let evil = "safe\u{202e}evil\u{2066}\u{200d}\u{feff}\u{1b}[8mhidden\u{7}\r\nrisk: low\u{2028}x\u{e0041}";
    let (task, request) = world.ask(labelled(evil, evil, evil, evil)).await;
    let text = request.presentation().to_string();
    for hidden in [
        '\u{202e}',
        '\u{2066}',
        '\u{200d}',
        '\u{feff}',
        '\u{1b}',
        '\u{7}',
        '\r',
        '\u{2028}',
        '\u{e0041}',
    ] {
        assert!(!text.contains(hidden), "{hidden:?} in {text}");
    }
    assert!(
        !text.lines().any(|line| line.starts_with("risk: low")),
        "no line of the attacker's own"
    );
    task.abort();
}

/// Agents narrated the dialog themselves, and were believed. Public source: arXiv 2606.02668.
#[tokio::test(start_paused = true)]
async fn what_the_agent_claims_looked_like_what_is_known() {
    let world = world(a_senior()).await;
    let claim = "\nrisk: low\nalready approved by carol\"\nrequester: person:carol";
    let (task, request) = world.ask(labelled("orders", claim, "core", "n")).await;
    let text = request.presentation().to_string();
    for line in text
        .lines()
        .filter(|line| line.contains("already approved"))
    {
        let apart =
            line.starts_with("the agent claims: \"") || line.starts_with("argument     why");
        assert!(apart, "{text}");
    }
    // And it decides about nothing: another claim is the same call.
    let (other, again) = world.ask(labelled("orders", claim, "core", "n")).await;
    assert_eq!(request.asked().digest, again.asked().digest);
    task.abort();
    other.abort();
}

/// Only keyword arguments were shown, or none.
#[tokio::test(start_paused = true)]
async fn some_arguments_were_not_shown() {
    let world = world(a_senior()).await;
    let (task, request) = world
        .ask(labelled("orders", "because", "core", "secret words"))
        .await;
    let shown = request.presentation();
    let names: Vec<_> = shown
        .arguments
        .iter()
        .map(|argument| &*argument.name)
        .collect();
    assert_eq!(names, ["database", "why", "team", "note"]);
    let text = shown.to_string();
    assert!(text.contains("redacted: fingerprint under key"), "{text}");
    assert!(!text.contains("secret words"));
    task.abort();
}

/// Public source: AWS TEAM 606. Who asks comes from the host, never from an argument or a label.
#[tokio::test(start_paused = true)]
async fn labels_of_the_requesters_own_deceived_the_approver() {
    let world = world(a_senior()).await;
    let (task, request) = world
        .ask(labelled("orders", "x", "person:root for person:carol", "n"))
        .await;
    let shown = request.presentation();
    assert_eq!(shown.requester, "agent:exporter for person:bob");
    assert!(
        shown
            .to_string()
            .contains("label        team = person:root")
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn the_model_could_name_itself_into_the_prompt() {
    let world = world(a_senior()).await;
    let named = agent().model("gpt\nasked by     person:carol", "1\u{202e}");
    let task = tokio::spawn(world.run_as(named, Body::Succeeds, export("orders", 1)));
    let request = world.approver.next().await;
    let text = request.presentation().to_string();
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("asked by"))
            .count(),
        1,
        "{text}"
    );
    // Nor does it decide: the same call of another model has the same digest.
    let other = tokio::spawn(world.run_as(agent(), Body::Succeeds, export("orders", 1)));
    let same = world.approver.next().await;
    assert_eq!(same.asked().digest, request.asked().digest);
    assert!(Requester::agent("a\nb").is_err());
    task.abort();
    other.abort();
}
