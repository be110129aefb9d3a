//! Every kind of event, in a line: a new kind does not compile without one.

use std::borrow::Cow;

use approvals_core::{Call, Choice, Kind, Requester, What};

use super::account::{About, Account, Actor, Attention, Outcome};

/// What one kind of event says.
pub(super) struct Line<'a> {
    pub(super) event: &'static str,
    pub(super) outcome: Outcome,
    pub(super) actor: Actor<'a>,
    pub(super) message: Cow<'a, str>,
}

const fn line<'a>(
    event: &'static str,
    outcome: Outcome,
    actor: Actor<'a>,
    message: Cow<'a, str>,
) -> Line<'a> {
    Line {
        event,
        outcome,
        actor,
        message,
    }
}

const fn says(message: &str) -> Cow<'_, str> {
    Cow::Borrowed(message)
}

impl<'a> Account<'a> {
    /// What the event says, in a line; what else it has goes into the account.
    pub(super) fn tell(&mut self, what: &'a What) -> Line<'a> {
        use Actor::{Gate, Person, Requester as Caller, Stranger};
        match what {
            What::Allowed {
                action,
                requester,
                call,
                reasons,
                policy_version,
            } => {
                self.attention = Attention::Informational;
                self.is_of_call(call.as_deref(), action.as_str(), Some(requester));
                self.call.reasons = Some(reasons);
                self.call.policy_version = policy_version.as_deref();
                line(
                    "allowed",
                    Outcome::Allowed,
                    Caller,
                    format!("Policy allowed the call: {reasons}.").into(),
                )
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
                self.is_of_call(call.as_deref(), action.as_str(), requester.as_ref());
                // A refusal about a request has what the request was asked for.
                if !reasons.is_empty() {
                    self.call.reasons = Some(reasons);
                }
                self.call.policy_version = policy_version.as_deref();
                self.comment = Some(why);
                let message = format!("The call was refused ({kind}): {why}");
                line("refused", refusal(*kind), Caller, message.into())
            }
            What::Requested { asked } => {
                let message = format!("People are asked: {}.", asked.reasons);
                line("requested", Outcome::Pending, Caller, message.into())
            }
            What::RequestedUnderGrant { granted_by, .. } => {
                let message = format!("The call is covered by the yes to {granted_by}.");
                line(
                    "requested_under_grant",
                    Outcome::Approved,
                    Caller,
                    message.into(),
                )
            }
            What::GrantUsed { by, uses_left } => {
                let message =
                    format!("The yes to this request covers {by} too; it covers {uses_left} more.");
                line("grant_used", Outcome::Noted, Gate, message.into())
            }
            What::Voted { vote, shown, .. } => {
                self.identity = Some(&vote.identity);
                self.groups = Some(&vote.groups);
                self.comment = vote.comment.as_deref();
                self.choice = Some(choice(vote.choice));
                self.call.shown = Some(*shown);
                if vote.choice == Choice::BreakGlass {
                    self.attention = Attention::Alert;
                }
                let outcome = match vote.choice {
                    Choice::Approve | Choice::Confirm | Choice::BreakGlass => Outcome::SaidYes,
                    Choice::Deny => Outcome::SaidNo,
                    Choice::Withdrawn => Outcome::Noted,
                };
                let message = format!("{} voted: {}.", vote.person, choice(vote.choice));
                line("voted", outcome, Person(&vote.person), message.into())
            }
            What::VoteRefused {
                person,
                identity,
                choice: said,
                why,
                own_request,
            } => {
                self.identity = Some(identity);
                self.choice = Some(choice(*said));
                self.comment = Some(why);
                if *own_request {
                    self.attention = Attention::Alert;
                }
                let own = if *own_request {
                    " It was their own request."
                } else {
                    ""
                };
                let message = format!(
                    "A vote ({}) of {identity} was refused: {why}.{own}",
                    choice(*said)
                );
                let actor = person.as_ref().map_or(Stranger, Person);
                line("vote_refused", Outcome::Unauthorized, actor, message.into())
            }
            What::StageOpened { track, stage } => {
                self.place = Some((*track, *stage));
                line(
                    "stage_opened",
                    Outcome::Pending,
                    Gate,
                    says("The next stage is asked."),
                )
            }
            What::Widened { track, stage } => {
                self.place = Some((*track, *stage));
                line(
                    "widened",
                    Outcome::Pending,
                    Gate,
                    says("A stage was not decided in time: more people are asked."),
                )
            }
            What::Reminded { track, stage } => {
                self.place = Some((*track, *stage));
                line(
                    "reminded",
                    Outcome::Pending,
                    Gate,
                    says("Those who have not answered were reminded."),
                )
            }
            What::Approved => line(
                "approved",
                Outcome::Approved,
                Gate,
                says("Everybody who had to agree has."),
            ),
            What::GlassBroken { by } => {
                self.attention = Attention::Alert;
                let message = format!("{by} released it alone; a review after the fact is owed.");
                line(
                    "glass_broken",
                    Outcome::Approved,
                    Person(by),
                    message.into(),
                )
            }
            What::ReviewedAfterwards { by, comment } => {
                self.comment = Some(comment);
                let message = format!("{by} reviewed the release after the fact.");
                line(
                    "reviewed_afterwards",
                    Outcome::Noted,
                    Person(by),
                    message.into(),
                )
            }
            What::Denied { by, comment, .. } => {
                self.comment = comment.as_deref();
                line(
                    "denied",
                    Outcome::Rejected,
                    Person(by),
                    format!("{by} said no.").into(),
                )
            }
            What::DeniedWith { of } => {
                let message = format!("The same call was denied in {of}.");
                line("denied_with", Outcome::Rejected, Gate, message.into())
            }
            What::Withdrawn { why } => {
                self.comment = Some(why);
                line(
                    "withdrawn",
                    Outcome::Blocked,
                    Caller,
                    format!("The request was withdrawn: {why}.").into(),
                )
            }
            What::Expired => line(
                "expired",
                Outcome::Blocked,
                Gate,
                says("Nobody decided in time."),
            ),
            What::Lapsed => line(
                "lapsed",
                Outcome::Blocked,
                Gate,
                says("It was approved and not run in time."),
            ),
            What::Revoked { by, reason } => {
                self.comment = Some(reason);
                line(
                    "revoked",
                    Outcome::Revoked,
                    Person(by),
                    format!("{by} took the approval back.").into(),
                )
            }
            What::Claimed {
                fence,
                owner,
                struck,
                ..
            } => {
                self.fence = Some(*fence);
                let message = format!("{owner} claimed it; {struck} votes no longer counted.");
                line("claimed", Outcome::Noted, Gate, message.into())
            }
            What::ClaimReleased { fence } => {
                self.fence = Some(*fence);
                line(
                    "claim_released",
                    Outcome::Noted,
                    Gate,
                    says("The claim was given back unused."),
                )
            }
            What::LeaseLost { fence } => {
                self.fence = Some(*fence);
                line(
                    "lease_lost",
                    Outcome::Noted,
                    Gate,
                    says("The claim ran out unused."),
                )
            }
            What::Started { fence, owner } => {
                self.fence = Some(*fence);
                line(
                    "started",
                    Outcome::Noted,
                    Gate,
                    format!("{owner} starts the body.").into(),
                )
            }
            What::Finished {
                fence,
                succeeded,
                summary,
            } => {
                self.fence = Some(*fence);
                self.succeeded = Some(*succeeded);
                self.comment = summary.as_deref();
                let message = if *succeeded {
                    "The body ended well."
                } else {
                    "The body ended with an error."
                };
                line("finished", Outcome::Noted, Gate, says(message))
            }
            What::FinishedLate { fence, succeeded } => {
                self.fence = Some(*fence);
                self.succeeded = Some(*succeeded);
                line(
                    "finished_late",
                    Outcome::Noted,
                    Gate,
                    says("The body reported after its claim was over; nothing changed."),
                )
            }
            What::InDoubt { why } => {
                self.attention = Attention::Alert;
                self.comment = Some(why);
                let message = format!("It was started, and nobody knows what came of it: {why}.");
                line("in_doubt", Outcome::Error, Gate, message.into())
            }
            What::Resolved {
                by,
                reason,
                succeeded,
            } => {
                self.comment = Some(reason);
                self.succeeded = Some(*succeeded);
                let message = format!("{by} found out what came of it.");
                line("resolved", Outcome::Noted, Person(by), message.into())
            }
            What::GrantClosed { why } => {
                self.comment = Some(why);
                line(
                    "grant_closed",
                    Outcome::Revoked,
                    Gate,
                    format!("The yes covers nothing more: {why}.").into(),
                )
            }
            What::Frozen { by, reason } => {
                self.subject = "gate";
                self.attention = Attention::Alert;
                self.comment = Some(reason);
                line(
                    "frozen",
                    Outcome::Blocked,
                    Person(by),
                    format!("{by} stopped everything.").into(),
                )
            }
            What::Thawed { by, reason } => {
                self.subject = "gate";
                self.comment = Some(reason);
                line(
                    "thawed",
                    Outcome::Restored,
                    Person(by),
                    format!("{by} lifted the freeze.").into(),
                )
            }
        }
    }

    fn is_of_call(
        &mut self,
        call: Option<&'a Call>,
        action: &'a str,
        requester: Option<&'a Requester>,
    ) {
        if let Some(call) = call {
            self.call = About::call(call);
        }
        self.call.action = Some(Cow::Borrowed(action));
        self.call.requester = requester.or(self.call.requester);
    }
}

pub(super) const fn choice(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "approve",
        Choice::Deny => "deny",
        Choice::Confirm => "confirm",
        Choice::BreakGlass => "break_glass",
        Choice::Withdrawn => "withdrawn",
    }
}

/// What a refusal comes to. Kinds of later versions are errors: somebody has to look.
const fn refusal(kind: Kind) -> Outcome {
    match kind {
        Kind::Denied => Outcome::Rejected,
        Kind::DeniedByPolicy
        | Kind::TimedOut
        | Kind::Lapsed
        | Kind::Withdrawn
        | Kind::Frozen
        | Kind::Changed
        | Kind::NoLongerApproved
        | Kind::AlreadyFinished
        | Kind::NotAsked
        | Kind::Decided => Outcome::Blocked,
        Kind::Revoked => Outcome::Revoked,
        Kind::Pending => Outcome::Pending,
        _ => Outcome::Error,
    }
}
