//! Looking now and then whether the files have changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::directory::{FileDirectory, Inner};
use crate::mistake::LoadError;
use crate::snapshot::{Both, Hashes, SETTLED};

/// How often files are looked at at most.
const SHORTEST: Duration = Duration::from_millis(100);

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
        // Whoever else read a file while it was written noted that it was broken.
        let mended = found.is_ok() && inner.is_stale();
        if found == seen && !mended {
            continue;
        }
        tokio::time::sleep(SETTLED.min(every)).await;
        let expected = found.clone();
        if blocking(move || take_if(&inner, &expected)).await == Some(true) {
            seen = found;
        }
    }
}

async fn look(inner: &Arc<Inner>) -> Option<Look> {
    let inner = inner.clone();
    blocking(move || found_in(&inner.files.read())).await
}

fn found_in(read: &Result<Both, LoadError>) -> Look {
    read.as_ref().map(Both::hashes).map_err(LoadError::clone)
}

/// Takes what the files hold, unless it is something else than before, and says whether it did. What
/// is taken is what was compared, and not what a third look would find.
fn take_if(inner: &Inner, expected: &Look) -> bool {
    let changing = inner.changing();
    let read = inner.files.read();
    let settled = found_in(&read) == *expected;
    if settled {
        // What is wrong is in the status and in the log.
        let _ = inner.take(&changing, read);
    }
    settled
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
