//! How often one user may have a form opened: all share what Slack allows, and anybody in a
//! conversation can press a button.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::id::UserId;

/// So many forms a user may open within this time.
const FORMS: u32 = 10;
const WITHIN: Duration = Duration::from_secs(60);
/// How many users are counted.
const MOST: usize = 10_000;

/// Who opened how many forms, and since when.
#[derive(Debug, Default)]
pub(crate) struct FormsOpened(Mutex<HashMap<UserId, (Instant, u32)>>);

/// Whether one more form is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Opened,
    /// The first too many: they are told so.
    TooMany,
    /// They were told.
    Ignored,
}

impl FormsOpened {
    pub(crate) fn one_more(&self, user: &UserId) -> Turn {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.retain(|_, (since, _)| now < *since + WITHIN);
        }
        if all.len() >= MOST && !all.contains_key(user) {
            return Turn::Ignored;
        }
        let (since, count) = all.entry(user.clone()).or_insert((now, 0));
        if now >= *since + WITHIN {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        match *count {
            ..=FORMS => Turn::Opened,
            count if count == FORMS + 1 => Turn::TooMany,
            _ => Turn::Ignored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_opens_forms_without_end_is_told_once_and_keeps_nobody_else_from_it() {
        let opened = FormsOpened::default();
        let [one, other] = ["U0ONE", "U0OTHER"].map(|id| UserId::new(id).unwrap());
        let turns: Vec<Turn> = (0..13).map(|_| opened.one_more(&one)).collect();
        assert_eq!(turns[..10], [Turn::Opened; 10]);
        assert_eq!(turns[10..], [Turn::TooMany, Turn::Ignored, Turn::Ignored]);
        assert_eq!(opened.one_more(&other), Turn::Opened);
        tokio::time::advance(WITHIN).await;
        assert_eq!(opened.one_more(&one), Turn::Opened);
    }
}
