//! The arguments that every bench passes: what a call that exports a table would have.

use serde::Serialize;

/// How the export is written: the argument that is a struct.
#[derive(Clone, Debug, Serialize)]
pub struct Options {
    /// The file format.
    pub format: String,
    /// Whether the file is compressed.
    pub compress: bool,
    /// Who owns the result.
    pub owner: String,
}

/// Four arguments of different kinds, as an agent would hold them.
#[derive(Clone, Debug, Serialize)]
pub struct Arguments {
    /// The database that is read.
    pub database: String,
    /// How many rows at most.
    pub rows: u64,
    /// Which columns.
    pub columns: Vec<String>,
    /// How the export is written.
    pub options: Options,
}

/// The same arguments as a function receives them, borrowed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Borrowed<'a> {
    /// The database that is read.
    pub database: &'a str,
    /// How many rows at most.
    pub rows: u64,
    /// Which columns.
    pub columns: &'a Vec<String>,
    /// How the export is written.
    pub options: &'a Options,
}

impl Arguments {
    /// Arguments whose JSON is 153 bytes: the everyday call.
    pub fn everyday() -> Self {
        Self {
            database: "customers-eu-west".to_owned(),
            rows: 250_000,
            columns: ["id", "email", "country"].map(str::to_owned).to_vec(),
            options: Options {
                format: "csv".to_owned(),
                compress: true,
                owner: "data-platform-team".to_owned(),
            },
        }
    }

    /// Arguments whose JSON is 500 bytes: what a parked request is measured with.
    pub fn five_hundred_bytes() -> Self {
        Self::of_bytes(500)
    }

    /// Arguments whose JSON is 2000 bytes: more than stands in a line of a message.
    pub fn two_thousand_bytes() -> Self {
        Self::of_bytes(2_000)
    }

    fn of_bytes(bytes: usize) -> Self {
        let mut arguments = Self::everyday();
        let missing =
            bytes.saturating_sub(serde_json::to_string(&arguments).map_or(0, |json| json.len()));
        arguments.options.owner.push_str(&"x".repeat(missing));
        arguments
    }

    /// The arguments as a function would receive them.
    pub fn borrowed(&self) -> Borrowed<'_> {
        Borrowed {
            database: &self.database,
            rows: self.rows,
            columns: &self.columns,
            options: &self.options,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_have_the_sizes_that_the_tables_claim() {
        assert_eq!(
            serde_json::to_string(&Arguments::everyday()).unwrap().len(),
            153
        );
        assert_eq!(
            serde_json::to_string(&Arguments::five_hundred_bytes())
                .unwrap()
                .len(),
            500
        );
        assert_eq!(
            serde_json::to_string(&Arguments::two_thousand_bytes())
                .unwrap()
                .len(),
            2_000
        );
    }
}
