//! The seam: the only place that names a lock, a channel, a thread or a clock.
//!
//! Ordinary builds get `parking_lot` and `crossbeam-channel`; with `--cfg loom`
//! or `--cfg shuttle` the same names come from that model checker, with a
//! virtual clock. Both are shaped like `std` with poisoning taken out: `lock`
//! returns the guard, and a wait takes the guard and hands it back. Everything
//! that could make two runs of one schedule differ (locks, threads, time, random
//! seeds) passes through here, so the rest of the crate cannot tell which of
//! the two it is built on.
//!
//! `Arc` and `OnceLock` are used outside it as `std` has them, and a model does
//! not see them. It need not: nobody waits for one, and what happens is the same
//! whoever comes first or last. Of the two `OnceLock`s one holds the ids of the
//! workers, set before the queue is handed out, the other a sender of results:
//! any sender is as good, and who finds none asks the outbox, under its lock.

#[cfg(all(loom, shuttle))]
compile_error!("a model runs in loom or in shuttle: pass --cfg loom or --cfg shuttle, not both");

/// From here on a queue is so large that it will not be empty before a submitter
/// that was woken late is back.
const LARGE_CAPACITY: usize = 256;

/// How many threads in a row may go ahead of a line that somebody waits in. A
/// woken thread may have to wait for a core longer than it takes to pass it a
/// thousand times, and then those who run had better not all queue up behind it.
const MAX_PASSES: u32 = 1 << 14;

// What both receivers answer when there is nothing to receive.
pub use crossbeam_channel::{RecvError, RecvTimeoutError, TryRecvError};

#[cfg(not(any(loom, shuttle)))]
mod native;
#[cfg(not(any(loom, shuttle)))]
use native as built_on;

#[cfg(any(loom, shuttle))]
pub(crate) mod modelled;
#[cfg(any(loom, shuttle))]
use modelled as built_on;

pub use built_on::Receiver;
pub(crate) use built_on::*;
