//! Waiting for what is queued, on a thread that has other things to do at some time.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use tokio::sync::mpsc;

/// What became of waiting.
pub(super) enum Next<T> {
    Queued(T),
    /// Nobody can queue anything any more.
    Closed,
    /// Nothing was queued in time.
    Late,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits until something is queued, for ever or until then. It needs no runtime and no timer.
pub(super) fn next<T>(queue: &mut mpsc::Receiver<T>, until: Option<Instant>) -> Next<T> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match queue.poll_recv(&mut context) {
            Poll::Ready(Some(queued)) => return Next::Queued(queued),
            Poll::Ready(None) => return Next::Closed,
            Poll::Pending => {}
        }
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(left) if left.is_zero() => return Next::Late,
            Some(left) => std::thread::park_timeout(left),
            None => std::thread::park(),
        }
    }
}
