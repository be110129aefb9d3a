//! Makes a key that signs a log: `approvals-audit-key NAME FILE`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::ExitCode;

use approvals_audit::{Ed25519Signer, Signer as _};

const USAGE: &str = "usage: approvals-audit-key NAME FILE

  Makes a new Ed25519 key, writes it into FILE, which only its owner can read and which must not
  exist, and prints the public key, which whoever verifies the log has to be given.

  NAME is the log's own: like an address without its scheme, `example.com/approvals`.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        [name, file] => match make(name, file) {
            Ok(public) => {
                println!("{public}");
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("NO KEY WAS MADE: {why}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn make(name: &str, path: &str) -> Result<String, String> {
    let key = Ed25519Signer::generate(name).map_err(|error| error.to_string())?;
    let mut options = OpenOptions::new();
    // Never over another key, whose logs nobody could go on with.
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options.open(path).and_then(|mut file| {
        file.write_all(format!("{}\n", key.private()).as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| format!("writing {path}: {error}"))?;
    Ok(key.key().to_string())
}
