//! Each trait, implemented in its smallest useful form: a policy, a directory, a channel and an audit
//! sink. (A store is more than an example holds; the conformance suite says what one owes.)
//!
//! `cargo run --example custom_adapters` runs a call through all of them.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use approvals_core::memory::MemoryStore;
use approvals_core::{
    ApprovalError, Approver, ApproverError, AuditError, AuditSink, Call, CastVote, ChannelDesk,
    ChannelId, ChannelIdentity, Choice, Coverage, Directory, DirectoryError, Event, Facts, Gate,
    GroupId, Members, Membership, Mentions, Notice, PersonId, Policy, Presentation, PrincipalId,
    Reasons, Receipt, Requester, Requirement, Verdict, async_trait, requires_approval,
};

#[requires_approval(policy = "lights", action = "lights.switch", resource = "room/{room}")]
async fn switch(room: &str, on: bool) -> Result<(), ApprovalError> {
    println!(
        "the body    lights in {room}: {}",
        if on { "on" } else { "off" }
    );
    Ok(())
}

/// Light may always be made; darkness is asked about.
#[derive(Debug)]
struct Lights {
    light: Reasons,
    darkness: Reasons,
    review: Requirement,
}

impl Policy for Lights {
    fn evaluate(&self, call: &Call, _: &Facts) -> Verdict {
        let on = call.argument("on").and_then(|on| on.value());
        match on.and_then(|on| on.as_bool()) {
            Some(true) => Verdict::Allow(self.light.clone()),
            // A missing or odd argument is asked about, never waved through.
            Some(false) | None => Verdict::review(self.review.clone(), self.darkness.clone()),
        }
    }

    /// The groups that it asks: `build` refuses when one does not exist.
    fn mentions(&self) -> Mentions {
        self.review.mentions()
    }
}

/// Two people and one group, from nowhere but this code.
#[derive(Debug)]
struct Household {
    alice: PersonId,
    bob: PersonId,
    adults: GroupId,
}

impl Household {
    fn knows(&self, name: &str) -> Option<PersonId> {
        [&self.alice, &self.bob]
            .into_iter()
            .find(|person| person.as_str() == name)
            .cloned()
    }
}

#[async_trait]
impl Directory for Household {
    async fn person(&self, who: &ChannelIdentity) -> Result<Option<PersonId>, DirectoryError> {
        // A channel identity is a channel, a tenant and a user: look at all three.
        let ours = who.channel.as_str() == "doorbell" && who.tenant.is_empty();
        Ok(self.knows(&who.user).filter(|_| ours))
    }

    async fn exists(&self, person: &PersonId) -> Result<bool, DirectoryError> {
        Ok(self.knows(person.as_str()).is_some())
    }

    async fn membership(
        &self,
        person: &PersonId,
        group: &GroupId,
    ) -> Result<Membership, DirectoryError> {
        Ok(match *group == self.adults && *person == self.alice {
            true => Membership::Member,
            false => Membership::NotMember,
        })
    }

    async fn members(&self, group: &GroupId) -> Result<Members, DirectoryError> {
        Ok(match *group == self.adults {
            true => Members::Listed(BTreeSet::from([self.alice.clone()])),
            false => Members::NoSuchGroup,
        })
    }

    async fn owners(&self, _: &PrincipalId) -> Result<BTreeSet<PersonId>, DirectoryError> {
        Ok(BTreeSet::new())
    }

    async fn identities(
        &self,
        person: &PersonId,
        channel: &ChannelId,
    ) -> Result<Vec<ChannelIdentity>, DirectoryError> {
        Ok(vec![ChannelIdentity::new(
            channel.clone(),
            "",
            person.as_str(),
        )])
    }
}

/// Rings at the door, where alice always says yes. A real channel hands its votes in when somebody
/// clicks, long after `present` has returned.
#[derive(Debug)]
struct Doorbell(ChannelDesk);

#[async_trait]
impl Approver for Doorbell {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        match presentation.bytes() {
            0..=1_000 => Coverage::Whole,
            bytes => Coverage::Partial {
                why: format!("{bytes} bytes are too many to say at a door"),
            },
        }
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        let presentation = notice.presentation();
        println!(
            "the door    {} in {:?}?",
            presentation.action, presentation.resource
        );
        let vote = CastVote {
            request: notice.asked().id,
            tenant: String::new(),
            user: "alice".to_owned(),
            choice: Choice::Approve,
            comment: Some("good night".to_owned()),
            proposal: None,
            // What was shown is what is voted on.
            digest: presentation.digest,
            shown: presentation.hash(),
            revision: notice.revision(),
        };
        let voted = self.0.vote(vote).await;
        voted.map_err(|error| ApproverError::for_good(error.to_string()))?;
        Ok(Receipt::none())
    }

    async fn update(&self, notice: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        println!(
            "the door    {} is {}",
            notice.asked().call.action(),
            notice.state().phase()
        );
        Ok(())
    }
}

/// Prints the trail. Idempotent: an event that is offered again is not printed twice.
#[derive(Debug, Default)]
struct Printer(AtomicU64);

#[async_trait]
impl AuditSink for Printer {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        for event in events {
            if self.0.fetch_max(event.number, Ordering::SeqCst) < event.number {
                let text = serde_json::to_value(&event.what);
                let text = text.map_err(|error| AuditError(error.to_string()))?;
                let name = text.get("what").and_then(|name| name.as_str());
                println!("the trail   {} {}", event.number, name.unwrap_or("?"));
            }
        }
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let household = Household {
        alice: PersonId::new("alice")?,
        bob: PersonId::new("bob")?,
        adults: GroupId::new("adults")?,
    };
    let lights = Lights {
        light: Reasons::rule("light", "light does no harm")?,
        darkness: Reasons::rule("darkness", "somebody may still be reading")?,
        review: Requirement::one_of("adults")?,
    };
    let gate = Gate::builder(Arc::new(MemoryStore::new()), Arc::new(household))
        .policy("lights", lights)
        .approver("doorbell", |desk| Arc::new(Doorbell(desk)))
        .required_audit_sink("printer", Arc::new(Printer::default()))
        .build()
        .await?;
    let requester = Requester::agent("butler")?.acting_for("person:bob")?;
    let calls = async {
        switch("the library", true).await?;
        switch("the library", false).await
    };
    gate.scope(requester.scope(calls)).await?;
    gate.flush().await;
    Ok(())
}
