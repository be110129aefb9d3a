//! Makes and verifies evidence bundles: `approvals-evidence verify DIRECTORY KEY`.

use std::process::ExitCode;
use std::time::Duration;

use approvals_audit::evidence::{Bundle, Evidence, Framework, compare, verify};
use approvals_audit::{SignedLog, VerifierKey};
use approvals_core::Timestamp;

const USAGE: &str = "usage: approvals-evidence make LOG DIRECTORY FRAMEWORK CONTROL FROM UNTIL [VERSION=FILE…] KEY…
       approvals-evidence verify DIRECTORY KEY…
       approvals-evidence compare DIRECTORY LOG KEY…

  make      writes a bundle into DIRECTORY, which is made or empty: the events of the LOG's
            directory that are evidence for a control, of the days from FROM until UNTIL, which is
            not in it, each written 2026-01-31 and beginning at midnight UTC
  verify    the checkpoint is signed by a KEY, the log has every event, and every file is what the
            events make it
  compare   besides, nothing was left out: the bundle is made again from the LOG's directory

  FRAMEWORK is nist-800-53-r5, fedramp, soc2 or iso-27001-2022, CONTROL as the framework names it.
  VERSION=FILE is the text of this version of a policy.
  KEY is a public key, written name+hash+base64. Take it from where you know it to be the log's own.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [
            "make",
            log,
            directory,
            framework,
            control,
            from,
            until,
            rest @ ..,
        ] if !rest.is_empty() => evidence(framework, control, (from, until))
            .and_then(|asked| make(asked, log, directory, rest)),
        ["verify", directory, keys @ ..] if !keys.is_empty() => {
            parsed(keys).and_then(|keys| verify(directory, &keys).map_err(|e| e.to_string()))
        }
        ["compare", directory, log, keys @ ..] if !keys.is_empty() => {
            parsed(keys).and_then(|keys| compare(directory, log, &keys).map_err(|e| e.to_string()))
        }
        ["--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(Bundle {
            checkpoint,
            events,
            context,
        }) => {
            println!(
                "OK: {events} events, and {context} that tell what was asked, all in the log `{}` of {} entries",
                checkpoint.origin, checkpoint.size
            );
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("NOT VERIFIED: {why}");
            ExitCode::FAILURE
        }
    }
}

fn parsed(keys: &[&str]) -> Result<Vec<VerifierKey>, String> {
    let keys = keys.iter().map(|key| key.parse::<VerifierKey>());
    keys.collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

fn evidence(
    framework: &str,
    control: &str,
    (from, until): (&str, &str),
) -> Result<Evidence, String> {
    let known = Framework::parse(framework);
    let framework = known.ok_or_else(|| format!("`{framework}` is no framework, see --help"))?;
    let (from, until) = (midnight(from)?, midnight(until)?);
    Evidence::of(framework, control, from, until).map_err(|error| error.to_string())
}

fn make(
    mut evidence: Evidence,
    log: &str,
    directory: &str,
    rest: &[&str],
) -> Result<Bundle, String> {
    let mut keys = Vec::new();
    for argument in rest {
        // A key ends in base64, which may have `=` at its end only, and begins with a name and `+`.
        match (argument.parse::<VerifierKey>(), argument.split_once('=')) {
            (Ok(key), _) => keys.push(key),
            (Err(_), Some((version, file))) => {
                let text = std::fs::read_to_string(file);
                let text = text.map_err(|error| format!("reading {file}: {error}"))?;
                evidence = evidence.policy_text(version, &text);
            }
            (Err(error), None) => return Err(format!("`{argument}`: {error}")),
        }
    }
    let log = SignedLog::open(log, &keys).map_err(|error| error.to_string())?;
    let made = evidence.write(&log, &keys, directory);
    made.map_err(|error| error.to_string())
}

/// The beginning of a day that is written as ISO 8601 has it.
fn midnight(day: &str) -> Result<Timestamp, String> {
    let parts: Vec<u64> = day.split('-').map_while(|part| part.parse().ok()).collect();
    let [year @ 1970..=9999, month @ 1..=12, date @ 1..=31] = parts[..] else {
        return Err(format!("`{day}` is no day: write it as 2026-01-31"));
    };
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let length = |month| match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if date > length(month) {
        return Err(format!("`{day}` is no day of the calendar"));
    }
    let years = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 });
    let days = years.sum::<u64>() + (1..month).map(length).sum::<u64>() + date - 1;
    Ok(Timestamp::from_millis(0).plus(Duration::from_secs(days * 24 * 3600)))
}
