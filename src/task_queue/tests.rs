//! What only a failing `spawn` can show: a queue that is not built leaves nothing
//! behind.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::backoff::Backoff;

/// Builds a queue of five workers of which the one after `allowed` does not
/// start. Its handler holds something.
fn build(allowed: usize, held: impl Send + Sync + 'static, backoff: Backoff) -> BuildError {
    let handler = move |_: &Attempt<'_, ()>| {
        let _ = &held;
        Ok::<(), ()>(())
    };
    let mut started = 0;
    let spawn = |name, stack_size, body| {
        if started == allowed {
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        started += 1;
        thread::spawn(name, stack_size, body)
    };
    let options = QueueOptions::new(1, 5).backoff(backoff);
    TaskQueue::start(handler, options, spawn).expect_err("a thread is missing")
}

#[test]
fn a_thread_that_does_not_start_ends_those_before_it() {
    for allowed in 0..5 {
        let held = Arc::new(());
        let handler = Arc::downgrade(&held);
        let error = build(allowed, held, Backoff::none());
        let BuildError::Spawn {
            started, workers, ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((started, workers), (allowed, 5));
        // Every worker owns the handler until it leaves.
        assert_eq!(handler.strong_count(), 0);
        let ordinal = format!("worker thread {} of 5", allowed + 1);
        assert!(error.to_string().starts_with(&ordinal), "{error}");
    }
}

/// How many bombs were dropped, and how many of them by a thread that unwound.
#[derive(Clone, Default)]
struct Drops(Arc<[AtomicUsize; 2]>);

/// Panics when it is dropped.
struct Bomb(Drops);

impl Drop for Bomb {
    fn drop(&mut self) {
        let [drops, in_unwinding] = &*self.0.0;
        drops.fetch_add(1, Ordering::SeqCst);
        if thread::panicking() {
            in_unwinding.fetch_add(1, Ordering::SeqCst);
        } else {
            panic!("a bomb went off");
        }
    }
}

impl Drops {
    fn counts(&self) -> [usize; 2] {
        [0, 1].map(|n| self.0[n].load(Ordering::SeqCst))
    }
}

#[test]
fn a_handler_and_a_backoff_may_panic_when_a_thread_does_not_start() {
    for allowed in 0..5 {
        let (handlers, backoffs) = (Drops::default(), Drops::default());
        let in_backoff = Bomb(backoffs.clone());
        let backoff = Backoff::custom(move |_| {
            let _ = &in_backoff;
            Duration::ZERO
        });
        let error = build(allowed, Bomb(handlers.clone()), backoff);
        assert!(matches!(error, BuildError::Spawn { started, .. } if started == allowed));
        assert_eq!((handlers.counts(), backoffs.counts()), ([1, 0], [1, 0]));
    }
}
