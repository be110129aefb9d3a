//! One person's answer to one request: everything unclear is a denial.

use std::io;
use std::sync::Arc;

use approvals_core::{Agreement, Choice, Coverage, Record, Requirement, Risk};

use crate::console::{Console, Question, Recall, Reply, Word};
use crate::render;

/// How often a question is asked before its lack of a clear answer is a denial.
const TRIES: usize = 3;

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// They said this.
    Said {
        /// What.
        choice: Choice,
        /// In their words, or in the channel's where they gave no clear answer.
        comment: Option<String>,
    },
    /// Nothing was left to ask.
    Recalled,
}

/// Why a conversation ended before its answer.
enum Stop {
    Deny(&'static str),
    Failed(io::Error),
    Recalled,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// A request before one person.
#[derive(Debug)]
pub(crate) struct Conversation<'a> {
    pub(crate) console: &'a dyn Console,
    pub(crate) record: &'a Record,
    pub(crate) coverage: &'a Coverage,
    pub(crate) short_code: &'a str,
    pub(crate) identity: &'a Arc<str>,
    pub(crate) recall: &'a Recall,
}

impl Conversation<'_> {
    /// Asks until there is an answer. Whatever goes wrong is a denial.
    pub(crate) fn hold(&self) -> Heard {
        let comment = match self.answer() {
            Ok((choice, comment)) => return Heard::Said { choice, comment },
            Err(Stop::Recalled) => return Heard::Recalled,
            Err(Stop::Deny(why)) => why.to_owned(),
            Err(Stop::Failed(error)) => format!("the terminal failed: {error}"),
        };
        Heard::Said {
            choice: Choice::Deny,
            comment: Some(comment),
        }
    }

    fn answer(&self) -> Result<(Choice, Option<String>), Stop> {
        let words = self.words();
        let question = Question::Answer {
            identity: Arc::clone(self.identity),
            words: words.clone(),
        };
        let mut unclear = 0;
        while unclear < TRIES {
            let typed = self.line(&question)?;
            let Some(word) = Word::read(&typed, &words) else {
                unclear += 1;
                self.console.show(&render::unclear(&words))?;
                continue;
            };
            let Some(choice) = word.choice() else {
                self.console.show(&render::details(self.record))?;
                continue;
            };
            if choice != Choice::Deny && self.record.asked.risk == Risk::Critical {
                self.short_code()?;
            }
            return Ok((choice, self.reason(choice)?));
        }
        Err(Stop::Deny("no clear answer at the terminal"))
    }

    /// The words that are understood for this request. The desk judges whether they count.
    fn words(&self) -> Vec<Word> {
        let mut words = Vec::with_capacity(5);
        if *self.coverage == Coverage::Whole {
            let tracks = || self.record.asked.tracks.iter();
            let confirms =
                |r: &Arc<Requirement>| matches!(r.agreement(), Agreement::Confirm { .. });
            if tracks().any(|track| !confirms(track)) {
                words.push(Word::Approve);
            }
            if tracks().any(confirms) {
                words.push(Word::Confirm);
            }
            if tracks().any(|track| track.break_glass_group().is_some()) {
                words.push(Word::BreakGlass);
            }
        }
        words.extend([Word::Deny, Word::Details]);
        words
    }

    /// At critical risk a yes is proven by typing what only the shown request says.
    fn short_code(&self) -> Result<(), Stop> {
        for _ in 0..TRIES {
            let typed = self.line(&Question::ShortCode)?;
            if typed.trim().eq_ignore_ascii_case(self.short_code) {
                return Ok(());
            }
            self.console
                .show("That is not the code in the line `digest` above.")?;
        }
        Err(Stop::Deny(
            "the digest's short code was not typed correctly",
        ))
    }

    fn reason(&self, choice: Choice) -> Result<Option<String>, Stop> {
        let required = self.requires_reason(choice);
        for _ in 0..TRIES {
            let typed = self.line(&Question::Reason { required })?;
            let typed = typed.trim();
            if !typed.is_empty() {
                return Ok(Some(typed.to_owned()));
            }
            if !required {
                return Ok(None);
            }
            self.console.show("It does not count without a reason.")?;
        }
        Err(Stop::Deny("a reason is required and none was given"))
    }

    fn requires_reason(&self, choice: Choice) -> bool {
        let mut tracks = self.record.asked.tracks.iter();
        match choice {
            Choice::Approve | Choice::Confirm => tracks.any(|r| r.wants_comment_on_approve()),
            Choice::Deny => tracks.any(|r| r.wants_comment_on_deny()),
            Choice::BreakGlass => true,
            Choice::Withdrawn => false,
        }
    }

    fn line(&self, question: &Question) -> Result<String, Stop> {
        if self.recall.is_recalled() {
            return Err(Stop::Recalled);
        }
        match self.console.ask(question, self.recall)? {
            Reply::Typed(line) => Ok(line),
            Reply::Interrupted => Err(Stop::Deny("the prompt was interrupted")),
            Reply::Ended => Err(Stop::Deny("input ended before an answer")),
            Reply::Recalled => Err(Stop::Recalled),
        }
    }
}
