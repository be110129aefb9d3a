//! What becomes of a request: messages show it, others are asked, and people are reminded.

use std::sync::Arc;

use approvals_core::review::Vote;
use approvals_core::{ApproverError, Notice, Receipt, Record};

use crate::channel::Inner;
use crate::copies::{Copy, Handle, Posted};
use crate::error::{ApiError, Class};
use crate::id::ConversationId;
use crate::message::{self, Mention};
use crate::posting::{Ended, named};
use crate::reach::Target;
use crate::schedule::Rank;

impl Inner {
    /// Has the messages of a receipt show what the request is by now, and puts it before whoever is
    /// asked since; reminds those who have not answered, where the notice says so.
    pub(crate) async fn follow(
        &self,
        notice: &Notice,
        receipt: &Receipt,
    ) -> Result<Option<Receipt>, ApproverError> {
        let record = notice.record();
        let Some(handle) = Handle::read(receipt) else {
            let why = "the receipt is not one of this version's Slack channel";
            return Err(ApproverError::for_good(why));
        };
        let others = handle.asks_others(record);
        let (further, copies) = if others {
            self.go_on(record, &handle.copies).await
        } else {
            (Ok(()), handle.copies.clone())
        };
        // Those who were asked before are told, whatever became of the others.
        self.update_all(record, &copies).await?;
        further?;
        if notice.is_reminder() {
            self.remind(record, &copies).await?;
        }
        if !others {
            return Ok(None);
        }
        self.memory.forget(record.id());
        Ok(Some(Handle::of(copies, record).receipt()))
    }

    /// Reminds in the thread of each message, which notifies those who follow it, and calls those
    /// whom it called and who have not answered. Whoever has answered is left alone.
    async fn remind(&self, record: &Record, copies: &[Copy]) -> Result<(), ApproverError> {
        let answered = |id: &str| {
            let here = |vote: &&Arc<Vote>| vote.identity.channel == *self.desk.channel();
            record
                .votes
                .iter()
                .filter(here)
                .any(|vote| &*vote.identity.user == id)
        };
        let rank = Rank::of(record.asked.risk, record.asked.asked_at);
        for copy in copies.iter().filter(|copy| !answered(&copy.to)) {
            let Ok(conversation) = ConversationId::new(&copy.conversation) else {
                continue;
            };
            let silent = |mention: &Mention| !answered(&named(mention));
            let calls: Vec<Mention> = copy.mentions().into_iter().filter(silent).collect();
            let posted = Posted {
                conversation,
                ts: copy.ts.clone(),
                further: 0,
                complete: true,
            };
            let body = message::reminding(record, &calls);
            match self.reply(&posted, &body, rank).await {
                Ok(()) => {}
                Err(error) if matches!(error.class, Class::Limited(_) | Class::Later) => {
                    return Err(error.into());
                }
                // Of a message that is gone nobody is reminded.
                Err(error) => {
                    tracing::error!(request = %record.id(), to = copy.to, %error, "nobody was reminded");
                }
            }
        }
        Ok(())
    }

    /// Posts to whoever is asked and has no message yet, and calls whoever is asked in a
    /// conversation that has one. Returns all messages by now.
    async fn go_on(
        &self,
        record: &Arc<Record>,
        known: &[Copy],
    ) -> (Result<(), ApproverError>, Vec<Copy>) {
        let mut copies = known.to_vec();
        let targets = match self.targets(record).await {
            Ok(targets) => targets,
            // Those who have a message can still answer.
            Err(error) if error.is_for_good() => {
                tracing::error!(request = %record.id(), %error, "nobody else was asked");
                return (Ok(()), copies);
            }
            Err(error) => return (Err(error), copies),
        };
        let mut later = None;
        for target in targets {
            let done = match copies.iter_mut().find(|copy| copy.to == target.to) {
                Some(copy) => self.call_in(record, copy, &target).await,
                None => self.post(record, &target).await.map(|ended| {
                    if let Ended::Posted(copy) = ended {
                        copies.push(copy);
                    }
                }),
            };
            if let Err(error) = done {
                tracing::error!(request = %record.id(), to = target.to, %error, "somebody else was not asked");
                if matches!(error.class, Class::Limited(_) | Class::Later) {
                    later = Some(error);
                }
            }
        }
        (later.map_or(Ok(()), |error| Err(error.into())), copies)
    }

    /// Calls those who are asked since into the thread of a message: a change of the message itself
    /// notifies nobody.
    async fn call_in(
        &self,
        record: &Record,
        copy: &mut Copy,
        target: &Target,
    ) -> Result<(), ApiError> {
        let called = |mention: &&Mention| !copy.calls.contains(&named(mention));
        let since: Vec<Mention> = target.calls.iter().filter(called).cloned().collect();
        let Ok(conversation) = ConversationId::new(&copy.conversation) else {
            return Ok(());
        };
        if since.is_empty() {
            return Ok(());
        }
        let posted = Posted {
            conversation,
            ts: copy.ts.clone(),
            further: 0,
            complete: true,
        };
        let rank = Rank::of(record.asked.risk, record.asked.asked_at);
        self.reply(&posted, &message::calling(record, &since), rank)
            .await?;
        copy.calls.extend(since.iter().map(named));
        Ok(())
    }

    /// Has these messages show what the request is by now.
    async fn update_all(&self, record: &Arc<Record>, copies: &[Copy]) -> Result<(), ApproverError> {
        let rank = Rank::of(record.asked.risk, record.asked.asked_at);
        let (mut changed, mut for_good, mut later) = (copies.is_empty(), None, None);
        for copy in copies {
            self.memory.know(&copy.conversation, &copy.ts);
            match self.change(record, copy, rank).await {
                Ok(()) => changed = true,
                Err(error) => {
                    let (request, ts) = (record.id(), &copy.ts);
                    tracing::error!(%request, to = copy.to, ts, %error, "a message was not updated");
                    match error.class {
                        Class::Limited(_) | Class::Later => later = Some(error),
                        _ => for_good = Some(error),
                    }
                }
            }
        }
        match (later, for_good) {
            (Some(error), _) => Err(error.into()),
            // Somebody took a message away, or the app from a conversation: the others tell.
            (None, Some(error)) if !changed => Err(error.into()),
            (None, _) => Ok(()),
        }
    }
}
