//! The model checker underneath: loom explores every schedule of a few threads,
//! shuttle samples those of many.

#[cfg(loom)]
pub(super) use loom::{lazy_static, sync, thread};
#[cfg(all(shuttle, not(loom)))]
pub(super) use shuttle::{lazy_static, sync, thread};

/// How often a thread looks again before it sleeps, unless the model says. In
/// loom a pause multiplies the schedules; shuttle, which counts none, takes that
/// way always.
pub(super) const LOOKS: u32 = if cfg!(shuttle) { 1 } else { 0 };
