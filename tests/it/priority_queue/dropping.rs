//! What is dropped: once each, whatever its destructor does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use taskshelf::{Lease, PriorityQueue};

use crate::support::{Counted, HOUR, Live, within_seconds};

#[test]
fn dropping_a_queue_drops_what_is_in_it_once() {
    let live = Live::default();
    let queue = PriorityQueue::new(10);
    for number in 0..10 {
        assert_eq!(queue.push(number % 3, live.one()), Ok(()));
    }
    drop(queue.pop());
    assert_eq!(live.count(), 9);
    let lease = queue.lease().unwrap();
    assert_eq!(Lease::retry_after(lease, HOUR), Ok(()));
    assert_eq!(live.count(), 9);
    drop(queue);
    assert_eq!(live.count(), 0);
}

#[test]
fn an_item_whose_drop_panics_takes_no_other_with_it() {
    let live = Live::default();
    let queue = PriorityQueue::new(10);
    for number in 0..10 {
        let item = match number {
            4 => live.bomb(),
            _ => live.one(),
        };
        assert_eq!(queue.push(number % 3, item), Ok(()));
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(queue))).is_err());
    assert_eq!(live.count(), 0);
}

/// Two wait for their time. The others are ready: two of each of twenty
/// priorities, more than there are levels for.
const MANY: usize = 42;

/// A queue with that many items, of which one panics when it is dropped.
fn many_with_a_bomb(live: &Live, bomb: usize) -> PriorityQueue<Counted> {
    let queue = PriorityQueue::new(MANY);
    for number in 0..MANY {
        let item = match number == bomb {
            true => live.bomb(),
            false => live.one(),
        };
        let priority = i32::try_from(number % 20).unwrap();
        assert_eq!(queue.push(priority, item), Ok(()));
        if number < 2 {
            let lease = queue.lease().unwrap();
            assert_eq!(Lease::retry_after(lease, HOUR), Ok(()));
        }
    }
    assert_eq!(live.count(), MANY);
    queue
}

#[test]
fn nor_does_it_among_many_priorities_and_items_that_wait() {
    for bomb in 0..MANY {
        let live = Live::default();
        let queue = many_with_a_bomb(&live, bomb);
        let dropping = catch_unwind(AssertUnwindSafe(|| drop(queue)));
        assert!(dropping.is_err(), "item {bomb} was not dropped");
        assert_eq!(live.count(), 0, "left by item {bomb}");
    }
}

#[test]
fn the_drops_balance_whatever_is_done() {
    within_seconds(|| {
        let live = Live::default();
        let queue = PriorityQueue::new(4);
        for _ in 0..4 {
            assert_eq!(queue.push(0, live.one()), Ok(()));
        }
        drop(queue.try_push(0, live.one()));
        drop(queue.push_timeout(0, live.one(), Duration::ZERO));
        assert_eq!(live.count(), 4);
        drop(queue.pop());
        drop(queue.lease());
        assert_eq!(live.count(), 2);
        assert_eq!(queue.push(0, live.one()), Ok(()));
        let rest = queue.abort();
        assert_eq!((rest.len(), live.count()), (3, 3));
        drop(rest);
        drop(queue.push_all([(0, live.one()), (0, live.one())]));
        assert_eq!(live.count(), 0);
    });
}

/// Has a look at the queue, and puts something in, when it is dropped.
struct Nosy(Arc<PriorityQueue<Option<Nosy>>>);

impl Drop for Nosy {
    fn drop(&mut self) {
        let _ = self.0.try_push(0, None);
        let _ = self.0.len();
    }
}

#[test]
fn an_items_destructor_may_use_the_queue() {
    within_seconds(|| {
        let queue = Arc::new(PriorityQueue::new(8));
        for _ in 0..3 {
            assert!(queue.push(1, Some(Nosy(Arc::clone(&queue)))).is_ok());
        }
        let lease = queue.lease().unwrap();
        let lease = Lease::next(lease).unwrap();
        assert_eq!(queue.len(), 2);
        drop(lease);
        assert_eq!(queue.len(), 3);
        drop(queue.abort());
        queue.join();
    });
}
