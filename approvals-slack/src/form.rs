//! The form in which somebody says why, or types the code of a critical call.

use approvals_channel::ballot::{self, Seen, title, wants_code, wants_comment};
use approvals_channel::{Paragraph, Piece, label};
use approvals_core::{Choice, Record};
use serde::{Deserialize, Serialize};

use crate::block::{Block, Field, Modal, Plain};

/// The form's own id.
pub(crate) const CALLBACK: &str = "approvals.form";
/// Where the comment is typed.
pub(crate) const COMMENT: &str = "comment";
/// Where the digest's short code is typed.
pub(crate) const CODE: &str = "code";

/// What a form remembers: what was seen when its button was pressed, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) seen: Seen,
    pub(crate) choice: Choice,
    /// Whether the code has to be typed.
    pub(crate) code: bool,
    pub(crate) conversation: Option<String>,
    pub(crate) ts: Option<String>,
}

/// The same on the wire.
#[derive(Serialize, Deserialize)]
struct Wire {
    seen: String,
    choice: String,
    code: bool,
    conversation: Option<String>,
    ts: Option<String>,
}

impl Remembered {
    fn written(&self) -> String {
        let wire = Wire {
            seen: self.seen.to_string(),
            choice: ballot::word(self.choice).to_owned(),
            code: self.code,
            conversation: self.conversation.clone(),
            ts: self.ts.clone(),
        };
        // Strings and a flag: nothing that cannot be written.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let wire: Wire = serde_json::from_str(text).ok()?;
        Some(Self {
            seen: Seen::parse(&wire.seen)?,
            choice: ballot::choice(&wire.choice)?,
            code: wire.code,
            conversation: wire.conversation,
            ts: wire.ts,
        })
    }
}

/// The form for a choice on what was seen.
pub(crate) fn form(record: &Record, mut remembered: Remembered) -> Modal {
    let (asked, choice) = (&record.asked, remembered.choice);
    remembered.code = wants_code(asked.risk, choice);
    let facts = vec![
        label(title(choice)),
        Piece::code(asked.call.action().as_str()),
        Piece::plain(format!("  risk {}, code ", asked.risk)),
        Piece::code(remembered.seen.digest.short_code()),
    ];
    let mut blocks = vec![Block::RichText {
        block_id: "what".to_owned(),
        elements: vec![Paragraph::line(facts).into()],
    }];
    if remembered.code {
        blocks.push(Block::Input {
            block_id: CODE.to_owned(),
            label: Plain::new("Type the code of the call"),
            hint: Some(Plain::new("It stands in the message, and as 1a2b-3c4d.")),
            optional: false,
            element: Field {
                action_id: CODE,
                multiline: false,
                max_length: 20,
            },
        });
    }
    blocks.push(Block::Input {
        block_id: COMMENT.to_owned(),
        label: Plain::new("Why"),
        hint: Some(Plain::new(
            "Whoever asked reads it, and so does everybody here.",
        )),
        optional: !wants_comment(record, choice),
        element: Field {
            action_id: COMMENT,
            multiline: true,
            max_length: 3_000,
        },
    });
    Modal {
        callback_id: CALLBACK,
        private_metadata: remembered.written(),
        title: Plain::new(title(choice)),
        submit: Plain::new(title(choice)),
        close: Plain::new("Back"),
        blocks,
    }
}
