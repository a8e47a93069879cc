//! For models of programs that use this crate: the clock, which stands still
//! until a model moves it.
//!
//! Only there with `--cfg loom` or `--cfg shuttle`.

pub use crate::sync::clock::{advance, now};
