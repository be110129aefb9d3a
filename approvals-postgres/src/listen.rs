//! Decisions that other processes made, as hints.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::store::Hints;
use approvals_core::{OwnerId, RequestId};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Executor, PgPool};
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
    pub(crate) fn start(
        options: PgConnectOptions,
        channel: String,
        sender: OwnerId,
        hints: Arc<Hints>,
    ) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ANSWER)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options);
        let task = tokio::spawn(async move {
            let mut wait = FIRST_WAIT;
            loop {
                match listen(&pool, &channel, sender, &hints, &mut wait).await {
                    Ok(()) => tracing::debug!("the connection that listens was lost"),
                    Err(error) => tracing::warn!(%error, ?wait, "decisions are not listened for"),
                }
                sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        });
        Self { task }
    }
}

/// Listens until the connection is lost.
async fn listen(
    pool: &PgPool,
    channel: &str,
    sender: OwnerId,
    hints: &Hints,
    wait: &mut Duration,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(channel).await?;
    *wait = FIRST_WAIT;
    // Whatever was decided before nobody listened to.
    hints.all_changed();
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
