//! What is asked, of whom, by whom, and what they say.

use super::Text;
use crate::policy::Reasons;
use crate::principal::{ChannelIdentity, PrincipalId, PrincipalKind, Requester};
use crate::review::{Asked, Seat, Vote};

impl Text<'_> {
    pub(super) fn asked(&mut self, asked: &Asked) {
        // A member that is forgotten here is a compile error.
        let Asked {
            id,
            call,
            digest,
            shown,
            tracks,
            reasons,
            policy_version,
            risk,
            principals,
            root,
            asked_at,
            expires_at,
            may_have_run,
        } = asked;
        self.put("{\"asked_at\":");
        self.time(*asked_at);
        self.put(",\"call\":");
        self.call(call);
        self.put(",\"digest\":");
        self.digest(digest);
        self.put(",\"expires_at\":");
        self.time(*expires_at);
        self.put(",\"id\":");
        self.printed(&id.text());
        self.put(",\"may_have_run\":");
        self.optional(may_have_run.as_ref(), |text, id| text.printed(&id.text()));
        self.put(",\"policy_version\":");
        self.optional(policy_version.as_deref(), Self::string);
        self.put(",\"principals\":");
        self.list(principals, |text, person| text.plain(person.as_str()));
        self.put(",\"reasons\":");
        self.reasons(reasons);
        self.put(",\"risk\":");
        self.plain(risk.as_str());
        self.put(",\"root\":");
        self.principal(root);
        self.put(",\"shown\":");
        self.digest(shown);
        self.put(",\"tracks\":");
        self.list(tracks.iter(), |text, track| text.requirement(track));
        self.put("}");
    }

    pub(super) fn vote(&mut self, vote: &Vote) {
        let Vote {
            person,
            identity,
            groups,
            choice,
            comment,
            at,
            revision,
            seats,
        } = vote;
        self.put("{\"at\":");
        self.time(*at);
        self.put(",\"choice\":");
        self.plain(choice.as_str());
        self.put(",\"comment\":");
        self.optional(comment.as_deref(), Self::string);
        self.put(",\"groups\":");
        self.list(groups, |text, group| text.plain(group.as_str()));
        self.put(",\"identity\":");
        self.identity(identity);
        self.put(",\"person\":");
        self.plain(person.as_str());
        self.put(",\"revision\":");
        self.number(*revision);
        self.put(",\"seats\":");
        self.list(seats, |text, seat| {
            let Seat { track, stage } = seat;
            text.put("{\"stage\":");
            text.number((*stage).into());
            text.put(",\"track\":");
            text.number((*track).into());
            text.put("}");
        });
        self.put("}");
    }

    pub(super) fn identity(&mut self, identity: &ChannelIdentity) {
        let ChannelIdentity {
            channel,
            tenant,
            user,
        } = identity;
        self.put("{\"channel\":");
        self.plain(channel.as_str());
        self.put(",\"tenant\":");
        self.string(tenant);
        self.put(",\"user\":");
        self.string(user);
        self.put("}");
    }

    pub(super) fn reasons(&mut self, reasons: &Reasons) {
        self.list(reasons.iter(), |text, rule| {
            text.put("{\"id\":");
            text.plain(rule.id.as_str());
            text.put(",\"why\":");
            text.string(&rule.why);
            text.put("}");
        });
    }

    pub(crate) fn requester(&mut self, requester: &Requester) {
        self.put("{\"acting_for\":");
        self.list(requester.principals(), Self::principal);
        self.put(",\"actor\":");
        self.principal(requester.actor());
        for (name, said) in [
            (",\"model\":", requester.model_name()),
            (",\"model_version\":", requester.model_version()),
            (",\"run\":", requester.run_id()),
            (",\"session\":", requester.session_id()),
            (",\"trace\":", requester.traceparent()),
        ] {
            if let Some(said) = said {
                self.put(name);
                self.string(said);
            }
        }
        self.put("}");
    }

    fn principal(&mut self, principal: &PrincipalId) {
        self.put(match principal.kind() {
            PrincipalKind::Person => "\"person:",
            PrincipalKind::Agent => "\"agent:",
            PrincipalKind::Service => "\"service:",
        });
        self.put(principal.name());
        self.put("\"");
    }
}
