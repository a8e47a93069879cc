//! Compares taskshelf with the channels and pools that programs use instead.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml -- [--quick] [TABLE...]`
//!
//! Prints Markdown. Every ratio comes from contenders that did the same work in
//! the same process and took turns, round by round; it is the median over the
//! rounds of that round's ratio, with the quartiles beside it.

#![allow(
    clippy::print_stdout,
    reason = "a command-line program talks to its terminal"
)]

mod paired;
mod pools;
mod queues;

use clap::{Parser, ValueEnum};

/// Compares taskshelf with channels and pools.
#[derive(Parser)]
struct Arguments {
    /// Fewer rounds of less work: a look, not a measurement.
    #[arg(long)]
    quick: bool,
    /// Which tables to print; all if none is named.
    #[arg(value_enum)]
    tables: Vec<Table>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Table {
    /// Items through a bounded queue, producers x consumers.
    Queues,
    /// Tasks through a pool with one result each.
    Pools,
}

/// How much to do.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    items: u64,
}

fn main() {
    let arguments = Arguments::parse();
    let effort = if arguments.quick {
        Effort {
            rounds: 5,
            items: 40_000,
        }
    } else {
        Effort {
            rounds: 11,
            items: 400_000,
        }
    };
    let wanted = |table| arguments.tables.is_empty() || arguments.tables.contains(&table);
    if wanted(Table::Queues) {
        queues::print(effort);
    }
    if wanted(Table::Pools) {
        pools::print(effort);
    }
}
