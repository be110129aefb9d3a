//! How fast when there is much to post.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{
    ApprovalError, Desk, Gate, PrincipalId, Requester, Requirement, Risk, requires_approval,
};
use approvals_teams::{Conversations, Destination, InMemoryConversations, Route, Routes};

use crate::room::{settings, teams};
use crate::stand_in::{Message, Microsoft, text_of};

#[requires_approval(policy = "calm", action = "sample.calm", crate = ::approvals_core)]
async fn calm(number: usize) -> Result<(), ApprovalError> {
    Ok(())
}

#[requires_approval(policy = "urgent", action = "sample.urgent", risk = critical, crate = ::approvals_core)]
async fn urgent(number: usize) -> Result<(), ApprovalError> {
    Ok(())
}

/// How many are asked at the same time.
const BATCH: usize = 250;

/// Posts so many requests to so many channels, a part of them urgent, all asked at once or nearly.
async fn flood(count: usize, channels: usize) -> Vec<Message> {
    let microsoft = Microsoft::new();
    let mut routes = Routes::new();
    for number in 0..channels {
        let id = format!("19:n{number}@thread.tacv2");
        microsoft.conversation(&id);
        let agent: PrincipalId = format!("agent:exporter-{number}").parse().unwrap();
        let route = Route::all().requester(agent);
        routes = routes.to(route, [Destination::channel(&id).unwrap()]);
    }
    let directory = Arc::new(InMemoryDirectory::new());
    directory.person("alice", ["reviewers"]).unwrap();
    directory.person("bob", ["others"]).unwrap();
    let desk = Desk::new(Arc::new(MemoryStore::on_tokio_time()), directory);
    let conversations: Arc<dyn Conversations> = Arc::new(InMemoryConversations::default());
    let channel = settings(&microsoft, &conversations).routes(routes);
    let channel = channel.build(desk.channel(teams())).unwrap();
    let requirement = || {
        let days = Duration::from_secs(86_400 * 3);
        let one = Requirement::one_of("reviewers").unwrap();
        one.deadline(days).unwrap()
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
        .approver("teams", |_| Arc::new(channel))
        .build()
        .await
        .unwrap();
    let mut asking = Vec::new();
    for number in 0..count {
        let agent = Requester::agent(&format!("exporter-{}", number % channels)).unwrap();
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
        if number % BATCH == BATCH - 1 {
            // Asked a moment later than those before.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    for waited in 0.. {
        if microsoft.messages().len() == count {
            break;
        }
        let posted = microsoft.messages().len();
        assert!(waited < 1_000, "{posted} of {count} are posted");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(microsoft.too_early(), 0, "a limit was exceeded");
    assert_eq!(microsoft.refused(), Vec::<String>::new());
    asking.iter().for_each(tokio::task::JoinHandle::abort);
    microsoft.messages()
}

fn assert_within_five_per_cent(messages: &[Message], least: Duration) {
    let took = messages.last().unwrap().at - messages.first().unwrap().at;
    println!("{} requests: {took:?}, least {least:?}", messages.len());
    let most = least + least / 20;
    assert!(
        took >= least && took <= most,
        "{took:?}, at least {least:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_posted_to_teams_as_fast_as_the_limits_allow_and_never_faster() {
    let messages = flood(1_000, 50).await;
    // 30 a second in the tenant: so many whole seconds have to pass before the last.
    assert_within_five_per_cent(&messages, Duration::from_secs(999 / 30));
    // What is urgent is a tenth, and does not wait behind the rest.
    let urgent = |m: &Message| text_of(m.card()).contains("sample.urgent");
    let last = messages.iter().rposition(urgent).unwrap();
    assert!(last < 300, "{last}");
    // And of the rest what was asked earlier comes earlier in its channel.
    let mut by_channel: HashMap<&str, Vec<usize>> = HashMap::new();
    for message in messages.iter().filter(|message| !urgent(message)) {
        let channel = message.conversation.split(';').next().unwrap();
        by_channel
            .entry(channel)
            .or_default()
            .push(number_of(message));
    }
    // A tenth of the channels is asked nothing that is not urgent.
    assert_eq!(by_channel.len(), 45);
    for (channel, numbers) in by_channel {
        // What is posted before all are asked is not compared.
        let rest = &numbers[numbers.len() / 5..];
        assert!(rest.is_sorted_by_key(|n| n / BATCH), "{channel}: {rest:?}");
    }
}

fn number_of(message: &Message) -> usize {
    let text = text_of(message.card());
    let after = text.split("Argument number").nth(1).unwrap();
    let digits = after.chars().skip_while(|c| !c.is_ascii_digit());
    let digits: String = digits.take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_channel_is_written_to_no_faster_than_one_channel_may_be() {
    let messages = flood(130, 1).await;
    // 60 in half a minute, and of what is over eight in two seconds.
    assert_within_five_per_cent(&messages, Duration::from_secs(60 + 2));
}

/// The whole of it: run with `--ignored`. It prints how long it took in simulated time.
#[tokio::test(start_paused = true)]
#[ignore = "it takes a minute"]
async fn ten_thousand_requests_are_posted_to_teams_within_five_per_cent_of_the_least_time() {
    let messages = flood(10_000, 50).await;
    assert_within_five_per_cent(&messages, Duration::from_secs(9_999 / 30));
}
