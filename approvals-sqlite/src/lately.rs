//! What the writer knows of the file without reading it again: as long as nobody else wrote to it,
//! it stands as the writer left it.

use std::collections::HashMap;

use approvals_core::RequestId;
use approvals_core::store::lookup::Columns;
use rusqlite::Connection;

use crate::entries::Stands;
use crate::head::Head;

/// Of how many requests it is known how they stand. Those that are open change several times within
/// a short while.
const KEPT: usize = 2048;

/// How a request stands in its row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) revision: u64,
    pub(crate) schema: u16,
    pub(crate) stands: Stands,
}

/// What was read or written lately. It is thrown away when a transaction ends otherwise than by its
/// commit.
#[derive(Debug, Default)]
pub(crate) struct Lately {
    /// SQLite's own count of commits by others, as this connection sees it.
    version: Option<i64>,
    head: Option<Head>,
    requests: HashMap<RequestId, Standing>,
}

impl Lately {
    /// Forgets what others may have changed, and returns how the store stands where that is still
    /// known. The lock on writing is held: nobody changes anything from now on.
    pub(crate) fn begin(
        &mut self,
        connection: &Connection,
    ) -> Result<Option<Head>, rusqlite::Error> {
        let mut question = connection.prepare_cached("PRAGMA data_version")?;
        let version: i64 = question.query_row((), |row| row.get(0))?;
        if self.version != Some(version) {
            *self = Self {
                version: Some(version),
                ..Self::default()
            };
        }
        Ok(self.head.clone())
    }

    /// How the store stands after a commit.
    pub(crate) fn committed(&mut self, head: Head) {
        self.head = Some(head);
    }

    pub(crate) fn standing(&self, id: RequestId) -> Option<Standing> {
        self.requests.get(&id).copied()
    }

    /// Once it is written.
    pub(crate) fn stands(&mut self, columns: &Columns, stands: Stands) {
        if columns.phase.is_final() {
            // It hardly changes again.
            return;
        }
        if self.requests.len() >= KEPT {
            self.requests.clear();
        }
        let standing = Standing {
            revision: columns.revision,
            schema: columns.schema,
            stands,
        };
        self.requests.insert(columns.id, standing);
    }

    /// Before it is changed.
    pub(crate) fn forget(&mut self, id: RequestId) {
        self.requests.remove(&id);
    }
}
