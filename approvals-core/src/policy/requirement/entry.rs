//! A requirement as an entry of a log has it: its canonical form.

use std::time::Duration;

use super::{Agreement, Audience, Member, OnTimeout, Quorum, Requirement, Reuse, Stage};
use crate::audit::Text;
use crate::policy::reminders::Reminders;

impl Text<'_> {
    pub(crate) fn requirement(&mut self, requirement: &Requirement) {
        // A member that is forgotten here is a compile error.
        let Requirement {
            agreement,
            execute_within,
            deadline,
            comment_on_approve,
            comment_on_deny,
            break_glass,
            reuse,
            risk,
            rule,
            why,
            reminders,
        } = requirement;
        self.put("{\"agreement\":{");
        match agreement {
            Agreement::Review(stages) => {
                self.put("\"review\":");
                self.list(stages.iter(), Self::stage);
            }
            Agreement::Confirm { decide_within } => {
                self.put("\"confirm\":{\"decide_within\":");
                self.span(*decide_within);
                self.put("}");
            }
        }
        self.put("},\"break_glass\":");
        self.optional(break_glass.as_ref(), |text, group| {
            text.plain(group.as_str());
        });
        self.put(",\"comment_on_approve\":");
        self.truth(*comment_on_approve);
        self.put(",\"comment_on_deny\":");
        self.truth(*comment_on_deny);
        self.put(",\"deadline\":");
        self.span(*deadline);
        self.put(",\"execute_within\":");
        self.span(*execute_within);
        if !reminders.are_none() {
            self.put(",\"reminders\":");
            self.reminders(*reminders);
        }
        self.put(",\"reuse\":");
        self.optional(reuse.as_ref(), |text, reuse| {
            let Reuse { uses, within } = reuse;
            text.put("{\"uses\":");
            text.number((*uses).into());
            text.put(",\"within\":");
            text.span(*within);
            text.put("}");
        });
        self.put(",\"risk\":");
        self.plain(risk.as_str());
        self.put(",\"rule\":");
        self.optional(rule.as_ref(), |text, rule| text.plain(rule.as_str()));
        self.put(",\"why\":");
        self.optional(why.as_deref(), Self::string);
        self.put("}");
    }

    fn stage(&mut self, stage: &Stage) {
        let Stage {
            quorums,
            decide_within,
            on_timeout,
        } = stage;
        self.put("{\"decide_within\":");
        self.span(*decide_within);
        self.put(",\"on_timeout\":");
        match on_timeout {
            OnTimeout::Deny => self.put("\"deny\""),
            OnTimeout::EscalateTo(audience) => {
                self.put("{\"escalate_to\":");
                self.audience(audience);
                self.put("}");
            }
        }
        self.put(",\"quorums\":");
        self.list(quorums.iter(), |text, quorum| {
            let Quorum { count, from } = quorum;
            text.put("{\"count\":");
            text.number(count.get().into());
            text.put(",\"from\":");
            text.audience(from);
            text.put("}");
        });
        self.put("}");
    }

    fn audience(&mut self, audience: &Audience) {
        self.list(audience.members(), |text, member| {
            match member {
                Member::Group(group) => {
                    text.put("{\"group\":");
                    text.plain(group.as_str());
                }
                Member::Person(person) => {
                    text.put("{\"person\":");
                    text.plain(person.as_str());
                }
            }
            text.put("}");
        });
    }

    fn reminders(&mut self, reminders: Reminders) {
        let Reminders { after, every } = reminders;
        self.put("{");
        if let Some(after) = after {
            self.put("\"after\":");
            self.span(after);
        }
        if let Some(every) = every {
            self.put(if after.is_some() {
                ",\"every\":"
            } else {
                "\"every\":"
            });
            self.span(every);
        }
        self.put("}");
    }

    fn span(&mut self, time: Duration) {
        self.put("{\"nanos\":");
        self.number(time.subsec_nanos().into());
        self.put(",\"secs\":");
        self.number(time.as_secs());
        self.put("}");
    }
}
