//! For models of programs that use this crate: the clock, which stands still
//! until a model moves it, and what else a model may decide.
//!
//! Only there with `--cfg loom` or `--cfg shuttle`.

pub use crate::sync::clock::{advance, now, timed_waits};
pub use crate::sync::world::{
    Order, allow_threads, large_from, let_pass, look_again, wake, wake_for_nothing,
};
