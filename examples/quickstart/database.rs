//! A small SQLite database, in a file.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use super::Error;

/// The tables that actions are about. Statements are fixed texts: no name reaches SQL from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Table {
    Customers,
    Invoices,
}

impl Table {
    /// The names of its columns, as the first line of a CSV file.
    pub(crate) const fn columns(self) -> &'static str {
        match self {
            Self::Customers => "id,name,city",
            Self::Invoices => "id,customer,cents",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Customers => "customers",
            Self::Invoices => "invoices",
        })
    }
}

/// The database and the directory that it is in.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pool: SqlitePool,
    directory: PathBuf,
}

impl Database {
    /// Makes the directory, which must be new, and fills a database in it.
    pub(crate) async fn create(directory: &Path) -> Result<Self, Error> {
        let parent = directory.parent().unwrap_or(directory);
        fs::create_dir_all(parent)?;
        fs::create_dir(directory)
            .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
        let options = SqliteConnectOptions::new()
            .filename(directory.join("company.db"))
            .create_if_missing(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await?;
        for statement in [
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL)",
            "CREATE TABLE invoices (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, cents INTEGER NOT NULL)",
            "CREATE TABLE roles (member TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (member, role))",
        ] {
            sqlx::query(statement).execute(&pool).await?;
        }
        let cities = ["Lisbon", "Oslo", "Kraków", "Lyon, Centre"];
        for (number, city) in (1_i64..=40).zip(cities.iter().cycle()) {
            sqlx::query("INSERT INTO customers (name, city) VALUES (?, ?)")
                .bind(format!("Customer {number}"))
                .bind(city)
                .execute(&pool)
                .await?;
            sqlx::query("INSERT INTO invoices (customer, cents) VALUES (?, ?)")
                .bind(number)
                .bind(number * 1_250)
                .execute(&pool)
                .await?;
        }
        Ok(Self {
            pool,
            directory: directory.to_owned(),
        })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) async fn count(&self, table: Table) -> Result<i64, Error> {
        let statement = match table {
            Table::Customers => "SELECT count(*) FROM customers",
            Table::Invoices => "SELECT count(*) FROM invoices",
        };
        Ok(sqlx::query_scalar(statement).fetch_one(&self.pool).await?)
    }

    /// Every row, as text.
    pub(crate) async fn rows(&self, table: Table) -> Result<Vec<Vec<String>>, Error> {
        let statement = match table {
            Table::Customers => "SELECT CAST(id AS TEXT), name, city FROM customers ORDER BY id",
            Table::Invoices => {
                "SELECT CAST(id AS TEXT), CAST(customer AS TEXT), CAST(cents AS TEXT) FROM invoices ORDER BY id"
            }
        };
        let rows = sqlx::query(statement).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                (0..row.len())
                    .map(|column| Ok(row.try_get(column)?))
                    .collect()
            })
            .collect()
    }

    pub(crate) async fn grant(&self, member: &str, role: &str) -> Result<(), Error> {
        sqlx::query("INSERT INTO roles (member, role) VALUES (?, ?)")
            .bind(member)
            .bind(role)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn drop_table(&self, table: Table) -> Result<(), Error> {
        let statement = match table {
            Table::Customers => "DROP TABLE customers",
            Table::Invoices => "DROP TABLE invoices",
        };
        sqlx::query(statement).execute(&self.pool).await?;
        Ok(())
    }

    /// Who has which role.
    pub(crate) async fn roles(&self) -> Result<Vec<(String, String)>, Error> {
        let rows = sqlx::query("SELECT member, role FROM roles ORDER BY member, role")
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect()
    }

    /// Says what is in the database and beside it.
    pub(crate) async fn describe(&self) -> Result<(), Error> {
        for table in [Table::Customers, Table::Invoices] {
            let rows = self.count(table).await;
            let rows = rows.map_or("gone".to_owned(), |rows| format!("{rows} rows"));
            println!("  company.db     table {table}: {rows}");
        }
        let roles = self.roles().await?;
        let roles: Vec<_> = roles.iter().map(|(m, r)| format!("{m} is {r}")).collect();
        let roles = if roles.is_empty() {
            "none".to_owned()
        } else {
            roles.join(", ")
        };
        println!("  company.db     roles granted: {roles}");
        let csv = match fs::read_to_string(self.directory.join("customers.csv")) {
            Ok(text) => format!("{} rows", text.lines().count().saturating_sub(1)),
            Err(_) => "not there".to_owned(),
        };
        println!("  customers.csv  {csv}");
        Ok(())
    }
}
