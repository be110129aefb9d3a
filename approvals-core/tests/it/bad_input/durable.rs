//! A store that says of itself that its requests outlive the process.

use approvals_core::RequestStore;
use approvals_core::memory::MemoryStore;
use approvals_testing::wrapping::WrapsStore;

#[derive(Debug, Default)]
pub(super) struct OnDisk(MemoryStore);

impl WrapsStore for OnDisk {
    fn inner(&self) -> &dyn RequestStore {
        &self.0
    }

    fn is_durable(&self) -> bool {
        true
    }
}
