//! For models of programs that use this crate: the clock, which stands still
//! until a model moves it, and what else a model may decide.
//!
//! Only there with `--cfg loom` or `--cfg shuttle`.
//!
//! In loom every thread must have ended when the model does. Those of a queue that was dropped
//! on its own worker cannot be joined: let the model wait for something that they do last.

pub use crate::sync::modelled::clock::{advance, now, timed_waits};
pub use crate::sync::modelled::world::{
    Order, allow_threads, large_from, let_pass, look_again, wake_order, wake_spuriously,
};
