//! Statements with what is bound to them, made where it is known and carried out where the
//! connection is.

use std::borrow::Cow;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::rows::Row;

/// One statement with what is bound to its `?`, in order.
#[derive(Debug, Default)]
struct Statement {
    sql: Cow<'static, str>,
    arguments: Vec<Value>,
}

/// Statements that are carried out one after the other. The texts are this crate's own; whatever
/// comes from outside is bound.
#[derive(Debug, Default)]
pub(crate) struct Script {
    statements: Vec<Statement>,
    last: Statement,
}

impl Script {
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self {
            statements: Vec::new(),
            last: Statement::new(sql.into()),
        }
    }

    /// Adds a part of a statement, or a further statement that begins with `;`.
    pub(crate) fn add(&mut self, sql: &'static str) -> &mut Self {
        match sql.strip_prefix("; ") {
            Some(sql) => {
                let next = Statement::new(Cow::Borrowed(sql));
                let before = std::mem::replace(&mut self.last, next);
                if !before.sql.is_empty() {
                    self.statements.push(before);
                }
            }
            None => self.last.sql.to_mut().push_str(sql),
        }
        self
    }

    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.last.arguments.push(value.into());
        self
    }

    /// Binds a text that is a column's own.
    pub(crate) fn bind_text(&mut self, text: &str) -> &mut Self {
        self.bind(text.to_owned())
    }

    /// Binds a number. What is too large to be stored is the largest that can be.
    pub(crate) fn bind_number(&mut self, number: u64) -> &mut Self {
        self.bind(i64::try_from(number).unwrap_or(i64::MAX))
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.last.sql
    }

    /// Carries all of it out.
    pub(crate) fn run(&self, connection: &Connection) -> Result<(), rusqlite::Error> {
        self.rows(connection).map(drop)
    }

    /// Carries all of it out, and returns the rows of the last statement.
    pub(crate) fn rows(&self, connection: &Connection) -> Result<Vec<Row>, rusqlite::Error> {
        for statement in &self.statements {
            statement.rows(connection)?;
        }
        self.last.rows(connection)
    }

    pub(crate) fn row(&self, connection: &Connection) -> Result<Option<Row>, rusqlite::Error> {
        Ok(self.rows(connection)?.into_iter().next())
    }
}

impl Statement {
    fn new(sql: Cow<'static, str>) -> Self {
        Self {
            sql,
            arguments: Vec::with_capacity(8),
        }
    }

    fn rows(&self, connection: &Connection) -> Result<Vec<Row>, rusqlite::Error> {
        if self.sql.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement = connection.prepare_cached(&self.sql)?;
        let arguments = params_from_iter(&self.arguments);
        if statement.column_count() == 0 {
            statement.execute(arguments)?;
            return Ok(Vec::new());
        }
        let mut found = statement.query(arguments)?;
        let mut rows: Vec<Row> = Vec::new();
        while let Some(row) = found.next()? {
            let next = match rows.last() {
                Some(before) => before.like(row)?,
                None => Row::first(row)?,
            };
            rows.push(next);
        }
        Ok(rows)
    }
}
