//! Where requests are shown and answers are typed.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use approvals_core::Choice;

/// A place that shows text and takes lines from a person.
///
/// [`Tty`](crate::Tty) is the process's own terminal. Implement it to put the prompts elsewhere, or
/// to answer from a script:
///
/// ```
/// use std::io;
/// use approvals_terminal::{Console, Question, Recall, Reply};
///
/// /// Says no to everything, and shows nothing.
/// #[derive(Debug)]
/// struct Closed;
///
/// impl Console for Closed {
///     fn ready(&self) -> Result<(), String> {
///         Ok(())
///     }
///     fn show(&self, _text: &str) -> io::Result<()> {
///         Ok(())
///     }
///     fn ask(&self, _question: &Question, _recall: &Recall) -> io::Result<Reply> {
///         Ok(Reply::Ended)
///     }
/// }
/// ```
pub trait Console: fmt::Debug + Send + Sync {
    /// Whether a person can be asked here now.
    ///
    /// # Errors
    /// Says in words why not; the request is then not presented here.
    fn ready(&self) -> Result<(), String>;

    /// Shows lines of text, whole and as they are: what came from outside is escaped already.
    ///
    /// # Errors
    /// When a person may not have seen them. The request is then denied.
    fn show(&self, text: &str) -> io::Result<()>;

    /// Asks one question and waits for one line. Answers that were typed before the question was
    /// shown must not count. Returns [`Reply::Recalled`] when `recall` says that nothing is left to
    /// ask.
    ///
    /// # Errors
    /// When no answer can be had. The request is then denied.
    fn ask(&self, question: &Question, recall: &Recall) -> io::Result<Reply>;
}

/// What a console is to ask. Its `Display` is the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// What somebody says to the request.
    Answer {
        /// As whom they answer.
        identity: Arc<str>,
        /// The words that are understood.
        words: Vec<Word>,
    },
    /// Why.
    Reason {
        /// Whether the answer counts without one.
        required: bool,
    },
    /// The short code of the digest, to be typed off what was shown.
    ShortCode,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer { identity, words } => {
                write!(f, "{identity}: ")?;
                for (index, word) in words.iter().enumerate() {
                    let or = if index == 0 { "" } else { " / " };
                    write!(f, "{or}{}", word.as_str())?;
                }
                Ok(())
            }
            Self::Reason { required: true } => f.write_str("reason (required)"),
            Self::Reason { required: false } => f.write_str("reason (Enter for none)"),
            Self::ShortCode => f.write_str("risk is critical: type the digest's short code"),
        }
    }
}

/// A word that answers a request. Only the whole word counts as a yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Yes.
    Approve,
    /// The requester's own principal confirms.
    Confirm,
    /// Released alone, in an emergency.
    BreakGlass,
    /// No.
    Deny,
    /// Shows how far the request has come, then asks again.
    Details,
}

impl Word {
    /// As it is typed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Confirm => "confirm",
            Self::BreakGlass => "break-glass",
            Self::Deny => "deny",
            Self::Details => "details",
        }
    }

    /// Reads one of `words`. Letters may be of either case; nothing may stand beside the word, so
    /// that "approve? no" is no yes.
    pub(crate) fn read(typed: &str, words: &[Self]) -> Option<Self> {
        let typed = typed.trim();
        let found = words
            .iter()
            .find(|word| typed.eq_ignore_ascii_case(word.as_str()));
        found.copied()
    }

    /// What it says to the request.
    pub(crate) const fn choice(self) -> Option<Choice> {
        match self {
            Self::Approve => Some(Choice::Approve),
            Self::Confirm => Some(Choice::Confirm),
            Self::BreakGlass => Some(Choice::BreakGlass),
            Self::Deny => Some(Choice::Deny),
            Self::Details => None,
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A line, without its end.
    Typed(String),
    /// Ctrl-C.
    Interrupted,
    /// End of input.
    Ended,
    /// The prompt was taken back.
    Recalled,
}

/// Says that a prompt is to be taken back, because the request was decided elsewhere meanwhile or
/// the process ends. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Recall(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    recalled: AtomicBool,
    /// Consumed by whoever waits for a line.
    wake: Arc<AtomicBool>,
}

impl Recall {
    /// Whether nothing is left to ask.
    #[must_use]
    pub fn is_recalled(&self) -> bool {
        self.0.recalled.load(Ordering::SeqCst)
    }

    pub(crate) fn recall(&self) {
        self.0.recalled.store(true, Ordering::SeqCst);
        self.0.wake.store(true, Ordering::SeqCst);
    }

    pub(crate) fn wake(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.wake)
    }
}
