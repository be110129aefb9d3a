//! What other processes changed: told to whoever waits in this one.

use approvals_core::store::Hints;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::rows;
use crate::script::Script;
use crate::transaction::Failure;

/// How many changes are kept for others to read. Who is further behind looks at everything.
pub(crate) const KEPT: u64 = 4096;

/// How far this process has looked.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    /// SQLite's own count of commits by others, which costs nothing to read.
    version: Option<i64>,
    /// The last change that was looked at.
    seen: Option<u64>,
}

impl Watching {
    /// Wakes whoever waits for what others changed since.
    pub(crate) async fn look(
        &mut self,
        connection: &mut SqliteConnection,
        hints: &Hints,
    ) -> Result<(), sqlx::Error> {
        let version = match Script::new("PRAGMA data_version").row(connection).await? {
            Some(row) => row.try_get::<i64, _>(0)?,
            None => return Ok(()),
        };
        if self.version == Some(version) {
            return Ok(());
        }
        match self.changes(connection, hints).await {
            Ok(()) => {
                self.version = Some(version);
                Ok(())
            }
            Err(Failure::Sql(error)) => Err(error),
            Err(Failure::Refused(error)) => Err(sqlx::Error::Protocol(error.to_string())),
        }
    }

    async fn changes(
        &mut self,
        connection: &mut SqliteConnection,
        hints: &Hints,
    ) -> Result<(), Failure> {
        let Some(row) = Script::new("SELECT last_change FROM meta")
            .row(connection)
            .await?
        else {
            return Ok(());
        };
        let last = rows::number(&row, "last_change")?;
        // At first nobody waits yet.
        let seen = self.seen.unwrap_or(last);
        if last.saturating_sub(seen) > KEPT {
            hints.all_changed();
        } else if last > seen {
            let mut read = Script::new(
                "SELECT DISTINCT request FROM changes WHERE number > ? AND number <= ?",
            );
            read.bind_number(seen).bind_number(last);
            for row in read.rows(connection).await? {
                hints.changed(rows::id(&row, "request")?);
            }
        }
        self.seen = Some(last);
        Ok(())
    }
}
