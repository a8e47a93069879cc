//! Everything at once, from several threads, and then the books are checked:
//! nothing is lost, nothing comes twice, nothing is left behind.
//!
//! Each test goes on for two seconds with one random mix after another. For
//! longer, say how many seconds:
//!
//! ```text
//! TASKSHELF_STRESS=600 cargo test --release --test stress
//! ```
//!
//! That goes on until 2,000 rounds of sixty-four threads against a drain are over,
//! too, and each test says how many mixes it went through. For more tasks through
//! a queue whose memory is watched, and for sixty-four workers that share one
//! core:
//!
//! ```text
//! TASKSHELF_TASKS=100000000 cargo test --release --test stress memory
//! TASKSHELF_STRESS=60 taskset -c 0 cargo test --release --test stress far_more
//! ```
//!
//! A mix that fails names its seed. To go on with that one only:
//!
//! ```text
//! TASKSHELF_SEED=42 cargo test --test stress
//! ```
#![allow(
    clippy::unwrap_used,
    reason = "a test that finds nothing where something must be has failed"
)]

mod bakery;
mod crowd;
mod memory;
mod random;
mod shelf;
mod support;
