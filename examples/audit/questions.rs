//! What the log can be asked.

use std::path::Path;

use approvals_audit::SignedLog;
use approvals_audit::index::{Index, Period, Question, Standing};
use approvals_core::Timestamp;

use super::Error;
use super::house::RULES;

pub(crate) fn ask(log: &SignedLog, path: &Path) -> Result<(), Error> {
    let index = Index::open(path)?;
    let built = index.update(log)?.built;
    println!("  the index has the log's {} entries", built.size);
    let find = |question: &Question| index.find(question, None, 100);

    println!("  who approved exports, and what became of them?");
    for call in find(&Question::new().action("db.export").oldest_first())?.found {
        let resource = call.resource.unwrap_or_default();
        println!("    entry {:>2}: {resource}, {}", call.entry, call.standing);
        let steps = call
            .request
            .map(|request| index.steps(request))
            .transpose()?;
        for step in steps.into_iter().flatten() {
            println!("      entry {:>2}: {}", step.entry, step.what);
        }
    }
    let denied = find(&Question::new().standing(Standing::Denied))?
        .found
        .len();
    let carols = find(&Question::new().reviewer("carol"))?.found.len();
    let owed = find(&Question::new().review_owed())?.found.len();
    println!("  {denied} denied; carol voted on {carols}; {owed} owe a review after the fact");
    for attempt in index.self_approvals(Period::all(), None, 10)? {
        let who = attempt.person.unwrap_or(attempt.identity);
        println!(
            "  entry {}: {who} tried to approve for themselves",
            attempt.entry
        );
    }
    let rates = index.rates(Period::all(), None)?;
    println!(
        "  {} allowed, {} asked, {} approved, {} denied",
        rates.allowed, rates.asked, rates.approved, rates.denied
    );
    if let Some(time) = index.time_to_decision(Period::all(), None)? {
        println!(
            "  half were decided within {} ms, all within {} ms",
            time.median, time.most
        );
    }
    let stale = index.stale_rules(RULES, Timestamp::from_millis(0))?;
    println!(
        "  {} of {} rules have never fired",
        stale.len(),
        RULES.len()
    );
    if denied != 1 || carols != 2 || owed != 1 || rates.approved != 2 {
        return Err("the index says something else than what happened".into());
    }
    Ok(())
}
