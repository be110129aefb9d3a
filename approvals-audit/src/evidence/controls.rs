//! Controls that a record of approvals is evidence for, and which events are.

use approvals_core::What;

use crate::reading::Told;

/// Whose controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framework {
    /// NIST SP 800-53, revision 5.
    Nist80053,
    /// The same controls with FedRAMP's parameters.
    FedRamp,
    /// SOC 2, the trust services criteria.
    Soc2,
    /// ISO/IEC 27001:2022, annex A.
    Iso27001,
}

impl Framework {
    const ALL: [Self; 4] = [Self::Nist80053, Self::FedRamp, Self::Soc2, Self::Iso27001];

    /// As it is written in manifests and on command lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nist80053 => "nist-800-53-r5",
            Self::FedRamp => "fedramp",
            Self::Soc2 => "soc2",
            Self::Iso27001 => "iso-27001-2022",
        }
    }

    /// As people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Nist80053 => "NIST SP 800-53 r5",
            Self::FedRamp => "FedRAMP (NIST SP 800-53 r5)",
            Self::Soc2 => "SOC 2 trust services criteria",
            Self::Iso27001 => "ISO/IEC 27001:2022, annex A",
        }
    }

    /// The one that is written so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|framework| framework.as_str() == text)
    }
}

/// A control, and what of the trail is evidence for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// Its number: `AC-3(2)`.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// What the events show of it.
    pub shows: &'static str,
    /// What FedRAMP's parameter for it says, where that is about approvals.
    pub parameter: Option<&'static str>,
    parts: &'static [Part],
}

/// A part of the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Calls that policy allowed.
    Allowed,
    /// Calls that were refused without asking, or at the last moment.
    Refused,
    /// What people were asked, and who was asked next.
    Asked,
    /// Votes.
    Voted,
    /// Votes that did not count.
    NotCounted,
    /// Decisions, and what ended them.
    Decided,
    /// What ran, and how it ended.
    Ran,
    /// Releases by one alone, and their reviews.
    Emergency,
    /// Doubts, and what people found out.
    Doubt,
    /// Freezes.
    Freeze,
}

use Part::{Allowed, Asked, Decided, Doubt, Emergency, Freeze, NotCounted, Ran, Refused, Voted};

const EVERYTHING: &[Part] = &[
    Allowed, Refused, Asked, Voted, NotCounted, Decided, Ran, Emergency, Doubt, Freeze,
];
/// The life of what people decide.
const REVIEWS: &[Part] = &[Asked, Voted, NotCounted, Decided, Ran, Emergency, Doubt];
/// Whoever was let, and whoever was not.
const ACCESS: &[Part] = &[
    Allowed, Refused, Asked, Voted, NotCounted, Decided, Emergency,
];
/// What people did after something had happened.
const OVERSIGHT: &[Part] = &[Refused, NotCounted, Emergency, Doubt, Freeze];

const fn control(
    id: &'static str,
    title: &'static str,
    shows: &'static str,
    parts: &'static [Part],
) -> Control {
    Control {
        id,
        title,
        shows,
        parameter: None,
        parts,
    }
}

const NIST: &[Control] = &[
    control(
        "AC-3(2)",
        "Dual authorization",
        "Every call that needed people: how many policy asked for, who agreed, and when it ran.",
        REVIEWS,
    ),
    control(
        "AC-5",
        "Separation of duties",
        "Who asked and who agreed to each call, and every vote that did not count because it was on one's own request.",
        REVIEWS,
    ),
    control(
        "AC-6",
        "Least privilege",
        "Which privileged calls were allowed, reviewed or refused, by which rules of policy.",
        ACCESS,
    ),
    control(
        "AC-6(9)",
        "Logged use of privileged functions",
        "Each privileged call, who made it and for whom, and that it ran.",
        EVERYTHING,
    ),
    control(
        "AU-2",
        "Event logging",
        "The events that are recorded, of every kind that occurred.",
        EVERYTHING,
    ),
    control(
        "AU-3",
        "Content of audit records",
        "For each event what happened, when, where, who did it and what came of it.",
        EVERYTHING,
    ),
    control(
        "AU-5",
        "Response to audit logging failures",
        "Calls that were refused because something that is needed could not be reached, the record among them.",
        &[Refused, Freeze],
    ),
    control(
        "AU-6",
        "Audit record review, analysis and reporting",
        "What people looked into afterwards, and what they found.",
        OVERSIGHT,
    ),
    control(
        "AU-8",
        "Time stamps",
        "The time of each event in UTC, in milliseconds, in an order that the log proves.",
        EVERYTHING,
    ),
    control(
        "AU-9(3)",
        "Cryptographic protection of audit information",
        "That each event is one of those that the signed checkpoint is over.",
        EVERYTHING,
    ),
    control(
        "AU-10",
        "Non-repudiation",
        "Who asked, who agreed and who denied, with the hash of what they had been shown.",
        REVIEWS,
    ),
    control(
        "AU-11",
        "Audit record retention",
        "That the events of the time are still there, and unchanged.",
        EVERYTHING,
    ),
    control(
        "AU-12",
        "Audit record generation",
        "The events that were generated where calls are guarded.",
        EVERYTHING,
    ),
    control(
        "CM-3",
        "Configuration change control",
        "Each change that was asked for, who decided about it, and that it was made.",
        REVIEWS,
    ),
    control(
        "CM-3(1)",
        "Prohibition of changes until approved",
        "For each change when it was approved and when it was made, and what became of those that were not.",
        REVIEWS,
    ),
    control(
        "CM-5(1)",
        "Access enforcement and audit records for change",
        "Who was let to change something, who was not, and what was done.",
        EVERYTHING,
    ),
];

const SOC_2: &[Control] = &[
    control(
        "CC6.1",
        "Logical access security",
        "Which calls were allowed, reviewed or refused, by which rules of policy.",
        ACCESS,
    ),
    control(
        "CC6.2",
        "Authorization of access",
        "Who asked for each call, and who authorized it.",
        ACCESS,
    ),
    control(
        "CC6.3",
        "Access by role, least privilege and segregation of duties",
        "Who agreed to whose calls, and every vote on one's own request that did not count.",
        REVIEWS,
    ),
    control(
        "CC7.2",
        "Monitoring for anomalies",
        "Refusals, votes that did not count, releases by one alone, doubts and freezes.",
        OVERSIGHT,
    ),
    control(
        "CC7.3",
        "Evaluation of security events",
        "What people looked into afterwards, and what they found.",
        OVERSIGHT,
    ),
    control(
        "CC8.1",
        "Change management",
        "Each change that was asked for, who decided about it, and that it was made.",
        REVIEWS,
    ),
];

const ISO_27001: &[Control] = &[
    control(
        "5.3",
        "Segregation of duties",
        "Who asked and who agreed to each call, and every vote on one's own request that did not count.",
        REVIEWS,
    ),
    control(
        "5.15",
        "Access control",
        "Which calls were allowed, reviewed or refused, by which rules of policy.",
        ACCESS,
    ),
    control(
        "5.18",
        "Access rights",
        "Who was given leave for what, by whom, and what was taken back.",
        ACCESS,
    ),
    control(
        "5.28",
        "Collection of evidence",
        "The events, each with a proof that stands without the log.",
        EVERYTHING,
    ),
    control(
        "5.33",
        "Protection of records",
        "That each event is one of those that the signed checkpoint is over.",
        EVERYTHING,
    ),
    control(
        "8.2",
        "Privileged access rights",
        "Each privileged call, who made it and who agreed.",
        ACCESS,
    ),
    control(
        "8.5",
        "Secure authentication",
        "Through which verified identity of which channel each vote came.",
        &[Asked, Voted, NotCounted, Emergency],
    ),
    control(
        "8.15",
        "Logging",
        "The events that are recorded, of every kind that occurred.",
        EVERYTHING,
    ),
    control(
        "8.17",
        "Clock synchronization",
        "The time of each event, from one clock that does not go back.",
        EVERYTHING,
    ),
    control(
        "8.32",
        "Change management",
        "Each change that was asked for, who decided about it, and that it was made.",
        REVIEWS,
    ),
];

impl Control {
    /// Those of a framework.
    pub fn of(framework: Framework) -> impl Iterator<Item = Self> {
        let controls = match framework {
            Framework::Nist80053 | Framework::FedRamp => NIST,
            Framework::Soc2 => SOC_2,
            Framework::Iso27001 => ISO_27001,
        };
        controls.iter().map(move |control| {
            let names_approval = framework == Framework::FedRamp && control.id == "AU-10";
            Self {
                parameter: names_approval.then_some(
                    "FedRAMP's parameter names approval among the actions that nobody may be able to deny.",
                ),
                ..*control
            }
        })
    }

    /// The one of this number.
    #[must_use]
    pub fn find(framework: Framework, id: &str) -> Option<Self> {
        Self::of(framework).find(|control| control.id == id)
    }

    /// Whether an event is evidence for it.
    pub(super) fn takes(&self, told: &Told) -> bool {
        match told {
            Told::Whole(event) => part(&event.what).is_some_and(|part| self.parts.contains(&part)),
            // What it was is not known any more: it is part of what happened.
            Told::Destroyed { .. } => true,
            Told::Repeats { .. } => false,
        }
    }
}

/// The part of the trail that an event is of. Claims decide nothing, and are of none.
const fn part(what: &What) -> Option<Part> {
    Some(match what {
        What::Allowed { .. } => Allowed,
        What::Refused { .. } => Refused,
        What::Requested { .. }
        | What::RequestedUnderGrant { .. }
        | What::StageOpened { .. }
        | What::Widened { .. }
        | What::Reminded { .. } => Asked,
        What::Voted { .. } => Voted,
        What::VoteRefused { .. } => NotCounted,
        What::Approved
        | What::Denied { .. }
        | What::DeniedWith { .. }
        | What::Withdrawn { .. }
        | What::Expired
        | What::Lapsed
        | What::Revoked { .. }
        | What::GrantUsed { .. }
        | What::GrantClosed { .. } => Decided,
        What::Started { .. } | What::Finished { .. } => Ran,
        What::GlassBroken { .. } | What::ReviewedAfterwards { .. } => Emergency,
        What::InDoubt { .. } | What::Resolved { .. } | What::FinishedLate { .. } => Doubt,
        What::Frozen { .. } | What::Thawed { .. } => Freeze,
        What::Claimed { .. } | What::ClaimReleased { .. } | What::LeaseLost { .. } => return None,
    })
}
