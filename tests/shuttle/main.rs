//! Models of many threads, too large for loom to explore in full: schedules are
//! drawn at random, and by PCT, which finds every bug that takes few changes of
//! thread with a known probability. `cargo shuttle` runs them.
//!
//! `SHUTTLE_ITERATIONS` says how many schedules each model draws in each of the
//! two ways. A failure prints its schedule; to see it again, and nothing else:
//! `SHUTTLE_REPLAY=<schedule> cargo shuttle <model>`.
//!
//! In [`programs`] what the threads do is drawn as well.

#![allow(
    clippy::unwrap_used,
    reason = "an unwrap that fails is a model that fails"
)]

#[cfg(shuttle)]
mod bakery;
#[cfg(shuttle)]
mod programs;
#[cfg(shuttle)]
#[path = "../stress/random.rs"]
mod random;
#[cfg(shuttle)]
mod shelf;
#[cfg(shuttle)]
mod support;

#[cfg(not(shuttle))]
#[test]
#[ignore = "runs with `cargo shuttle`, to tell whether the models do"]
fn the_models_are_compiled_in() {
    panic!(
        "the models were not compiled in: RUSTFLAGS in the environment overrides `--cfg shuttle`"
    );
}
