//! `PriorityQueue` without its leases.

mod batches;
mod closing;
mod dropping;
mod order;
mod pop;
mod push;
mod turns;
mod types;

use std::time::{Duration, Instant};

use taskshelf::PriorityQueue;

const SHORT: Duration = Duration::from_millis(5);

/// A queue of that capacity with the numbers from 0, as many as it takes.
fn full(capacity: usize) -> PriorityQueue<usize> {
    let queue = PriorityQueue::new(capacity);
    for number in 0..capacity {
        assert_eq!(queue.try_push(0, number), Ok(()));
    }
    queue
}

fn everything<T>(queue: &PriorityQueue<T>) -> Vec<T> {
    std::iter::from_fn(|| queue.try_pop().ok()).collect()
}

/// A moment that has gone by.
fn past() -> Instant {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(1)).unwrap_or(now)
}
