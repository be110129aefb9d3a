//! Where conversations are kept.

use std::path::PathBuf;

use approvals_teams::{Conversation, Conversations, ConversationsFile, InMemoryConversations};

use crate::room::id;

/// A file of a test's own, which goes when the test does.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir();
        let path = directory.join(format!(
            "approvals-teams-{}-{name}.json",
            std::process::id()
        ));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn chat(id: &str, user: Option<&str>) -> Conversation {
    Conversation {
        id: id.to_owned(),
        service_url: "https://smba.trafficmanager.net/emea".to_owned(),
        user: user.map(str::to_owned),
    }
}

/// What holds for whatever keeps conversations.
async fn assert_keeps(kept: &dyn Conversations) {
    let alice = id("alice");
    let (first, second, ops) = (
        chat("a:1", Some(&alice)),
        chat("a:2", Some(&alice)),
        chat("19:ops@thread.tacv2", None),
    );
    assert_eq!(kept.with(&alice).await.unwrap(), None);
    kept.keep(&first).await.unwrap();
    kept.keep(&ops).await.unwrap();
    assert_eq!(kept.with(&alice).await.unwrap(), Some(first));
    // A new chat replaces the former one.
    kept.keep(&second).await.unwrap();
    assert_eq!(kept.with(&alice).await.unwrap(), Some(second));
    assert_eq!(kept.find("a:1").await.unwrap(), None);
    assert_eq!(kept.find(&ops.id).await.unwrap(), Some(ops));
    kept.forget("a:2").await.unwrap();
    kept.forget("a:2").await.unwrap();
    assert_eq!(kept.with(&alice).await.unwrap(), None);
}

#[tokio::test]
async fn conversations_are_found_by_id_and_by_user_and_a_user_has_one_chat() {
    assert_keeps(&InMemoryConversations::default()).await;
    let scratch = Scratch::new("rules");
    assert_keeps(&ConversationsFile::open(&scratch.0).unwrap()).await;
}

#[tokio::test]
async fn conversations_in_a_file_are_there_after_a_restart() {
    let scratch = Scratch::new("restart");
    let file = ConversationsFile::open(&scratch.0).unwrap();
    let all: Vec<_> = (0..20)
        .map(|n| chat(&format!("a:{n}"), Some(&format!("user-{n}"))))
        .collect();
    for conversation in &all {
        file.keep(conversation).await.unwrap();
    }
    drop(file);
    let file = ConversationsFile::open(&scratch.0).unwrap();
    for conversation in &all {
        let found = file.find(&conversation.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(conversation));
    }
}

#[tokio::test]
async fn what_could_not_be_written_is_not_known_and_a_file_of_something_else_is_left_alone() {
    let scratch = Scratch::new("foreign");
    std::fs::write(&scratch.0, "{\"version\": 2, \"conversations\": []}").unwrap();
    let error = ConversationsFile::open(&scratch.0).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
    std::fs::write(&scratch.0, "something else").unwrap();
    assert!(ConversationsFile::open(&scratch.0).is_err());
    assert_eq!(
        std::fs::read_to_string(&scratch.0).unwrap(),
        "something else"
    );
    let nowhere = std::env::temp_dir().join("approvals-teams-no-such-directory/file.json");
    let file = ConversationsFile::open(nowhere).unwrap();
    assert!(file.keep(&chat("a:1", None)).await.is_err());
    assert_eq!(file.find("a:1").await.unwrap(), None);
}

#[cfg(unix)]
#[tokio::test]
async fn what_lies_where_the_new_file_is_written_is_not_written_through() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let (scratch, other) = (Scratch::new("symlink"), Scratch::new("symlink-other"));
    std::fs::write(&other.0, "somebody's").unwrap();
    let mut new = scratch.0.clone().into_os_string();
    new.push(".new");
    symlink(&other.0, &new).unwrap();
    let file = ConversationsFile::open(&scratch.0).unwrap();
    file.keep(&chat("a:1", None)).await.unwrap();
    assert_eq!(std::fs::read_to_string(&other.0).unwrap(), "somebody's");
    // And a file that others may write does not become ours.
    std::fs::write(&new, "theirs").unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o666)).unwrap();
    file.keep(&chat("a:2", None)).await.unwrap();
    let written = std::fs::symlink_metadata(&scratch.0).unwrap();
    assert!(written.is_file());
    assert_eq!(written.permissions().mode() & 0o777, 0o600);
}
