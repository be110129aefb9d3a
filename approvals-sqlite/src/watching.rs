//! What other processes changed: told to whoever waits in this one.

use approvals_core::store::Hints;
use rusqlite::Connection;

use crate::head;
use crate::rows;
use crate::script::Script;
use crate::transaction::Failure;

/// How many commits' changes are kept for others to read. Who is further behind looks at everything.
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
    pub(crate) fn look(&mut self, connection: &Connection, hints: &Hints) -> Result<(), Failure> {
        let Some(row) = Script::new("PRAGMA data_version").row(connection)? else {
            return Ok(());
        };
        let version = rows::value(&row, "data_version")?;
        if self.version != Some(version) {
            self.changes(connection, hints)?;
            self.version = Some(version);
        }
        Ok(())
    }

    fn changes(&mut self, connection: &Connection, hints: &Hints) -> Result<(), Failure> {
        let Some(row) = Script::new(head::LAST_CHANGE).row(connection)? else {
            return Ok(());
        };
        let last = rows::number(&row, "last_change")?;
        // At first nobody waits yet.
        let seen = self.seen.unwrap_or(last);
        if last.saturating_sub(seen) > KEPT {
            hints.all_changed();
        } else if last > seen {
            let mut read = Script::new(
                "SELECT request FROM entries WHERE kind = 1 AND value = '' AND part > ? AND part <= ?",
            );
            read.bind_number(seen).bind_number(last);
            for row in read.rows(connection)? {
                head::changed_in(&row)?.for_each(|id| hints.changed(id));
            }
        }
        self.seen = Some(last);
        Ok(())
    }
}
