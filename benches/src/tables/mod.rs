//! What is measured: a file a table.

mod batches;
mod checksum;
mod depth;
mod latency;
mod memory;
mod pools;
mod queues;
mod retries;
mod threads;
mod urgent;

use std::error::Error;

use clap::ValueEnum;

use crate::effort::Effort;
use crate::report::Report;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Table {
    /// Items through a bounded queue, producers x consumers.
    Queues,
    /// The same, 32 at a time.
    Batches,
    /// Tasks through a pool with one result each.
    Pools,
    /// From submitting to an idle pool to the start of the handler.
    Latency,
    /// The same for an urgent task and a full queue.
    Urgent,
    /// Push and pop while very many items are queued.
    Depth,
    /// Bytes that a queued task takes beyond itself.
    Memory,
    /// Tasks that fail and are tried again.
    Retries,
    /// Far more workers than cores.
    Threads,
    /// A whole program that hashes files.
    Checksum,
}

impl Table {
    pub fn measure(self, effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Queues => queues::measure(effort, report),
            Self::Batches => batches::measure(effort, report),
            Self::Pools => pools::measure(effort, report),
            Self::Latency => latency::measure(effort, report),
            Self::Urgent => urgent::measure(effort, report),
            Self::Depth => depth::measure(effort, report),
            Self::Memory => memory::measure(report),
            Self::Retries => retries::measure(effort, report),
            Self::Threads => threads::measure(effort, report),
            Self::Checksum => checksum::measure(effort, report),
        }
    }
}
