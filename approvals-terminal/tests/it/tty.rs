//! The process's own terminal, in a process that has one: `script` lends it a pseudo-terminal.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use approvals_terminal::{Console as _, Question, Recall, Tty, Word};

/// What the child waits for before it asks.
const TYPED_AHEAD: &str = "APPROVALS_TEST_TYPED_AHEAD";

/// Asks once, and says what it heard.
#[test]
#[ignore = "the child of the tests below, which give it a terminal"]
fn asks_once_at_its_terminal() {
    if std::env::var_os(TYPED_AHEAD).is_some() {
        println!("type ahead");
        assert!(crossterm::event::poll(Duration::from_secs(60)).unwrap());
    }
    let question = Question::Answer {
        identity: "alice".into(),
        words: vec![Word::Approve, Word::Deny, Word::Details],
    };
    let heard = Tty.ask(&question, &Recall::default());
    println!("\nheard {:?}.", heard.unwrap());
}

/// A process at a terminal, and both ends of what it says.
struct Session {
    process: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    seen: String,
}

impl Session {
    /// `None` where `script` is missing, which every Debian has.
    fn begin(typed_ahead: bool) -> Option<Self> {
        let program = std::env::current_exe().unwrap();
        let child = "--exact tty::asks_once_at_its_terminal --ignored --nocapture";
        let mut script = Command::new("script");
        script
            .args([
                "-qec",
                &format!("{} {child}", program.display()),
                "/dev/null",
            ])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if typed_ahead {
            script.env(TYPED_AHEAD, "1");
        }
        let Ok(mut process) = script.spawn() else {
            eprintln!("SKIPPED: there is no `script`, so no terminal for a test");
            return None;
        };
        Some(Self {
            keys: process.stdin.take().unwrap(),
            screen: process.stdout.take().unwrap(),
            process,
            seen: String::new(),
        })
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Reads on until this was shown, and answers as a terminal does that is asked where its cursor
    /// is.
    fn shows(&mut self, text: &str) -> String {
        const WHERE: &str = "\u{1b}[6n";
        let mut byte = [0];
        while !self.seen.ends_with(text) {
            assert_eq!(self.screen.read(&mut byte).unwrap(), 1, "{}", self.seen);
            self.seen.push(char::from(byte[0]));
            if self.seen.ends_with(WHERE) {
                self.types("\u{1b}[1;1R");
            }
        }
        std::mem::take(&mut self.seen)
    }

    fn heard(mut self) -> String {
        self.shows("heard ");
        let heard = self.shows(".\r\n");
        self.shows("test result: ok");
        drop(self.keys);
        self.process.wait().unwrap();
        heard
    }
}

/// What is heard of keys that are pressed at the question.
fn heard_of(keys: &str) -> Option<String> {
    let mut session = Session::begin(false)?;
    session.shows(" > ");
    session.types(keys);
    Some(session.heard())
}

fn assert_heard(keys: &str, expected: &str) {
    if let Some(heard) = heard_of(keys) {
        assert_eq!(heard.trim_end(), format!("{expected}."));
    }
}

#[test]
fn a_terminal_hears_the_line_that_was_typed() {
    assert_heard("approve\r", "Typed(\"approve\")");
}

#[test]
fn a_terminal_tells_that_its_prompt_was_interrupted() {
    assert_heard("appr\u{3}", "Interrupted");
}

#[test]
fn a_terminal_tells_that_its_input_ended() {
    assert_heard("\u{4}", "Ended");
}

#[test]
fn what_was_typed_before_the_question_answers_nothing() {
    let Some(mut session) = Session::begin(true) else {
        return;
    };
    session.shows("type ahead");
    session.types("approve\r");
    session.shows(" > ");
    session.types("deny\r");
    assert_eq!(session.heard().trim_end(), "Typed(\"deny\").");
}
