//! Leases of closed and aborted queues.

use std::thread;
use std::time::Duration;

use taskshelf::{Lease, PopTimeoutError, RetryError, TryPopError};

use super::{is_idle, ms, put_back, shelf};
use crate::support::{HOUR, Live, asleep, within_seconds};

#[test]
fn a_closed_queue_takes_back_what_was_leased() {
    within_seconds(|| {
        let queue = shelf(['a']);
        queue.close();
        put_back(&queue, ms(1));
        assert_eq!(queue.pop(), Some('a'));
        assert_eq!(queue.pop(), None);
    });
}

#[test]
fn a_closed_queue_is_not_over_while_something_waits_for_its_time() {
    within_seconds(|| {
        let queue = shelf(['a']);
        queue.close();
        put_back(&queue, ms(20));
        assert_eq!(queue.iter().collect::<String>(), "a");
    });
}

#[test]
fn try_pop_says_empty_while_a_lease_may_come_back_and_closed_after() {
    within_seconds(|| {
        let queue = shelf(['a']);
        queue.close();
        let lease = queue.lease().unwrap();
        assert_eq!(queue.try_pop(), Err(TryPopError::Empty));
        assert_eq!(queue.try_lease().err(), Some(TryPopError::Empty));
        let timeout = Some(PopTimeoutError::Timeout);
        assert_eq!(queue.pop_timeout(Duration::ZERO).err(), timeout);
        assert_eq!(queue.lease_timeout(Duration::ZERO).err(), timeout);
        drop(lease);
        assert_eq!(queue.try_pop(), Err(TryPopError::Closed));
        assert_eq!(queue.try_lease().err(), Some(TryPopError::Closed));
        let closed = Some(PopTimeoutError::Closed);
        assert_eq!(queue.pop_timeout(Duration::ZERO).err(), closed);
        assert_eq!(queue.lease_timeout(Duration::ZERO).err(), closed);
    });
}

#[test]
fn try_pop_says_empty_while_something_waits_for_its_time() {
    let queue = shelf(['a']);
    queue.close();
    put_back(&queue, HOUR);
    assert_eq!(queue.try_pop(), Err(TryPopError::Empty));
    drop(queue.abort());
    assert_eq!(queue.try_pop(), Err(TryPopError::Closed));
}

#[test]
fn settling_the_last_lease_ends_every_blocked_popper() {
    within_seconds(|| {
        for taken_out in [false, true] {
            let queue = shelf([1]);
            queue.close();
            let lease = queue.lease().unwrap();
            thread::scope(|scope| {
                let plain = [(); 2].map(|()| asleep(scope, || queue.pop()));
                let timed = asleep(scope, || queue.pop_timeout(Duration::MAX));
                let many = asleep(scope, || queue.pop_many(&mut Vec::new(), 2));
                let leaser = asleep(scope, || queue.lease().is_none());
                let iter = asleep(scope, || queue.iter().count());
                if taken_out {
                    Lease::into_inner(lease);
                } else {
                    drop(lease);
                }
                for popper in plain {
                    assert_eq!(popper.join().unwrap(), None);
                }
                assert_eq!(timed.join().unwrap(), Err(PopTimeoutError::Closed));
                assert_eq!(many.join().unwrap(), 0);
                assert!(leaser.join().unwrap());
                assert_eq!(iter.join().unwrap(), 0);
            });
        }
    });
}

#[test]
fn one_of_the_blocked_poppers_gets_what_comes_back_and_then_all_end() {
    within_seconds(|| {
        for delay in [Duration::ZERO, ms(5)] {
            let queue = shelf([1]);
            queue.close();
            let lease = queue.lease().unwrap();
            let taken: Vec<i32> = thread::scope(|scope| {
                let poppers = [(); 3].map(|()| asleep(scope, || queue.pop()));
                assert_eq!(Lease::retry_after(lease, delay), Ok(()));
                poppers
                    .into_iter()
                    .filter_map(|popper| popper.join().unwrap())
                    .collect()
            });
            assert_eq!(taken, [1]);
        }
    });
}

#[test]
fn a_blocked_lease_gets_what_comes_back() {
    within_seconds(|| {
        let queue = shelf([1]);
        queue.close();
        let lease = queue.lease().unwrap();
        thread::scope(|scope| {
            let other = asleep(scope, || queue.lease().map(Lease::into_inner));
            assert_eq!(Lease::retry_after(lease, ms(2)), Ok(()));
            assert_eq!(other.join().unwrap(), Some(1));
        });
    });
}

#[test]
fn popping_the_last_item_ends_those_who_wait_for_it() {
    within_seconds(|| {
        // It waits for its time, so two sleep; one of them takes it.
        let queue = shelf([1]);
        put_back(&queue, ms(5));
        queue.close();
        thread::scope(|scope| {
            let poppers = [(); 3].map(|()| asleep(scope, || queue.iter().count()));
            let taken: usize = poppers
                .into_iter()
                .map(|popper| popper.join().unwrap())
                .sum();
            assert_eq!(taken, 1);
        });
    });
}

#[test]
fn after_abort_the_item_is_handed_back_instead_of_put_back() {
    let live = Live::default();
    let queue = shelf([live.one()]);
    let lease = queue.lease().unwrap();
    assert!(queue.abort().is_empty());
    let RetryError(item) = Lease::retry_after(lease, Duration::ZERO).unwrap_err();
    assert_eq!(live.count(), 1);
    drop(item);
    assert!(queue.is_empty());
    assert!(is_idle(&queue));
}

#[test]
fn abort_hands_back_what_waits_for_its_time() {
    let queue = shelf([1, 2, 3]);
    put_back(&queue, HOUR);
    put_back(&queue, Duration::MAX);
    let mut rest = queue.abort();
    rest.sort();
    assert_eq!(rest, [1, 2, 3]);
    assert_eq!(queue.len(), 0);
}

#[test]
fn abort_ends_the_poppers_that_waited_for_a_lease() {
    within_seconds(|| {
        let queue = shelf([1]);
        queue.close();
        let lease = queue.lease().unwrap();
        thread::scope(|scope| {
            let poppers = [(); 2].map(|()| asleep(scope, || queue.pop()));
            assert!(queue.abort().is_empty());
            // The lease is still out, but it cannot come back.
            for popper in poppers {
                assert_eq!(popper.join().unwrap(), None);
            }
            assert_eq!(queue.try_pop(), Err(TryPopError::Closed));
            drop(lease);
        });
    });
}

#[test]
fn abort_does_not_settle_what_is_leased() {
    within_seconds(|| {
        let queue = shelf([1]);
        let lease = queue.lease().unwrap();
        assert!(queue.abort().is_empty());
        assert!(!is_idle(&queue));
        thread::scope(|scope| {
            let join = asleep(scope, || queue.join());
            drop(lease);
            join.join().unwrap();
        });
    });
}

#[test]
fn abort_lets_a_join_go_that_waited_for_items() {
    within_seconds(|| {
        let queue = shelf([1, 2]);
        put_back(&queue, HOUR);
        thread::scope(|scope| {
            let join = asleep(scope, || queue.join());
            assert_eq!(queue.abort().len(), 2);
            join.join().unwrap();
        });
    });
}
