//! Has witnesses sign the checkpoint of a log of approvals, beside whoever writes it.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use approvals_audit::{
    CheckpointFile, HttpsTransport, LogError, Publisher, VerifierKey, Witness, WitnessError,
};
use lexopt::prelude::{Long, Short, Value, ValueExt as _};

const HELP: &str = "\
Has witnesses sign the checkpoint of a log of approvals, over HTTPS.

usage: approvals-audit-witness --key KEY [--witness URL KEY]... [options] DIRECTORY

  DIRECTORY            the log, beside whose checkpoint what they sign is kept, as
                       `checkpoint.witnessed`
  -k, --key KEY        the log's public key; several times while keys are changed
  -w, --witness URL KEY
                       a witness: its address, and its public key
      --copy FILE      keeps the checkpoint in this file too, on another disk
      --every SECONDS  again and again, so long after each time; otherwise once
  -h, --help           this text

exit code: 0 when all have signed, 1 when one of them has seen another log than
this, 2 when that cannot be told.
";

/// Somebody has seen another log.
const WRONG: u8 = 1;
/// Somebody did not answer, or the arguments make no sense.
const UNTOLD: u8 = 2;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(UNTOLD)
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let Some(asked) = parse(std::env::args_os().skip(1))? else {
        println!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        loop {
            let code = once(&asked.publisher).await;
            match asked.every {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Ok(code),
            }
        }
    })
}

/// Shows the checkpoint to all of them once, and says what came of it.
async fn once(publisher: &Publisher) -> ExitCode {
    let published = match publisher.once().await {
        Ok(published) => published,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(UNTOLD);
        }
    };
    let (checkpoint, signed) = (&published.checkpoint, published.witnesses);
    println!(
        "{}, {} entries: signed by {signed} witnesses",
        checkpoint.origin, checkpoint.size
    );
    for error in &published.refused {
        eprintln!("{error}");
    }
    let another = published.refused.iter().any(|error| {
        matches!(
            error,
            WitnessError::SetBack { .. }
                | WitnessError::Forked(_)
                | WitnessError::Log(LogError::Damaged { .. })
        )
    });
    match (another, published.refused.is_empty()) {
        (true, _) => ExitCode::from(WRONG),
        (false, false) => ExitCode::from(UNTOLD),
        (false, true) => ExitCode::SUCCESS,
    }
}

struct Asked {
    publisher: Publisher,
    every: Option<Duration>,
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Asked>, String> {
    let (mut path, mut every) = (None, None);
    let (mut keys, mut witnesses) = (Vec::<VerifierKey>::new(), Vec::new());
    let mut copies = Vec::new();
    let mut parser = lexopt::Parser::from_args(arguments);
    let failed = |error: lexopt::Error| format!("{error}\n\n{HELP}");
    let transport = HttpsTransport::new().map_err(|error| error.to_string())?;
    while let Some(argument) = parser.next().map_err(failed)? {
        match argument {
            Short('k') | Long("key") => {
                let key = parser.value().map_err(failed)?;
                keys.push(key.parse().map_err(failed)?);
            }
            Short('w') | Long("witness") => {
                let url = parser.value().and_then(|url| url.string());
                let key = parser.value().map_err(failed)?;
                let (url, key) = (url.map_err(failed)?, key.parse().map_err(failed)?);
                let witness = Witness::over_https(&url, key, &transport);
                witnesses.push(witness.map_err(|error| error.to_string())?);
            }
            Long("copy") => copies.push(parser.value().map_err(failed)?),
            Long("every") => {
                let seconds = parser.value().map_err(failed)?;
                let seconds: NonZeroU64 = seconds.parse().map_err(failed)?;
                every = Some(Duration::from_secs(seconds.get()));
            }
            Short('h') | Long("help") => return Ok(None),
            Value(value) if path.is_none() => path = Some(PathBuf::from(value)),
            other => return Err(failed(other.unexpected())),
        }
    }
    let path = path.ok_or_else(|| format!("name the directory of a log\n\n{HELP}"))?;
    if keys.is_empty() || (witnesses.is_empty() && copies.is_empty()) {
        return Err(format!(
            "name the log's key with `--key`, and a witness or a copy\n\n{HELP}"
        ));
    }
    let publisher = witnesses
        .into_iter()
        .fold(Publisher::of(path, keys), Publisher::witness);
    let publisher = copies.into_iter().fold(publisher, |publisher, file| {
        publisher.copy_to(Arc::new(CheckpointFile::at(PathBuf::from(file))))
    });
    Ok(Some(Asked { publisher, every }))
}
