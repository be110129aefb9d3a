//! People from a file, who answer in Slack and in Teams.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::MemoryStore;
use approvals_core::{ApprovalError, Desk, Gate, Requester, Requirement, requires_approval};
use approvals_directory::FileDirectory;

use crate::slack_stand_in::{TEAM, Workspace};
use crate::teams_stand_in::{Microsoft, TENANT};
use crate::two_channels::{ALICE, CAROL, Sides};

/// A reviewer as well, and the owner of the agent that asks.
const BOB: &str = "U0BOB";

#[requires_approval(policy = "two", action = "sample.two")]
async fn two() -> Result<(), ApprovalError> {
    Ok(())
}

fn people() -> String {
    format!(
        r#"
[people.alice]
identities = [{{ channel = "slack", tenant = "{TEAM}", user = "{ALICE}" }}]

[people.bob]
identities = [{{ channel = "slack", tenant = "{TEAM}", user = "{BOB}" }}]

[people.carol]
identities = [{{ channel = "teams", tenant = "{TENANT}", user = "{CAROL}" }}]

[groups.leads]
people = ["carol"]

[groups.reviewers]
people = ["alice", "bob"]
groups = ["leads"]

[agents.exporter]
owners = ["bob"]
"#
    )
}

#[tokio::test(start_paused = true)]
async fn people_of_one_file_answer_in_slack_and_in_teams_and_an_owner_does_not() {
    let folder = std::env::temp_dir().join(format!("approvals-people-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("people.toml");
    fs::write(&file, people()).unwrap();
    let directory = Arc::new(FileDirectory::open(&file).unwrap());
    let desk = Desk::new(Arc::new(MemoryStore::on_tokio_time()), directory);
    let Sides {
        workspace,
        in_slack,
        cloud,
        in_teams,
    } = Sides::new(&desk);
    workspace.user(BOB);
    let (one, other) = (in_slack.clone(), in_teams.clone());
    let gate = Gate::with_desk(desk)
        .policy("two", Requirement::some_of(2, "reviewers").unwrap())
        .approver("slack", |_| Arc::new(one))
        .approver("teams", |_| Arc::new(other))
        .build()
        .await
        .unwrap();
    let asking = tokio::spawn(async move {
        let requester = Requester::agent("exporter").unwrap();
        gate.scope(requester.scope(two())).await
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    for who in [BOB, ALICE] {
        let message = workspace.messages().remove(0);
        let button = Workspace::button(&message, "vote.approve").unwrap();
        let pressed = workspace.callback(&workspace.press(&message, who, &button));
        in_slack.receive(&pressed).work.unwrap().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let whispered = workspace.whispers();
    assert!(
        matches!(whispered.as_slice(), [(who, _)] if who == BOB),
        "{whispered:?}"
    );
    assert!(!asking.is_finished(), "one of two has agreed");
    let card = cloud.messages().remove(0);
    let button = Microsoft::button(&card, "Approve").unwrap();
    let activity = cloud.press(&card, CAROL, &button, &[]);
    let answer = in_teams.respond(&cloud.callback(&activity)).await;
    assert!(answer.status().is_success());
    asking.await.unwrap().unwrap();
    fs::remove_dir_all(&folder).unwrap();
}
