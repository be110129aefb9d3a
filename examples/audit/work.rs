//! An agent's calls, and what people say to them.

use approvals_core::memory::Answer;
use approvals_core::{ApprovalError, Choice, requires_approval};

use super::Error;
use super::house::House;

#[requires_approval(policy = "company-data", action = "db.read", resource = "db/{table}")]
async fn read(table: &str) -> Result<u64, ApprovalError> {
    let _ = table;
    Ok(40)
}

#[requires_approval(policy = "company-data", action = "db.export", risk = high, resource = "db/{table}")]
async fn export(table: &str, rows: u64) -> Result<u64, ApprovalError> {
    let _ = table;
    Ok(rows)
}

#[requires_approval(policy = "company-data", action = "db.restore", risk = critical, resource = "db/{table}")]
async fn restore(table: &str) -> Result<(), ApprovalError> {
    let _ = table;
    Ok(())
}

#[requires_approval(policy = "company-data", action = "db.drop", risk = critical, resource = "db/{table}")]
async fn drop_table(table: &str) -> Result<(), ApprovalError> {
    let _ = table;
    Ok(())
}

pub(crate) async fn work(house: &House) -> Result<(), Error> {
    println!("━━ An agent works for dana");
    let gate = &house.gate;
    let scope = |what| println!("  {what}");
    scope("reads: policy allows it");
    gate.scope(house.requester.scope(read("customers"))).await?;

    scope("exports 10 rows: dana tries to approve it herself, alice approves");
    let call = gate.scope(house.requester.scope(export("customers", 10)));
    let answers = async {
        let request = house.approver.next().await;
        if request.approve_as("dana").await.is_ok() {
            return Err("dana approved what is done for her".into());
        }
        request.approve_as("alice").await?;
        Ok::<(), Error>(())
    };
    let (ran, answered) = tokio::join!(call, answers);
    answered?;
    ran?;

    scope("exports 1,000,000 rows: carol denies it");
    house
        .approver
        .script([Answer::deny("carol", "=fewer rows, please")]);
    let call = house.requester.scope(export("customers", 1_000_000));
    refused(gate.scope(call).await.map(|_| ()))?;

    scope("restores a table: carol breaks the glass");
    let emergency = Answer::of("carol", Choice::BreakGlass, Some("the table is gone"));
    house.approver.script([emergency]);
    gate.scope(house.requester.scope(restore("customers")))
        .await?;

    scope("drops a table: policy denies it");
    refused(
        gate.scope(house.requester.scope(drop_table("customers")))
            .await,
    )?;
    gate.flush().await;
    Ok(())
}

/// What has to be refused is.
fn refused(outcome: Result<(), ApprovalError>) -> Result<(), Error> {
    match outcome {
        Err(refusal) => {
            println!("    the agent is told: {refusal}");
            Ok(())
        }
        Ok(()) => Err("a call that was refused ran".into()),
    }
}
