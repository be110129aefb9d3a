//! A floor that writes the very rows of a cycle into a store's own tables: nothing is looked up,
//! judged or put into words.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use approvals_benches::Failure;
use approvals_core::{RequestStore, SinkId};
use approvals_sqlite::SqliteStore;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use tokio::sync::oneshot;

use crate::cycle::{COMMITS, cycle};

/// Tables that a cycle changes, and by how many of their first columns a row is known.
const TABLES: [(&str, usize); 4] = [
    ("requests", 1),
    ("entries", 4),
    ("events", 1),
    ("buckets", 1),
];

/// What is in those tables, by what a row is known by.
type Found = [BTreeMap<String, Vec<Value>>; TABLES.len()];

/// A statement, and what is bound to it.
#[derive(Debug, Clone)]
struct Write {
    sql: String,
    values: Vec<Value>,
    /// The place of a number that is another one in each cycle, and by how much it grows.
    number: Option<(usize, i64)>,
}

/// What stands for a request in what it leaves.
#[derive(Debug, Clone)]
struct Names {
    id: Vec<u8>,
    digest: Vec<u8>,
}

/// Writes cycles on a thread of its own, a message for each commit, as the store does.
pub(crate) struct Rows {
    commits: Vec<Vec<Write>>,
    names: Names,
    queue: mpsc::Sender<Queued>,
    written: i64,
}

impl Rows {
    /// Takes them from a cycle.
    pub(crate) async fn of_a_cycle(directory: &Path) -> Result<Self, Failure> {
        let from = directory.join("rows-from.db");
        let store = SqliteStore::open(&from).await?;
        store.register_sink(&SinkId::new("observer")?).await?;
        // The first one finds nothing of those before it.
        cycle(&store, "first", |_| Ok(())).await?;
        let reading = Connection::open(&from)?;
        let mut found = vec![look(&reading)?];
        let records = cycle(&store, "rows", |_| {
            found.push(look(&reading)?);
            Ok(())
        })
        .await?;
        let asked = &records[0].asked;
        let names = Names {
            id: asked.id.to_bytes().to_vec(),
            digest: asked.digest.as_bytes().to_vec(),
        };
        let pairs = found.iter().zip(found.iter().skip(1));
        let commits = pairs
            .map(|(before, after)| writes(&reading, before, after))
            .collect::<Result<Vec<_>, _>>()?;
        store.close().await;
        let to = directory.join("rows-to.db");
        SqliteStore::open(&to).await?.close().await;
        Ok(Self {
            commits,
            names,
            queue: writer(&to)?,
            written: 0,
        })
    }

    /// Of so many cycles.
    pub(crate) async fn cycles(&mut self, count: usize) -> Result<Duration, Failure> {
        let start = Instant::now();
        for _ in 0..count {
            self.written += 1;
            let mut id = self.names.id.clone();
            let mut digest = self.names.digest.clone();
            // Ids follow each other, digests lie anywhere.
            let number = self.written.to_be_bytes();
            id.iter_mut()
                .rev()
                .zip(number.iter().rev())
                .for_each(|(byte, new)| *byte = *new);
            let mixed = self
                .written
                .wrapping_mul(0x1e37_79b9_7f4a_7c15)
                .to_be_bytes();
            digest
                .iter_mut()
                .zip(mixed)
                .for_each(|(byte, new)| *byte = new);
            let other = Names { id, digest };
            for commit in &self.commits {
                let (answer, answered) = oneshot::channel();
                let writes = commit
                    .iter()
                    .map(|write| write.of(&self.names, &other, self.written))
                    .collect();
                self.queue.send((writes, answer))?;
                answered.await??;
            }
        }
        Ok(start.elapsed())
    }
}

impl Write {
    /// The same for another request.
    fn of(&self, names: &Names, other: &Names, cycle: i64) -> Self {
        let mut write = self.clone();
        for value in &mut write.values {
            let Value::Blob(bytes) = value else { continue };
            if *bytes == names.digest {
                bytes.clone_from(&other.digest);
            } else if bytes.ends_with(&names.id) {
                bytes.truncate(bytes.len() - names.id.len());
                bytes.extend_from_slice(&other.id);
            }
        }
        if let Some((place, by)) = self.number
            && let Some(Value::Integer(number)) = write.values.get_mut(place)
        {
            *number += cycle * by;
        }
        write
    }
}

fn look(connection: &Connection) -> Result<Found, Failure> {
    let mut found = Found::default();
    for ((table, known_by), rows) in TABLES.iter().zip(&mut found) {
        let mut all = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = all.column_count();
        let mut all = all.query(())?;
        while let Some(row) = all.next()? {
            let values = (0..columns).map(|place| row.get(place));
            let values: Vec<Value> = values.collect::<Result<_, _>>()?;
            let known: Vec<_> = values.iter().take(*known_by).collect();
            rows.insert(format!("{known:?}"), values);
        }
    }
    Ok(found)
}

/// What makes one of the other.
fn writes(connection: &Connection, before: &Found, after: &Found) -> Result<Vec<Write>, Failure> {
    let mut writes = Vec::new();
    for ((table, known_by), (before, after)) in TABLES.iter().zip(before.iter().zip(after)) {
        let all = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let columns: Vec<String> = all.column_names().into_iter().map(str::to_owned).collect();
        let (keys, rest) = columns.split_at(*known_by);
        let equal = |columns: &[String], between| {
            let equal: Vec<_> = columns
                .iter()
                .map(|column| format!("{column} = ?"))
                .collect();
            equal.join(between)
        };
        for (key, row) in before {
            if !after.contains_key(key) {
                writes.push(Write {
                    sql: format!("DELETE FROM {table} WHERE {}", equal(keys, " AND ")),
                    values: row.iter().take(*known_by).cloned().collect(),
                    number: None,
                });
            }
        }
        for (key, row) in after {
            match before.get(key) {
                Some(old) if old == row => {}
                Some(_) => {
                    let (set, by) = (equal(rest, ", "), equal(keys, " AND "));
                    let mut values = row.clone();
                    values.rotate_left(*known_by);
                    writes.push(Write {
                        sql: format!("UPDATE {table} SET {set} WHERE {by}"),
                        values,
                        number: None,
                    });
                }
                None => {
                    let given = vec!["?"; columns.len()].join(", ");
                    writes.push(Write {
                        sql: format!("INSERT OR REPLACE INTO {table} VALUES ({given})"),
                        values: row.clone(),
                        number: grows(table, row),
                    });
                }
            }
        }
    }
    Ok(writes)
}

/// Events are numbered, and so are changes.
fn grows(table: &str, row: &[Value]) -> Option<(usize, i64)> {
    match (table, row.first()) {
        ("events", _) => Some((0, 6)),
        ("entries", Some(Value::Integer(1))) => Some((2, i64::try_from(COMMITS).ok()?)),
        _ => None,
    }
}

/// A commit, and whoever waits for it.
type Queued = (Vec<Write>, oneshot::Sender<Result<(), String>>);

fn writer(path: &Path) -> Result<mpsc::Sender<Queued>, Failure> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    connection.set_prepared_statement_cache_capacity(128);
    let (queue, queued) = mpsc::channel::<Queued>();
    std::thread::spawn(move || {
        for (writes, answer) in queued {
            let committed = commit(&connection, writes);
            // Whoever asked may be gone.
            let _ = answer.send(committed.map_err(|error| error.to_string()));
        }
    });
    Ok(queue)
}

fn commit(connection: &Connection, writes: Vec<Write>) -> Result<(), rusqlite::Error> {
    let run = |sql: &str| connection.prepare_cached(sql);
    run("BEGIN IMMEDIATE")?.execute(())?;
    for write in writes {
        run(&write.sql)?.execute(params_from_iter(write.values))?;
    }
    run("COMMIT")?.execute(())?;
    Ok(())
}
