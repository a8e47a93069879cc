//! Waits that fail rather than hang.

use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a test may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(10);

/// Longer than any test: a wait that must be ended by something else.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Runs a test's body on a thread of its own, and fails if that takes longer
/// than the limit.
#[track_caller]
pub(crate) fn within_seconds<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, finished) = mpsc::channel();
    let name = thread::current().name().unwrap_or("test").to_owned();
    thread::Builder::new()
        .name(name)
        .spawn(move || done.send(panic::catch_unwind(AssertUnwindSafe(body))))
        .unwrap();
    match finished.recv_timeout(LIMIT) {
        Ok(Ok(value)) => value,
        Ok(Err(payload)) => panic::resume_unwind(payload),
        Err(_) => panic!("not done after {LIMIT:?}: something hangs"),
    }
}

/// Waits for a condition that must come true.
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "the condition never came true");
        thread::yield_now();
    }
}
