//! The trail: an agent works behind a gate with a tamper-evident log, and then the log is verified,
//! witnessed, asked, exported, and turned into evidence.
//!
//! `cargo run --example audit` answers for the reviewers; `-- DIRECTORY` says where the files go.

mod house;
mod questions;
mod witness;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use approvals_audit::evidence::{Evidence, Framework, compare, verify};
use approvals_audit::export::{Export, FileDestination, Format};
use approvals_audit::{SignedLog, Verifier, VerifierKey, VerifyError};
use approvals_core::Timestamp;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let place = std::env::args().nth(1).map_or_else(fresh, PathBuf::from);
    match run(&place).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the example failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(place: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(place)?;
    let log = place.join("log");
    let house = house::House::open(&log).await?;
    let key = house.key();
    work::work(&house).await?;
    house.close().await?;

    println!("\n━━ Verified, with the directory and the key alone");
    let report = Verifier::new(&log, [key.clone()]).run()?;
    println!(
        "  {} entries, {} requests not over",
        report.entries, report.open_requests
    );
    println!("  key {key}");
    changed_is_found(&log, &key, place)?;

    println!("\n━━ Witnessed");
    let witness = witness::witnessed(&log, &key).await?;
    let verifier = Verifier::new(&log, [key.clone()]).witnessed_by(witness)?;
    let witnessed = verifier.run()?.witnessed.unwrap_or(0);
    println!("  verified with the witness's key: {witnessed} entries");

    println!("\n━━ Asked");
    let signed = SignedLog::open(&log, std::slice::from_ref(&key))?;
    questions::ask(&signed, &place.join("index.sqlite"))?;

    println!("\n━━ Exported");
    for (format, name) in [
        (Format::Ocsf, "events.ocsf.jsonl"),
        (Format::CloudEvents, "events.cloudevents.jsonl"),
        (Format::JsonLines, "events.jsonl"),
        (Format::Csv, "events.csv"),
    ] {
        let mut to = FileDestination::append_to(place.join(name));
        let export =
            Export::of(&log, [key.clone()], format).cursor(place.join(format!("{name}.cursor")));
        let exported = export.run(&mut to).await?;
        // A second run goes on from there, and has nothing to do.
        let again = export.run(&mut to).await?;
        println!(
            "  {name}: {} events, then {}",
            exported.delivered, again.delivered
        );
    }

    println!("\n━━ Evidence");
    let directory = place.join("evidence");
    let keys = [key.clone()];
    let (from, until) = (Timestamp::from_millis(0), Timestamp::from_millis(1 << 45));
    let evidence = Evidence::of(Framework::Nist80053, "AC-3(2)", from, until)?;
    evidence.write(&signed, &keys, &directory)?;
    let bundle = verify(&directory, &keys)?;
    compare(&directory, &log, &keys)?;
    println!("  AC-3(2): {} events, each with its proof", bundle.events);

    println!("\nLook for yourself: {}", place.display());
    println!("  evidence/report.html          what an auditor reads");
    println!("  events.ocsf.jsonl, events.csv what a SIEM and a spreadsheet read");
    println!("  log/tile, log/checkpoint      what any C2SP tool reads");
    println!("Verify the evidence without the log:");
    println!(
        "  cargo run -p approvals-audit --bin approvals-evidence -- verify {} {key}",
        directory.display()
    );
    Ok(())
}

/// Changes a copy of the log, and shows that it is found.
fn changed_is_found(log: &Path, key: &VerifierKey, place: &Path) -> Result<(), Error> {
    let copy = place.join("changed");
    copy_all(log, &copy)?;
    if change_all(&copy.join("tile/entries"))? == 0 {
        return Err("nobody has denied anything".into());
    }
    match Verifier::new(&copy, [key.clone()]).run() {
        Err(VerifyError::Found(finding)) => {
            println!("  in a copy, where a no was changed: {finding}");
            std::fs::remove_dir_all(&copy)?;
            Ok(())
        }
        Err(other) => Err(other.into()),
        Ok(_) => Err("a log that was changed was verified".into()),
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A no, as entries have it.
const DENIED: &[u8] = b"\"choice\":\"deny\"";

/// Makes every no something else, and says in how many files there was one.
fn change_all(within: &Path) -> Result<usize, Error> {
    let mut changed = 0;
    for entry in std::fs::read_dir(within)? {
        let path = entry?.path();
        if path.is_dir() {
            changed += change_all(&path)?;
            continue;
        }
        let mut bytes = std::fs::read(&path)?;
        let denied = bytes.windows(DENIED.len()).position(|part| part == DENIED);
        if let Some(at) = denied {
            bytes.splice(at..at + DENIED.len(), *b"\"choice\":\"okay\"");
            std::fs::write(&path, bytes)?;
            changed += 1;
        }
    }
    Ok(changed)
}

/// A directory that does not exist yet.
fn fresh() -> PathBuf {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let millis = now.map_or(0, |since| since.as_millis());
    std::env::temp_dir().join(format!("approvals-audit-{millis}-{}", std::process::id()))
}
