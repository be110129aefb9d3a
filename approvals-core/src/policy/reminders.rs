//! Reminders: when people who have not answered are told that they are still waited for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::requirement::{Requirement, RequirementError, checked};
use crate::time::Timestamp;

/// When people are reminded, counted from when the open stage asked them. Never, unless a
/// requirement says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reminders {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) every: Option<Duration>,
}

impl Reminders {
    /// How long after people were asked they are reminded first.
    #[must_use]
    pub fn first(&self) -> Option<Duration> {
        self.after.or(self.every)
    }

    /// How long after a reminder the next one comes; `None` when one is all.
    #[must_use]
    pub const fn again(&self) -> Option<Duration> {
        self.every
    }

    /// Whether nobody is reminded.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.first().is_none()
    }

    /// When a stage that asked at `asked`, and is overdue at `deadline`, reminds first.
    pub(crate) fn first_at(&self, asked: Timestamp, deadline: Timestamp) -> Option<Timestamp> {
        before(deadline, asked, self.first())
    }

    /// When it reminds next, after it did at `now`.
    pub(crate) fn next_at(&self, now: Timestamp, deadline: Timestamp) -> Option<Timestamp> {
        before(deadline, now, self.again())
    }
}

/// A reminder never extends a deadline: what would come then does not come.
fn before(deadline: Timestamp, from: Timestamp, wait: Option<Duration>) -> Option<Timestamp> {
    wait.map(|wait| from.plus(wait)).filter(|at| *at < deadline)
}

impl Requirement {
    /// Reminds people who have not answered, so long after an open stage asked them: on every
    /// channel that shows the request, once, whichever process does it. A stage that opens or is
    /// widened counts anew. Deadlines stay as they are.
    ///
    /// ```
    /// use std::time::Duration;
    /// use approvals_core::Requirement;
    /// // After ten minutes, and every half hour from then on.
    /// let requirement = Requirement::one_of("on-call")?
    ///     .remind_after(Duration::from_secs(10 * 60))?
    ///     .remind_every(Duration::from_secs(30 * 60))?;
    /// # let _ = requirement;
    /// # Ok::<(), approvals_core::RequirementError>(())
    /// ```
    ///
    /// # Errors
    /// [`RequirementError::Duration`] when it is under a second or over 30 days.
    pub fn remind_after(mut self, time: Duration) -> Result<Self, RequirementError> {
        self.reminders.after = Some(checked("remind_after", time)?);
        Ok(self)
    }

    /// Reminds them again each time so much more has passed; also the first time, unless
    /// [`remind_after`](Self::remind_after) says when that is.
    ///
    /// # Errors
    /// [`RequirementError::Duration`] when it is under a second or over 30 days.
    pub fn remind_every(mut self, time: Duration) -> Result<Self, RequirementError> {
        self.reminders.every = Some(checked("remind_every", time)?);
        Ok(self)
    }

    /// When people who have not answered are reminded.
    #[must_use]
    pub const fn reminders(&self) -> &Reminders {
        &self.reminders
    }
}
