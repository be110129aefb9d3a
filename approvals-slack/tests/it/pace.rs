//! How fast, and in what order, when there is much to post.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{ApprovalError, PrincipalId};
use approvals_core::{ChannelId, Desk, Gate, Requester, Requirement, Risk, requires_approval};
use approvals_slack::{Destination, Route, Routes};

use crate::room::settings;
use crate::stand_in::{Message, Workspace};

const CONVERSATIONS: usize = 50;

#[requires_approval(policy = "calm", action = "sample.calm", crate = ::approvals_core)]
async fn calm(number: usize) -> Result<(), ApprovalError> {
    Ok(())
}

#[requires_approval(policy = "urgent", action = "sample.urgent", risk = critical, crate = ::approvals_core)]
async fn urgent(number: usize) -> Result<(), ApprovalError> {
    Ok(())
}

/// Posts so many requests to 50 channels, a part of them urgent, all asked at once or nearly.
async fn flood(count: usize, a_minute: usize) -> Vec<Message> {
    let workspace = Workspace::new();
    workspace.allow_posts(a_minute);
    let mut routes = Routes::new();
    for number in 0..CONVERSATIONS {
        let id = format!("C0N{number}");
        workspace.channel(&id);
        let agent: PrincipalId = format!("agent:exporter-{number}").parse().unwrap();
        routes = routes.to(
            Route::all().requester(agent),
            [Destination::channel(&id).unwrap()],
        );
    }
    let directory = Arc::new(InMemoryDirectory::new());
    directory.person("alice", ["reviewers"]).unwrap();
    directory.person("bob", ["others"]).unwrap();
    let desk = Desk::new(Arc::new(MemoryStore::on_tokio_time()), directory);
    let channel = settings(&workspace)
        .routes(routes)
        .posts_per_minute(a_minute);
    let channel = channel
        .build(desk.channel(ChannelId::new("slack").unwrap()))
        .unwrap();
    let requirement = || {
        Requirement::one_of("reviewers")
            .unwrap()
            .deadline(Duration::from_secs(86_400 * 3))
            .unwrap()
    };
    let limits = approvals_core::Limits {
        pending: u32::MAX,
        asks_per_hour: u32::MAX,
        ..approvals_core::Limits::default()
    };
    let gate = Gate::with_desk(desk)
        .policy("calm", requirement())
        .policy("urgent", requirement().at_least(Risk::Critical))
        .limits(limits)
        .approver("slack", |_| Arc::new(channel))
        .build()
        .await
        .unwrap();
    let mut asking = Vec::new();
    for number in 0..count {
        let agent = Requester::agent(&format!("exporter-{}", number % CONVERSATIONS)).unwrap();
        let agent = agent.acting_for("person:bob").unwrap();
        let gate = gate.clone();
        asking.push(tokio::spawn(async move {
            let call = async {
                match number % 10 {
                    9 => urgent(number).await,
                    _ => calm(number).await,
                }
            };
            gate.scope(agent.scope(call)).await
        }));
        if number % 500 == 499 {
            // Asked a moment later than those before.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let mut waited = 0;
    while workspace.count() < count {
        tokio::time::sleep(Duration::from_secs(5)).await;
        waited += 1;
        assert!(
            waited < 1_000,
            "{} of {count} are posted",
            workspace.count()
        );
    }
    assert_eq!(workspace.too_early(), 0, "a limit was exceeded");
    assert_eq!(workspace.refused(), Vec::<String>::new());
    asking.iter().for_each(tokio::task::JoinHandle::abort);
    workspace.messages()
}

fn number_of(message: &Message) -> usize {
    let text = crate::stand_in::text_of(&message.body);
    let after = text.split("Argument number  ").nth(1).unwrap();
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_posted_as_fast_as_the_limits_allow_and_never_faster_most_urgent_first() {
    let count = 2_000;
    let messages = flood(count, 300).await;
    // 300 a minute: so many whole minutes have to pass before the last.
    let least = Duration::from_secs(60) * u32::try_from((count - 1) / 300).unwrap();
    let first = messages.first().unwrap().at;
    let took = messages.last().unwrap().at - first;
    assert!(
        took >= least && took <= least + least / 20,
        "{took:?}, at least {least:?}"
    );
    let mut by_channel: HashMap<&str, Vec<usize>> = HashMap::new();
    for message in &messages {
        by_channel
            .entry(&message.channel)
            .or_default()
            .push(number_of(message));
    }
    assert_eq!(by_channel.len(), CONVERSATIONS);
    for (channel, numbers) in by_channel {
        // What is posted before all are asked is not compared.
        let rest = &numbers[numbers.len() / 5..];
        let calm: Vec<usize> = rest.iter().copied().filter(|n| n % 10 != 9).collect();
        assert!(calm.is_sorted_by_key(|n| n / 500), "{channel}: {calm:?}");
        let last_urgent = numbers.iter().rposition(|n| n % 10 == 9).unwrap_or(0);
        let urgent = numbers.iter().filter(|n| *n % 10 == 9).count();
        assert!(
            urgent == 0 || last_urgent <= urgent + numbers.len() / 5,
            "{channel}: {numbers:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_keeps_to_the_share_of_the_limit_that_it_is_given() {
    let messages = flood(35, 10).await;
    let took = messages.last().unwrap().at - messages.first().unwrap().at;
    let least = Duration::from_secs(180);
    assert!(took >= least && took <= least + least / 20, "{took:?}");
}

/// The whole of it: run with `--ignored`. It prints how long it took in simulated time.
#[tokio::test(start_paused = true)]
#[ignore = "it takes a minute"]
async fn ten_thousand_requests_are_posted_within_five_per_cent_of_the_least_time() {
    let messages = flood(10_000, 300).await;
    let least = Duration::from_secs(60 * (9_999 / 300));
    let took = messages.last().unwrap().at - messages.first().unwrap().at;
    println!("10000 requests to 50 channels: {took:?}, least {least:?}");
    assert!(
        took >= least && took <= least + least / 20,
        "{took:?}, at least {least:?}"
    );
}
