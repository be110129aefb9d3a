//! The form in which somebody says why, or types the code of a critical call.

use approvals_channel::ballot::{self, Seen, title, wants_code, wants_comment};
use approvals_channel::{Json, Paragraph, Piece, Written, label};
use approvals_core::{Choice, Record};
use serde::{Deserialize, Serialize};

use crate::block::{BlockId, Input, Modal, RichText};

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
pub(crate) fn form(record: &Record, mut remembered: Remembered) -> Written {
    let (asked, choice) = (&record.asked, remembered.choice);
    remembered.code = wants_code(asked.risk, choice);
    let facts = [
        label(title(choice)),
        Piece::code(asked.call.action().as_str()),
        Piece::plain(format!("  risk {}, code ", asked.risk)),
        Piece::code(remembered.seen.digest.short_code()),
    ];
    let code = Input {
        id: CODE,
        label: "Type the code of the call",
        hint: "It stands in the message, and as 1a2b-3c4d.",
        optional: false,
        multiline: false,
        max_length: 20,
    };
    let comment = Input {
        id: COMMENT,
        label: "Why",
        hint: "Whoever asked reads it, and so does everybody here.",
        optional: !wants_comment(record, choice),
        multiline: true,
        max_length: 3_000,
    };
    let modal = Modal {
        callback_id: CALLBACK,
        private_metadata: &remembered.written(),
        title: title(choice),
        submit: title(choice),
        close: "Back",
    };
    let mut json = Json::with_room(2 * 1024);
    modal.write(&mut json, |json| {
        let mut what = RichText::begin(json, BlockId::of("what"));
        what.paragraph(Paragraph::line(&facts));
        what.end();
        if remembered.code {
            code.write(json.ours(","));
        }
        comment.write(json.ours(","));
    });
    json.written()
}
