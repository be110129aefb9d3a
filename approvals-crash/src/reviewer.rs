//! A reviewer: votes on whatever is pending as its seed says, and notes what was acknowledged.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::review::Record;
use approvals_core::store::Filter;
use approvals_core::{
    CastVote, ChannelDesk, ChannelId, Choice, Desk, Phase, RequestStore, VoteError,
};
use tokio::task::JoinSet;

use crate::files::Lines;
use crate::point::Points;
use crate::roles::{Role, ready};
use crate::setting::{CHANNEL, REVIEWERS, directory};
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

    async fn vote(&self, record: &Record, who: &str, choice: Choice) -> Result<(), Failure> {
        let asked = &record.asked;
        let cast = CastVote {
            request: asked.id,
            tenant: String::new(),
            user: who.to_owned(),
            choice,
            comment: None,
            proposal: None,
            digest: asked.digest,
            shown: asked.shown,
            revision: record.revision,
        };
        match self.desk.vote(cast).await {
            Ok(after) => {
                let said = match choice {
                    Choice::Deny => "deny",
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
