//! The model checker underneath: loom explores every schedule of a few threads,
//! shuttle samples those of many.

#[cfg(loom)]
pub(super) use loom::{lazy_static, sync, thread};
#[cfg(shuttle)]
pub(super) use shuttle::{lazy_static, sync, thread};

/// How often a thread looks again before it sleeps. In loom a pause would only
/// multiply the schedules; shuttle, which counts none, takes that way too.
pub(crate) const SPIN_LOOKS: u32 = 0;
pub(crate) const LOOKS: u32 = if cfg!(shuttle) { 1 } else { 0 };
