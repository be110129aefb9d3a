//! What ran can be seen in the database and the files, and what did not run cannot.

use std::path::{Path, PathBuf};

use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::quickstart::run;
use crate::quickstart::settings::Settings;

fn read(arguments: &[&str]) -> Result<Settings, String> {
    let parser = lexopt::Parser::from_args(arguments);
    Settings::read(parser).map_err(|misuse| misuse.to_string())
}

/// Runs it with these answers, and hands back where its files are.
async fn ran(answers: &str) -> PathBuf {
    let settings = read(&["--answers", answers]).unwrap();
    let directory = settings.directory.clone();
    run(settings).await.unwrap();
    directory
}

async fn text_of(directory: &Path, statement: &'static str) -> String {
    let options = SqliteConnectOptions::new().filename(directory.join("company.db"));
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let row = sqlx::query(statement).fetch_one(&pool).await.unwrap();
    row.get(0)
}

const ROLES: &str = "SELECT coalesce(group_concat(member || ':' || role), 'none') FROM roles";
const TABLES: &str = "SELECT group_concat(name) FROM (SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name)";

#[tokio::test]
async fn three_yeses_export_and_grant_and_nothing_drops_the_table() {
    let directory = ran("approve,approve,approve").await;
    let csv = std::fs::read_to_string(directory.join("customers.csv")).unwrap();
    assert_eq!(csv.lines().count(), 41);
    assert_eq!(csv.lines().nth(4), Some("4,Customer 4,\"Lyon, Centre\""));
    assert_eq!(text_of(&directory, ROLES).await, "dana:billing-admin");
    assert_eq!(
        text_of(&directory, TABLES).await,
        "customers,invoices,roles"
    );
    let trail = std::fs::read_to_string(directory.join("audit.jsonl")).unwrap();
    assert_eq!(trail.matches("\"what\":\"voted\"").count(), 3);
    assert_eq!(trail.matches("\"what\":\"started\"").count(), 2);
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn a_no_leaves_no_file_and_a_second_no_leaves_no_role() {
    let directory = ran("deny:not today,approve,deny").await;
    assert!(!directory.join("customers.csv").exists());
    assert_eq!(text_of(&directory, ROLES).await, "none");
    let trail = std::fs::read_to_string(directory.join("audit.jsonl")).unwrap();
    assert!(trail.contains("not today"));
    assert_eq!(trail.matches("\"what\":\"started\"").count(), 0);
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn when_the_answers_run_out_the_rest_is_denied() {
    let directory = ran("approve").await;
    assert!(directory.join("customers.csv").exists());
    assert_eq!(text_of(&directory, ROLES).await, "none");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn misuse_says_what_to_write() {
    let says = |arguments: &[&str]| read(arguments).map(drop).unwrap_err();
    assert_eq!(
        says(&["--answers", "approve,perhaps"]),
        "--answers `perhaps`: write approve, deny or deny:REASON"
    );
    assert_eq!(
        says(&["--as", "mallory"]),
        "--as `mallory`: the people of this example are alice, bob, dana"
    );
    assert_eq!(says(&["--what"]), "invalid option '--what'");
}

#[test]
fn there_are_always_two_people_where_two_must_agree() {
    assert_eq!(read(&[]).unwrap().identities, ["alice", "bob"]);
    assert_eq!(read(&["--as", "bob"]).unwrap().identities, ["bob", "alice"]);
}
