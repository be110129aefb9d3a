//! What becomes of a request: it is posted, messages show it, others are asked, and people are
//! reminded.

use std::fmt::Debug;
use std::sync::Arc;

use approvals_core::review::Vote;
use approvals_core::{ApproverError, ChannelDesk, Notice, Receipt, Record};
use async_trait::async_trait;

use crate::copies::{Copy, Handle, Memory};

/// One message that is to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The conversation, or whoever is written to.
    pub to: String,
    /// Whom it calls, by their ids.
    pub calls: Vec<String>,
}

/// What is said beside a message, so that somebody is notified: a change of it notifies nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saying {
    /// Others are asked by now.
    AlsoAsked,
    /// It still waits.
    StillWaiting,
}

/// What a service does for [`present`] and [`follow`]. Errors that are
/// [for good](ApproverError::is_for_good) are not tried again.
#[async_trait]
pub trait Posts: Debug + Send + Sync {
    /// How far posting one message has come, where that takes several steps.
    type Posted: Clone + Send;

    /// The channel's desk.
    fn desk(&self) -> &ChannelDesk;

    /// What this process knows about its messages.
    fn memory(&self) -> &Memory<Self::Posted>;

    /// Every message that this request needs, each conversation once.
    async fn targets(&self, record: &Record) -> Result<Vec<Target>, ApproverError>;

    /// Posts one message, or what is missing of it, when its turn has come; `None` where the request
    /// was over by then.
    async fn post(
        &self,
        record: &Arc<Record>,
        target: &Target,
    ) -> Result<Option<Copy>, ApproverError>;

    /// Has one message show what the request is by the time that it is sent.
    async fn change(&self, record: &Arc<Record>, copy: &Copy) -> Result<(), ApproverError>;

    /// Says something beside a message, calling these.
    async fn say(
        &self,
        record: &Record,
        copy: &Copy,
        what: Saying,
        calls: &[String],
    ) -> Result<(), ApproverError>;
}

/// Posts every message of a request that is not there yet.
///
/// # Errors
/// [`ApproverError`] when a message may be posted later, or none was and none will be.
pub async fn present<P: Posts>(posts: &P, record: &Arc<Record>) -> Result<Receipt, ApproverError> {
    let request = record.id();
    let (mut posted, mut for_good, mut later) = (Vec::new(), None, None);
    for target in posts.targets(record).await? {
        match posts.post(record, &target).await {
            Ok(Some(copy)) => {
                posts.memory().know(&copy.conversation, &copy.message);
                posted.push(copy);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%request, to = target.to, %error, "a message was not posted");
                match error.is_for_good() {
                    true => for_good = for_good.or(Some(error)),
                    false => later = Some(error),
                }
            }
        }
    }
    // What was posted is remembered here, and not posted again by this process.
    if let Some(error) = later {
        return Err(error);
    }
    posts.memory().forget(request);
    match for_good {
        Some(error) if posted.is_empty() => Err(error),
        _ => Ok(Handle::of(posted, record).receipt()),
    }
}

/// Has the messages of a receipt show what the request is by now, and puts it before whoever is
/// asked since; reminds those who have not answered, where the notice says so. Returns the receipt
/// where it changed.
///
/// # Errors
/// [`ApproverError`] when not everything was done.
pub async fn follow<P: Posts>(
    posts: &P,
    notice: &Notice,
    receipt: &Receipt,
) -> Result<Option<Receipt>, ApproverError> {
    let record = notice.record();
    let Some(handle) = Handle::read(receipt) else {
        let channel = posts.desk().channel();
        let why = format!("the receipt is not one of this version's channel `{channel}`");
        return Err(ApproverError::for_good(why));
    };
    let others = handle.asks_others(record);
    let (further, copies) = if others {
        go_on(posts, record, &handle.copies).await
    } else {
        (Ok(()), handle.copies.clone())
    };
    // Those who were asked before are told, whatever became of the others.
    update_all(posts, record, &copies).await?;
    further?;
    if notice.is_reminder() {
        remind(posts, record, &copies).await?;
    }
    if !others {
        return Ok(None);
    }
    posts.memory().forget(record.id());
    Ok(Some(Handle::of(copies, record).receipt()))
}

/// The record as it stands, or as it was known where the store does not say.
pub async fn latest(desk: &ChannelDesk, known: &Arc<Record>) -> Arc<Record> {
    match desk.look(known.id()).await {
        Ok(record) if record.revision >= known.revision => record,
        Ok(_) | Err(_) => Arc::clone(known),
    }
}

/// Reminds beside each message, which notifies those who follow it, and calls those whom it called
/// and who have not answered. Whoever has answered is left alone.
async fn remind<P: Posts>(
    posts: &P,
    record: &Record,
    copies: &[Copy],
) -> Result<(), ApproverError> {
    let answered = |id: &str| {
        let here = |vote: &&Arc<Vote>| vote.identity.channel == *posts.desk().channel();
        let mut votes = record.votes.iter().filter(here);
        votes.any(|vote| &*vote.identity.user == id)
    };
    for copy in copies.iter().filter(|copy| !answered(&copy.to)) {
        let silent = |id: &&String| !answered(id);
        let calls: Vec<String> = copy.calls.iter().filter(silent).cloned().collect();
        let said = posts.say(record, copy, Saying::StillWaiting, &calls).await;
        match said {
            Ok(()) => {}
            // Of a message that is gone nobody is reminded.
            Err(error) if error.is_for_good() => {
                tracing::error!(request = %record.id(), to = copy.to, %error, "nobody was reminded");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Posts to whoever is asked and has no message yet, and calls whoever is asked in a conversation
/// that has one. Returns all messages by now.
async fn go_on<P: Posts>(
    posts: &P,
    record: &Arc<Record>,
    known: &[Copy],
) -> (Result<(), ApproverError>, Vec<Copy>) {
    let mut copies = known.to_vec();
    let targets = match posts.targets(record).await {
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
            Some(copy) => call_in(posts, record, copy, &target).await,
            None => posts
                .post(record, &target)
                .await
                .map(|posted| copies.extend(posted)),
        };
        if let Err(error) = done {
            tracing::error!(request = %record.id(), to = target.to, %error, "somebody else was not asked");
            if !error.is_for_good() {
                later = Some(error);
            }
        }
    }
    (later.map_or(Ok(()), Err), copies)
}

/// Calls those who are asked since beside a message.
async fn call_in<P: Posts>(
    posts: &P,
    record: &Record,
    copy: &mut Copy,
    target: &Target,
) -> Result<(), ApproverError> {
    let since = |id: &&String| !copy.calls.contains(id);
    let since: Vec<String> = target.calls.iter().filter(since).cloned().collect();
    if since.is_empty() {
        return Ok(());
    }
    posts.say(record, copy, Saying::AlsoAsked, &since).await?;
    copy.calls.extend(since);
    Ok(())
}

/// Has these messages show what the request is by now.
async fn update_all<P: Posts>(
    posts: &P,
    record: &Arc<Record>,
    copies: &[Copy],
) -> Result<(), ApproverError> {
    let (mut changed, mut for_good, mut later) = (copies.is_empty(), None, None);
    for copy in copies {
        posts.memory().know(&copy.conversation, &copy.message);
        match posts.change(record, copy).await {
            Ok(()) => changed = true,
            Err(error) => {
                let (request, message) = (record.id(), &copy.message);
                tracing::error!(%request, to = copy.to, message, %error, "a message was not updated");
                match error.is_for_good() {
                    true => for_good = Some(error),
                    false => later = Some(error),
                }
            }
        }
    }
    match (later, for_good) {
        (Some(error), _) => Err(error),
        // Somebody took a message away, or the app from a conversation: the others tell.
        (None, Some(error)) if !changed => Err(error),
        (None, _) => Ok(()),
    }
}
