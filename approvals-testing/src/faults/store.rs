//! A store that fails by script.

use std::future::Future;
use std::sync::{Arc, Mutex};

use approvals_core::RequestId;
use approvals_core::review::Opening;
use approvals_core::store::{Delivery, Hints, Opened, RequestStore, StoreError, Swap, Swapped};

use super::script::{Hinting, Method, Script};
use crate::wrapping::{Wrapping, WrapsStore};

/// Passes every call on to another store, and fails by script. Its hints are its own: changes that
/// are made through the other store are changes made by another process.
pub type FaultyStore = Wrapping<Faulty>;

/// What a [`FaultyStore`] does.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn RequestStore>,
    script: Arc<Script>,
    hints: Arc<Hints>,
    /// The hint that the next one overtakes.
    held: Mutex<Option<RequestId>>,
    durable: bool,
}

impl FaultyStore {
    /// A store that fails as the script says.
    #[must_use]
    pub fn new(inner: Arc<dyn RequestStore>, script: Arc<Script>) -> Self {
        Self(Faulty {
            durable: inner.is_durable(),
            inner,
            script,
            hints: Arc::default(),
            held: Mutex::default(),
        })
    }

    /// Says of itself that requests outlive the process, whatever the inner store says: others may
    /// change them.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.0.durable = true;
        self
    }
}

impl Faulty {
    fn hint(&self, id: RequestId) {
        match self.script.hinting() {
            Hinting::Faithful => self.hints.changed(id),
            Hinting::Dropped => {}
            Hinting::Doubled => {
                self.hints.changed(id);
                self.hints.changed(id);
            }
            Hinting::Late(by) => {
                let hints = Arc::clone(&self.hints);
                tokio::spawn(async move {
                    tokio::time::sleep(by).await;
                    hints.changed(id);
                });
            }
            Hinting::Swapped => {
                let mut held = self.held.lock().unwrap_or_else(|e| e.into_inner());
                let Some(before) = held.take() else {
                    *held = Some(id);
                    return;
                };
                drop(held);
                self.hints.changed(id);
                self.hints.changed(before);
            }
        }
    }
}

impl WrapsStore for Faulty {
    fn inner(&self) -> &dyn RequestStore {
        &*self.inner
    }

    async fn around<T: Send>(
        &self,
        method: Method,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let script = &self.script;
        let carried = script.carry_once(method, call, StoreError::Unreachable);
        carried.await
    }

    fn doubles(&self, method: Method) -> bool {
        self.script.doubles(method)
    }

    async fn open(
        &self,
        opening: Opening,
        deliveries: Vec<Delivery>,
    ) -> Result<Opened, StoreError> {
        let opened = self.inner.open(opening, deliveries).await?;
        match &opened {
            Opened::Asked { record, .. } => self.hint(record.id()),
            Opened::Granted { record, .. } => {
                self.hint(record.id());
                record.granted_by.into_iter().for_each(|id| self.hint(id));
            }
            Opened::Found(_) | Opened::Refused(_) => {}
        }
        Ok(opened)
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let id = swap.record.id();
        let swapped = self.inner.compare_and_swap(swap).await?;
        match swapped {
            Swapped::Done { .. } => self.hint(id),
            Swapped::Conflict | Swapped::TooLate | Swapped::Frozen | Swapped::Fallen(_) => {}
        }
        Ok(swapped)
    }

    fn hints(&self) -> &Arc<Hints> {
        &self.hints
    }

    fn is_durable(&self) -> bool {
        self.durable
    }
}
