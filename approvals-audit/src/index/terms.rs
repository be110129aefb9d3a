//! Texts by number: most stand in many rows.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

/// How many texts are remembered while an index is built.
const REMEMBERED: usize = 32_768;

/// The numbers of texts that were met of late.
#[derive(Debug, Default)]
pub(super) struct Terms(HashMap<String, i64>);

impl Terms {
    /// The number of a text, which it is given if it has none.
    pub(super) fn number(
        &mut self,
        connection: &Connection,
        text: &str,
    ) -> Result<i64, rusqlite::Error> {
        if let Some(number) = self.0.get(text) {
            return Ok(*number);
        }
        let number = match known(connection, text)? {
            Some(number) => number,
            None => {
                let mut insert =
                    connection.prepare_cached("INSERT INTO term (text) VALUES (?1)")?;
                insert.insert([text])?
            }
        };
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(text.to_owned(), number);
        Ok(number)
    }

    /// Forgets all: what was numbered may have been undone.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// The number of a text, if any row has it.
pub(super) fn known(connection: &Connection, text: &str) -> Result<Option<i64>, rusqlite::Error> {
    let mut find = connection.prepare_cached("SELECT id FROM term WHERE text = ?1")?;
    find.query_row([text], |row| row.get(0)).optional()
}
