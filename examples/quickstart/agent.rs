//! The agent: a script that tries four things, one after the other.

use std::fmt::Display;

use approvals_core::ApprovalError;

use super::Error;
use super::actions;
use super::database::{Database, Table};

pub(crate) async fn work(database: &Database) {
    step(1, "read: count the customers", "policy allows it");
    match actions::count(database, Table::Customers).await {
        Ok(rows) => ran(format_args!(
            "there are {rows} customers, and nobody was asked"
        )),
        Err(error) => failed(&error),
    }

    step(
        2,
        "export: copy the customers to a CSV file",
        "a senior engineer must agree",
    );
    let why = "dana wants to look for duplicates in a spreadsheet";
    match actions::export(database, Table::Customers, "customers.csv", why).await {
        Ok(rows) => ran(format_args!("{rows} rows are in customers.csv")),
        Err(error) => failed(&error),
    }

    step(3, "grant a role", "two people must agree");
    let why = "dana covers for the billing team this week";
    match actions::grant_role(database, "dana", "billing-admin", why).await {
        Ok(()) => ran("dana is a billing-admin"),
        Err(error) => failed(&error),
    }

    step(
        4,
        "drop a table in production",
        "policy denies it, whoever agrees",
    );
    match actions::drop_table(database, Table::Invoices).await {
        Ok(()) => ran("the invoices are gone"),
        Err(error) => failed(&error),
    }
}

fn step(number: u8, what: &str, rule: &str) {
    println!("\n━━ {number} of 4  {what} ({rule})");
}

fn ran(what: impl Display) {
    println!("✓ It ran: {what}.");
}

/// Prints what the agent is told.
fn failed(error: &Error) {
    match error.downcast_ref::<ApprovalError>() {
        Some(refusal) => println!("✗ The agent is told: {refusal}"),
        None => println!("✗ It ran and failed: {error}"),
    }
}
