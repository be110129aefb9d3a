//! A channel that fails by script.

use std::sync::Arc;

use approvals_core::{
    Approver, ApproverError, Coverage, Notice, Presentation, Receipt, async_trait,
};

use super::script::{Method, Script};

/// Passes every call on to another channel, and fails by script.
#[derive(Debug)]
pub struct FaultyApprover {
    inner: Arc<dyn Approver>,
    script: Arc<Script>,
}

impl FaultyApprover {
    /// A channel that fails as the script says.
    #[must_use]
    pub fn new(inner: Arc<dyn Approver>, script: Arc<Script>) -> Self {
        Self { inner, script }
    }
}

#[async_trait]
impl Approver for FaultyApprover {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        self.inner.coverage(presentation)
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        let call = || self.inner.present(notice);
        self.script
            .carry(Method::Present, call, ApproverError::new)
            .await
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }

    async fn update(&self, notice: &Notice, receipt: &Receipt) -> Result<(), ApproverError> {
        let call = || self.inner.update(notice, receipt);
        self.script
            .carry(Method::Update, call, ApproverError::new)
            .await
    }

    async fn follow(
        &self,
        notice: &Notice,
        receipt: &Receipt,
    ) -> Result<Option<Receipt>, ApproverError> {
        let call = || self.inner.follow(notice, receipt);
        self.script
            .carry(Method::Update, call, ApproverError::new)
            .await
    }
}
