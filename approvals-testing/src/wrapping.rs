//! A store that passes on to another whatever it does not do otherwise.
//!
//! A wrapper says what it wraps and what is different about it. Everything else is passed on, what
//! [`RequestStore`] provides as well: a wrapper that forgot `lease` would give everybody every duty.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use approvals_core::{RequestStore, StoreError, Timestamp, memory::MemoryStore};
//! use approvals_testing::wrapping::{Wrapping, WrapsStore};
//!
//! /// Stands an hour ahead.
//! #[derive(Debug, Default)]
//! struct Ahead(MemoryStore);
//!
//! impl WrapsStore for Ahead {
//!     fn inner(&self) -> &dyn RequestStore {
//!         &self.0
//!     }
//!
//!     async fn now(&self) -> Result<Timestamp, StoreError> {
//!         let now = self.0.now().await?;
//!         Ok(now.plus(std::time::Duration::from_secs(3600)))
//!     }
//! }
//!
//! let store = Wrapping(Ahead::default());
//! assert!(store.now().await.unwrap() > store.inner().now().await.unwrap());
//! # }
//! ```

use std::fmt::Debug;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::audit::{Event, NewEvent};
use approvals_core::review::{Opening, Record};
use approvals_core::store::{
    Delivery, Due, Duty, Filter, Freeze, Hints, Known, Opened, Seen, Snapshot, Swap, Swapped,
};
use approvals_core::{
    ChannelId, Digest, OwnerId, RequestId, RequestStore, SinkId, StoreError, Timestamp, async_trait,
};

use crate::faults::Method;

/// Makes a store of what [wraps](WrapsStore) one.
#[derive(Debug, Default)]
pub struct Wrapping<W>(pub W);

impl<W> Deref for Wrapping<W> {
    type Target = W;

    fn deref(&self) -> &W {
        &self.0
    }
}

/// What a call is given, once more.
fn again<T: Clone>(given: &T) -> T {
    given.clone()
}

/// Each method once: its name, what it is given and what it answers.
macro_rules! methods {
    ($($method:ident $name:ident($($given:ident: $type:ty),*) -> $answer:ty;)+) => {
        /// Every method that asks a store something.
        pub const STORE_METHODS: &[Method] = &[$(Method::$method),+];

        /// What is different about a store that wraps another. [`Wrapping`] makes a store of it.
        pub trait WrapsStore: Debug + Send + Sync {
            /// The store that it wraps.
            fn inner(&self) -> &dyn RequestStore;

            /// Carries a call of whatever method out: here it may be counted, delayed or refused.
            fn around<T: Send>(
                &self,
                method: Method,
                call: impl Future<Output = Result<T, StoreError>> + Send,
            ) -> impl Future<Output = Result<T, StoreError>> + Send {
                let _ = method;
                call
            }

            /// Whether the next call of this method is carried out twice, as by whoever sends it
            /// again when its answer was lost; the second answer is the one that counts.
            fn doubles(&self, method: Method) -> bool {
                let _ = method;
                false
            }

            $(
                /// As the inner store does it.
                fn $name(
                    &self,
                    $($given: $type),*
                ) -> impl Future<Output = Result<$answer, StoreError>> + Send {
                    async move { self.inner().$name($($given),*).await }
                }
            )+

            /// Those of the inner store.
            fn hints(&self) -> &Arc<Hints> {
                self.inner().hints()
            }

            /// As the inner store says.
            fn is_remote(&self) -> bool {
                self.inner().is_remote()
            }

            /// As the inner store says.
            fn is_durable(&self) -> bool {
                self.inner().is_durable()
            }
        }

        #[async_trait]
        impl<W: WrapsStore> RequestStore for Wrapping<W> {
            $(
                async fn $name(&self, $($given: $type),*) -> Result<$answer, StoreError> {
                    if self.0.doubles(Method::$method) {
                        let first = WrapsStore::$name(&self.0, $(again(&$given)),*);
                        let _ = first.await;
                    }
                    let call = WrapsStore::$name(&self.0, $($given),*);
                    self.0.around(Method::$method, call).await
                }
            )+

            fn hints(&self) -> &Arc<Hints> {
                WrapsStore::hints(&self.0)
            }

            fn is_remote(&self) -> bool {
                WrapsStore::is_remote(&self.0)
            }

            fn is_durable(&self) -> bool {
                WrapsStore::is_durable(&self.0)
            }
        }
    };
}

methods! {
    Now now() -> Timestamp;
    Open open(opening: Opening, deliveries: Vec<Delivery>) -> Opened;
    Known known(key: Digest, digest: Digest) -> Known;
    Read read(id: RequestId) -> Option<Snapshot>;
    CompareAndSwap compare_and_swap(swap: Swap) -> Swapped;
    Append append(events: Vec<NewEvent>) -> u64;
    RegisterSink register_sink(sink: &SinkId) -> ();
    Events events(sink: &SinkId, limit: usize) -> Vec<Event>;
    Acknowledge acknowledge(sink: &SinkId, number: u64) -> ();
    Seal seal(sink: &SinkId) -> Option<String>;
    SwapSeal swap_seal(sink: &SinkId, expected: Option<&str>, seal: &str) -> bool;
    Deliveries deliveries(id: RequestId) -> Arc<[Delivery]>;
    ReadWithDeliveries read_with_deliveries(id: RequestId) -> Option<Seen>;
    NoteDelivery note_delivery(id: RequestId, delivery: Delivery) -> ();
    CopiesDue copies_due(channel: &ChannelId, limit: usize) -> Vec<RequestId>;
    Lease lease(duty: &Duty, owner: OwnerId, lease: Duration) -> bool;
    Due due(limit: usize) -> Due;
    PendingWith pending_with(digest: Digest) -> Vec<RequestId>;
    List list(filter: &Filter, after: Option<RequestId>, limit: usize) -> Vec<Arc<Record>>;
    Freeze freeze() -> Option<Freeze>;
    SetFreeze set_freeze(freeze: Option<Freeze>, event: NewEvent) -> ();
    Heartbeat heartbeat(owner: OwnerId, lease: Duration) -> ();
    Archive archive(finished_for: Duration) -> u64;
}
