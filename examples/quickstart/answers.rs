//! A console that answers from a script, for runs without a person.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use approvals_terminal::{Console, Question, Recall, Reply};

/// One scripted answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Approve,
    Deny(String),
}

/// The answers that are left, and what the person would have read. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Answers(Arc<Mutex<Script>>);

#[derive(Debug)]
struct Script {
    left: VecDeque<Answer>,
    reason: String,
    read: String,
}

impl Answers {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self(Arc::new(Mutex::new(Script {
            left: answers.into_iter().collect(),
            reason: String::new(),
            read: String::new(),
        })))
    }
}

impl Script {
    fn reply(&mut self, question: &Question) -> Reply {
        Reply::Typed(match question {
            Question::Answer { .. } => match self.left.pop_front() {
                // Whoever says nothing denies.
                None => return Reply::Ended,
                Some(Answer::Approve) => {
                    self.reason.clear();
                    "approve".to_owned()
                }
                Some(Answer::Deny(reason)) => {
                    self.reason = reason;
                    "deny".to_owned()
                }
            },
            Question::Reason { .. } => std::mem::take(&mut self.reason),
            // Like a person, it reads the code off the last line of what was shown.
            Question::ShortCode => self
                .read
                .lines()
                .rev()
                .find_map(|line| line.strip_prefix("digest"))
                .and_then(|rest| rest.split_whitespace().next())
                .unwrap_or_default()
                .to_owned(),
        })
    }
}

impl Console for Answers {
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn show(&self, text: &str) -> io::Result<()> {
        println!("{text}");
        let mut script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.contains("digest") {
            text.clone_into(&mut script.read);
        }
        Ok(())
    }

    fn ask(&self, question: &Question, _: &Recall) -> io::Result<Reply> {
        let mut script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = script.reply(question);
        match &reply {
            Reply::Typed(typed) => println!("{question} > {typed}   [scripted]"),
            _ => println!("{question} >    [scripted: end of input]"),
        }
        Ok(reply)
    }
}
