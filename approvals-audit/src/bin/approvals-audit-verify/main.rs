//! A verifier for whoever has a log of approvals, or a part of one, and its public key.

mod options;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use approvals_audit::{
    Checkpoint, CheckpointError, Disclosure, EntryProof, Note, Report, Verifier, VerifierKey,
    VerifyError,
};

use self::options::{Asked, HELP, Options, read};

/// It is not as it was signed.
const WRONG: u8 = 1;
/// That cannot be told: a file is missing, or the arguments make no sense.
const UNTOLD: u8 = 2;

/// What a proof file begins with.
const PROOF: &[u8] = b"c2sp.org/tlog-proof@";

/// Why nothing good can be said.
enum Failure {
    Wrong(String),
    Untold(String),
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let asked = options::parse(std::env::args_os().skip(1));
    let done = match asked {
        Ok(Asked::Help) => Ok(HELP.to_owned()),
        Ok(Asked::Version) => Ok(format!(
            "approvals-audit-verify {}\n",
            env!("CARGO_PKG_VERSION")
        )),
        Ok(Asked::Verify(options)) => {
            verify(&options).map(|said| if options.quiet { String::new() } else { said })
        }
        Err(error) => Err(Failure::Untold(format!("{error}\n\n{HELP}"))),
    };
    let (code, said) = match done {
        // Whoever reads may have gone.
        Ok(said) => return written(out.write_all(said.as_bytes()).and_then(|()| out.flush())),
        Err(Failure::Wrong(why)) => (WRONG, format!("WRONG: {why}")),
        Err(Failure::Untold(why)) => (UNTOLD, why),
    };
    // There is nobody else to tell, and the exit code tells it too.
    let _ = writeln!(std::io::stderr().lock(), "{}", said.trim_end());
    ExitCode::from(code)
}

/// A result that nobody was told is none.
fn written(result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(UNTOLD),
    }
}

fn verify(options: &Options) -> Result<String, Failure> {
    if options.path.is_dir() {
        if options.entry.is_some() || options.disclosure.is_some() {
            let why = "`--entry` and `--disclosure` go with a proof, not with a directory";
            return Err(Failure::Untold(why.to_owned()));
        }
        return directory(options);
    }
    let bytes = read(&options.path).map_err(Failure::Untold)?;
    if bytes.starts_with(PROOF) {
        proof(options, &bytes)
    } else {
        let checkpoint = checkpoint(&options.path, &bytes, &options.keys)?;
        let witnesses = witnessed(&bytes, &options.witnesses)?;
        let line = line(&checkpoint);
        Ok(format!("the checkpoint is signed: {line}{witnesses}\n"))
    }
}

fn directory(options: &Options) -> Result<String, Failure> {
    let mut verifier = Verifier::new(&options.path, options.keys.clone());
    if let Some(open) = options.open {
        verifier = verifier.following(open);
    }
    for witness in &options.witnesses {
        let named = verifier.witnessed_by(witness.clone());
        verifier = named.map_err(|error| Failure::Untold(error.to_string()))?;
    }
    let remembered = options.remember.iter().filter(|path| path.exists());
    for path in options.seen.iter().chain(remembered) {
        let bytes = read(path).map_err(Failure::Untold)?;
        verifier = verifier.remembering(checkpoint(path, &bytes, &options.keys)?);
    }
    let report = verifier.run().map_err(|error| match error {
        VerifyError::Found(_)
        | VerifyError::Checkpoint(_)
        | VerifyError::Witnessed(_)
        | VerifyError::Unwitnessed => Failure::Wrong(error.to_string()),
        VerifyError::Unreadable(_) => Failure::Untold(error.to_string()),
    })?;
    if let Some(path) = &options.remember {
        remember(path, &report)?;
    }
    Ok(told(&report))
}

/// Keeps the checkpoint that was verified: whole, or the one before.
fn remember(path: &Path, report: &Report) -> Result<(), Failure> {
    let before = path.with_extension("new");
    let kept = File::create(&before).and_then(|mut file| {
        file.write_all(&report.note)?;
        file.sync_all()?;
        std::fs::rename(&before, path)
    });
    kept.map_err(|error| Failure::Untold(format!("keeping {}: {error}", path.display())))
}

fn proof(options: &Options, bytes: &[u8]) -> Result<String, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Wrong(error.to_string());
    let text = std::str::from_utf8(bytes).map_err(|error| wrong(&error))?;
    let proof = EntryProof::parse(text).map_err(|error| wrong(&error))?;
    let Some(path) = &options.entry else {
        let why = "name the file with the entry that it is a proof of with `--entry`";
        return Err(Failure::Untold(why.to_owned()));
    };
    let entry = read(path).map_err(Failure::Untold)?;
    let shown = proof.verify(&entry, &options.keys);
    let shown = shown.map_err(|error| wrong(&error))?;
    let witnesses = witnessed(proof.checkpoint.as_bytes(), &options.witnesses)?;
    let line = line(&shown);
    let mut told = format!("entry {} is in the log: {line}{witnesses}\n", proof.index);
    if let Some(path) = &options.disclosure {
        let text = String::from_utf8(read(path).map_err(Failure::Untold)?);
        let text = text.map_err(|error| wrong(&error))?;
        let disclosure = Disclosure::parse(&text).map_err(|error| wrong(&error))?;
        let places = disclosure.verify(&entry).map_err(|error| wrong(&error))?;
        for place in places {
            // Whatever it holds, it stays one line.
            let value = disclosure.value();
            told.push_str(&format!("{place} was {value}\n"));
        }
    }
    Ok(told)
}

fn checkpoint(path: &Path, note: &[u8], keys: &[VerifierKey]) -> Result<Checkpoint, Failure> {
    let checkpoint = Checkpoint::verified(note, keys);
    checkpoint.map_err(|error: CheckpointError| {
        Failure::Wrong(format!("the checkpoint in {}: {error}", path.display()))
    })
}

/// That every one of these witnesses signed a checkpoint, or a proof's, too.
fn witnessed(note: &[u8], witnesses: &[VerifierKey]) -> Result<&'static str, Failure> {
    let wrong = |error| Failure::Wrong(format!("the signature of a witness: {error}"));
    let note = Note::parse(note).map_err(wrong)?;
    for witness in witnesses {
        note.verify(std::slice::from_ref(witness)).map_err(wrong)?;
    }
    Ok(if witnesses.is_empty() {
        ""
    } else {
        ", and so say the witnesses"
    })
}

fn line(checkpoint: &Checkpoint) -> String {
    let Checkpoint { origin, size, root } = checkpoint;
    format!("{origin}, {size} entries, root {root}")
}

fn told(report: &Report) -> String {
    let mut told = format!(
        "the log is as it was signed: {}\n",
        line(&report.checkpoint)
    );
    let mut say = |text: &str| {
        told.push_str(text);
        told.push('\n');
    };
    if let Some((from, to)) = report.span {
        say(&format!("its events are of {from} to {to}"));
    }
    if let Some(entries) = report.witnessed {
        say(&format!(
            "witnesses have signed its first {entries} entries"
        ));
    }
    for (number, what) in [
        (
            report.open_requests as u64,
            "requests are not over at its end",
        ),
        (
            report.payloads_missing,
            "events have lost their text, which lay beside the log",
        ),
        (
            report.presentations_missing,
            "requests have lost what reviewers were shown of them",
        ),
    ] {
        if number > 0 {
            say(&format!("{number} {what}"));
        }
    }
    if report.has_more {
        say(
            "MIND: there are entries past the checkpoint. Unless this is a copy that was made while the log grew, the checkpoint was set back",
        );
    }
    told
}
