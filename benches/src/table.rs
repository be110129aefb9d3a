//! Markdown tables.

use std::fmt;

use crate::sampling::Samples;

/// A markdown table that is printed with its columns aligned.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new<const COLUMNS: usize>(heads: [&str; COLUMNS]) -> Self {
        Self {
            rows: vec![heads.map(str::to_owned).to_vec()],
        }
    }

    /// Adds a row.
    pub fn row<const COLUMNS: usize>(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.to_vec());
    }

    /// A table of medians with the middle four fifths of the samples and each contestant's
    /// ratio to the first.
    pub fn of_medians(samples: &[Samples]) -> Self {
        let mut table = Self::new([
            "what",
            "median",
            "10th–90th percentile",
            "ratio to the first",
        ]);
        let first = samples.first().map_or(f64::NAN, Samples::median);
        for one in samples {
            table.row([
                one.name.clone(),
                time(one.median()),
                format!(
                    "{} – {}",
                    time(one.percentile(10)),
                    time(one.percentile(90))
                ),
                ratio(one.median(), first),
            ]);
        }
        table
    }

    /// A table of p50 and p99 with each contestant's ratios to the first.
    pub fn of_latencies(samples: &[Samples]) -> Self {
        let mut table = Self::new(["what", "p50", "p99", "p50 to the first", "p99 to the first"]);
        let first = samples.first().map_or((f64::NAN, f64::NAN), |one| {
            (one.median(), one.percentile(99))
        });
        for one in samples {
            table.row([
                one.name.clone(),
                time(one.median()),
                time(one.percentile(99)),
                ratio(one.median(), first.0),
                ratio(one.percentile(99), first.1),
            ]);
        }
        table
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                self.rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        for (index, row) in self.rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if index == 0 {
                for width in &widths {
                    write!(f, "|{:-<1$}", "", width + 2)?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

/// Nanoseconds as a person reads them.
pub fn time(nanoseconds: f64) -> String {
    if nanoseconds < 1_000.0 {
        format!("{nanoseconds:.1} ns")
    } else if nanoseconds < 1_000_000.0 {
        format!("{:.2} µs", nanoseconds / 1_000.0)
    } else {
        format!("{:.2} ms", nanoseconds / 1_000_000.0)
    }
}

/// One number as a multiple of another.
pub fn ratio(this: f64, to: f64) -> String {
    format!("{:.2}×", this / to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["what", "p50"]);
        table.row(["a floor".to_owned(), time(1_250.0)]);
        assert_eq!(
            table.to_string(),
            "| what    | p50     |\n|---------|---------|\n| a floor | 1.25 µs |\n"
        );
    }
}
