//! The crate as its users see it.

#![allow(
    clippy::unwrap_used,
    reason = "an unwrap that fails is a test that fails"
)]

mod backpressure;
mod build;
mod callbacks;
mod cancel;
mod clock_ends;
mod close;
mod delays;
mod drain;
mod drop;
mod durations;
mod lease;
mod leftovers;
mod limits;
mod loggers;
mod panic;
mod patience;
mod priority;
mod priority_queue;
mod process;
mod results;
mod retry;
mod self_submit;
mod stats;
#[cfg(target_os = "linux")]
mod stopped;
mod streams;
mod submit;
mod support;
mod types;
#[cfg(target_os = "linux")]
mod wake_ups;
