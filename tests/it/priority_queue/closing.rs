//! What close and abort hand back, and whom they wake.

use std::thread;
use std::time::Duration;

use taskshelf::{Lease, PopTimeoutError, PriorityQueue, PushError, PushTimeoutError, TryPopError};

use super::{full, past};
use crate::support::{HOUR, asleep, within_seconds};

#[test]
fn only_the_call_that_closes_says_so() {
    within_seconds(|| {
        let queue = PriorityQueue::<u8>::new(1);
        assert!(!queue.is_closed());
        let closers = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| queue.close())).collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .filter(|&did| did)
                .count()
        });
        assert_eq!(closers, 1);
        assert!(queue.is_closed());
        assert!(!queue.close());
    });
}

#[test]
fn what_is_in_a_closed_queue_can_be_taken_in_every_form() {
    within_seconds(|| {
        let queue = full(6);
        queue.close();
        assert_eq!(queue.len(), 6);
        assert_eq!(queue.pop(), Some(0));
        assert_eq!(queue.try_pop(), Ok(1));
        assert_eq!(queue.pop_timeout(Duration::ZERO), Ok(2));
        assert_eq!(queue.lease().map(Lease::into_inner), Some(3));
        assert_eq!(queue.try_lease().map(Lease::into_inner).ok(), Some(4));
        assert_eq!(queue.iter().collect::<Vec<_>>(), [5]);
    });
}

#[test]
fn a_closed_and_empty_queue_ends_every_form_of_pop() {
    within_seconds(|| {
        let queue = PriorityQueue::<u8>::new(1);
        queue.close();
        let closed = PopTimeoutError::Closed;
        assert_eq!(queue.pop(), None);
        assert_eq!(queue.try_pop(), Err(TryPopError::Closed));
        assert_eq!(queue.pop_timeout(Duration::MAX), Err(closed));
        assert_eq!(queue.pop_timeout(Duration::ZERO), Err(closed));
        assert_eq!(queue.pop_deadline(past()), Err(closed));
        assert_eq!(queue.pop_many(&mut Vec::new(), 5), 0);
        assert!(queue.lease().is_none());
        assert_eq!(queue.try_lease().err(), Some(TryPopError::Closed));
        assert_eq!(queue.lease_timeout(Duration::MAX).err(), Some(closed));
        assert_eq!(queue.lease_deadline(past()).err(), Some(closed));
        assert_eq!(queue.iter().next(), None);
    });
}

#[test]
fn a_for_loop_ends_with_the_last_item_of_a_closed_queue() {
    within_seconds(|| {
        let queue = full(3);
        queue.close();
        let mut taken = Vec::new();
        for item in &queue {
            taken.push(item);
        }
        assert_eq!(taken, [0, 1, 2]);
    });
}

#[test]
fn closing_wakes_every_blocked_pusher() {
    within_seconds(|| {
        let queue = full(1);
        thread::scope(|scope| {
            let close = queue.close_on_drop();
            let plain: Vec<_> = (0..3)
                .map(|n| {
                    asleep(scope, {
                        let queue = &queue;
                        move || queue.push(n, 10)
                    })
                })
                .collect();
            let timed: Vec<_> = [HOUR, Duration::MAX]
                .map(|timeout| {
                    asleep(scope, {
                        let queue = &queue;
                        move || queue.push_timeout(0, 11, timeout)
                    })
                })
                .into();
            let many = asleep(scope, || queue.push_all([(0, 12), (1, 13)]));
            drop(close);
            for pusher in plain {
                assert_eq!(pusher.join().unwrap(), Err(PushError(10)));
            }
            for pusher in timed {
                assert_eq!(pusher.join().unwrap(), Err(PushTimeoutError::Closed(11)));
            }
            assert_eq!(many.join().unwrap().unwrap_err().rest, [(0, 12), (1, 13)]);
        });
        assert_eq!(queue.abort(), [0]);
    });
}

#[test]
fn closing_wakes_every_blocked_popper() {
    within_seconds(|| {
        let queue = PriorityQueue::<u8>::new(1);
        thread::scope(|scope| {
            let close = queue.close_on_drop();
            let pops: Vec<_> = (0..3).map(|_| asleep(scope, || queue.pop())).collect();
            let timed = asleep(scope, || queue.pop_timeout(Duration::MAX));
            let many = asleep(scope, || queue.pop_many(&mut Vec::new(), 3));
            let lease = asleep(scope, || queue.lease().is_none());
            let iter = asleep(scope, || queue.iter().count());
            drop(close);
            for popper in pops {
                assert_eq!(popper.join().unwrap(), None);
            }
            assert_eq!(timed.join().unwrap(), Err(PopTimeoutError::Closed));
            assert_eq!(many.join().unwrap(), 0);
            assert!(lease.join().unwrap());
            assert_eq!(iter.join().unwrap(), 0);
        });
    });
}

#[test]
fn a_close_at_any_moment_strands_nobody() {
    within_seconds(|| {
        for _ in 0..500 {
            let queue = PriorityQueue::new(1);
            thread::scope(|scope| {
                scope.spawn(|| while queue.push(0, ()).is_ok() {});
                scope.spawn(|| queue.push(0, ()));
                scope.spawn(|| queue.iter().count());
                scope.spawn(|| queue.pop());
                queue.close();
            });
        }
    });
}

#[test]
fn two_poppers_that_batch_both_end_after_close() {
    within_seconds(|| {
        for _ in 0..100 {
            let queue = PriorityQueue::new(16);
            let taken = thread::scope(|scope| {
                let poppers: Vec<_> = (0..2)
                    .map(|_| {
                        scope.spawn(|| {
                            let mut buffer = Vec::new();
                            while queue.pop_many(&mut buffer, 3) > 0 {}
                            buffer
                        })
                    })
                    .collect();
                assert_eq!(queue.push_all((0..50).map(|n| (0, n))), Ok(50));
                queue.close();
                let mut taken: Vec<i32> = poppers
                    .into_iter()
                    .flat_map(|popper| popper.join().unwrap())
                    .collect();
                taken.sort();
                taken
            });
            assert_eq!(taken, (0..50).collect::<Vec<_>>());
        }
    });
}

#[test]
fn close_on_drop_closes_when_its_scope_ends() {
    let queue = PriorityQueue::<u8>::new(1);
    {
        let _close = queue.close_on_drop();
        assert!(!queue.is_closed());
    }
    assert!(queue.is_closed());
}

#[test]
fn a_producer_that_panics_does_not_strand_its_consumer() {
    within_seconds(|| {
        let queue = PriorityQueue::new(4);
        thread::scope(|scope| {
            let consumer = asleep(scope, || queue.iter().count());
            let producer = scope.spawn(|| {
                let _close = queue.close_on_drop();
                assert_eq!(queue.push(0, 1), Ok(()));
                panic!("the producer's");
            });
            assert!(producer.join().is_err());
            assert_eq!(consumer.join().unwrap(), 1);
        });
    });
}

#[test]
fn abort_hands_back_what_nobody_took_in_order() {
    within_seconds(|| {
        let queue = PriorityQueue::new(8);
        assert_eq!(
            queue.push_all([(0, 'd'), (5, 'x'), (1, 'b'), (0, 'e'), (1, 'c'), (3, 'a')]),
            Ok(6)
        );
        assert_eq!(queue.pop(), Some('x'));
        assert_eq!(queue.abort(), ['a', 'b', 'c', 'd', 'e']);
        assert!(queue.is_closed());
        assert!(queue.is_empty());
        assert_eq!(queue.pop(), None);
        assert!(queue.abort().is_empty());
        assert!(!queue.close());
    });
}

#[test]
fn abort_wakes_every_blocked_pusher() {
    within_seconds(|| {
        let queue = full(1);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let plain: Vec<_> = (0..3).map(|_| asleep(scope, || queue.push(0, 7))).collect();
            let timed = asleep(scope, || queue.push_timeout(0, 8, Duration::MAX));
            assert_eq!(queue.abort(), [0]);
            for pusher in plain {
                assert_eq!(pusher.join().unwrap(), Err(PushError(7)));
            }
            assert_eq!(timed.join().unwrap(), Err(PushTimeoutError::Closed(8)));
        });
    });
}

#[test]
fn abort_wakes_every_blocked_popper() {
    within_seconds(|| {
        let queue = PriorityQueue::<u8>::new(1);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let plain: Vec<_> = (0..3).map(|_| asleep(scope, || queue.pop())).collect();
            let timed = asleep(scope, || queue.pop_timeout(Duration::MAX));
            assert!(queue.abort().is_empty());
            for popper in plain {
                assert_eq!(popper.join().unwrap(), None);
            }
            assert_eq!(timed.join().unwrap(), Err(PopTimeoutError::Closed));
        });
    });
}
