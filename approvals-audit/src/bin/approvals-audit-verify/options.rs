//! What the verifier is asked to do.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use approvals_audit::VerifierKey;
use lexopt::prelude::{Long, Short, Value, ValueExt as _};

/// How long a file with keys, a checkpoint or a proof may be, in bytes.
const LONGEST: u64 = 1 << 20;

pub(crate) const HELP: &str = "\
Verifies a log of approvals with nothing but its files and the public key.

usage: approvals-audit-verify --key KEY [options] DIRECTORY
       approvals-audit-verify --key KEY --entry FILE [--disclosure FILE] PROOF
       approvals-audit-verify --key KEY CHECKPOINT

  DIRECTORY            a log: signatures, the tree over all entries, gaps, the
                       clock, and what became of every request
  PROOF                a file `….tlog-proof`, which shows that --entry is in the log
  CHECKPOINT           a signed checkpoint alone

  -k, --key KEY        the public key, or a file with one on each line; may be
                       given several times while keys are changed
  -w, --witness KEY    the public key of a witness, or a file with keys: each has
                       to have signed the checkpoint, of a log the last one that
                       it was shown; may be given several times
      --seen FILE      a checkpoint that was seen before: the log has to begin
                       with it; may be given several times
      --remember FILE  the same, where there is one; when the log is sound, its
                       checkpoint is kept there for the next time
      --entry FILE     the entry that a proof is of, byte for byte
      --disclosure FILE
                       a value that the entry has a commitment to
      --open N         how many requests that are open at one time are followed in
                       one reading of the log
  -q, --quiet          say nothing when all is well
  -h, --help           this text
      --version        the version

exit code: 0 when it is as it was signed, 1 when it is not, 2 when that cannot be told.
";

/// What is to be verified, and with what.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) path: PathBuf,
    pub(crate) keys: Vec<VerifierKey>,
    pub(crate) witnesses: Vec<VerifierKey>,
    pub(crate) seen: Vec<PathBuf>,
    pub(crate) remember: Option<PathBuf>,
    pub(crate) entry: Option<PathBuf>,
    pub(crate) disclosure: Option<PathBuf>,
    pub(crate) open: Option<usize>,
    pub(crate) quiet: bool,
}

/// What the arguments come to.
#[derive(Debug)]
pub(crate) enum Asked {
    Verify(Box<Options>),
    Help,
    Version,
}

/// Reads the arguments.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
    let mut options = Options::default();
    let mut path = None;
    let mut parser = lexopt::Parser::from_args(arguments);
    let failed = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(failed)? {
        let file = |parser: &mut lexopt::Parser| parser.value().map(PathBuf::from);
        match argument {
            Short('k') | Long("key") => {
                let key = parser.value().map_err(failed)?;
                options.keys.extend(keys(&key)?);
            }
            Short('w') | Long("witness") => {
                let key = parser.value().map_err(failed)?;
                options.witnesses.extend(keys(&key)?);
            }
            Long("seen") => options.seen.push(file(&mut parser).map_err(failed)?),
            Long("remember") => options.remember = Some(file(&mut parser).map_err(failed)?),
            Long("entry") => options.entry = Some(file(&mut parser).map_err(failed)?),
            Long("disclosure") => options.disclosure = Some(file(&mut parser).map_err(failed)?),
            Long("open") => {
                let number = parser.value().map_err(failed)?;
                options.open = Some(number.parse().map_err(failed)?);
            }
            Short('q') | Long("quiet") => options.quiet = true,
            Short('h') | Long("help") => return Ok(Asked::Help),
            Long("version") => return Ok(Asked::Version),
            Value(value) if path.is_none() => path = Some(PathBuf::from(value)),
            other => return Err(failed(other.unexpected())),
        }
    }
    options.path = path.ok_or("name the directory of a log, a proof or a checkpoint")?;
    if options.keys.is_empty() {
        return Err(
            "name the public key with `--key`: without it anybody could have written what is there"
                .to_owned(),
        );
    }
    if let Some(key) = options.witnesses.iter().find(|key| !key.is_witness()) {
        return Err(format!(
            "`{key}` is no key of a witness, which `--witness` names"
        ));
    }
    Ok(Asked::Verify(Box::new(options)))
}

/// A key as it is written, or those in a file.
fn keys(given: &OsString) -> Result<Vec<VerifierKey>, String> {
    if let Some(key) = given.to_str().and_then(|text| text.parse().ok()) {
        return Ok(vec![key]);
    }
    let path = Path::new(given);
    let text = read(path).map_err(|error| {
        format!(
            "`{}` is neither a public key (`name+hash+base64`) nor a file with one: {error}",
            path.display()
        )
    })?;
    let text = String::from_utf8(text).unwrap_or_default();
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = lines.map(|line| {
        let key: Result<VerifierKey, _> = line.parse();
        key.map_err(|error| format!("{}: {error}", path.display()))
    });
    let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(format!("{} holds no public key", path.display()));
    }
    Ok(keys)
}

/// Reads a small file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("reading {}: {error}", path.display());
    let found = fs::metadata(path).map_err(failed)?;
    if !found.is_file() || found.len() > LONGEST {
        return Err(format!(
            "{} is no file of at most {LONGEST} bytes",
            path.display()
        ));
    }
    fs::read(path).map_err(failed)
}
