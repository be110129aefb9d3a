//! Where a request goes.

use approvals_core::{NameError, PolicyName, PrincipalId, Record, Risk, Timestamp};

/// Which requests a route is for. Everything that is said has to hold; a route that says nothing is
/// for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Route {
    policy: Option<PolicyName>,
    requester: Option<PrincipalId>,
    risk: Option<Risk>,
    hours: Option<(u8, u8)>,
    widened: bool,
}

/// A route that can be for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a route from hour {0} to hour {1} is none: use two different hours from 0 to 24, in UTC")]
pub struct HoursError(u8, u8);

impl Route {
    /// A route for everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only for calls that this policy judges.
    ///
    /// # Errors
    /// [`NameError`] when the name is malformed.
    pub fn policy(mut self, name: &str) -> Result<Self, NameError> {
        self.policy = Some(PolicyName::new(name)?);
        Ok(self)
    }

    /// Only for calls of this principal, or on its behalf.
    pub fn requester(mut self, principal: PrincipalId) -> Self {
        self.requester = Some(principal);
        self
    }

    /// Only for calls of at least this risk.
    pub const fn at_least(mut self, risk: Risk) -> Self {
        self.risk = Some(risk);
        self
    }

    /// Only for what is asked from one full hour to another, in UTC: from 22 to 6 is at night.
    ///
    /// # Errors
    /// [`HoursError`] when that is no time at all.
    pub fn between(mut self, from: u8, to: u8) -> Result<Self, HoursError> {
        if from == to || from > 23 || to > 24 {
            return Err(HoursError(from, to));
        }
        self.hours = Some((from, to));
        Ok(self)
    }

    /// Only for requests that were not decided in time, so that others are asked as well by now.
    /// They are posted there beside where they were posted before.
    pub const fn when_widened(mut self) -> Self {
        self.widened = true;
        self
    }

    fn is_for(&self, record: &Record) -> bool {
        let asked = &record.asked;
        let call = &asked.call;
        let widened = || record.progress.iter().any(|progress| progress.widened != 0);
        let policy = self.policy.as_ref();
        let requester = self.requester.as_ref();
        policy.is_none_or(|policy| *policy == call.declaration().policy)
            && requester.is_none_or(|principal| call.requester().chain().any(|p| p == principal))
            && self.risk.is_none_or(|risk| asked.risk >= risk)
            && self.hours.is_none_or(|hours| holds(hours, asked.asked_at))
            && (!self.widened || widened())
    }
}

fn holds((from, to): (u8, u8), at: Timestamp) -> bool {
    let hour = at.as_millis() / 3_600_000 % 24;
    let (from, to) = (u64::from(from), u64::from(to));
    if from < to {
        (from..to).contains(&hour)
    } else {
        hour >= from || hour < to
    }
}

/// Which request goes where: the first route that is for it. A request without one is posted
/// nowhere, and this channel has failed for it.
///
/// ```
/// use approvals_channel::{Route, Routes};
/// use approvals_core::Risk;
///
/// let routes: Routes<&str> = Routes::new()
///     .to(Route::all().policy("prod-db")?.at_least(Risk::High), ["on-call"])
///     .to(Route::all().between(20, 6)?, ["night shift"])
///     .to(Route::all(), ["approvals"]);
/// # let _ = routes;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Routes<D>(Vec<(Route, Vec<D>)>);

impl<D> Default for Routes<D> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<D> Routes<D> {
    /// No routes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route, after those before it.
    pub fn to(mut self, route: Route, destinations: impl IntoIterator<Item = D>) -> Self {
        self.0.push((route, destinations.into_iter().collect()));
        self
    }

    /// Every destination of every route.
    pub fn all(&self) -> impl Iterator<Item = &D> {
        self.0.iter().flat_map(|(_, destinations)| destinations)
    }

    /// Whether there is none, or one that leads nowhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
            || self
                .0
                .iter()
                .any(|(_, destinations)| destinations.is_empty())
    }

    /// Where this request goes; `None` where no route is for it.
    #[must_use]
    pub fn of(&self, record: &Record) -> Option<&[D]> {
        let found = self.0.iter().find(|(route, _)| route.is_for(record));
        found.map(|(_, destinations)| destinations.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_go_round_midnight() {
        let at = |hour: u64| Timestamp::from_millis(hour * 3_600_000 + 59 * 60_000);
        let night = |hour| holds((22, 6), at(hour));
        let day = |hour| holds((6, 22), at(hour));
        for hour in 0..24 {
            assert_ne!(night(hour), day(hour), "{hour}");
        }
        assert!(night(22) && night(0) && night(5) && !night(6));
        assert!(Route::all().between(6, 6).is_err());
        assert!(Route::all().between(24, 6).is_err());
        assert!(Route::all().between(0, 24).is_ok());
    }
}
