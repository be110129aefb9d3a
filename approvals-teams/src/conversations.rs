//! Where the bot may write: told by Teams when it is installed, and kept.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// The most conversations that a file holds.
const MOST: usize = 100_000;

/// A conversation that the bot may write to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// The service that it is reached by, as Teams said last.
    pub service_url: String,
    /// Of a personal chat: the object id of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// Conversations could not be read or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("conversations: {0}")]
pub struct ConversationsError(pub String);

/// Keeps conversations. What is lost comes back when the app is installed anew, so this is for
/// reaching people and not for deciding anything.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), approvals_teams::ConversationsError> {
/// use approvals_teams::{Conversation, Conversations, InMemoryConversations};
///
/// let kept = InMemoryConversations::default();
/// let chat = Conversation {
///     id: "a:1abc".to_owned(),
///     service_url: "https://smba.trafficmanager.net/emea".to_owned(),
///     user: Some("11111111-0000-0000-0000-000000000000".to_owned()),
/// };
/// kept.keep(&chat).await?;
/// assert_eq!(kept.with("11111111-0000-0000-0000-000000000000").await?, Some(chat));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Conversations: fmt::Debug + Send + Sync {
    /// The conversation of this id.
    ///
    /// # Errors
    /// [`ConversationsError`] when it cannot be found out.
    async fn find(&self, id: &str) -> Result<Option<Conversation>, ConversationsError>;

    /// The personal chat with a user.
    ///
    /// # Errors
    /// [`ConversationsError`] when it cannot be found out.
    async fn with(&self, user: &str) -> Result<Option<Conversation>, ConversationsError>;

    /// Keeps a conversation in place of what was known of it, and of the user's former chat. Once it
    /// has returned, a crash does not lose it.
    ///
    /// # Errors
    /// [`ConversationsError`] when it is not kept.
    async fn keep(&self, conversation: &Conversation) -> Result<(), ConversationsError>;

    /// Forgets a conversation: the app was taken out of it.
    ///
    /// # Errors
    /// [`ConversationsError`] when it is still kept.
    async fn forget(&self, id: &str) -> Result<(), ConversationsError>;
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Kept(BTreeMap<String, Conversation>);

impl Kept {
    fn with(&self, user: &str) -> Option<Conversation> {
        let theirs = |c: &&Conversation| c.user.as_deref() == Some(user);
        self.0.values().find(theirs).cloned()
    }

    /// Whether that changed anything.
    fn keep(&mut self, conversation: &Conversation) -> bool {
        if self.0.get(&conversation.id) == Some(conversation) {
            return false;
        }
        if conversation.user.is_some() {
            self.0
                .retain(|id, other| *id == conversation.id || other.user != conversation.user);
        }
        self.0.insert(conversation.id.clone(), conversation.clone());
        true
    }
}

/// Conversations of this process alone: for tests.
#[derive(Debug, Default)]
pub struct InMemoryConversations(Mutex<Kept>);

impl InMemoryConversations {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Conversations for InMemoryConversations {
    async fn find(&self, id: &str) -> Result<Option<Conversation>, ConversationsError> {
        Ok(self.kept().0.get(id).cloned())
    }

    async fn with(&self, user: &str) -> Result<Option<Conversation>, ConversationsError> {
        Ok(self.kept().with(user))
    }

    async fn keep(&self, conversation: &Conversation) -> Result<(), ConversationsError> {
        self.kept().keep(conversation);
        Ok(())
    }

    async fn forget(&self, id: &str) -> Result<(), ConversationsError> {
        self.kept().0.remove(id);
        Ok(())
    }
}

/// Conversations in a JSON file, for one process. It is replaced as a whole, so that a crash leaves
/// it as it was or as it is to be.
#[derive(Debug)]
pub struct ConversationsFile {
    path: PathBuf,
    kept: Arc<tokio::sync::Mutex<Kept>>,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u8,
    conversations: Vec<Conversation>,
}

impl ConversationsFile {
    /// Opens the file; where there is none yet, it begins with nothing. Its directory has to exist.
    ///
    /// # Errors
    /// [`ConversationsError`] when it cannot be read, or is something else.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ConversationsError> {
        let path = path.into();
        let wrong = |why: String| ConversationsError(format!("{}: {why}", path.display()));
        let kept = match std::fs::read(&path) {
            Ok(bytes) => {
                let file: File = serde_json::from_slice(&bytes).map_err(|error| {
                    wrong(format!(
                        "{error}: restore it, or remove it and install the app anew"
                    ))
                })?;
                if file.version != 1 {
                    return Err(wrong(format!("it is of version {}", file.version)));
                }
                let all = file.conversations.into_iter();
                Kept(all.map(|c| (c.id.clone(), c)).collect())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(wrong(error.to_string())),
        };
        Ok(Self {
            path,
            kept: Arc::new(tokio::sync::Mutex::new(kept)),
        })
    }

    /// Changes what is kept, and the file before anybody sees the change.
    async fn change(
        &self,
        change: impl FnOnce(&mut Kept) -> bool,
    ) -> Result<(), ConversationsError> {
        let mut kept = Arc::clone(&self.kept).lock_owned().await;
        let mut next = kept.clone();
        if !change(&mut next) {
            return Ok(());
        }
        if next.0.len() > MOST {
            return Err(ConversationsError(format!(
                "more than {MOST}: implement `Conversations` on a database"
            )));
        }
        let path = self.path.clone();
        // In a task of its own: whoever gave up waiting does not part the file from what is known.
        let written = tokio::task::spawn_blocking(move || {
            let file = File {
                version: 1,
                conversations: next.0.values().cloned().collect(),
            };
            replace(&path, &file).map_err(|error| format!("{}: {error}", path.display()))?;
            *kept = next;
            Ok::<(), String>(())
        });
        let written = written.await.map_err(|error| error.to_string());
        written.flatten().map_err(ConversationsError)
    }
}

#[async_trait]
impl Conversations for ConversationsFile {
    async fn find(&self, id: &str) -> Result<Option<Conversation>, ConversationsError> {
        Ok(self.kept.lock().await.0.get(id).cloned())
    }

    async fn with(&self, user: &str) -> Result<Option<Conversation>, ConversationsError> {
        Ok(self.kept.lock().await.with(user))
    }

    async fn keep(&self, conversation: &Conversation) -> Result<(), ConversationsError> {
        self.change(|kept| kept.keep(conversation)).await
    }

    async fn forget(&self, id: &str) -> Result<(), ConversationsError> {
        self.change(|kept| kept.0.remove(id).is_some()).await
    }
}

/// Replaces a file as a whole. Once it has returned, the file outlives a crash.
fn replace(path: &Path, file: &File) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(file)?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    // What a crash left, or somebody else laid there: never written through, and never taken over.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut opened = options.open(&new)?;
    opened.write_all(&text)?;
    opened.sync_all()?;
    std::fs::rename(&new, path)?;
    #[cfg(unix)]
    {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
