//! The process's own terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crossterm::event;
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use reedline::{
    Color, Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal, SimpleMatchHighlighter,
};

use crate::console::{Console, Question, Recall, Reply};

/// Standard input and output of this process, when both are a terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tty;

impl Console for Tty {
    fn ready(&self) -> Result<(), String> {
        for (what, terminal) in [
            ("standard input", io::stdin().is_terminal()),
            ("standard output", io::stdout().is_terminal()),
        ] {
            if !terminal {
                return Err(format!(
                    "{what} is not a terminal, so nobody can be asked here: run it in one, or add another channel"
                ));
            }
        }
        Ok(())
    }

    fn show(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()
    }

    fn ask(&self, question: &Question, recall: &Recall) -> io::Result<Reply> {
        if recall.is_recalled() {
            return Ok(Reply::Recalled);
        }
        if matches!(question, Question::Answer { .. }) {
            discard_typed_ahead()?;
        }
        let mut editor = Reedline::create()
            .with_highlighter(Box::new(SimpleMatchHighlighter::default()))
            .with_break_signal(recall.wake());
        let line = editor.read_line(&Line(question))?;
        Ok(match line {
            Signal::Success(typed) => Reply::Typed(typed),
            Signal::CtrlC => Reply::Interrupted,
            Signal::CtrlD => Reply::Ended,
            Signal::ExternalBreak(_) => {
                // The cursor stands behind the prompt.
                writeln!(io::stdout())?;
                Reply::Recalled
            }
            // Nothing is bound to a host command, and there may be more signals one day.
            _ => Reply::Interrupted,
        })
    }
}

/// Drops what was typed before the question was shown: it answers something else.
fn discard_typed_ahead() -> io::Result<()> {
    enable_raw_mode()?;
    let discarded = (|| {
        while event::poll(Duration::ZERO)? {
            event::read()?;
        }
        Ok(())
    })();
    disable_raw_mode()?;
    discarded
}

/// A question as the line editor draws it.
struct Line<'a>(&'a Question);

impl Prompt for Line<'_> {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Owned(self.0.to_string())
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed(" > ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("… ")
    }

    fn render_prompt_history_search_indicator(&self, _: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Borrowed(" > ")
    }

    fn get_prompt_color(&self) -> Color {
        Color::Default
    }

    fn get_indicator_color(&self) -> Color {
        Color::Default
    }
}
