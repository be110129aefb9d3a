//! Channel identities, in the one form in which the channel reports them.

use approvals_core::{ChannelId, ChannelIdentity};

use crate::mistake::quoted;

/// The longest tenant or user id, in bytes.
const MAX_ID: usize = 256;

/// Whose ids have a form that is known. Other channels' ids are opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vendor {
    Slack,
    Teams,
    Other,
}

impl Vendor {
    /// By the channel's id: `slack`, or `slack-` and more where a gate has several.
    fn of(channel: &ChannelId) -> Self {
        match channel.as_str().split(['-', '_', '.']).next() {
            Some("slack") => Self::Slack,
            Some("teams") => Self::Teams,
            Some(_) | None => Self::Other,
        }
    }
}

/// What is wrong with an identity, and the fix.
///
/// Two ways of writing one account would let it be two people's: where the vendor's ids have a
/// known form, no other is accepted.
pub(crate) fn check(identity: &ChannelIdentity) -> Result<(), String> {
    part("tenant", &identity.tenant)?;
    part("user", &identity.user)?;
    if identity.user.is_empty() {
        return Err("the identity has no `user`: write the channel's immutable user id".to_owned());
    }
    let (tenant, user) = (&*identity.tenant, &*identity.user);
    match Vendor::of(&identity.channel) {
        Vendor::Other => Ok(()),
        Vendor::Slack => {
            let is_id = |text: &str| {
                let known = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
                !text.is_empty() && text.bytes().all(known)
            };
            if !is_id(tenant) {
                return Err(format!(
                    "tenant {} is no id of a Slack workspace or organisation: write the team id, such as `T024BE7LD`",
                    quoted(tenant)
                ));
            }
            if !is_id(user) {
                return Err(format!(
                    "user {} is no Slack user id: write the member id, such as `U061F7AUR`, and never a name",
                    quoted(user)
                ));
            }
            Ok(())
        }
        Vendor::Teams => {
            for (what, text) in [("tenant", tenant), ("user", user)] {
                if !is_guid(text) {
                    return Err(format!(
                        "{what} {} is no Microsoft Entra object id: write it in lower case, such as `3f2504e0-4f89-41d3-9a0c-0305e82c3301`",
                        quoted(text)
                    ));
                }
            }
            Ok(())
        }
    }
}

/// What holds for every channel: printable ASCII, nothing around it.
fn part(what: &str, text: &str) -> Result<(), String> {
    if text.len() > MAX_ID {
        return Err(format!(
            "{what} has {} bytes: at most {MAX_ID} are allowed",
            text.len()
        ));
    }
    let printable = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if !printable || text.trim() != text {
        return Err(format!(
            "{what} {} has a character that no id has: write the channel's immutable id, in printable ASCII without spaces around it",
            quoted(text)
        ));
    }
    Ok(())
}

/// Eight, four, four, four and twelve digits, in lower case as Teams sends them.
fn is_guid(text: &str) -> bool {
    let groups = [8, 4, 4, 4, 12];
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let mut parts = text.split('-');
    let fits = |length: usize| {
        parts
            .next()
            .is_some_and(|part| part.len() == length && part.bytes().all(digit))
    };
    groups.into_iter().all(fits) && text.len() == 36
}
