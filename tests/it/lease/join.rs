//! Who waits until everything is settled.

use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{Lease, PriorityQueue};

use super::{AbortOnDrop, ms, shelf};
use crate::support::{HOUR, Live, asleep, within_seconds};

#[test]
fn join_returns_at_once_from_an_idle_queue() {
    within_seconds(|| {
        let queue = PriorityQueue::<u8>::new(1);
        queue.join();
        assert!(queue.join_timeout(Duration::ZERO));
        assert!(queue.join_timeout(Duration::MAX));
        queue.close();
        queue.join();
    });
}

#[test]
fn join_waits_for_what_is_ready_leased_or_waiting() {
    within_seconds(|| {
        let queue = shelf([1]);
        assert!(!queue.join_timeout(ms(1)));
        let lease = queue.lease().unwrap();
        assert!(!queue.join_timeout(ms(1)));
        assert_eq!(Lease::retry_after(lease, HOUR), Ok(()));
        assert!(!queue.join_timeout(ms(1)));
        assert_eq!(queue.abort(), [1]);
        assert!(queue.join_timeout(ms(1)));
    });
}

#[test]
fn join_timeout_waits_as_long_as_it_says() {
    within_seconds(|| {
        let queue = shelf([1]);
        let start = Instant::now();
        assert!(!queue.join_timeout(ms(5)));
        assert!(start.elapsed() >= ms(5));
    });
}

#[test]
fn popping_the_last_item_ends_every_join() {
    within_seconds(|| {
        let queue = shelf([1, 2]);
        thread::scope(|scope| {
            let _abort = AbortOnDrop(&queue);
            let joins = [(); 2].map(|()| asleep(scope, || queue.join()));
            let timed = asleep(scope, || queue.join_timeout(Duration::MAX));
            assert_eq!(queue.pop(), Some(1));
            assert!(joins.iter().all(|join| !join.is_finished()));
            assert_eq!(queue.pop(), Some(2));
            for join in joins {
                join.join().unwrap();
            }
            assert!(timed.join().unwrap());
        });
    });
}

#[test]
fn settling_the_last_lease_ends_every_join() {
    within_seconds(|| {
        let queue = shelf([1, 2]);
        thread::scope(|scope| {
            let _abort = AbortOnDrop(&queue);
            let (first, second) = (queue.lease().unwrap(), queue.lease().unwrap());
            let joins = [(); 2].map(|()| asleep(scope, || queue.join()));
            let timed = asleep(scope, || queue.join_timeout(HOUR));
            drop(first);
            assert!(joins.iter().all(|join| !join.is_finished()));
            drop(second);
            for join in joins {
                join.join().unwrap();
            }
            assert!(timed.join().unwrap());
        });
    });
}

#[test]
#[cfg(target_os = "linux")] // which tells when both wait; begun later they wait rightly
fn join_is_not_trapped_by_a_queue_that_is_busy_again_at_once() {
    within_seconds(|| {
        for _ in 0..50 {
            let queue = shelf([1]);
            let mut lease = queue.lease().unwrap();
            thread::scope(|scope| {
                let _abort = AbortOnDrop(&queue);
                let join = asleep(scope, || queue.join());
                let timed = asleep(scope, || queue.join_timeout(HOUR));
                drop(lease);
                // Idle for this one moment, and never again.
                assert_eq!(queue.push(0, 2), Ok(()));
                lease = queue.lease().unwrap();
                join.join().unwrap();
                assert!(timed.join().unwrap());
                drop(lease);
            });
        }
    });
}

#[test]
fn join_sees_through_items_that_come_back() {
    within_seconds(|| {
        let queue = shelf([1]);
        thread::scope(|scope| {
            let _abort = AbortOnDrop(&queue);
            let lease = queue.lease().unwrap();
            let join = asleep(scope, || queue.join());
            assert_eq!(Lease::retry_after(lease, ms(2)), Ok(()));
            let lease = queue.lease().unwrap();
            assert!(!join.is_finished());
            drop(lease);
            join.join().unwrap();
        });
    });
}

#[test]
fn what_join_waited_for_has_been_dropped() {
    within_seconds(|| {
        for _ in 0..200 {
            let live = Live::default();
            let queue = shelf([live.one(), live.one()]);
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| drop(queue.lease()));
                }
                queue.join();
                assert_eq!(live.count(), 0);
            });
        }
    });
}
