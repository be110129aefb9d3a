//! Verifies evidence bundles: `approvals-evidence verify DIRECTORY KEY`.

use std::process::ExitCode;

use approvals_audit::VerifierKey;
use approvals_audit::evidence::{Bundle, compare, verify};

const USAGE: &str = "usage: approvals-evidence verify DIRECTORY KEY…
       approvals-evidence compare DIRECTORY LOG KEY…

  verify    the checkpoint is signed by a KEY, the log has every event, and every file is what the
            events make it
  compare   besides, nothing was left out: the bundle is made again from the LOG's directory

  KEY is a public key, written name+hash+base64. Take it from where you know it to be the log's own.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
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
