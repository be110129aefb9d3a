//! Several statements that travel to the database together.

use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, Type};

/// Statements with what is bound to their `?`, in order. The texts are this crate's own; whatever
/// comes from outside is bound.
#[derive(Debug, Default)]
pub(crate) struct Script {
    sql: String,
    arguments: SqliteArguments,
    /// What could not be bound: told when the script runs.
    broken: Option<sqlx::Error>,
}

impl Script {
    pub(crate) fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            ..Self::default()
        }
    }

    /// Adds a part of a statement, or a further statement that begins with `;`.
    pub(crate) fn add(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    pub(crate) fn bind<'t, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'t, Sqlite> + Type<Sqlite>,
    {
        if let Err(error) = self.arguments.add(value) {
            self.broken = Some(sqlx::Error::Encode(error));
        }
        self
    }

    /// Binds a number. What is too large to be stored is the largest that can be.
    pub(crate) fn bind_number(&mut self, number: u64) -> &mut Self {
        self.bind(i64::try_from(number).unwrap_or(i64::MAX))
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.sql
    }

    pub(crate) async fn run(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        sqlx::query_with(AssertSqlSafe(self.sql), self.arguments)
            .execute(connection)
            .await?;
        Ok(())
    }

    pub(crate) async fn rows(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        sqlx::query_with(AssertSqlSafe(self.sql), self.arguments)
            .fetch_all(connection)
            .await
    }

    pub(crate) async fn row(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<SqliteRow>, sqlx::Error> {
        Ok(self.rows(connection).await?.into_iter().next())
    }
}
