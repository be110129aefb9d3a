//! Looking now and then whether the files have changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::directory::{FileDirectory, Inner};
use crate::mistake::LoadError;
use crate::snapshot::Hashes;

/// How often files are looked at at most.
const SHORTEST: Duration = Duration::from_millis(100);
/// For how long files have to stay as they are before they are taken for written.
const SETTLED: Duration = Duration::from_millis(500);

/// What the files hold, or why they cannot be read.
type Look = Result<Hashes, LoadError>;

impl FileDirectory {
    /// Looks at the files this often, and loads them again when their contents have changed. Ends
    /// when the directory is dropped. The host spawns it, on a runtime of tokio that has time.
    ///
    /// Contents count and not their time: a file that is copied back, mounted or written twice
    /// within one tick of the clock is seen. Files that are just being written are left until two
    /// looks find the same. Whoever edits a file by program writes another one and renames it.
    ///
    /// Where files cannot be loaded, what was known stays, and [`status`](Self::status) and the log
    /// say why.
    pub fn watch(&self, every: Duration) -> impl Future<Output = ()> + Send + 'static {
        watch(Arc::downgrade(&self.0), every.max(SHORTEST))
    }
}

async fn watch(watched: Weak<Inner>, every: Duration) {
    let mut seen = match watched.upgrade() {
        Some(inner) => Ok(inner.hashes()),
        None => return,
    };
    loop {
        tokio::time::sleep(every).await;
        let Some(inner) = watched.upgrade() else {
            return;
        };
        let Some(found) = look(&inner).await else {
            continue;
        };
        if found == seen {
            continue;
        }
        tokio::time::sleep(SETTLED.min(every)).await;
        if look(&inner).await.as_ref() != Some(&found) {
            continue;
        }
        // What was wrong is in the status and in the log.
        let loading = move || inner.reload(&inner.changing()).map(drop);
        if blocking(loading).await.is_some() {
            seen = found;
        }
    }
}

async fn look(inner: &Arc<Inner>) -> Option<Look> {
    let inner = inner.clone();
    blocking(move || inner.files.read().map(|both| both.hashes())).await
}

/// The result; nothing when the reading failed in a way that is a bug.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Some(result),
        Err(error) => {
            tracing::error!(%error, "looking at the people file failed: it is tried again");
            None
        }
    }
}
