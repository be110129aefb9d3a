//! Requests that do not fit one message.

use std::sync::Arc;

use approvals_core::memory::InMemoryApprover;
use approvals_core::{Gate, Requirement};

use crate::room::{Room, settings, slack};
use crate::stand_in::{Fault, Message, Workspace};

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_follows_in_the_thread_and_the_buttons_come_when_it_is_there() {
    let room = Room::new().await;
    let long = "0123456789".repeat(3_000);
    let asking = room.asking(&long);
    room.until(|| room.workspace.messages().len() == 1).await;
    let early = room.workspace.messages().remove(0);
    assert_eq!(Workspace::button(&early, ""), None);
    room.until(|| Workspace::button(&room.now(&early), "vote.approve").is_some())
        .await;
    let message = room.now(&early);
    let further = room.workspace.thread(&message.ts);
    assert!(further.len() >= 3, "{}", further.len());
    let frames: String = std::iter::once(&message)
        .chain(&further)
        .map(frames)
        .collect();
    assert_eq!(frames, format!("\"{long}\""));
    room.press(&message, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
    assert_eq!(room.workspace.refused(), Vec::<String>::new());
    assert_eq!(room.workspace.too_early(), 0);
}

/// What stands in the frames of a message, without anything between.
fn frames(message: &Message) -> String {
    let blocks = message.body["blocks"].as_array().unwrap().iter();
    blocks
        .flat_map(|block| block["elements"].as_array().into_iter().flatten())
        .filter(|element| element["type"] == "rich_text_preformatted")
        .map(|element| element["elements"][0]["text"].as_str().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn buttons_do_not_come_while_a_further_message_is_missing() {
    let room = Room::new().await;
    let faults = [Fault::Unavailable; 4];
    let asking = room.asking(&"x".repeat(30_000));
    room.until(|| room.workspace.messages().len() == 1).await;
    room.workspace.fail("chat.postMessage", &faults);
    for _ in 0..200 {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let message = room.workspace.messages().remove(0);
        let complete = Workspace::button(&message, "vote.approve").is_some();
        let further = room.workspace.thread(&message.ts).len();
        assert!(
            !complete || further >= 3,
            "buttons beside {further} further messages"
        );
    }
    // What was posted before the failure is taken up and not posted again.
    assert_eq!(room.workspace.messages().len(), 1);
    let message = room.workspace.messages().remove(0);
    let numbers: Vec<String> = room
        .workspace
        .thread(&message.ts)
        .iter()
        .map(|further| {
            further.body["blocks"][0]["text"]["text"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let once: std::collections::BTreeSet<&String> = numbers.iter().collect();
    assert_eq!(once.len(), numbers.len(), "{numbers:?}");
    room.press(&message, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_shown_whole_has_a_link_and_no_buttons_and_takes_no_yes() {
    let room = Room::new().await;
    let elsewhere = InMemoryApprover::new();
    let link = "https://approvals.example.com/requests/";
    let channel = settings(&room.workspace)
        .link(link)
        .build(room.desk.channel(slack()))
        .unwrap();
    let showing = channel.clone();
    let gate = Gate::with_desk(room.desk.clone())
        .policy("exports", Requirement::one_of("reviewers").unwrap())
        .approver("slack", |_| Arc::new(showing))
        .approver("elsewhere", elsewhere.connect())
        .build()
        .await
        .unwrap();
    let room = Room {
        gate,
        slack: channel,
        ..room
    };
    let (asking, message) = room.ask(&"x".repeat(300_000)).await;
    let request = elsewhere.next().await;
    let text = room.reads(&message);
    assert!(
        text.contains("NOT SHOWN HERE") && text.contains("Not all of it can be shown here"),
        "{text}"
    );
    assert!(room.workspace.thread(&message.ts).is_empty());
    let open = Workspace::button(&message, "").unwrap();
    assert_eq!(open["url"], format!("{link}{}", request.id()));
    assert_eq!(Workspace::button(&message, "approve"), None);
    // Opening it tells Slack, which has to be answered, and does nothing.
    let payload = room.workspace.press(&message, "U0ALICE", &open);
    assert!(room.hand_in(&payload).await.status().is_success());
    // A yes that claims to have seen it all is not believed.
    let asked = request.asked();
    let mut forged = open.clone();
    forged["action_id"] = serde_json::json!("approvals.vote.approve");
    forged["value"] = serde_json::json!(format!(
        "v1 {} 1 {} {}",
        asked.id, asked.digest, asked.shown
    ));
    let payload = room.workspace.press(&message, "U0ALICE", &forged);
    room.hand_in(&payload).await;
    let (_, told) = room.workspace.whispers().pop().unwrap();
    assert!(told.contains("does not show the whole call"), "{told}");
    assert!(!asking.is_finished());
}
