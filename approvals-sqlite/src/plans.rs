//! What is looked up is found by an index, however many requests there are.

use std::fmt::Write as _;

use approvals_core::Phase;
use approvals_core::store::Filter;
use approvals_core::{RequestId, Timestamp};

use crate::file::{File, open};
use crate::script::Script;
use crate::{archive, copies, duties, head, listing, opening, reading, rows, swapping};

/// The statements whose cost must not grow with the number of requests.
fn statements() -> Vec<(&'static str, String)> {
    let after = Some(RequestId::from_bytes([7; 16]));
    let page = |filter: &Filter| listing::page(filter, after, 50).text().to_owned();
    let filter = Filter::default();
    let phases = Filter {
        phases: vec![Phase::Pending, Phase::InDoubt],
        ..filter.clone()
    };
    let runs = Filter {
        phases: vec![Phase::Executing],
        ..filter.clone()
    };
    let action = Filter {
        action: "db.export".parse().ok(),
        ..phases.clone()
    };
    let requester = Filter {
        requester: "person:bob".parse().ok(),
        ..phases.clone()
    };
    let owed = Filter {
        review_owed: true,
        ..filter.clone()
    };
    let changed = Filter {
        changed: true,
        ..filter.clone()
    };
    let due = reading::due(Timestamp::from_millis(1), 10);
    vec![
        (
            "opening: key, digest, bucket, proposals",
            opening::STANDING.to_owned(),
        ),
        ("opening: what a key names", opening::KEYED.to_owned()),
        ("head: how the store stands", head::HEAD.to_owned()),
        (
            "head: the time of the latest commit",
            head::LATEST.to_owned(),
        ),
        ("head: the last change", head::LAST_CHANGE.to_owned()),
        (
            "swap: the record that stands",
            swapping::STANDS_AS.to_owned(),
        ),
        ("swap: what a run leans on", swapping::LEANS_ON.to_owned()),
        ("read: a record", reading::RECORD.to_owned()),
        (
            "read: a record and its copies",
            reading::RECORD_AND_COPIES.to_owned(),
        ),
        (
            "due: what is due, abandoned and next",
            due.text().to_owned(),
        ),
        ("copies: what is due on a channel", copies::DUE.to_owned()),
        (
            "copies: what is noted of a request",
            copies::NOTED.to_owned(),
        ),
        (
            "seals: what a sink has noted",
            crate::changing::SEAL.to_owned(),
        ),
        ("duties: who has one", duties::HOLDER.to_owned()),
        ("pending with a digest", reading::PENDING_WITH.to_owned()),
        (
            "outbox: what a sink has not acknowledged",
            reading::EVENTS.to_owned(),
        ),
        ("archive: what finished first", archive::FINISHED.to_owned()),
        ("list: all", page(&filter)),
        ("list: all that changed", page(&changed)),
        ("list: by phase", page(&phases)),
        ("list: what runs", page(&runs)),
        ("list: by action and phase", page(&action)),
        ("list: by requester and phase", page(&requester)),
        ("list: what owes a review", page(&owed)),
    ]
}

/// How many arguments a statement takes: those that have a number are bound once.
fn arguments(sql: &str) -> usize {
    let numbered = (1..10).filter(|n| sql.contains(&format!("?{n}"))).count();
    if numbered > 0 {
        numbered
    } else {
        sql.matches('?').count()
    }
}

/// The plans as they are checked in.
const PLANS: &str = include_str!("plans.txt");

#[test]
fn every_lookup_goes_by_an_index_as_its_plan_says() {
    let directory = std::env::temp_dir().join(format!("approvals-plans-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = File {
        path: directory.join("requests.db"),
        patience: std::time::Duration::from_secs(5),
        largest: None,
    };
    let connection = open(&file).unwrap();
    let mut plans = String::new();
    for (name, sql) in statements() {
        writeln!(plans, "{name}").unwrap();
        let mut explain = Script::new(format!("EXPLAIN QUERY PLAN {sql}"));
        for _ in 0..arguments(&sql) {
            explain.bind(None::<i64>);
        }
        for row in explain.rows(&connection).unwrap() {
            let step = rows::value::<&str>(&row, "detail").unwrap();
            writeln!(plans, "  {step}").unwrap();
            // The row of `meta` is alone, and of the sinks it is asked whether there is one.
            let scans = step.starts_with("SCAN") && !["SCAN m", "SCAN sinks"].contains(&step);
            let parts = ["SCAN (subquery", "SCAN CONSTANT", "SCAN k"];
            assert!(
                !scans || parts.iter().any(|part| step.starts_with(part)),
                "{name} goes through a whole table: {step}"
            );
        }
    }
    drop(connection);
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(
        plans, PLANS,
        "the plans changed: look at them, then check them in:\n{plans}"
    );
}
