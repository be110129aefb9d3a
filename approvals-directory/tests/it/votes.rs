//! People from a file, as the gate judges them.

use std::sync::Arc;

use approvals_core::memory::{InMemoryApprover, MemoryStore};
use approvals_core::{ApprovalError, Gate, Kind, Phase, Requester, Requirement, requires_approval};
use approvals_directory::FileDirectory;

use crate::support::{Folder, channel, person};

const PEOPLE: &str = "
[people.alice]
identities = [{ channel = 'test', user = 'alice' }]
[people.bob]
identities = [{ channel = 'test', user = 'bob' }, { channel = 'test', user = 'bobs-other-account' }]
[people.carol]
name = 'Carol Example'
[groups.leads]
people = ['alice', 'carol']
[groups.security]
people = ['bob']
groups = ['leads']
[agents.exporter]
owners = ['bob']
";

#[requires_approval(policy = "prod-db", action = "db.export")]
async fn export(rows: u64) -> Result<u64, ApprovalError> {
    Ok(rows)
}

async fn gate(directory: &FileDirectory, policy: Requirement) -> (Gate, InMemoryApprover) {
    let approver = InMemoryApprover::new();
    let store = Arc::new(MemoryStore::on_tokio_time());
    let gate = Gate::builder(store, Arc::new(directory.clone()))
        .policy("prod-db", policy)
        .approver("test", approver.connect())
        .build()
        .await
        .unwrap();
    (gate, approver)
}

#[tokio::test(start_paused = true)]
async fn the_owner_of_an_agent_cannot_vote_on_what_it_does() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let policy = Requirement::one_of("security").unwrap();
    let (gate, approver) = gate(&directory, policy).await;
    // Nobody is named: that Bob owns it is known from the file.
    let requester = Requester::agent("exporter").unwrap();
    let votes = async {
        let request = approver.next().await;
        assert!(request.approve_as("bob").await.is_err());
        assert!(request.approve_as("bobs-other-account").await.is_err());
        assert!(request.approve_as("mallory").await.is_err());
        request.approve_as("alice").await.unwrap();
    };
    let (ran, ()) = tokio::join!(gate.scope(requester.scope(export(3))), votes);
    assert_eq!(ran.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_the_file_does_not_know_is_refused() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let policy = Requirement::one_of("security").unwrap();
    let (gate, approver) = gate(&directory, policy).await;
    let requester = Requester::agent("stranger").unwrap();
    let refused = gate.scope(requester.scope(export(3))).await.unwrap_err();
    assert_ne!(refused.kind(), Kind::TimedOut, "{refused}");
    assert!(approver.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_person_with_two_accounts_and_two_groups_has_one_seat() {
    let folder = Folder::of(&PEOPLE.replace("owners = ['bob']", "owners = ['carol']"));
    let directory = folder.open();
    let policy = Requirement::some_of(2, "security").unwrap();
    let (gate, approver) = gate(&directory, policy).await;
    let requester = Requester::agent("exporter").unwrap();
    let votes = async {
        let request = approver.next().await;
        request.approve_as("bob").await.unwrap();
        let again = request.approve_as("bobs-other-account").await;
        // A second yes of the same human, or a refusal; no second seat.
        assert!(again.is_err() || again.unwrap().state.phase() == Phase::Pending);
        request.approve_as("alice").await.unwrap();
    };
    let (ran, ()) = tokio::join!(gate.scope(requester.scope(export(3))), votes);
    assert_eq!(ran.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_links_an_account_can_vote_and_whoever_leaves_is_struck() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let policy = Requirement::some_of(2, "security").unwrap();
    let (gate, approver) = gate(&directory, policy).await;
    let requester = Requester::agent("exporter").unwrap();
    let votes = async {
        let request = approver.next().await;
        assert!(request.approve_as("carols-account").await.is_err());
        let code = directory
            .begin_link(&person("carol"), &channel("test"))
            .unwrap();
        let account = approvals_core::ChannelIdentity::new(channel("test"), "", "carols-account");
        directory.finish_link(&account, code.reveal()).unwrap();
        request.approve_as("carols-account").await.unwrap();
        // Valid now, not then: gone before the second vote, she does not count at the claim.
        folder.write(&PEOPLE.replace("name = 'Carol Example'", "active = false"));
        directory.reload().unwrap();
        request.approve_as("alice").await.unwrap();
    };
    let (ran, ()) = tokio::join!(gate.scope(requester.scope(export(3))), votes);
    let refused = ran.unwrap_err();
    assert_eq!(refused.kind(), Kind::NoLongerApproved, "{refused}");
}
