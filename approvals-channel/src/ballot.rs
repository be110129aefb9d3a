//! What a button stands for: exactly what its message showed, and what pressing it says.

use std::fmt::{self, Write as _};

use approvals_core::{
    Agreement, CastVote, ChannelDesk, Choice, Digest, Record, RequestId, Risk, State, VoteError,
};

/// What a message showed when it was pressed: the vote's request, revision, digest and
/// presentation. Believed no further than the desk checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The request.
    pub request: RequestId,
    /// The record's revision.
    pub revision: u64,
    /// The digest of the call.
    pub digest: Digest,
    /// The hash of the presentation.
    pub shown: Digest,
}

impl Seen {
    /// What a message of this record shows.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self {
            request: record.id(),
            revision: record.revision,
            digest: record.asked.digest,
            shown: record.asked.shown,
        }
    }

    /// The vote of somebody who saw this.
    #[must_use]
    pub fn vote(
        self,
        (tenant, user): (String, String),
        choice: Choice,
        comment: Option<String>,
    ) -> CastVote {
        CastVote {
            request: self.request,
            tenant,
            user,
            choice,
            comment,
            proposal: None,
            digest: self.digest,
            shown: self.shown,
            revision: self.revision,
        }
    }

    /// Reads what [`Display`](fmt::Display) wrote; nothing else is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (Some("v1"), Some(request), Some(revision), Some(digest), Some(shown), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return None;
        };
        Some(Self {
            request: request.parse().ok()?,
            revision: revision.parse().ok()?,
            digest: digest.parse().ok()?,
            shown: shown.parse().ok()?,
        })
    }
}

impl Seen {
    /// What [`Display`](fmt::Display) writes, in one text of the size that it has.
    #[must_use]
    pub fn written(&self) -> String {
        // Two digests, an id, a number, and what is between them.
        let mut text = String::with_capacity(2 * 64 + 36 + 20 + 6);
        // Writing to a text does not fail.
        let _ = write!(text, "{self}");
        text
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            request,
            revision,
            digest,
            shown,
        } = self;
        write!(f, "v1 {request} {revision} {digest} {shown}")
    }
}

/// A choice as it stands on the wire.
#[must_use]
pub const fn word(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "approve",
        Choice::Deny => "deny",
        Choice::Confirm => "confirm",
        Choice::BreakGlass => "break_glass",
        Choice::Withdrawn => "take_back",
    }
}

/// The choice of this word.
#[must_use]
pub fn choice(word: &str) -> Option<Choice> {
    [
        Choice::Approve,
        Choice::Deny,
        Choice::Confirm,
        Choice::BreakGlass,
        Choice::Withdrawn,
    ]
    .into_iter()
    .find(|choice| self::word(*choice) == word)
}

/// What a button or a form of a choice is called.
#[must_use]
pub const fn title(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "Approve",
        Choice::Deny => "Deny",
        Choice::Confirm => "Confirm",
        Choice::BreakGlass => "Break the glass",
        Choice::Withdrawn => "Take my vote back",
    }
}

/// Whether this choice on this request has to be said with words.
#[must_use]
pub fn wants_comment(record: &Record, choice: Choice) -> bool {
    let tracks = || record.asked.tracks.iter();
    match choice {
        Choice::Approve | Choice::Confirm => tracks().any(|track| track.wants_comment_on_approve()),
        Choice::Deny => tracks().any(|track| track.wants_comment_on_deny()),
        Choice::BreakGlass => true,
        Choice::Withdrawn => false,
    }
}

/// Whether a yes to a call of this risk takes typing the digest's short code.
#[must_use]
pub fn wants_code(risk: Risk, choice: Choice) -> bool {
    risk == Risk::Critical
        && matches!(
            choice,
            Choice::Approve | Choice::Confirm | Choice::BreakGlass
        )
}

/// What may be said about a request that is shown whole, in the order of its buttons.
#[must_use]
pub fn choices(record: &Record) -> Vec<Choice> {
    if record.state != State::Pending {
        return Vec::new();
    }
    let tracks = || record.asked.tracks.iter();
    let confirms = |agreement: &Agreement| matches!(agreement, Agreement::Confirm { .. });
    let mut choices = Vec::new();
    if tracks().any(|track| !confirms(track.agreement())) {
        choices.push(Choice::Approve);
    }
    if tracks().any(|track| confirms(track.agreement())) {
        choices.push(Choice::Confirm);
    }
    choices.push(Choice::Deny);
    if tracks().any(|track| track.break_glass_group().is_some()) {
        choices.push(Choice::BreakGlass);
    }
    if record
        .votes
        .iter()
        .any(|vote| vote.choice != Choice::Withdrawn)
    {
        choices.push(Choice::Withdrawn);
    }
    choices
}

/// Whether what was typed is the code of what was seen.
#[must_use]
pub fn is_code(typed: Option<&str>, seen: &Seen) -> bool {
    let typed = typed.unwrap_or_default().trim().to_ascii_lowercase();
    typed == seen.digest.short_code()
}

/// Why a yes does not count that should have come with a code, and did not: whatever button it came
/// from, the request says whether it takes one.
///
/// # Errors
/// [`VoteError`] when the request cannot be looked at.
pub async fn without_code(
    desk: &ChannelDesk,
    seen: &Seen,
    choice: Choice,
) -> Result<Option<&'static str>, VoteError> {
    if !wants_code(Risk::Critical, choice) {
        return Ok(None);
    }
    let record = desk.look(seen.request).await?;
    let wanted = wants_code(record.asked.risk, choice);
    Ok(wanted.then_some("A yes to a critical call takes typing its code: press the button again."))
}

/// Has it recorded that somebody clicked who may not vote, as it is when the desk refuses somebody.
pub async fn turned_away(desk: &ChannelDesk, cast: CastVote, why: &str) {
    match desk.refuse(&cast, why).await {
        Ok(()) | Err(VoteError::UnknownRequest(_)) => {}
        Err(error) => {
            tracing::error!(request = %cast.request, %error, "a refused vote was not recorded");
        }
    }
}

/// What an answer that did not count is headed by; of a store that did not answer nobody knows.
#[must_use]
pub const fn heading(error: &VoteError) -> &'static str {
    match error {
        VoteError::Store(_) => "It is not known whether your answer counted.",
        _ => NOT_COUNTED,
    }
}

/// What an answer is headed by that did not count.
pub const NOT_COUNTED: &str = "Your answer did not count.";

/// Why a vote did not count, for whoever cast it: without what only operators should read.
#[must_use]
pub fn told(error: &VoteError) -> String {
    match error {
        VoteError::Store(_) => {
            "The store did not answer, so nobody knows yet whether it counted: look at the message \
             in a moment, and press again if it shows no vote of yours."
                .to_owned()
        }
        VoteError::Directory(_) => {
            "Who you are could not be found out now, so it did not count: try again.".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_button_carries_is_read_back_and_nothing_else_is() {
        let seen = Seen {
            request: RequestId::from_bytes([7; 16]),
            revision: 12,
            digest: Digest::from_bytes([1; 32]),
            shown: Digest::from_bytes([2; 32]),
        };
        let text = seen.to_string();
        assert_eq!(seen.written(), text);
        assert_eq!(Seen::parse(&text), Some(seen));
        for other in [
            "",
            "v1",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text} x"),
        ] {
            assert_eq!(Seen::parse(other), None, "{other}");
        }
        assert_eq!(Seen::parse(&text.replace("v1", "v2")), None);
        assert_eq!(Seen::parse(&text.replace(" 12 ", " -1 ")), None);
    }
}
