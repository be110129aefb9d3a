//! What goes wrong between a program and a service on a network, and what comes of it.

use std::time::Duration;

use crate::Error;
use crate::house::runs;
use crate::rehearsal::{ALICE, Rehearsal};
use crate::stand_in::{Fault, Message, Microsoft};

const OVER: &str = "Approved, ran well";

/// Teams acts and nobody hears of it, fails after it acted, and a click comes twice. An error where
/// anything came of it but one decision.
pub(crate) async fn rehearse(rehearsal: &Rehearsal) -> Result<(), Error> {
    println!("\nThe agent asks to export 20 rows. Teams posts it, and the answer is lost.");
    let faults = [("make", Fault::Lost)];
    one_yes(rehearsal, 20, &faults).await?;
    println!(
        "\nThe agent asks to export 30 rows. Teams posts it, and answers that it failed; and so"
    );
    println!("when the message is changed.");
    let faults = [
        ("make", Fault::FailedAfterActing),
        ("change", Fault::FailedAfterActing),
        ("change", Fault::Lost),
    ];
    one_yes(rehearsal, 30, &faults).await
}

/// One request with a copy too many, a click that comes twice, and one on the other copy.
async fn one_yes(
    rehearsal: &Rehearsal,
    rows: u64,
    faults: &[(&'static str, Fault)],
) -> Result<(), Error> {
    for (call, fault) in faults {
        rehearsal.microsoft.fail(call, &[*fault]);
    }
    let (before, ran) = (rehearsal.microsoft.messages().len(), runs());
    let known = rehearsal.house.tally().await?;
    let (asking, _) = rehearsal.ask(rows).await?;
    let copies = until(rehearsal, before, |copies| copies.len() == 2).await?;
    println!("    it is there {} times", copies.len());
    let [first, second] = copies.as_slice() else {
        return Err("another number of copies".into());
    };
    let button = |copy| Microsoft::button(copy, "Approve").ok_or("there is no button");
    let press = |copy, button| rehearsal.microsoft.press(copy, ALICE, button, &[]);
    let (approve, again) = (button(first)?, button(second)?);
    let (click, late) = (press(first, &approve), press(second, &again));
    println!("    {ALICE} presses Approve on the first, of which this program does not know, and");
    println!("    Teams sends that twice");
    rehearsal.send(&click).await?;
    rehearsal.send(&click).await?;
    println!("The agent: {}", asking.await??);
    println!("    {ALICE} presses Approve on the second");
    rehearsal.send(&late).await?;
    let over = |copies: &[Message]| {
        copies
            .iter()
            .all(|copy| Microsoft::reads(copy).contains(OVER))
    };
    let copies = until(rehearsal, before, over).await?;
    for (number, _) in copies.iter().enumerate() {
        println!("    copy {} says: {OVER}", number + 1);
    }
    let now = rehearsal.house.tally().await?;
    let once = now.requests == known.requests + 1
        && now.votes == known.votes + 1
        && now.approved == known.approved + 1
        && now.denied == known.denied
        && now.started == known.started + 1
        && runs() == ran + 1;
    if copies.len() != 2 || !once {
        return Err(format!(
            "{} copies, {} runs, {now:?} after {known:?}",
            copies.len(),
            runs()
        )
        .into());
    }
    println!("One request, decided once by one vote, run once.");
    Ok(())
}

/// The messages that were posted since, once something holds of them.
async fn until(
    rehearsal: &Rehearsal,
    before: usize,
    holds: impl Fn(&[Message]) -> bool,
) -> Result<Vec<Message>, Error> {
    for _ in 0..600 {
        let messages = rehearsal.microsoft.messages().split_off(before);
        if holds(&messages) {
            return Ok(messages);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("waited in vain for the messages".into())
}
