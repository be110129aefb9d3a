//! What becomes of a request: it is posted, messages show it, others are asked, and people are
//! reminded.

use std::fmt::Debug;
use std::sync::Arc;

use approvals_core::review::Vote;
use approvals_core::{ApproverError, ChannelDesk, Notice, Phase, Receipt, Record};
use async_trait::async_trait;

use crate::copies::{Copy, Handle, Memory};

/// The longest name of a conversation or of a message that is remembered, in bytes.
const LONGEST_NAME: usize = 512;

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

/// Every message that a request needs.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// Each conversation once.
    pub all: Vec<Target>,
    /// What kept some of them from being found.
    pub missing: Option<ApproverError>,
}

/// A message that was not posted, or not all of it.
#[derive(Debug, Clone)]
pub struct Unposted {
    /// What there is of it.
    pub copy: Option<Copy>,
    /// Why that is all.
    pub error: ApproverError,
}

/// What a service does for [`present`] and [`follow`]. Errors that are
/// [for good](ApproverError::is_for_good) are not tried again.
#[async_trait]
pub trait Posts: Debug + Send + Sync {
    /// The channel's desk.
    fn desk(&self) -> &ChannelDesk;

    /// What this process knows about its messages.
    fn memory(&self) -> &Memory;

    /// Every message that this request needs.
    async fn targets(&self, record: &Record) -> Result<Targets, ApproverError>;

    /// Posts one message when its turn has come, or what is missing of the one that there is; `None`
    /// where the request was over by then.
    async fn post(
        &self,
        record: &Arc<Record>,
        target: &Target,
        begun: Option<Copy>,
    ) -> Result<Option<Copy>, Unposted>;

    /// Has one message show what the request is by the time that it is sent.
    async fn change(&self, record: &Arc<Record>, copy: &Copy) -> Result<(), ApproverError>;

    /// Whether a message of this request may be in this conversation. A click names the message:
    /// where the service does not vouch for that, only places that the request goes to count, or
    /// whoever clicks would have it put before them.
    async fn may_be_in(&self, record: &Record, conversation: &str) -> bool;

    /// Says something beside a message, calling these.
    async fn say(
        &self,
        record: &Record,
        copy: &Copy,
        what: Saying,
        calls: &[String],
    ) -> Result<(), ApproverError>;
}

/// What went wrong on the way: what may be better later counts before what never will be.
#[derive(Debug, Default)]
struct Failures {
    later: Option<ApproverError>,
    for_good: Option<ApproverError>,
}

impl Failures {
    fn add(&mut self, error: ApproverError) {
        let place = match error.is_for_good() {
            true => &mut self.for_good,
            false => &mut self.later,
        };
        // A message that is there, and cannot be changed, is one that people see.
        if place.as_ref().is_none_or(ApproverError::is_gone) {
            *place = Some(error);
        }
    }
}

/// Posts every message of a request.
///
/// # Errors
/// [`ApproverError`] when a message may be posted later, with the receipt of those that are there;
/// or when none was and none will be; or when none had its turn before the request's deadline, since
/// nobody was silent who was not asked.
pub async fn present<P: Posts>(posts: &P, record: &Arc<Record>) -> Result<Receipt, ApproverError> {
    let Targets { all, missing } = posts.targets(record).await?;
    let (mut copies, mut failures) = (Vec::new(), Failures::default());
    missing.into_iter().for_each(|error| failures.add(error));
    for target in all {
        match posts.post(record, &target, None).await {
            Ok(copy) => copies.extend(copy),
            Err(unposted) => {
                not_posted(record, &target, &unposted.error);
                copies.extend(unposted.copy);
                failures.add(unposted.error);
            }
        }
    }
    let whole = copies.iter().any(|copy| copy.unfinished.is_none());
    match (failures.later, failures.for_good) {
        (Some(error), _) if copies.is_empty() => Err(error),
        (Some(error), _) => Err(error.partly(Handle::unfinished(copies).receipt())),
        (None, Some(error)) if !whole => Err(error),
        (None, _) if copies.is_empty() && ran_out(posts, record).await => {
            Err(ApproverError::for_good(
                "its deadline came before its turn: more was to be posted than the service takes in that time",
            ))
        }
        (None, _) => Ok(Handle::of(copies, record).receipt()),
    }
}

/// Whether nobody answered in time.
async fn ran_out<P: Posts>(posts: &P, record: &Arc<Record>) -> bool {
    latest(posts.desk(), record).await.state.phase() == Phase::Expired
}

fn not_posted(record: &Record, target: &Target, error: &ApproverError) {
    tracing::error!(request = %record.id(), to = target.to, %error, "a message was not posted");
}

/// Has the messages of a receipt show what the request is by now, and puts it before whoever is
/// asked since; reminds those who have not answered, where the notice says so. Returns the receipt
/// where it changed.
///
/// # Errors
/// [`ApproverError`] when not everything was done, with the receipt of what was.
pub async fn follow<P: Posts>(
    posts: &P,
    notice: &Notice,
    receipt: &Receipt,
) -> Result<Option<Receipt>, ApproverError> {
    let record = notice.record();
    let Some(known) = Handle::read(receipt) else {
        let channel = posts.desk().channel();
        let why = format!("the receipt is not one of this version's channel `{channel}`");
        return Err(ApproverError::for_good(why));
    };
    let mut handle = known.clone();
    let strays = posts.memory().strays(record.id());
    strays.into_iter().for_each(|stray| handle.adopt(stray));
    let further = if known.asks_others(record) {
        let further = go_on(posts, record, &mut handle.copies).await;
        if further.is_ok() {
            handle = handle.standing(record);
        }
        further
    } else {
        Ok(())
    };
    // Those who were asked before are told, whatever became of the others.
    let mut done = update_all(posts, record, &handle.copies).await.and(further);
    if done.is_ok() && notice.is_reminder() {
        done = remind(posts, record, &mut handle.copies).await;
    }
    let changed = (handle != known).then(|| handle.receipt());
    match (done, changed) {
        (Ok(()), changed) => Ok(changed),
        (Err(error), Some(receipt)) => Err(error.partly(receipt)),
        (Err(error), None) => Err(error),
    }
}

/// Has a message that somebody clicked show what stands, where nobody else sees to that: a message
/// whose posting was never answered is in no receipt. From then on it is followed like those that
/// are, where it may be one at all, and is there.
pub async fn take_in<P: Posts>(posts: &P, record: &Arc<Record>, conversation: &str, message: &str) {
    let (request, memory) = (record.id(), posts.memory());
    let is_name = conversation.len().max(message.len()) <= LONGEST_NAME;
    if !is_name || memory.is_known(conversation, message) {
        return;
    }
    match posts.desk().receipt(request).await {
        Ok(receipt) => {
            let handle = receipt.as_ref().and_then(Handle::read);
            for known in handle.iter().flat_map(|handle| &handle.copies) {
                memory.know(&known.conversation, &known.message);
            }
        }
        Err(error) => {
            tracing::warn!(%request, message, %error, "a message that was clicked was not looked for");
            return;
        }
    }
    if memory.is_known(conversation, message) || !posts.may_be_in(record, conversation).await {
        return;
    }
    let stray = Copy {
        to: conversation.to_owned(),
        conversation: conversation.to_owned(),
        message: message.to_owned(),
        calls: Vec::new(),
        unfinished: None,
        given_up: false,
        reminded: record.reminded,
    };
    if !memory.one_more(request) {
        tracing::warn!(%request, message, "one message too many was clicked that is in no receipt");
        return;
    }
    memory.know(conversation, message);
    if let Err(error) = posts.change(record, &stray).await {
        tracing::warn!(%request, message, %error, "a message that was clicked was not updated");
        if error.is_for_good() {
            // It is not there: no update is to try again.
            return;
        }
    }
    memory.take_in(request, stray.clone());
    // An update from here on takes it along; one before did not.
    let now = latest(posts.desk(), record).await;
    if now.revision != record.revision
        && let Err(error) = posts.change(&now, &stray).await
    {
        tracing::warn!(%request, message, %error, "a message that was clicked was not updated");
    }
}

/// The record as it stands, or as it was known where the store does not say.
pub async fn latest(desk: &ChannelDesk, known: &Arc<Record>) -> Arc<Record> {
    match desk.look(known.id()).await {
        Ok(record) if record.revision >= known.revision => record,
        Ok(_) | Err(_) => Arc::clone(known),
    }
}

/// Reminds beside each message, which notifies those who follow it, and calls those whom it called
/// and who have not answered. Whoever has answered is left alone, and who was reminded already.
async fn remind<P: Posts>(
    posts: &P,
    record: &Record,
    copies: &mut [Copy],
) -> Result<(), ApproverError> {
    let answered = |id: &str| {
        let here = |vote: &&Arc<Vote>| vote.identity.channel == *posts.desk().channel();
        let mut votes = record.votes.iter().filter(here);
        votes.any(|vote| &*vote.identity.user == id)
    };
    let waiting =
        |copy: &&mut Copy| !copy.given_up && copy.reminded < record.reminded && !answered(&copy.to);
    for copy in copies.iter_mut().filter(waiting) {
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
        copy.reminded = record.reminded;
    }
    Ok(())
}

/// Posts to whoever is asked and has no message yet, or not all of it, and calls whoever is asked in
/// a conversation that has one.
async fn go_on<P: Posts>(
    posts: &P,
    record: &Arc<Record>,
    copies: &mut Vec<Copy>,
) -> Result<(), ApproverError> {
    let Targets { all, missing } = match posts.targets(record).await {
        Ok(targets) => targets,
        // Those who have a message can still answer.
        Err(error) if error.is_for_good() => {
            tracing::error!(request = %record.id(), %error, "nobody else was asked");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let mut failures = Failures::default();
    missing.into_iter().for_each(|error| failures.add(error));
    for target in all {
        let place = copies.iter().position(|copy| copy.to == target.to);
        match place.and_then(|place| copies.get_mut(place)) {
            // Nothing more will be posted there.
            Some(copy) if copy.given_up => {}
            Some(copy) if copy.unfinished.is_none() => {
                if let Err(error) = call_in(posts, record, copy, &target).await {
                    not_posted(record, &target, &error);
                    failures.add(error);
                }
            }
            begun => {
                let (posted, failed) = match posts.post(record, &target, begun.cloned()).await {
                    Ok(copy) => (copy, None),
                    Err(Unposted { copy, error }) => (copy, Some(error)),
                };
                match (place.and_then(|place| copies.get_mut(place)), posted) {
                    (Some(begun), Some(copy)) => *begun = copy,
                    (None, Some(copy)) => copies.push(copy),
                    (Some(_) | None, None) => {}
                }
                if let Some(error) = failed {
                    not_posted(record, &target, &error);
                    failures.add(error);
                }
            }
        }
    }
    failures.later.map_or(Ok(()), Err)
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
    let (mut changed, mut failures) = (copies.is_empty(), Failures::default());
    for copy in copies {
        posts.memory().know(&copy.conversation, &copy.message);
        match posts.change(record, copy).await {
            Ok(()) => changed = true,
            Err(error) => {
                let (request, message) = (record.id(), &copy.message);
                tracing::error!(%request, to = copy.to, message, %error, "a message was not updated");
                failures.add(error);
            }
        }
    }
    match (failures.later, failures.for_good) {
        (Some(error), _) => Err(error),
        // Somebody took a message away, or the app from a conversation: the others tell.
        (None, Some(error)) if !changed => Err(error),
        (None, _) => Ok(()),
    }
}
