//! The seam: the only place that names a lock, a channel, a thread or a clock.
//!
//! Ordinary builds get `parking_lot` and `crossbeam-channel`; with `--cfg loom`
//! the same names come from loom, with a virtual clock. Both are shaped like
//! `std` with poisoning taken out: `lock` returns the guard, and a wait takes
//! the guard and hands it back. Everything that could make two runs of one
//! schedule differ (locks, threads, time, random seeds) passes through here,
//! so the rest of the crate cannot tell which of the two it is built on.

#[cfg(not(loom))]
mod native;
#[cfg(not(loom))]
pub use native::Receiver;
#[cfg(not(loom))]
pub(crate) use native::*;

#[cfg(loom)]
mod channel;
#[cfg(loom)]
pub(crate) mod clock;
#[cfg(loom)]
mod modelled;
#[cfg(loom)]
pub use modelled::Receiver;
#[cfg(loom)]
pub(crate) use modelled::*;
