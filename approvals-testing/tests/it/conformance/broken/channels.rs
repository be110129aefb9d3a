//! Channels with one flaw each.

use std::sync::{Arc, Mutex};

use approvals_core::{
    Approver, ApproverError, CastVote, ChannelDesk, Choice, Coverage, Notice, Phase, Presentation,
    Receipt, RequestId, async_trait,
};
use approvals_testing::approver::{Driver, Shown, conformance};

use super::assert_breaks;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Posting {
    Sound,
    CutsWhatIsLong,
    VotesForTheNewest,
    EverybodyIsAlice,
    LosesComments,
    ForgetsOnRestart,
    CannotUpdate,
    CannotUpdateWithoutItsMemory,
    ForgetsToShowAfterARestart,
    VotesForWhatIsStored,
    PostsTwice,
    LeavesButtons,
    PostsForEveryProcess,
    KnowsOnlyWhatWasAnswered,
}

/// A wall where messages are posted, and the channel that posts them.
#[derive(Debug)]
struct Wall {
    flaw: Posting,
    messages: Mutex<Vec<(Notice, String)>>,
    desk: Mutex<Option<ChannelDesk>>,
    /// The next answer is lost.
    losing: Mutex<bool>,
    /// Whose answers came: by their place.
    answered: Mutex<Vec<usize>>,
}

#[derive(Debug)]
struct Poster {
    wall: Arc<Wall>,
    posted: Mutex<Vec<RequestId>>,
}

#[derive(Debug)]
struct At(Arc<Wall>);

#[async_trait]
impl Approver for Poster {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }
    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        let mut text = notice.presentation().to_string();
        if self.wall.flaw == Posting::CutsWhatIsLong {
            text = text.replace("<b>", "");
        }
        let id = notice.asked().id;
        self.posted.lock().unwrap().push(id);
        let mut messages = self.wall.messages.lock().unwrap();
        messages.push((notice.clone(), text));
        if self.wall.flaw == Posting::PostsTwice {
            let same = messages.last().unwrap().clone();
            messages.push(same);
        }
        if std::mem::take(&mut *self.wall.losing.lock().unwrap()) {
            return Err(ApproverError::new("no answer"));
        }
        let place = messages.len() - 1;
        self.wall.answered.lock().unwrap().push(place);
        Ok(Receipt::handle(&id.to_string()))
    }
    async fn update(&self, notice: &Notice, receipt: &Receipt) -> Result<(), ApproverError> {
        let id = notice.asked().id;
        let remembered = self.posted.lock().unwrap().contains(&id);
        match self.wall.flaw {
            Posting::CannotUpdate => return Err(ApproverError::new("no")),
            Posting::CannotUpdateWithoutItsMemory if !remembered => {
                return Err(ApproverError::new("which message?"));
            }
            Posting::ForgetsToShowAfterARestart if !remembered => return Ok(()),
            _ => {}
        }
        let mut messages = self.wall.messages.lock().unwrap();
        if self.wall.flaw == Posting::PostsForEveryProcess && !remembered {
            messages.push((notice.clone(), notice.presentation().to_string()));
        }
        let handle = receipt.as_str().unwrap_or_default();
        for (known, text) in messages.iter_mut() {
            if known.asked().id.to_string() == handle {
                *known = notice.clone();
                *text = format!("{}\n{}", notice.presentation(), notice.state().phase());
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Driver for At {
    async fn connect(&self, desk: ChannelDesk) -> Arc<dyn Approver> {
        let mut known = self.0.desk.lock().unwrap();
        if known.is_some() && self.0.flaw == Posting::ForgetsOnRestart {
            self.0.messages.lock().unwrap().clear();
        }
        *known = Some(desk);
        Arc::new(Poster {
            wall: Arc::clone(&self.0),
            posted: Mutex::default(),
        })
    }

    async fn click(&self, request: RequestId, user: &str, choice: Choice, comment: Option<&str>) {
        self.press(0, request, user, choice, comment).await;
    }

    async fn click_on(&self, message: usize, request: RequestId, user: &str, choice: Choice) {
        self.press(message, request, user, choice, None).await;
    }

    async fn live(&self, request: RequestId) -> Option<usize> {
        let messages = self.0.messages.lock().unwrap();
        let live = messages.iter().filter(|(known, _)| {
            let open = known.state().phase() == Phase::Pending;
            known.asked().id == request && (open || self.0.flaw == Posting::LeavesButtons)
        });
        Some(live.count())
    }

    async fn lose_an_answer(&self) -> bool {
        *self.0.losing.lock().unwrap() = true;
        true
    }

    async fn shown(&self, request: RequestId) -> Shown {
        let messages = self.0.messages.lock().unwrap();
        let message = messages
            .iter()
            .find(|(known, _)| known.asked().id == request);
        message.map_or(Shown::Nothing, |(_, text)| Shown::Text(text.clone()))
    }
}

impl At {
    async fn press(
        &self,
        message: usize,
        request: RequestId,
        user: &str,
        choice: Choice,
        comment: Option<&str>,
    ) {
        let desk = self.0.desk.lock().unwrap().clone().unwrap();
        let (place, seen) = {
            let messages = self.0.messages.lock().unwrap();
            let mut all = messages.iter().enumerate();
            let message = all
                .by_ref()
                .filter(|(_, (known, _))| known.asked().id == request)
                .nth(message);
            let Some((place, (notice, _))) = message else {
                return;
            };
            (place, notice.clone())
        };
        let answered = self.0.answered.lock().unwrap().contains(&place);
        if self.0.flaw == Posting::KnowsOnlyWhatWasAnswered && !answered {
            return;
        }
        let revision = match self.0.flaw {
            Posting::VotesForTheNewest => desk.look(request).await.unwrap().revision,
            _ => seen.revision(),
        };
        let user = match self.0.flaw {
            Posting::EverybodyIsAlice => "alice",
            _ => user,
        };
        let bound = match self.0.flaw {
            Posting::VotesForWhatIsStored => Arc::clone(&desk.look(request).await.unwrap().asked),
            _ => Arc::clone(seen.asked()),
        };
        let comment = comment.filter(|_| self.0.flaw != Posting::LosesComments);
        let cast = CastVote {
            request,
            tenant: String::new(),
            user: user.to_owned(),
            choice,
            comment: comment.map(str::to_owned),
            proposal: None,
            digest: bound.digest,
            shown: bound.shown,
            revision,
        };
        // Whether it counted is seen elsewhere.
        let _ = desk.vote(cast).await;
    }
}

const ONE_LIVE: &str =
    "of a request there is one message that can be answered, and none when it is over";

async fn judged(flaw: Posting) -> approvals_testing::Report {
    conformance(|| async move {
        Arc::new(At(Arc::new(Wall {
            flaw,
            messages: Mutex::default(),
            desk: Mutex::default(),
            losing: Mutex::default(),
            answered: Mutex::default(),
        }))) as Arc<dyn Driver>
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_channel_with_any_of_these_flaws_fails_the_suite() {
    judged(Posting::Sound).await.assert_kept();
    for (flaw, rule) in [
        (
            Posting::CutsWhatIsLong,
            "a request is presented, and shown whole where the channel says that it is",
        ),
        (
            Posting::VotesForTheNewest,
            "a vote carries the revision that its message shows, and not a newer one",
        ),
        (
            Posting::EverybodyIsAlice,
            "a click of somebody unknown, or of somebody who is not asked, counts for nobody",
        ),
        (Posting::LosesComments, "a denial counts, with its comment"),
        (
            Posting::ForgetsOnRestart,
            "after a restart an earlier message can be clicked",
        ),
        (
            Posting::CannotUpdate,
            "progress and outcome are shown in place",
        ),
        (
            Posting::CannotUpdateWithoutItsMemory,
            "after a restart an earlier message is updated by its receipt",
        ),
        (
            Posting::ForgetsToShowAfterARestart,
            "after a restart an earlier message is updated by its receipt",
        ),
        (
            Posting::VotesForWhatIsStored,
            "a vote carries the digest and the presentation that its message shows, and not those that are stored",
        ),
        (Posting::PostsTwice, ONE_LIVE),
        (Posting::LeavesButtons, ONE_LIVE),
        (Posting::PostsForEveryProcess, ONE_LIVE),
        (
            Posting::KnowsOnlyWhatWasAnswered,
            "after an answer that was lost every message answers the same request",
        ),
    ] {
        assert_breaks(&judged(flaw).await, &flaw, rule);
    }
}
