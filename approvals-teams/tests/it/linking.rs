//! Somebody links their account by the code that the directory's side gave them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use approvals_core::memory::MemoryStore;
use approvals_core::{Desk, Gate, PersonId, Risk};
use approvals_directory::FileDirectory;
use approvals_teams::{Conversations, InMemoryConversations, Teams};
use http::StatusCode;
use serde_json::{Value, json};

use crate::room::{asking_at, id, one, settings, teams, told};
use crate::stand_in::{Fault, Message, Microsoft, OPS};

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
    microsoft: Microsoft,
    teams: Teams,
    gate: Gate,
}

impl House {
    async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("approvals-teams-linking-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("people.toml"), PEOPLE).unwrap();
        let directory = FileDirectory::open(folder.join("people.toml")).unwrap();
        let microsoft = Microsoft::new();
        for name in ["dave", "mallory"] {
            microsoft.member(&id(name));
            microsoft.conversation(&chat(name));
        }
        let store = Arc::new(MemoryStore::on_tokio_time());
        let desk = Desk::new(store, Arc::new(directory.clone()));
        let conversations: Arc<dyn Conversations> = Arc::new(InMemoryConversations::default());
        let settings = settings(&microsoft, &conversations);
        let channel = settings.build(desk.channel(teams())).unwrap();
        let approver = channel.clone();
        let gate = Gate::with_desk(desk)
            .policy("exports", one())
            .approver("teams", |_| Arc::new(approver))
            .build()
            .await
            .unwrap();
        Self {
            folder,
            directory,
            microsoft,
            teams: channel,
            gate,
        }
    }

    /// A code that was shown to Dave.
    fn code(&self) -> String {
        let dave = PersonId::new("dave").unwrap();
        let code = self.directory.begin_link(&dave, &teams()).unwrap();
        code.reveal().to_owned()
    }

    /// Somebody writes in a chat of their own; what they read then.
    async fn write(&self, who: &str, text: &str) -> Vec<String> {
        let activity = self.microsoft.written(&chat(who), &id(who), text);
        self.send(&activity).await
    }

    async fn send(&self, activity: &Value) -> Vec<String> {
        let before = self.microsoft.words().len();
        let answer = self.teams.respond(&self.microsoft.callback(activity)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.body().is_empty());
        // Time is paused, so this takes none.
        tokio::time::sleep(Duration::from_secs(20)).await;
        let words = self.microsoft.words().split_off(before).into_iter();
        words.map(|message| text(&message)).collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn text(message: &Message) -> String {
    message.activity["text"].as_str().unwrap().to_owned()
}

fn chat(who: &str) -> String {
    format!("a:{}", id(who))
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_their_code_in_a_chat_of_their_own_votes_from_that_account() {
    let house = House::new().await;
    let waiting = asking_at(&house.gate, "ten", Risk::Low);
    while house.microsoft.messages().is_empty() {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let message = house.microsoft.messages().remove(0);
    let button = Microsoft::button(&message, "Approve").unwrap();
    let press = async || {
        let activity = house.microsoft.press(&message, &id("dave"), &button, &[]);
        let answer = house
            .teams
            .respond(&house.microsoft.callback(&activity))
            .await;
        serde_json::from_slice::<Value>(answer.body()).unwrap()
    };
    let answer = press().await;
    assert!(
        told(&answer)
            .unwrap()
            .contains("nobody that the directory knows")
    );

    let heard = house.write("dave", &format!("link {}", house.code())).await;
    assert_eq!(
        heard,
        [
            "This account is linked. You are dave here from now on. If that is not you, tell an \
          operator now."
        ]
    );
    assert_eq!(house.microsoft.words()[0].conversation, chat("dave"));
    assert_eq!(told(&press().await), None);
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_code_that_others_can_read_links_nobody_and_whoever_sent_it_is_told_why() {
    let house = House::new().await;
    for (place, kind) in [
        (OPS, json!("channel")),
        ("19:group@thread.v2", json!("groupChat")),
        ("a:unknown", Value::Null),
    ] {
        house.microsoft.conversation(place);
        let code = house.code();
        let text = format!("<at>Approvals</at> link {code}");
        let mut activity = house.microsoft.written(place, &id("dave"), &text);
        activity["conversation"]["conversationType"] = kind;
        let heard = house.send(&activity).await;
        assert!(heard[0].contains("Others can read a code"), "{heard:?}");
        assert!(heard[0].contains("ask for a new one"), "{heard:?}");
        // Whoever read it is nobody by it.
        let heard = house.write("mallory", &format!("link {code}")).await;
        assert!(heard[0].contains("this code is wrong"), "{heard:?}");
    }
    assert!(house.directory.links().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_code_that_others_can_read_and_that_could_not_be_ended_is_said_to_be_so() {
    let house = House::new().await;
    let text = format!("link {}", house.code());
    std::fs::write(house.folder.join("links.toml"), "[links").unwrap();
    let activity = house.microsoft.written(OPS, &id("dave"), &text);
    let heard = house.send(&activity).await;
    assert!(heard[0].contains("could not be ended"), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn guests_bots_and_people_of_other_tenants_link_nothing_and_the_code_stays_good() {
    let house = House::new().await;
    let link = format!("link {}", house.code());
    for (who, other, why) in [
        ("guest", json!({"userRole": "guest"}), "guests"),
        ("anonymous", json!({"userRole": "anonymous"}), "guests"),
        (
            "external",
            json!({"userPrincipalName": "x_evil.example#EXT#@example.com"}),
            "guests",
        ),
        (
            "foreign",
            json!({"tenantId": "33333333-0000-0000-0000-000000000000"}),
            "another organisation",
        ),
        ("bot", json!({"userRole": "bot"}), "bots"),
    ] {
        house.microsoft.member_who(&id(who), &other);
        house.microsoft.conversation(&chat(who));
        let heard = house.write(who, &link).await;
        assert!(
            heard[0].contains("was not linked") && heard[0].contains(why),
            "{heard:?}"
        );
    }
    house.microsoft.fail("member", &[Fault::Unavailable]);
    let heard = house.write("dave", &link).await;
    assert!(heard[0].contains("try again"), "{heard:?}");
    // Nor an account of another tenant, whatever it says.
    let mut activity = house.microsoft.written(&chat("dave"), &id("dave"), &link);
    activity["channelData"]["tenant"]["id"] = json!("33333333-0000-0000-0000-000000000000");
    let answer = house
        .teams
        .respond(&house.microsoft.callback(&activity))
        .await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(house.directory.links().is_empty());
    let heard = house.write("dave", &link).await;
    assert!(heard[0].contains("You are dave"), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_codes_without_end_is_told_once_and_keeps_nobody_else_from_linking() {
    let house = House::new().await;
    for _ in 0..5 {
        let heard = house.write("mallory", "link 00000").await;
        assert!(heard[0].contains("this code is wrong"), "{heard:?}");
    }
    let heard = house.write("mallory", "link 00000").await;
    assert!(heard[0].contains("wait ten minutes"), "{heard:?}");
    for _ in 0..10 {
        assert!(house.write("mallory", "link 00000").await.is_empty());
    }
    let heard = house.write("dave", &format!("LINK {}", house.code())).await;
    assert!(heard[0].contains("You are dave"), "{heard:?}");
}
