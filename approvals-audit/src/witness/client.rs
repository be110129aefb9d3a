//! Submitting a checkpoint to a witness, as C2SP's tlog-witness says.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use approvals_core::async_trait;

use crate::checkpoint::Checkpoint;
use crate::log::{Directory, LogError};
use crate::note::{KeyError, Note, NoteError, VerifierKey};
use crate::tree::consistency_proof;

/// How long an answer of a witness may be: a few signature lines.
pub(super) const LONGEST: usize = 64 << 10;

/// Where a witness takes checkpoints, below its address.
pub(super) const ADD_CHECKPOINT: &str = "/add-checkpoint";

/// How a witness says which size of the log it knows.
const SIZE: &str = "text/x.tlog.size";

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`, if there is one.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// A request was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// Sends one HTTP request. Who implements it brings time limits, verifies whom it talks to, and
/// follows no redirects. `HttpsTransport` (feature `https`) is one.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Posts a body to this URL, and returns whatever is answered. A longer answer than 64 KiB may
    /// be cut off.
    ///
    /// # Errors
    /// [`TransportError`] when there is no answer.
    async fn post(&self, url: &str, body: Vec<u8>) -> Result<Answer, TransportError>;
}

/// A witness: where it is, and the key that it signs with.
#[derive(Debug, Clone)]
pub struct Witness {
    url: String,
    key: VerifierKey,
    transport: Arc<dyn Transport>,
}

/// A witness did not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The key is not one of a witness.
    #[error("`{0}` is no key of a witness: it has to be an Ed25519 cosignature key (type 4)")]
    Kind(String),
    /// The key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It cannot be at this address.
    #[cfg(feature = "https")]
    #[error(transparent)]
    Endpoint(#[from] crate::endpoint::EndpointError),
    /// It did not answer.
    #[error("the witness `{witness}` did not answer: {error}")]
    Transport {
        /// Which.
        witness: String,
        /// Why not.
        error: TransportError,
    },
    /// It has seen more of the log than there is: the log was set back, or another one is written
    /// under its name.
    #[error(
        "the witness `{witness}` has seen {seen} entries of this log, which has {size}: it was set back"
    )]
    SetBack {
        /// Which.
        witness: String,
        /// How many entries it has seen.
        seen: u64,
        /// How many there are.
        size: u64,
    },
    /// It has seen another log under this name.
    #[error(
        "the witness `{0}` says that this log does not go on from what it has seen: it was forked or rewritten"
    )]
    Forked(String),
    /// It refused for another reason.
    #[error("the witness `{witness}` refused with status {status}: {why}")]
    Refused {
        /// Which.
        witness: String,
        /// The HTTP status.
        status: u16,
        /// What that means.
        why: &'static str,
    },
    /// What it answered is no cosignature of this checkpoint by its key.
    #[error("the witness `{witness}` answered with no signature of its key: {error}")]
    Signature {
        /// Which.
        witness: String,
        /// What is wrong.
        error: NoteError,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Witness {
    /// The witness at this URL, to which `/add-checkpoint` is added.
    ///
    /// # Errors
    /// [`WitnessError::Kind`] when the key is one that a log signs with.
    pub fn new(
        url: &str,
        key: VerifierKey,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, WitnessError> {
        if !key.is_witness() {
            return Err(WitnessError::Kind(key.to_string()));
        }
        Ok(Self {
            url: format!("{}{ADD_CHECKPOINT}", url.trim_end_matches('/')),
            key,
            transport,
        })
    }

    /// The key that it signs with.
    #[must_use]
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Where checkpoints are posted.
    #[cfg(feature = "https")]
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    fn name(&self) -> String {
        self.key.name().to_owned()
    }

    /// Has it sign a checkpoint of a log. `seen` is how many entries it is thought to know; it says
    /// so where it knows others. Returns its signature lines, which were verified.
    ///
    /// # Errors
    /// [`WitnessError`]; [`SetBack`](WitnessError::SetBack) and [`Forked`](WitnessError::Forked)
    /// are for people to look at.
    pub async fn cosign(
        &self,
        directory: &Directory,
        note: &Note,
        checkpoint: &Checkpoint,
        seen: u64,
    ) -> Result<String, WitnessError> {
        let mut seen = seen.min(checkpoint.size);
        let mut corrected = false;
        loop {
            let body = request(directory, note, checkpoint, seen)?;
            let answer = self.transport.post(&self.url, body).await;
            let answer = answer.map_err(|error| WitnessError::Transport {
                witness: self.name(),
                error,
            })?;
            match answer.status {
                200 => return self.signed(note, &answer.body),
                // It may have signed for somebody else in between, but not twice in one moment.
                409 if !corrected => {
                    seen = self.knows(&answer, checkpoint.size)?;
                    corrected = true;
                }
                409 | 422 => return Err(WitnessError::Forked(self.name())),
                status => {
                    let why = match status {
                        403 => "it does not know the key that signed the checkpoint",
                        404 => "it does not know this log: its operator has to add it",
                        400 => "it does not understand the request",
                        300..=399 => {
                            "it sends elsewhere, which is not followed: its operator knows its address"
                        }
                        _ => "no reason is known",
                    };
                    return Err(WitnessError::Refused {
                        witness: self.name(),
                        status,
                        why,
                    });
                }
            }
        }
    }

    /// Which size a witness says that it knows.
    fn knows(&self, answer: &Answer, size: u64) -> Result<u64, WitnessError> {
        let is_size = answer.content_type.as_deref() == Some(SIZE);
        let text = str::from_utf8(&answer.body).ok().filter(|_| is_size);
        let known = text.and_then(|text| text.strip_suffix('\n').unwrap_or(text).parse().ok());
        match known {
            Some(seen) if seen > size => Err(WitnessError::SetBack {
                witness: self.name(),
                seen,
                size,
            }),
            Some(seen) => Ok(seen),
            None => Err(WitnessError::Refused {
                witness: self.name(),
                status: answer.status,
                why: "it knows another size, and does not say which",
            }),
        }
    }

    fn signed(&self, note: &Note, body: &[u8]) -> Result<String, WitnessError> {
        let wrong = |error| WitnessError::Signature {
            witness: self.name(),
            error,
        };
        let malformed = || wrong(NoteError::Malformed("its answer is no signature line"));
        let lines = str::from_utf8(body).map_err(|_| malformed())?;
        if lines.is_empty() || lines.len() > LONGEST {
            return Err(malformed());
        }
        let mut cosigned = note.clone();
        let keys = std::slice::from_ref(&self.key);
        cosigned.cosign(lines, keys).map_err(wrong)?;
        cosigned.verify(keys).map_err(wrong)?;
        Ok(cosigned.lines_of(keys))
    }
}

/// What is posted: the old size, the proof that the log only grew, and the checkpoint.
fn request(
    directory: &Directory,
    note: &Note,
    checkpoint: &Checkpoint,
    seen: u64,
) -> Result<Vec<u8>, LogError> {
    let mut body = format!("old {seen}\n");
    for hash in consistency_proof(&directory.as_of(checkpoint.size), seen, checkpoint.size)? {
        // A string takes whatever is written.
        let _ = writeln!(body, "{hash}");
    }
    body.push('\n');
    body.push_str(&note.to_string());
    Ok(body.into_bytes())
}
