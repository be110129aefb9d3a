//! Parameters of a statement, whichever way they reach the server.

use sqlx::postgres::PgArguments;
use sqlx::{Arguments, Encode, Postgres, Type};

use crate::clock::stored;
use crate::failure::Failure;

/// Takes the parameters of a statement, in its order.
pub(crate) trait Parameters: Default {
    fn number(self, number: impl Into<Option<i64>>) -> Self;
    fn flag(self, flag: bool) -> Self;
    fn bytes(self, bytes: Option<&[u8]>) -> Self;
    fn text(self, text: &str) -> Self;
    fn all_bytes<'a>(self, all: impl Iterator<Item = Option<&'a [u8]>>) -> Self;
    fn all_texts<'a>(self, all: impl Iterator<Item = &'a str>) -> Self;
    fn all_numbers(self, all: impl Iterator<Item = Option<i64>>) -> Self;

    /// A number of ours, which is never negative.
    fn count(self, number: u64) -> Self {
        self.number(stored(number))
    }
}

/// Parameters of the protocol, for a statement that goes to the server alone.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    arguments: PgArguments,
    refused: Option<String>,
}

impl Bound {
    /// The parameters, if each of them could be written.
    pub(crate) fn arguments(self) -> Result<PgArguments, Failure> {
        match self.refused {
            None => Ok(self.arguments),
            Some(why) => Err(Failure::invalid(format!("a value cannot be sent: {why}"))),
        }
    }

    fn with<'v>(mut self, value: impl Encode<'v, Postgres> + Type<Postgres>) -> Self {
        if let Err(error) = self.arguments.add(value) {
            self.refused = Some(error.to_string());
        }
        self
    }
}

impl Parameters for Bound {
    fn number(self, number: impl Into<Option<i64>>) -> Self {
        self.with(number.into())
    }

    fn flag(self, flag: bool) -> Self {
        self.with(flag)
    }

    fn bytes(self, bytes: Option<&[u8]>) -> Self {
        self.with(bytes)
    }

    fn text(self, text: &str) -> Self {
        self.with(text)
    }

    fn all_bytes<'a>(self, all: impl Iterator<Item = Option<&'a [u8]>>) -> Self {
        self.with(all.collect::<Vec<_>>())
    }

    fn all_texts<'a>(self, all: impl Iterator<Item = &'a str>) -> Self {
        self.with(all.collect::<Vec<_>>())
    }

    fn all_numbers(self, all: impl Iterator<Item = Option<i64>>) -> Self {
        self.with(all.collect::<Vec<_>>())
    }
}
