//! Published crates with a comparable in-process gate: a call stops, a person is asked
//! through a channel, the call goes on. Neither knows who answered, binds the answer to
//! the arguments, or keeps a trail. As with any gate, whoever asks keeps the arguments that
//! the body then runs with; the crates' own copies for the reviewer come on top.

use std::hint::black_box;
use std::sync::Arc;

use async_trait::async_trait;
use echo_orchestration::human_loop::{
    HumanLoopEvent, HumanLoopManager, HumanLoopProvider, HumanLoopRequest, HumanLoopResponse,
};
use entelix_agents::{ApprovalDecision, ApprovalLayer, ChannelApprover, PendingApproval};
use entelix_core::tools::{Tool, ToolMetadata, ToolRegistry};
use entelix_core::{AgentContext, ExecutionContext};
use serde_json::Value;
use tokio::sync::mpsc;

use approvals_benches::Failure;

/// How many questions may wait for their reviewer in either crate's channel.
const CHANNEL: usize = 1_024;

/// `echo_agent` 0.2: its `HumanLoopManager`, from the part of it that holds the manager.
#[derive(Clone)]
pub struct Echo {
    manager: Arc<HumanLoopManager>,
}

impl Echo {
    /// A manager that nobody listens to yet.
    pub fn new() -> Self {
        Self {
            manager: Arc::new(HumanLoopManager::with_buffer(CHANNEL)),
        }
    }

    /// Starts a task that says yes to every question.
    pub fn approve_everything(&self) {
        let manager = Arc::clone(&self.manager);
        tokio::spawn(async move {
            while let Some(event) = manager.recv_event().await {
                if let HumanLoopEvent::ApprovalRequest { responder, .. } = event {
                    responder.approve();
                }
            }
        });
    }

    /// The next question, for a reviewer who lets it wait.
    pub async fn next_question(&self) -> Option<HumanLoopEvent> {
        self.manager.recv_event().await
    }

    /// Asks, waits for the answer, and runs a body.
    ///
    /// # Errors
    /// When nobody answers, or not with yes.
    pub async fn call(&self, arguments: Value) -> Result<(), Failure> {
        let request = HumanLoopRequest::approval("db.export", arguments.clone());
        match self
            .manager
            .request(request)
            .await
            .map_err(|error| error.to_string())?
        {
            HumanLoopResponse::Approved => {
                black_box(arguments);
                Ok(())
            }
            other => Err(format!("refused: {other:?}").into()),
        }
    }
}

impl Default for Echo {
    fn default() -> Self {
        Self::new()
    }
}

struct Export {
    metadata: ToolMetadata,
}

#[async_trait]
impl Tool for Export {
    fn metadata(&self) -> &ToolMetadata {
        &self.metadata
    }

    async fn execute(
        &self,
        input: Value,
        _context: &AgentContext<()>,
    ) -> entelix_core::Result<Value> {
        black_box(input);
        Ok(Value::Null)
    }
}

/// `entelix-agents` 0.5: a tool behind its `ApprovalLayer`, asked through its
/// `ChannelApprover`, which has a deadline and heeds cancellation.
#[derive(Clone)]
pub struct Entelix {
    registry: ToolRegistry,
    context: ExecutionContext,
}

impl Entelix {
    /// A registry with one guarded tool, and where its questions arrive.
    ///
    /// # Errors
    /// When the registry refuses the tool.
    pub fn new() -> Result<(Self, mpsc::Receiver<PendingApproval>), Failure> {
        let (approver, questions) = ChannelApprover::new(CHANNEL);
        let metadata = ToolMetadata::function(
            "export",
            "Exports a table.",
            serde_json::json!({ "type": "object" }),
        );
        let registry = ToolRegistry::new()
            .layer(ApprovalLayer::new(Arc::new(approver)))
            .register(Arc::new(Export { metadata }))?;
        Ok((
            Self {
                registry,
                context: ExecutionContext::new(),
            },
            questions,
        ))
    }

    /// Starts a task that says yes to every question.
    pub fn approve_everything(mut questions: mpsc::Receiver<PendingApproval>) {
        tokio::spawn(async move {
            while let Some(question) = questions.recv().await {
                let _ = question.reply.send(ApprovalDecision::Approve);
            }
        });
    }

    /// Asks, waits for the answer, and runs the tool.
    ///
    /// # Errors
    /// When nobody answers, or not with yes.
    pub async fn call(&self, arguments: Value) -> Result<(), Failure> {
        self.registry
            .dispatch("call-1", "export", arguments, &self.context)
            .await?;
        Ok(())
    }
}
