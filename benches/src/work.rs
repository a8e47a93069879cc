//! Work for tasks to do, and a clock that fits into a task.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::Instant;

/// A dependent chain of arithmetic, about a nanosecond a step.
pub fn work(seed: u64, steps: u64) -> u64 {
    (0..steps).fold(seed, |x, _| {
        black_box(x.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (x >> 29))
    })
}

/// Nanoseconds since the program first asked.
pub fn nanos() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_nanos() as u64
}
