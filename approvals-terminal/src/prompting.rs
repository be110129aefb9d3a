//! The thread that asks: one request at a time, in the order in which they came.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use approvals_core::review::{Refused, Vote};
use approvals_core::{
    CastVote, ChannelDesk, Choice, Notice, Phase, Record, RequestId, StoreError, VoteError,
};
use tokio::runtime::Handle;

use crate::console::{Console, Recall};
use crate::conversation::{Conversation, Heard};
use crate::render;

/// What the thread is handed.
#[derive(Debug)]
pub(crate) enum Job {
    /// Put a request before everybody who answers here.
    Ask(Notice, Handle),
    /// Show what a request has become.
    Tell(Notice, Handle),
}

/// What the channel and its thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) console: Arc<dyn Console>,
    pub(crate) desk: ChannelDesk,
    /// In the order in which they are asked.
    pub(crate) identities: Vec<Arc<str>>,
    active: Mutex<Active>,
}

#[derive(Debug, Default)]
struct Active {
    /// The request before a person now, and how to take it back.
    prompt: Option<(RequestId, Recall)>,
    closing: bool,
}

impl Shared {
    pub(crate) fn new(
        console: Arc<dyn Console>,
        desk: ChannelDesk,
        identities: Vec<Arc<str>>,
    ) -> Self {
        Self {
            console,
            desk,
            identities,
            active: Mutex::default(),
        }
    }

    fn active(&self) -> MutexGuard<'_, Active> {
        self.active.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes the prompt back if it is this request's.
    pub(crate) fn recall(&self, request: RequestId) {
        if let Some((prompted, recall)) = &self.active().prompt
            && *prompted == request
        {
            recall.recall();
        }
    }

    /// Takes any prompt back, and asks nothing more.
    pub(crate) fn close(&self) {
        let mut active = self.active();
        active.closing = true;
        if let Some((_, recall)) = &active.prompt {
            recall.recall();
        }
    }

    fn begin(&self, request: RequestId) -> Recall {
        let recall = Recall::default();
        let mut active = self.active();
        if active.closing {
            recall.recall();
        }
        active.prompt = Some((request, recall.clone()));
        recall
    }

    fn end(&self) {
        self.active().prompt = None;
    }
}

/// Where a request's tracks stand: somebody who was not asked before may be asked at another stage.
type Stages = Vec<(u8, u16)>;

fn stages(record: &Record) -> Stages {
    let progress = record.progress.iter();
    progress.map(|p| (p.open, p.widened)).collect()
}

/// Serves jobs until the channel is dropped.
pub(crate) fn run(shared: &Shared, jobs: &Receiver<Job>) {
    // Requests that somebody here may be asked about at a later stage.
    let mut later: HashMap<RequestId, Stages> = HashMap::new();
    while let Ok(job) = jobs.recv() {
        if shared.active().closing {
            return;
        }
        match job {
            Job::Ask(notice, runtime) => ask(shared, &notice, &runtime, &mut later),
            Job::Tell(notice, runtime) => {
                let (record, id) = (notice.record(), notice.asked().id);
                let denied_here =
                    |vote: &Arc<Vote>| is_here(shared, vote) && vote.choice == Choice::Deny;
                let known =
                    record.state.phase() == Phase::Denied && record.votes.iter().any(denied_here);
                if !known && let Some(text) = render::outcome(record) {
                    say(shared, &text);
                }
                if record.state.phase() != Phase::Pending {
                    later.remove(&id);
                } else if later.get(&id).is_some_and(|s| *s != stages(record)) {
                    ask(shared, &notice, &runtime, &mut later);
                }
            }
        }
    }
}

fn ask(shared: &Shared, notice: &Notice, runtime: &Handle, later: &mut HashMap<RequestId, Stages>) {
    let request = notice.asked().id;
    let recall = shared.begin(request);
    later.remove(&request);
    for identity in &shared.identities {
        // Looked at after `begin`, so that no decision slips in between unseen.
        let record = match insist(shared, runtime, &recall, || shared.desk.look(request)) {
            Ok(record) => record,
            Err(error) => {
                say(shared, &format!("The request cannot be looked at: {error}"));
                break;
            }
        };
        if record.state.phase() != Phase::Pending {
            // Whoever has just decided it here knows already.
            if !record.votes.iter().any(|vote| is_here(shared, vote)) {
                say(shared, &render::over(&record));
            }
            break;
        }
        let theirs = |vote: &Arc<Vote>| is_here(shared, vote) && *vote.identity.user == **identity;
        if record.votes.iter().any(theirs) {
            continue;
        }
        let answer = put_before(shared, notice, &record, identity, &recall);
        let Heard::Said { choice, comment } = answer else {
            // A channel that is being dropped has nothing to say, and nobody to ask for it.
            if !shared.active().closing
                && let Ok(record) = runtime.block_on(shared.desk.look(request))
            {
                say(shared, &render::over(&record));
            }
            break;
        };
        let cast = cast(notice, &record, identity, choice, comment);
        match insist(shared, runtime, &recall, || shared.desk.vote(cast.clone())) {
            Ok(record) => say(shared, &render::counted(identity, choice, &record)),
            Err(error) => {
                if matches!(error, VoteError::Refused(Refused::NotAsked(_))) {
                    later.insert(request, stages(&record));
                }
                say(shared, &format!("Not counted: {error}."));
            }
        }
    }
    shared.end();
}

/// How long to wait before the first repetition, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Does it until somebody answers. What a person typed is not lost because the store or the directory
/// was away; a vote that was counted already is told so.
fn insist<T, F: Future<Output = Result<T, VoteError>>>(
    shared: &Shared,
    runtime: &Handle,
    recall: &Recall,
    mut attempt: impl FnMut() -> F,
) -> Result<T, VoteError> {
    let (mut pause, longest) = PAUSES;
    loop {
        let error = match runtime.block_on(attempt()) {
            // Nothing comes of repeating what the store refuses.
            done @ Err(VoteError::Store(StoreError::Invalid(_))) => return done,
            Err(error @ (VoteError::Store(_) | VoteError::Directory(_))) => error,
            done => return done,
        };
        if recall.is_recalled() {
            return Err(error);
        }
        if pause == PAUSES.0 {
            say(
                shared,
                &format!("No answer yet: {error}. It is tried again."),
            );
        }
        runtime.block_on(async move { tokio::time::sleep(pause).await });
        pause = pause.saturating_mul(2).min(longest);
    }
}

fn is_here(shared: &Shared, vote: &Vote) -> bool {
    vote.identity.channel == *shared.desk.channel()
}

/// Shows the request whole and hears what this person says. A console that fails or panics is a
/// denial.
fn put_before(
    shared: &Shared,
    notice: &Notice,
    record: &Record,
    identity: &Arc<str>,
    recall: &Recall,
) -> Heard {
    let console = shared.console.as_ref();
    let denied = |why: String| Heard::Said {
        choice: Choice::Deny,
        comment: Some(why),
    };
    let presentation = notice.presentation();
    let coverage = render::coverage(&presentation);
    let held = catch_unwind(AssertUnwindSafe(|| {
        let mut text = render::request(&presentation, &coverage);
        if shared.identities.len() > 1 {
            text.push('\n');
            text.push_str(&render::demonstration(identity));
        }
        if let Err(error) = console.show(&text) {
            return denied(format!("the request could not be shown: {error}"));
        }
        let conversation = Conversation {
            console,
            record,
            coverage: &coverage,
            short_code: &presentation.short_code(),
            identity,
            recall,
        };
        conversation.hold()
    }));
    held.unwrap_or_else(|_| denied("the terminal failed".to_owned()))
}

/// A vote on exactly what was shown.
fn cast(
    notice: &Notice,
    record: &Record,
    identity: &str,
    choice: Choice,
    comment: Option<String>,
) -> CastVote {
    let presentation = notice.presentation();
    CastVote {
        request: record.id(),
        tenant: String::new(),
        user: identity.to_owned(),
        choice,
        comment,
        proposal: None,
        digest: presentation.digest,
        shown: presentation.hash(),
        revision: record.revision,
    }
}

/// Shows a line that no answer depends on.
fn say(shared: &Shared, text: &str) {
    let shown = catch_unwind(AssertUnwindSafe(|| shared.console.show(text)));
    if !matches!(shown, Ok(Ok(()))) {
        tracing::error!(text, "the terminal did not show a line");
    }
}
