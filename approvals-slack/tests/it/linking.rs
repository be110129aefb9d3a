//! Somebody links their account by the code that the directory's side gave them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::memory::MemoryStore;
use approvals_core::{Desk, Gate, PersonId, Requirement};
use approvals_directory::FileDirectory;
use approvals_slack::Slack;
use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::room::{asking, deliver, settings, slack};
use crate::stand_in::{Fault, Workspace, text_of};

const PEOPLE: &str = r#"
[people.dave]
name = "Dave Example"
[people.bob]
name = "Bob Example"
[groups.reviewers]
people = ["dave"]
"#;

/// A people file in which nobody has an account, and a channel on it.
struct House {
    folder: PathBuf,
    directory: FileDirectory,
    workspace: Workspace,
    slack: Slack,
    gate: Gate,
}

impl House {
    async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("approvals-slack-linking-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("people.toml"), PEOPLE).unwrap();
        let directory = FileDirectory::open(folder.join("people.toml")).unwrap();
        let workspace = Workspace::new();
        workspace.user("U0DAVE");
        workspace.user("U0MALLORY");
        let store = Arc::new(MemoryStore::on_tokio_time());
        let desk = Desk::new(store, Arc::new(directory.clone()));
        let channel = settings(&workspace).build(desk.channel(slack())).unwrap();
        let approver = channel.clone();
        let gate = Gate::with_desk(desk)
            .policy("exports", Requirement::one_of("reviewers").unwrap())
            .approver("slack", |_| Arc::new(approver))
            .build()
            .await
            .unwrap();
        Self {
            folder,
            directory,
            workspace,
            slack: channel,
            gate,
        }
    }

    /// A code that was shown to Dave.
    fn code(&self) -> String {
        let dave = PersonId::new("dave").unwrap();
        let code = self.directory.begin_link(&dave, &slack()).unwrap();
        code.reveal().to_owned()
    }

    /// What somebody is told at once, and what they are told then.
    async fn command(&self, user: &str, text: &str) -> (String, String) {
        let payload = self.workspace.command(user, text);
        self.send(&self.workspace.commanded(&payload)).await
    }

    async fn send(&self, request: &Request<Bytes>) -> (String, String) {
        let before = self.workspace.whispers().len();
        let answer = deliver(&self.slack, request).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let at_once = serde_json::from_slice::<Value>(answer.body()).unwrap_or_default();
        if !at_once.is_null() {
            assert_eq!(at_once["response_type"], "ephemeral");
        }
        let later = self.workspace.whispers().split_off(before);
        let later = later.into_iter().map(|(_, text)| text).collect();
        (text_of(&at_once), later)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_their_code_from_an_account_votes_from_it_and_nobody_else_sees_either() {
    let house = House::new().await;
    let waiting = asking(&house.gate, "ten");
    while house.workspace.messages().is_empty() {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let message = house.workspace.messages().remove(0);
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let press = || {
        let payload = house.workspace.press(&message, "U0DAVE", &button);
        house.workspace.callback(&payload)
    };
    deliver(&house.slack, &press()).await;
    let (_, told) = house.workspace.whispers().pop().unwrap();
    assert!(told.contains("nobody that the directory knows"), "{told}");

    let (at_once, told) = house
        .command("U0DAVE", &format!("link {}", house.code()))
        .await;
    assert_eq!(at_once, "");
    assert!(told.contains("This account is linked."), "{told}");
    assert!(told.contains("You are dave here from now on"), "{told}");
    deliver(&house.slack, &press()).await;
    assert!(waiting.await.unwrap().is_ok());
    // In nothing that others see stands a word of it.
    let seen = house.workspace.reads(&message);
    assert!(!seen.contains("linked"), "{seen}");
    assert_eq!(house.workspace.calls("chat.postMessage").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_code_links_the_account_that_it_came_from_once() {
    let house = House::new().await;
    let code = house.code();
    let text = format!("  LINK  {} ", code.to_lowercase().replace('-', " "));
    let (_, told) = house.command("U0DAVE", &text).await;
    assert!(told.contains("You are dave"), "{told}");
    let (_, told) = house.command("U0MALLORY", &text).await;
    assert!(told.contains("was not linked"), "{told}");
    assert!(
        told.contains("wrong, was used before or has expired"),
        "{told}"
    );
    assert!(!told.contains("dave"), "{told}");
    assert_eq!(house.directory.links().len(), 1);
    assert_eq!(&*house.directory.links()[0].identity.user, "U0DAVE");
}

#[tokio::test(start_paused = true)]
async fn guests_bots_strangers_and_whoever_is_gone_link_nothing_and_the_code_stays_good() {
    let house = House::new().await;
    let link = format!("link {}", house.code());
    for (user, other, why) in [
        ("U0GUEST", json!({"is_restricted": true}), "guests"),
        ("U0SINGLE", json!({"is_ultra_restricted": true}), "guests"),
        ("U0BOT", json!({"is_bot": true}), "bots"),
        ("U0GONE", json!({"deleted": true}), "deactivated"),
        (
            "U0FOREIGN",
            json!({"team_id": "T0OTHER"}),
            "another workspace",
        ),
        (
            "U0STRANGER",
            json!({"is_stranger": true}),
            "another workspace",
        ),
    ] {
        house.workspace.user_who(user, other);
        let (_, told) = house.command(user, &link).await;
        assert!(
            told.contains("was not linked") && told.contains(why),
            "{told}"
        );
    }
    let (_, told) = house.command("U0NOBODY", &link).await;
    assert!(told.contains("does not know this user"), "{told}");
    let unsaid = [Fault::Unavailable];
    house.workspace.fail("users.info", &unsaid);
    let (_, told) = house.command("U0DAVE", &link).await;
    assert!(told.contains("try again"), "{told}");
    assert!(house.directory.links().is_empty());
    let (_, told) = house.command("U0DAVE", &link).await;
    assert!(told.contains("You are dave"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_code_is_answered_at_once_with_how_it_is_done() {
    let house = House::new().await;
    for text in ["", "help", "link", "unlink 7K2QX", "7K2QX-7K2QX"] {
        let (at_once, later) = house.command("U0DAVE", text).await;
        assert!(at_once.contains("the word link, and the code"), "{at_once}");
        assert_eq!(later, "");
    }
    assert!(house.workspace.calls("users.info").is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_tries_codes_without_end_is_stopped_and_keeps_nobody_else_from_linking() {
    let house = House::new().await;
    for _ in 0..5 {
        let (_, told) = house.command("U0MALLORY", "link 00000").await;
        assert!(told.contains("this code is wrong"), "{told}");
    }
    let asked = house.workspace.calls("users.info").len();
    for _ in 0..200 {
        let (at_once, later) = house.command("U0MALLORY", "link 00000").await;
        assert!(at_once.contains("wait ten minutes"), "{at_once}");
        assert_eq!(later, "");
    }
    assert_eq!(house.workspace.calls("users.info").len(), asked);
    let (_, told) = house
        .command("U0DAVE", &format!("link {}", house.code()))
        .await;
    assert!(told.contains("You are dave"), "{told}");
    tokio::time::sleep(Duration::from_secs(600)).await;
    let (_, told) = house.command("U0MALLORY", "link 00000").await;
    assert!(told.contains("this code is wrong"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_command_counts_with_slacks_signature_for_this_app_here_and_once() {
    let house = House::new().await;
    let text = format!("link {}", house.code());
    let good = house.workspace.command("U0DAVE", &text);
    for (field, value, status) in [
        ("api_app_id", "A0OTHER", StatusCode::FORBIDDEN),
        ("team_id", "T0OTHER", StatusCode::FORBIDDEN),
        ("user_id", "dave", StatusCode::BAD_REQUEST),
    ] {
        let mut payload = good.clone();
        payload[field] = json!(value);
        let answer = deliver(&house.slack, &house.workspace.commanded(&payload)).await;
        assert_eq!(answer.status(), status, "{field}");
    }
    let right = house.workspace.commanded(&good);
    let mut forged = right.clone();
    *forged.body_mut() = Bytes::from(
        String::from_utf8(right.body().to_vec())
            .unwrap()
            .replace("U0DAVE", "U0MALLORY"),
    );
    let answer = deliver(&house.slack, &forged).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    for doubled in ["&text=link+1", "&user_id=U0MALLORY", "&payload=%7B%7D"] {
        let body = [right.body(), doubled.as_bytes()].concat();
        let body = String::from_utf8(body).unwrap();
        let now = crate::stand_in::clicks::now();
        let request = crate::stand_in::clicks::signed(&body, crate::stand_in::SECRET, now);
        let answer = deliver(&house.slack, &request).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{doubled}");
    }
    assert!(house.directory.links().is_empty());
    // It is answered before anything slow happens.
    let received = house.slack.receive(&right);
    assert_eq!(received.response.status(), StatusCode::OK);
    assert!(received.response.body().is_empty());
    assert!(house.workspace.calls("users.info").is_empty());
    received.work.unwrap().await;
    assert_eq!(house.directory.links().len(), 1);
    assert!(house.slack.receive(&right).work.is_none());
}

#[tokio::test(start_paused = true)]
async fn whom_an_address_of_slacks_does_not_reach_is_told_by_slacks_own_method() {
    let house = House::new().await;
    let mut payload = house.workspace.command("U0DAVE", "link 00000");
    payload["response_url"] = json!("http://169.254.169.254/actions/U0DAVE/1");
    let (_, told) = house.send(&house.workspace.commanded(&payload)).await;
    assert!(told.contains("this code is wrong"), "{told}");
    assert_eq!(house.workspace.calls("chat.postEphemeral").len(), 1);
}

/// All that is logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::field::Visit for Log {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let line = format!("{}={value:?} ", field.name());
        self.0.lock().unwrap().push_str(&line);
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn no_code_stands_in_the_log_whatever_becomes_of_it() {
    let house = House::new().await;
    let log = Log::default();
    // For all threads: whether a line is logged at all is remembered for all of them.
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let code = house.code();
    let text = format!("link {code}");
    house.workspace.fail("users.info", &[Fault::Unavailable]);
    house
        .workspace
        .user_who("U0GUEST", json!({"is_restricted": true}));
    for user in ["U0DAVE", "U0GUEST", "U0DAVE", "U0DAVE"] {
        house.command(user, &text).await;
    }
    let mut foreign = house.workspace.command("U0DAVE", &text);
    foreign["team_id"] = json!("T0OTHER");
    deliver(&house.slack, &house.workspace.commanded(&foreign)).await;
    let logged = log.0.lock().unwrap().to_uppercase();
    assert!(logged.contains("A CALLBACK WAS REFUSED"), "{logged}");
    assert!(logged.contains("A CODE OF AN ACCOUNT"), "{logged}");
    assert!(
        !logged.contains(&code) && !logged.contains(&code.replace('-', "")),
        "{logged}"
    );
    let first = code.split('-').next().unwrap();
    assert!(!logged.contains(first), "{logged}");
}
