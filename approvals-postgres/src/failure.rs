//! What went wrong at the server, and whether anything may have been done.

use approvals_core::{ClockError, StoreError};
use sqlx::error::DatabaseError;

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server undid the attempt so that another transaction could go on. Nothing was committed.
    Undone(String),
    /// The connection is gone or gave no answer.
    Lost(String),
    /// The connection was lost while it was committed: it may have been done.
    Unknown(String),
    /// Anything else; trying again would not help.
    Final(StoreError),
}

impl Failure {
    pub(crate) fn unreachable(why: impl Into<String>) -> Self {
        Self::Final(StoreError::Unreachable(why.into()))
    }

    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::Final(StoreError::Invalid(why.into()))
    }

    /// What became of a transaction whose `COMMIT` was sent and failed.
    pub(crate) fn of_commit(self) -> Self {
        match self {
            Self::Lost(why) => Self::Unknown(why),
            // The server answered: it rolled back.
            failure @ (Self::Undone(_) | Self::Final(_) | Self::Unknown(_)) => failure,
        }
    }

    /// What is said of a transaction that was committed, where its answer cannot be read.
    pub(crate) fn after_commit(self) -> Self {
        Self::Unknown(StoreError::from(self).to_string())
    }

    /// Classifies an error by its SQLSTATE; the codes are those of PostgreSQL's appendix A.
    pub(crate) fn of(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(said) = &error else {
            return match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed => Self::Lost(error.to_string()),
                sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::ColumnIndexOutOfBounds { .. }
                | sqlx::Error::RowNotFound => Self::invalid(format!(
                    "what is stored is not what this version stores: {error}"
                )),
                other => Self::unreachable(other.to_string()),
            };
        };
        let code = said.code().unwrap_or_default().into_owned();
        let message = said.message().to_owned();
        match code.as_str() {
            // serialization_failure, deadlock_detected
            "40001" | "40P01" => Self::Undone(message),
            // not_null_violation: a condition of the statement, see `rows::with_events`.
            "23502" if is_of_an_event(said.as_ref()) => Self::Undone(message),
            // disk_full
            "53100" => Self::Final(StoreError::Full(message)),
            // lock_not_available, query_canceled
            "55P03" | "57014" => Self::unreachable(format!(
                "{message}: another transaction is in the way, or the server is too slow"
            )),
            // read_only_sql_transaction
            "25006" => Self::unreachable(format!(
                "{message}: this server is a standby or read-only, connect to the primary"
            )),
            // undefined_table, undefined_column, undefined_function, invalid_schema_name
            "42P01" | "42703" | "42883" | "3F000" => Self::invalid(format!(
                "{message}: the tables are not those of this version, connect anew so that they are made"
            )),
            // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout,
            // idle_in_transaction_session_timeout
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Self::Lost(message),
            // Connection exceptions, and too_many_connections.
            code if code.starts_with("08") || code == "53300" => Self::Lost(message),
            // Insufficient resources, I/O errors of the server, authorization.
            code if ["53", "58", "28"]
                .iter()
                .any(|class| code.starts_with(class)) =>
            {
                Self::unreachable(format!("{message} ({code})"))
            }
            code => Self::invalid(format!("{message} ({code})")),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::of(error)
    }
}

impl From<ClockError> for Failure {
    fn from(error: ClockError) -> Self {
        Self::Final(StoreError::Clock(error))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Final(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Undone(why) | Failure::Lost(why) => Self::Unreachable(why),
            Failure::Unknown(why) => Self::Unreachable(format!(
                "{why}, while it was committed: it may have been done, read again"
            )),
            Failure::Final(error) => error,
        }
    }
}

/// Whether a row of `events` was refused because a column of it was empty.
fn is_of_an_event(said: &dyn DatabaseError) -> bool {
    said.table() == Some("events")
}

/// Whether connecting may succeed a moment later: the server starts, stops, or is full.
pub(crate) fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => matches!(
            error.kind(),
            std::io::ErrorKind::ConnectionRefused
                | std::io::ErrorKind::ConnectionReset
                | std::io::ErrorKind::ConnectionAborted
                | std::io::ErrorKind::UnexpectedEof
                | std::io::ErrorKind::BrokenPipe
                // The socket of a server that is not running.
                | std::io::ErrorKind::NotFound
        ),
        sqlx::Error::Database(said) => said
            .code()
            .is_some_and(|code| code.starts_with("57P") || code == "53300"),
        _ => false,
    }
}
