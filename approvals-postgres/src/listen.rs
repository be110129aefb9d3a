//! Decisions that other processes made, as hints.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::store::Hints;
use approvals_core::{OwnerId, RequestId};
use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The first wait after listening failed; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait between two attempts to listen.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// A connection that was silent for so long is tried: a network that is cut says nothing.
const SILENCE: Duration = Duration::from_secs(20);
/// How long that may take.
const ANSWER: Duration = Duration::from_secs(5);

/// The task that listens. Dropping it ends the task.
///
/// What it tells may be lost without harm: whoever waits looks again from time to time.
#[derive(Debug)]
pub(crate) struct Listener {
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Returns when it listens: what is decided from then on is told.
    pub(crate) async fn start(
        options: PgConnectOptions,
        channel: String,
        sender: OwnerId,
        hints: Arc<Hints>,
    ) -> Result<Self, sqlx::Error> {
        let mut listening = Ok(listen(&options, &channel).await?);
        let task = tokio::spawn(async move {
            let mut wait = FIRST_WAIT;
            loop {
                match listening {
                    Ok(listener) => {
                        wait = FIRST_WAIT;
                        let lost = hear(listener, sender, &hints).await;
                        tracing::debug!(error = ?lost.err(), "the connection that listens was lost");
                    }
                    Err(error) => tracing::warn!(%error, ?wait, "decisions are not listened for"),
                }
                sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
                listening = listen(&options, &channel).await;
                if listening.is_ok() {
                    // Whatever was decided meanwhile nobody heard of.
                    hints.all_changed();
                }
            }
        });
        Ok(Self { task })
    }
}

/// On a connection of its own each time: one that the network swallowed may not end for long.
async fn listen(options: &PgConnectOptions, channel: &str) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ANSWER)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(channel).await?;
    Ok(listener)
}

/// Hands hints on until the connection is lost.
async fn hear(mut listener: PgListener, sender: OwnerId, hints: &Hints) -> Result<(), sqlx::Error> {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                if let Some(request) = decided_elsewhere(notification.payload(), sender) {
                    hints.changed(request);
                }
            }
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let alive = timeout(ANSWER, (&mut listener).execute("SELECT 1")).await;
                alive.map_err(|_| sqlx::Error::PoolTimedOut)??;
            }
        }
    }
}

/// The request that a payload names, unless this process decided it.
fn decided_elsewhere(payload: &str, sender: OwnerId) -> Option<RequestId> {
    let (request, by) = payload.split_once(' ')?;
    let by: OwnerId = by.parse().ok()?;
    let request = request.parse().ok()?;
    (by != sender).then_some(request)
}
