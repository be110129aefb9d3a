//! Words of people and of programs in events, in which a secret may stand by mistake.

use std::sync::Arc;

use super::What;
use crate::review::Proposal;
use crate::secrets;

impl What {
    /// The same, where nothing that anybody says looks like a secret. Calls, the rules that fired
    /// and why calls are refused are masked where these are made.
    pub(super) fn masked(mut self) -> Self {
        match &mut self {
            Self::Voted { vote, .. } => {
                if let Some(Some((masked, _))) = vote.comment.as_deref().map(secrets::mask) {
                    Arc::make_mut(vote).comment = Some(masked.into());
                }
            }
            Self::Denied {
                comment, proposal, ..
            } => {
                mask_if_any(comment);
                if let Some(proposal) = proposal {
                    mask_proposal(proposal);
                }
            }
            Self::Finished { summary, .. } => mask_if_any(summary),
            Self::VoteRefused { why, .. }
            | Self::Withdrawn { why }
            | Self::InDoubt { why }
            | Self::GrantClosed { why } => mask(why),
            Self::ReviewedAfterwards { comment, .. } => mask(comment),
            Self::Revoked { reason, .. }
            | Self::Resolved { reason, .. }
            | Self::Frozen { reason, .. }
            | Self::Thawed { reason, .. } => mask(reason),
            Self::Allowed { .. }
            | Self::Refused { .. }
            | Self::Requested { .. }
            | Self::RequestedUnderGrant { .. }
            | Self::GrantUsed { .. }
            | Self::StageOpened { .. }
            | Self::Widened { .. }
            | Self::Reminded { .. }
            | Self::Approved
            | Self::GlassBroken { .. }
            | Self::DeniedWith { .. }
            | Self::Expired
            | Self::Lapsed
            | Self::Claimed { .. }
            | Self::ClaimReleased { .. }
            | Self::LeaseLost { .. }
            | Self::Started { .. }
            | Self::FinishedLate { .. } => {}
        }
        self
    }
}

fn mask(text: &mut Arc<str>) {
    if let Some((masked, _)) = secrets::mask(text) {
        *text = masked.into();
    }
}

fn mask_if_any(text: &mut Option<Arc<str>>) {
    if let Some(text) = text {
        mask(text);
    }
}

/// The name of a value may say what it is.
fn mask_proposal(proposal: &mut Arc<Proposal>) {
    let masked = |(name, value): (&String, &serde_json::Value)| {
        let (masked, _) = secrets::mask_member(name, &value.to_string())?;
        let masked = serde_json::from_str(&masked);
        Some((name.clone(), masked.unwrap_or_else(|_| "[masked]".into())))
    };
    let masked: Vec<_> = proposal.iter().filter_map(masked).collect();
    if !masked.is_empty() {
        Arc::make_mut(proposal).extend(masked);
    }
}
