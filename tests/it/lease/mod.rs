//! Leases: what is tracked, what comes back, and who waits for it.

mod clock;
mod closing;
mod coming_back;
mod join;
mod life;
mod room;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use taskshelf::{Lease, PriorityQueue};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A queue with room to spare and those items, all of priority 0.
fn shelf<T>(items: impl IntoIterator<Item = T>) -> PriorityQueue<T> {
    shelf_of(1000, items)
}

fn shelf_of<T>(capacity: usize, items: impl IntoIterator<Item = T>) -> PriorityQueue<T> {
    let queue = PriorityQueue::new(capacity);
    for item in items {
        assert!(queue.try_push(0, item).is_ok());
    }
    queue
}

/// Takes what comes first and puts it back.
fn put_back<T>(queue: &PriorityQueue<T>, delay: Duration) {
    let lease = queue.try_lease().unwrap();
    assert!(Lease::retry_after(lease, delay).is_ok());
}

fn is_idle<T>(queue: &PriorityQueue<T>) -> bool {
    queue.join_timeout(Duration::ZERO)
}

/// Puts back items that say after how many milliseconds. Tells when each is
/// due: no earlier than the one moment, and no later than the other.
fn put_back_timed(leases: Vec<Lease<'_, u64>>) -> HashMap<u64, [Instant; 2]> {
    let put_back = |lease: Lease<'_, u64>| {
        let (item, before) = (*lease, Instant::now());
        assert_eq!(Lease::retry_after(lease, ms(item)), Ok(()));
        (item, [before, Instant::now()].map(|now| now + ms(item)))
    };
    leases.into_iter().map(put_back).collect()
}

#[track_caller]
fn assert_by_due_time(taken: &[u64], due: &HashMap<u64, [Instant; 2]>) {
    assert_eq!(taken.len(), due.len());
    for pair in taken.windows(2) {
        let ([early, _], [_, late]) = (due[&pair[0]], due[&pair[1]]);
        assert!(early <= late, "{taken:?}");
    }
}

/// Lets everybody go if the test fails half-way.
struct AbortOnDrop<'a, T>(&'a PriorityQueue<T>);

impl<T> Drop for AbortOnDrop<'_, T> {
    fn drop(&mut self) {
        drop(self.0.abort());
    }
}
