//! Compares taskshelf with the channels and pools that programs use instead.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --target-dir target -- [--quick] [--rounds N] [--charts DIR] [TABLE...]`
//!
//! Prints Markdown. Every ratio comes from contenders that did the same work in
//! the same process and took turns, round by round; it is the median over the
//! rounds of that round's ratio, with the quartiles beside it.
//!
//! ```text
//! tables/   what is measured, a file a table
//! peers/    who it is compared with, and the bounds of what is possible
//! paired    turns and ratios        report   Markdown       charts   SVG
//! targets   what the numbers are wanted to be
//! ```

#![allow(
    clippy::print_stdout,
    reason = "a command-line program talks to its terminal"
)]

mod charts;
mod counting;
mod effort;
mod machine;
mod paired;
mod peers;
mod report;
mod tables;
mod targets;
mod work;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};

use crate::counting::Counting;
use crate::effort::Effort;
use crate::report::Report;
use crate::tables::Table;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// Compares taskshelf with channels and pools.
#[derive(Parser)]
struct Arguments {
    /// Fewer rounds of less work: a look, not a measurement.
    #[arg(long)]
    quick: bool,
    /// How many turns every contender has.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    rounds: Option<usize>,
    /// Draws charts into this directory.
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// Which tables to print; all if none is named.
    #[arg(value_enum, value_name = "TABLE")]
    tables: Vec<Table>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some(directory) = &arguments.charts {
        fs::create_dir_all(directory)?;
    }
    let mut effort = match arguments.quick {
        true => Effort::QUICK,
        false => Effort::FULL,
    };
    effort.rounds = arguments.rounds.unwrap_or(effort.rounds);
    let mut report = Report::new(arguments.charts);
    report.heading(&effort);
    for table in Table::value_variants() {
        if arguments.tables.is_empty() || arguments.tables.contains(table) {
            report.state_of_machine();
            table.measure(&effort, &mut report)?;
        }
    }
    report.state_of_machine();
    targets::print(&report);
    Ok(())
}
