//! Messages that a click names and no receipt does: whoever clicks says which, so it is not believed
//! further than it has to be.

use crate::room::{Room, id, teams};
use crate::stand_in::{Message, Microsoft, OPS};

/// The same card as it would be told of in another conversation, under another name.
fn elsewhere(message: &Message, conversation: &str, id: &str) -> Message {
    Message {
        conversation: conversation.to_owned(),
        id: id.to_owned(),
        ..message.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_has_a_request_put_where_it_was_not_posted() {
    let room = Room::new().await;
    let (_asking, message) = room.ask("ten").await;
    let button = Microsoft::button(&message, "Approve").unwrap();
    // `mallory` is a member of the tenant and nobody in the directory, `bob` is no reviewer, and
    // `alice` is one; each names something that the bot once said to them alone.
    for who in ["mallory", "bob", "alice"] {
        let chat = format!("a:{}", id(who));
        room.microsoft.conversation(&chat);
        let said = elsewhere(&message, &chat, "0");
        let spoilt = button["fallback"].clone();
        let wrong = serde_json::json!({"fallback": spoilt});
        let mut wrong = room.microsoft.submit(&said, &id(who), &wrong, &[]);
        wrong["value"]["approvals.seen"] =
            format!("v1 req_{0} 1 {0}{0} {0}{0}", "0".repeat(32)).into();
        room.hand_in(&wrong).await;
        room.settle().await;
        let words = room.microsoft.words().pop().unwrap();
        assert_eq!(words.conversation, chat);
        let press = elsewhere(&message, &chat, &words.id);
        let press = room.microsoft.press(&press, &id(who), &button, &[]);
        room.hand_in(&press).await;
        room.settle().await;
        let cards = room.microsoft.messages();
        let here = cards.iter().filter(|card| card.conversation == chat);
        assert_eq!(here.count(), 0, "{who} has the card in a chat of their own");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_somebody_made_up_are_not_followed() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    let button = Microsoft::button(&message, "Deny").unwrap();
    for who in ["mallory", "bob"] {
        for made_up in 0..50 {
            let conversation = format!("{OPS};messageid={made_up}");
            let made_up = elsewhere(&message, &conversation, &format!("{made_up}"));
            let press = room.microsoft.press(&made_up, &id(who), &button, &[]);
            room.hand_in(&press).await;
        }
    }
    room.settle().await;
    let tried = room.microsoft.calls("change").len();
    assert!(tried <= 20, "{tried} calls for messages that are not there");
    room.press(&message, "alice", "Approve").await;
    assert!(asking.await.unwrap().is_ok());
    room.until(|| room.reads(&message).contains("Approved, ran well"))
        .await;
    let request = button["data"]["approvals.seen"].as_str().unwrap();
    let request = request.split(' ').nth(1).unwrap().parse().unwrap();
    let receipt = room.desk.channel(teams()).receipt(request).await.unwrap();
    let receipt = receipt.unwrap();
    let copies = receipt
        .as_str()
        .unwrap()
        .matches("\"conversation\"")
        .count();
    assert_eq!(copies, 1, "{receipt:?}");
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_message_is_as_long_as_names_are() {
    let room = Room::new().await;
    let (_asking, message) = room.ask("ten").await;
    let button = Microsoft::button(&message, "Approve").unwrap();
    let long = elsewhere(&message, &message.conversation, &"7".repeat(10_000));
    let press = room.microsoft.press(&long, &id("bob"), &button, &[]);
    room.hand_in(&press).await;
    room.settle().await;
    assert_eq!(room.microsoft.refused(), Vec::<String>::new());
}
