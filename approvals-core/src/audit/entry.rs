//! The canonical form of an event as an entry of a log, in one pass.
//!
//! The names of members are known here, and so is their order. So nothing is sorted, copied or
//! converted on the way, which takes a tenth of what [`crate::canonical::write`] takes to write the
//! same bytes. What is written here of each type is what its `Serialize` says; the tests of the
//! log compare both for every kind of event.

use super::{Event, What};
use crate::canonical::{MAX_SAFE, write_str};
use crate::digest::Digest;
use crate::time::Timestamp;

mod asked;

impl Event {
    /// Appends the canonical JSON (RFC 8785) of the event with one more member, `schema`: what
    /// [`canonical::write`](crate::canonical::write) writes, in a tenth of the time.
    ///
    /// `false`, and nothing appended, where it has numbers that readers of JSON may round, or values
    /// of people's making: the general way is for those.
    #[must_use]
    pub fn write_entry(&self, schema: u32, out: &mut String) -> bool {
        let former = out.len();
        let mut text = Text {
            out,
            is_general: false,
        };
        let mut entry = Entry {
            event: self,
            schema,
            text: &mut text,
            place: 0,
        };
        entry.what();
        entry.end();
        let is_written = !text.is_general;
        if !is_written {
            text.out.truncate(former);
        }
        is_written
    }
}

/// What every event has, in order. What happened has its own members among these.
const ALWAYS: [&str; 7] = [
    "at", "id", "number", "request", "revision", "schema", "what",
];

/// An event that is being written.
struct Entry<'a, 'o> {
    event: &'a Event,
    schema: u32,
    text: &'a mut Text<'o>,
    /// How many of [`ALWAYS`] are written.
    place: usize,
}

impl<'a, 'o> Entry<'a, 'o> {
    /// Writes what comes before a member, and its name. They have to come in order.
    fn member(&mut self, name: &str) -> &mut Text<'o> {
        while let Some(next) = ALWAYS.get(self.place)
            && *next < name
        {
            self.next(next);
        }
        self.begin();
        self.text.name(name);
        self.text
    }

    fn begin(&mut self) {
        // An entry begins with a brace, and names no member "{".
        let separator = if self.text.out.ends_with('{') {
            ""
        } else {
            ","
        };
        self.text.put(separator);
    }

    /// Writes the next of [`ALWAYS`].
    fn next(&mut self, name: &str) {
        self.place += 1;
        self.begin();
        self.text.name(name);
        let Event {
            number,
            id,
            at,
            request,
            revision,
            what,
        } = self.event;
        match name {
            "at" => self.text.time(*at),
            "id" => self.text.printed(&id.text()),
            "number" => self.text.number(*number),
            "request" => self
                .text
                .optional(request.as_ref(), |text, id| text.printed(&id.text())),
            "revision" => self.text.number(*revision),
            "schema" => self.text.number(self.schema.into()),
            _ => self.text.plain(what.name()),
        }
    }

    fn end(&mut self) {
        while let Some(next) = ALWAYS.get(self.place) {
            self.next(next);
        }
        self.text.put("}");
    }

    fn what(&mut self) {
        self.text.put("{");
        match &self.event.what {
            What::Allowed {
                action,
                requester,
                call,
                reasons,
                policy_version,
            } => {
                self.member("action").plain(action.as_str());
                let call = call.as_deref();
                self.member("call").optional(call, Text::call);
                self.policy_version(policy_version.as_deref());
                self.member("reasons").reasons(reasons);
                self.member("requester").requester(requester);
            }
            What::Refused {
                action,
                requester,
                call,
                kind,
                why,
                reasons,
                policy_version,
            } => {
                self.member("action").plain(action.as_str());
                let call = call.as_deref();
                self.member("call").optional(call, Text::call);
                self.member("kind").plain(kind.as_str());
                self.policy_version(policy_version.as_deref());
                if !reasons.is_empty() {
                    self.member("reasons").reasons(reasons);
                }
                let requester = requester.as_ref();
                self.member("requester")
                    .optional(requester, Text::requester);
                self.why(why);
            }
            What::Requested { asked } => self.member("asked").asked(asked),
            What::RequestedUnderGrant { asked, granted_by } => {
                self.member("asked").asked(asked);
                self.member("granted_by").printed(&granted_by.text());
            }
            What::GrantUsed { by, uses_left } => {
                self.member("by").printed(&by.text());
                self.member("uses_left").number((*uses_left).into());
            }
            What::Voted {
                vote,
                shown,
                seen_revision,
            } => {
                self.member("seen_revision").number(*seen_revision);
                self.member("shown").digest(shown);
                self.member("vote").vote(vote);
            }
            What::VoteRefused {
                person,
                identity,
                choice,
                why,
                own_request,
            } => {
                self.member("choice").plain(choice.as_str());
                self.member("identity").identity(identity);
                self.member("own_request").truth(*own_request);
                let person = person.as_ref();
                self.member("person")
                    .optional(person, |text, person| text.plain(person.as_str()));
                self.why(why);
            }
            What::StageOpened { track, stage }
            | What::Widened { track, stage }
            | What::Reminded { track, stage } => {
                self.member("stage").number((*stage).into());
                self.member("track").number((*track).into());
            }
            What::Approved | What::Expired | What::Lapsed => {}
            What::GlassBroken { by } => self.member("by").plain(by.as_str()),
            What::ReviewedAfterwards { by, comment } => {
                self.member("by").plain(by.as_str());
                self.member("comment").string(comment);
            }
            What::Denied {
                by,
                comment,
                proposal,
            } => {
                self.member("by").plain(by.as_str());
                self.member("comment")
                    .optional(comment.as_deref(), Text::string);
                // What somebody proposes may be any JSON.
                self.member("proposal")
                    .optional(proposal.as_deref(), |text, _| text.is_general = true);
            }
            What::DeniedWith { of } => self.member("of").printed(&of.text()),
            What::Withdrawn { why } | What::InDoubt { why } | What::GrantClosed { why } => {
                self.why(why);
            }
            What::Revoked { by, reason }
            | What::Frozen { by, reason }
            | What::Thawed { by, reason } => {
                self.member("by").plain(by.as_str());
                self.member("reason").string(reason);
            }
            What::Claimed {
                fence,
                owner,
                struck,
                policy_version,
            } => {
                self.member("fence").number(*fence);
                self.member("owner").printed(&owner.text());
                self.policy_version(policy_version.as_deref());
                self.member("struck").number(*struck as u64);
            }
            What::ClaimReleased { fence } | What::LeaseLost { fence } => {
                self.member("fence").number(*fence);
            }
            What::Started { fence, owner } => {
                self.member("fence").number(*fence);
                self.member("owner").printed(&owner.text());
            }
            What::Finished {
                fence,
                succeeded,
                summary,
            } => {
                self.member("fence").number(*fence);
                self.member("succeeded").truth(*succeeded);
                self.member("summary")
                    .optional(summary.as_deref(), Text::string);
            }
            What::FinishedLate { fence, succeeded } => {
                self.member("fence").number(*fence);
                self.member("succeeded").truth(*succeeded);
            }
            What::Resolved {
                by,
                reason,
                succeeded,
            } => {
                self.member("by").plain(by.as_str());
                self.member("reason").string(reason);
                self.member("succeeded").truth(*succeeded);
            }
        }
    }

    fn policy_version(&mut self, version: Option<&str>) {
        if let Some(version) = version {
            self.member("policy_version").string(version);
        }
    }

    /// It comes after everything else.
    fn why(&mut self, why: &str) {
        self.member("why").string(why);
    }
}

impl What {
    /// The name of its kind.
    const fn name(&self) -> &'static str {
        match self {
            Self::Allowed { .. } => "allowed",
            Self::Refused { .. } => "refused",
            Self::Requested { .. } => "requested",
            Self::RequestedUnderGrant { .. } => "requested_under_grant",
            Self::GrantUsed { .. } => "grant_used",
            Self::Voted { .. } => "voted",
            Self::VoteRefused { .. } => "vote_refused",
            Self::StageOpened { .. } => "stage_opened",
            Self::Widened { .. } => "widened",
            Self::Reminded { .. } => "reminded",
            Self::Approved => "approved",
            Self::GlassBroken { .. } => "glass_broken",
            Self::ReviewedAfterwards { .. } => "reviewed_afterwards",
            Self::Denied { .. } => "denied",
            Self::DeniedWith { .. } => "denied_with",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Expired => "expired",
            Self::Lapsed => "lapsed",
            Self::Revoked { .. } => "revoked",
            Self::Claimed { .. } => "claimed",
            Self::ClaimReleased { .. } => "claim_released",
            Self::LeaseLost { .. } => "lease_lost",
            Self::Started { .. } => "started",
            Self::Finished { .. } => "finished",
            Self::FinishedLate { .. } => "finished_late",
            Self::InDoubt { .. } => "in_doubt",
            Self::Resolved { .. } => "resolved",
            Self::GrantClosed { .. } => "grant_closed",
            Self::Frozen { .. } => "frozen",
            Self::Thawed { .. } => "thawed",
        }
    }
}

/// Canonical JSON that is being written.
pub(crate) struct Text<'o> {
    pub(crate) out: &'o mut String,
    /// Whether there is something that only the general way can write.
    is_general: bool,
}

impl Text<'_> {
    /// What is JSON already.
    pub(crate) fn put(&mut self, json: &str) {
        self.out.push_str(json);
    }

    fn name(&mut self, name: &str) {
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    pub(crate) fn string(&mut self, text: &str) {
        write_str(text, self.out);
    }

    /// A name, which has no character that would have to be escaped.
    pub(crate) fn plain(&mut self, name: &str) {
        self.out.push('"');
        self.out.push_str(name);
        self.out.push('"');
    }

    /// The ASCII text of an id.
    pub(crate) fn printed(&mut self, id: &[u8]) {
        self.plain(str::from_utf8(id).unwrap_or_default());
    }

    pub(crate) fn digest(&mut self, digest: &Digest) {
        self.out.push('"');
        digest.write(self.out);
        self.out.push('"');
    }

    pub(crate) fn time(&mut self, time: Timestamp) {
        self.number(time.as_millis());
    }

    pub(crate) fn number(&mut self, number: u64) {
        // A larger one is carried as text, and the entry says so.
        self.is_general |= number > MAX_SAFE;
        self.out.push_str(itoa::Buffer::new().format(number));
    }

    pub(crate) fn truth(&mut self, is_so: bool) {
        self.out.push_str(if is_so { "true" } else { "false" });
    }

    pub(crate) fn optional<T: ?Sized>(
        &mut self,
        value: Option<&T>,
        write: impl FnOnce(&mut Self, &T),
    ) {
        match value {
            Some(value) => write(self, value),
            None => self.put("null"),
        }
    }

    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.put("[");
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.put(",");
            }
            write(self, item);
        }
        self.put("]");
    }
}
