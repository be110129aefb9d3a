//! A reviewer: votes on whatever is pending as its seed says, and notes what was acknowledged.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use approvals_core::review::Record;
use approvals_core::store::Filter;
use approvals_core::{
    CastVote, ChannelDesk, ChannelId, Choice, Desk, Phase, RequestStore, VoteError,
};
use tokio::task::JoinSet;

use crate::files::Lines;
use crate::point::Points;
use crate::roles::{Role, ready};
use crate::setting::{CHANNEL, HURRIED_FOR, OPENER, REVIEWERS, directory, kind};
use crate::{Failure, Random};

/// How often it looks for what is pending.
const LOOK: Duration = Duration::from_millis(15);
/// How many of a hundred votes are a no.
const DENIES: u64 = 8;

struct Reviewer {
    desk: ChannelDesk,
    decisions: Lines,
    points: Arc<Points>,
    seed: u64,
}

pub(crate) async fn run(role: Role) -> Result<(), Failure> {
    let (store, points) = role.store().await?;
    let desk = Desk::new(Arc::clone(&store), directory()?).channel(ChannelId::new(CHANNEL)?);
    let reviewer = Arc::new(Reviewer {
        desk,
        decisions: Lines::open(&role.files.decisions())?,
        points,
        seed: role.seed,
    });
    ready();
    loop {
        // A store that does not answer is asked again.
        if let Ok(pending) = pending(store.as_ref()).await {
            let mut votes = JoinSet::new();
            for record in pending {
                let reviewer = Arc::clone(&reviewer);
                votes.spawn(async move { reviewer.review(&record).await });
            }
            while let Some(voted) = votes.join_next().await {
                voted??;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn pending(store: &dyn RequestStore) -> Result<Vec<Arc<Record>>, Failure> {
    let filter = Filter {
        phases: vec![Phase::Pending],
        ..Filter::default()
    };
    Ok(store.list(&filter, None, 64).await?)
}

impl Reviewer {
    /// Votes as everybody who has not.
    async fn review(&self, record: &Record) -> Result<(), Failure> {
        let people = record.asked.call.argument("people");
        let people = people.and_then(|people| people.as_u64()).unwrap_or(0);
        if people == u64::from(kind::GLASS) {
            return self.vote(record, OPENER, Choice::BreakGlass).await;
        }
        if people == u64::from(kind::HURRIED) && !self.is_nearly_late(record)? {
            return Ok(());
        }
        for who in REVIEWERS {
            if record.votes.iter().any(|vote| vote.person.as_str() == who) {
                continue;
            }
            let mut random = Random::of(self.seed, &format!("{} {who}", record.id()));
            let choice = if random.in_hundred(DENIES) {
                Choice::Deny
            } else {
                Choice::Approve
            };
            self.vote(record, who, choice).await?;
        }
        Ok(())
    }

    /// What is hurried is voted on around its deadline, a little before it or after.
    fn is_nearly_late(&self, record: &Record) -> Result<bool, Failure> {
        let mut random = Random::of(self.seed, &format!("{} late", record.id()));
        let early = HURRIED_FOR.mul_f64(0.8);
        let waits = early + random.within(HURRIED_FOR.mul_f64(0.3));
        let since = record.asked.asked_at.plus(waits).as_millis();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(now.as_millis() >= u128::from(since))
    }

    async fn vote(&self, record: &Record, who: &str, choice: Choice) -> Result<(), Failure> {
        let asked = &record.asked;
        let cast = CastVote {
            request: asked.id,
            tenant: String::new(),
            user: who.to_owned(),
            choice,
            comment: (choice == Choice::BreakGlass).then(|| "it cannot wait".to_owned()),
            proposal: None,
            digest: asked.digest,
            shown: asked.shown,
            revision: record.revision,
        };
        match self.desk.vote(cast).await {
            Ok(after) => {
                let said = match choice {
                    Choice::Deny => "deny",
                    Choice::BreakGlass => "break-glass",
                    _ => "approve",
                };
                let line = format!("{} {who} {said} {}", asked.id, after.revision);
                let note = async { self.decisions.append(&line) };
                self.points.pass("decision", note).await?;
                Ok(())
            }
            // Not acknowledged: it may count or not. Or somebody was faster.
            Err(VoteError::Store(_) | VoteError::Settled(_) | VoteError::Refused(_)) => Ok(()),
            Err(error) => Err(format!("a vote was refused: {error}").into()),
        }
    }
}
