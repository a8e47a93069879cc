//! Models of the wake-ups and of the shutdown protocol: the real queues, every
//! schedule of a few threads. `cargo loom` runs them.
//!
//! Each model states how much of it is explored (`support::Bound`). For more,
//! name another bound for all of them; one model alone may then take hours:
//!
//! ```text
//! LOOM_MAX_PREEMPTIONS=4 cargo loom
//! RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=255 \
//!     cargo test --profile model --test loom --target-dir target/loom NAME
//! ```
//!
//! Each promise has a twin, `PROMISE::can_fail`: the same model with a fault in
//! the model's own part (`support::Fault`), which must be reported.
//! `tests/kill/run` does the same to the queue: it breaks the protocol on purpose
//! and demands that the models and tests go red.

#![allow(
    clippy::unwrap_used,
    reason = "an unwrap that fails is a model that fails"
)]

#[cfg(not(loom))]
#[test]
#[ignore = "runs with `cargo loom`, to tell whether the models do"]
fn the_models_are_compiled_in() {
    panic!("the models were not compiled in: RUSTFLAGS in the environment overrides `--cfg loom`");
}

#[cfg(loom)]
#[macro_use]
mod support;

#[cfg(loom)]
mod cancel;
#[cfg(loom)]
mod drain;
#[cfg(loom)]
mod patience;
#[cfg(loom)]
mod queue;
#[cfg(loom)]
mod results;
#[cfg(loom)]
mod retries;
#[cfg(loom)]
mod submit;
#[cfg(loom)]
mod time;
