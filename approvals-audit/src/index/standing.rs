//! Where a call stands, as far as the log tells.

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Policy allowed it.
    Allowed,
    /// It was refused, and nobody was asked.
    Refused,
    /// People are asked.
    Pending,
    /// Everybody who had to agree has, or its yes is another request's; it has not run.
    Approved,
    /// A person said no.
    Denied,
    /// It was taken back.
    Withdrawn,
    /// Nobody decided in time.
    Expired,
    /// An operator took the approval back.
    Revoked,
    /// It was approved and not run in time.
    Lapsed,
    /// Its body was started.
    Executing,
    /// Its body ended well.
    Succeeded,
    /// Its body ended with an error.
    Failed,
    /// It was started, and nobody knows what came of it.
    InDoubt,
}

impl Standing {
    const ALL: [Self; 13] = [
        Self::Allowed,
        Self::Refused,
        Self::Pending,
        Self::Approved,
        Self::Denied,
        Self::Withdrawn,
        Self::Expired,
        Self::Revoked,
        Self::Lapsed,
        Self::Executing,
        Self::Succeeded,
        Self::Failed,
        Self::InDoubt,
    ];

    /// As it is written in the index.
    pub(super) const fn code(self) -> i64 {
        self as i64
    }

    pub(super) fn of_code(code: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|standing| standing.code() == code)
    }

    /// As it stands in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Lapsed => "lapsed",
            Self::Executing => "executing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a request was decided, as it is written in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Approved = 1,
    Denied = 2,
    /// Without anybody's no: the same call was denied in another request.
    DeniedWith = 3,
    Withdrawn = 4,
    Expired = 5,
    /// By a yes of before.
    UnderGrant = 6,
}

/// What else is told of a request: bits.
pub(super) mod marks {
    pub(in super::super) const GLASS_BROKEN: i64 = 1;
    pub(in super::super) const REVIEW_OWED: i64 = 2;
    pub(in super::super) const SELF_APPROVAL: i64 = 4;
}
