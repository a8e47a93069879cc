//! Leases: what is tracked, what comes back, and who waits for it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{Lease, PopTimeoutError, PriorityQueue, RetryError, TryPopError, TryPushError};

use crate::priority_queue::kit::{Live, asleep};
use crate::support::{HOUR as AGES, within_seconds as within};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A queue with room to spare and those items, all of priority 0.
fn shelf<T: Send + 'static>(items: impl IntoIterator<Item = T>) -> PriorityQueue<T> {
    let queue = PriorityQueue::new(1000);
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

// What a lease is

#[test]
fn a_lease_derefs_to_its_item() {
    let queue = shelf([String::from("a")]);
    let mut lease = queue.lease().unwrap();
    lease.push('b');
    assert_eq!(lease.len(), 2);
    assert_eq!(format!("{lease:?}").matches("ab").count(), 1);
    assert_eq!(Lease::into_inner(lease), "ab");
}

#[test]
fn a_lease_knows_its_priority_and_its_retries() {
    within(|| {
        let queue = PriorityQueue::new(4);
        assert_eq!(queue.push(-7, 'a'), Ok(()));
        for retries in 0..3 {
            let lease = queue.lease().unwrap();
            assert_eq!(
                (Lease::priority(&lease), Lease::retries(&lease)),
                (-7, retries)
            );
            assert_eq!(Lease::retry_after(lease, Duration::ZERO), Ok(()));
        }
    });
}

#[test]
fn a_lease_may_end_on_another_thread() {
    within(|| {
        let queue = shelf([1]);
        let lease = queue.lease().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || assert_eq!(Lease::into_inner(lease), 1));
        });
        assert!(is_idle(&queue));
    });
}

#[test]
fn what_is_leased_is_no_longer_in() {
    let queue = PriorityQueue::new(1);
    assert_eq!(queue.push(0, 'a'), Ok(()));
    let lease = queue.lease().unwrap();
    assert_eq!((queue.len(), queue.is_full()), (0, false));
    assert_eq!(queue.try_push(0, 'b'), Ok(()));
    drop(lease);
    assert_eq!(queue.len(), 1);
}

// How a lease ends

#[test]
fn dropping_a_lease_settles_it() {
    let queue = shelf([1]);
    let lease = queue.lease().unwrap();
    assert!(!is_idle(&queue));
    drop(lease);
    assert!(is_idle(&queue));
}

#[test]
fn taking_the_item_out_settles_the_lease() {
    let live = Live::default();
    let queue = shelf([live.one()]);
    let item = Lease::into_inner(queue.lease().unwrap());
    assert!(is_idle(&queue));
    assert_eq!(live.count(), 1);
    drop(item);
    assert_eq!(live.count(), 0);
}

#[test]
fn unwinding_settles_the_lease() {
    let live = Live::default();
    let queue = shelf([live.one()]);
    let panic = catch_unwind(|| {
        let _lease = queue.lease().unwrap();
        panic!("the worker's");
    });
    assert!(panic.is_err());
    assert!(is_idle(&queue));
    assert_eq!(live.count(), 0);
}

#[test]
fn a_lease_whose_item_panics_in_drop_is_settled() {
    let live = Live::default();
    let queue = shelf([live.bomb(), live.bomb(), live.one()]);
    let lease = queue.lease().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(lease))).is_err());
    let lease = queue.lease().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(Lease::next(lease)))).is_err());
    drop(queue.try_lease());
    assert!(is_idle(&queue));
    assert_eq!(live.count(), 0);
}

#[test]
fn an_item_that_panics_in_drop_does_not_strand_a_popper() {
    within(|| {
        let live = Live::default();
        let queue = shelf([live.bomb()]);
        queue.close();
        let lease = queue.lease().unwrap();
        thread::scope(|scope| {
            let popper = asleep(scope, || queue.pop().is_none());
            assert!(catch_unwind(AssertUnwindSafe(|| drop(lease))).is_err());
            assert!(popper.join().unwrap());
        });
    });
}

/// Notes, when it is dropped, whether the queue was idle already.
struct Witness {
    queue: Arc<PriorityQueue<Witness>>,
    was_idle: Arc<AtomicBool>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.was_idle.store(is_idle(&self.queue), Ordering::SeqCst);
    }
}

#[test]
fn an_item_is_dropped_before_its_lease_is_settled() {
    within(|| {
        for goes_on in [false, true] {
            let queue = Arc::new(PriorityQueue::new(1));
            let was_idle = Arc::new(AtomicBool::new(true));
            let witness = Witness {
                queue: Arc::clone(&queue),
                was_idle: Arc::clone(&was_idle),
            };
            assert!(queue.push(0, witness).is_ok());
            queue.close();
            let lease = queue.lease().unwrap();
            if goes_on {
                assert!(Lease::next(lease).is_none());
            } else {
                drop(lease);
            }
            assert!(!was_idle.load(Ordering::SeqCst));
            assert!(is_idle(&queue));
        }
    });
}

// Next

#[test]
fn next_settles_one_and_leases_another() {
    within(|| {
        let queue = PriorityQueue::new(4);
        assert_eq!(queue.push_all([(0, 'c'), (2, 'a'), (1, 'b')]), Ok(3));
        queue.close();
        let lease = queue.lease().unwrap();
        assert_eq!(*lease, 'a');
        let lease = Lease::next(lease).unwrap();
        assert_eq!((*lease, Lease::priority(&lease)), ('b', 1));
        assert!(!is_idle(&queue));
        let lease = Lease::next(lease).unwrap();
        assert_eq!(*lease, 'c');
        assert!(Lease::next(lease).is_none());
        assert!(is_idle(&queue));
    });
}

#[test]
fn next_waits_for_an_item() {
    within(|| {
        let queue = shelf(['a']);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let lease = queue.lease().unwrap();
            let next = asleep(scope, || Lease::next(lease).map(Lease::into_inner));
            assert!(is_idle(&queue));
            assert_eq!(queue.push(0, 'b'), Ok(()));
            assert_eq!(next.join().unwrap(), Some('b'));
        });
    });
}

#[test]
fn next_on_the_last_lease_wakes_those_who_wait_for_it() {
    within(|| {
        let queue = shelf([1]);
        queue.close();
        thread::scope(|scope| {
            let lease = queue.lease().unwrap();
            let poppers = [(); 2].map(|()| asleep(scope, || queue.pop()));
            let join = asleep(scope, || queue.join());
            assert!(Lease::next(lease).is_none());
            for popper in poppers {
                assert_eq!(popper.join().unwrap(), None);
            }
            join.join().unwrap();
        });
    });
}

#[test]
fn two_workers_that_go_from_lease_to_lease_both_end_after_close() {
    within(|| {
        for _ in 0..100 {
            let queue = PriorityQueue::new(4);
            let taken = thread::scope(|scope| {
                let workers = [(); 2].map(|()| {
                    scope.spawn(|| {
                        let mut taken = 0;
                        let mut lease = queue.lease();
                        while let Some(held) = lease {
                            taken += 1;
                            lease = Lease::next(held);
                        }
                        taken
                    })
                });
                assert_eq!(queue.push_all((0..20).map(|n| (0, n))), Ok(20));
                queue.close();
                workers
                    .into_iter()
                    .map(|worker| worker.join().unwrap())
                    .sum::<i32>()
            });
            assert_eq!(taken, 20);
        }
    });
}

#[test]
fn two_workers_that_put_back_everything_once_both_end_after_close() {
    within(|| {
        for _ in 0..30 {
            let queue = PriorityQueue::new(4);
            let settled = thread::scope(|scope| {
                let workers = [(); 2].map(|()| {
                    scope.spawn(|| {
                        let mut settled = 0;
                        while let Some(lease) = queue.lease() {
                            if Lease::retries(&lease) == 0 {
                                assert_eq!(Lease::retry_after(lease, ms(1)), Ok(()));
                            } else {
                                settled += 1;
                            }
                        }
                        settled
                    })
                });
                assert_eq!(queue.push_all((0..20).map(|n| (0, n))), Ok(20));
                queue.close();
                workers
                    .into_iter()
                    .map(|worker| worker.join().unwrap())
                    .sum::<i32>()
            });
            assert_eq!(settled, 20);
        }
    });
}

// Coming back

#[test]
fn what_comes_back_is_not_due_before_its_delay() {
    within(|| {
        let queue = shelf(['a']);
        let start = Instant::now();
        put_back(&queue, ms(20));
        assert_eq!(queue.pop(), Some('a'));
        assert!(start.elapsed() >= ms(20));
    });
}

#[test]
fn what_comes_back_without_a_delay_is_ready() {
    let queue = shelf(['a']);
    put_back(&queue, Duration::ZERO);
    assert_eq!(queue.try_pop(), Ok('a'));
}

#[test]
fn what_waits_for_its_time_is_in_but_cannot_be_taken() {
    within(|| {
        let queue = shelf(['a']);
        put_back(&queue, AGES);
        assert_eq!((queue.len(), queue.is_empty()), (1, false));
        assert_eq!(queue.try_pop(), Err(TryPopError::Empty));
        assert_eq!(queue.pop_timeout(ms(1)), Err(PopTimeoutError::Timeout));
        assert!(!is_idle(&queue));
    });
}

#[test]
fn a_try_pop_sees_what_has_become_due() {
    within(|| {
        let queue = shelf(['a']);
        put_back(&queue, ms(2));
        let start = Instant::now();
        while queue.try_pop() != Ok('a') {
            thread::yield_now();
        }
        assert!(start.elapsed() >= ms(1));
    });
}

#[test]
fn a_pop_timeout_longer_than_the_delay_gets_the_item() {
    within(|| {
        let queue = shelf(['a']);
        put_back(&queue, ms(5));
        assert_eq!(queue.pop_timeout(AGES), Ok('a'));
        assert_eq!(queue.push(0, 'b'), Ok(()));
        put_back(&queue, ms(5));
        assert_eq!(queue.pop_timeout(Duration::MAX), Ok('b'));
        assert_eq!(queue.push(0, 'c'), Ok(()));
        put_back(&queue, ms(5));
        assert_eq!(queue.pop_many(&mut Vec::new(), 2), 1);
    });
}

#[test]
fn a_deadline_after_the_due_time_gets_the_item() {
    within(|| {
        // The popper gives up just when the item is due, and tries once more.
        let queue = shelf(['a']);
        put_back(&queue, ms(5));
        let deadline = Instant::now() + ms(5);
        assert_eq!(queue.pop_deadline(deadline), Ok('a'));
    });
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

#[test]
fn what_was_put_back_comes_out_by_its_due_time() {
    within(|| {
        let queue = shelf([30, 10, 20, 1, 15]);
        let due = put_back_timed((0..5).filter_map(|_| queue.lease()).collect());
        let taken: Vec<u64> = (0..5).filter_map(|_| queue.pop()).collect();
        assert_by_due_time(&taken, &due);
    });
}

/// Takes everything, puts all of it back, and waits until all of it is due
/// with nobody asking in between.
fn put_all_back_and_wait<T>(queue: &PriorityQueue<T>) {
    let leases: Vec<_> = std::iter::from_fn(|| queue.try_lease().ok()).collect();
    for lease in leases {
        assert!(Lease::retry_after(lease, ms(1)).is_ok());
    }
    let due = Instant::now() + ms(1);
    while Instant::now() < due {
        thread::yield_now();
    }
}

#[test]
fn what_is_due_comes_out_by_its_priority() {
    within(|| {
        let queue = PriorityQueue::new(4);
        assert_eq!(queue.push_all([(0, 'c'), (2, 'a'), (1, 'b')]), Ok(3));
        put_all_back_and_wait(&queue);
        assert_eq!(queue.push(1, 'd'), Ok(()));
        queue.close();
        assert_eq!(queue.iter().next(), Some('a'));
        assert_eq!(queue.iter().last(), Some('c'));
    });
}

#[test]
fn those_that_came_back_together_keep_their_order() {
    within(|| {
        let queue = shelf('a'..='z');
        put_all_back_and_wait(&queue);
        queue.close();
        assert!(queue.iter().eq('a'..='z'));
    });
}

#[test]
fn what_comes_back_joins_the_back_of_its_line() {
    within(|| {
        let queue = PriorityQueue::new(8);
        assert_eq!(
            queue.push_all([(0, 'z'), (1, 'a'), (1, 'b'), (1, 'c')]),
            Ok(4)
        );
        put_back(&queue, Duration::ZERO);
        queue.close();
        assert_eq!(queue.iter().collect::<String>(), "bcaz");
    });
}

#[test]
fn what_is_due_in_ages_does_not_hold_up_what_is_due() {
    within(|| {
        let queue = shelf([Duration::MAX, AGES, ms(2), Duration::ZERO]);
        for _ in 0..4 {
            let lease = queue.lease().unwrap();
            let delay = *lease;
            assert_eq!(Lease::retry_after(lease, delay), Ok(()));
        }
        let mut due = [queue.pop(), queue.pop()];
        due.sort();
        assert_eq!(due, [Some(Duration::ZERO), Some(ms(2))]);
        assert_eq!(queue.push(0, ms(7)), Ok(()));
        assert_eq!(queue.pop(), Some(ms(7)));
        assert_eq!(queue.len(), 2);
    });
}

#[test]
fn a_delay_without_end_is_ended_by_abort() {
    within(|| {
        let queue = shelf(['a']);
        put_back(&queue, Duration::MAX);
        assert_eq!(queue.pop_timeout(ms(1)), Err(PopTimeoutError::Timeout));
        queue.close();
        thread::scope(|scope| {
            let popper = asleep(scope, || queue.pop());
            assert_eq!(queue.abort(), ['a']);
            assert_eq!(popper.join().unwrap(), None);
        });
        assert!(is_idle(&queue));
    });
}

// Room

#[test]
fn what_comes_back_is_never_refused_for_want_of_room() {
    within(|| {
        let queue = shelf_of(2, ['a', 'b']);
        let first = queue.lease().unwrap();
        let second = queue.lease().unwrap();
        assert_eq!(queue.push_all([(0, 'c'), (0, 'd')]), Ok(2));
        assert_eq!(Lease::retry_after(first, Duration::ZERO), Ok(()));
        assert_eq!(Lease::retry_after(second, Duration::ZERO), Ok(()));
        assert_eq!((queue.len(), queue.is_full()), (4, true));
        queue.close();
        assert_eq!(queue.iter().collect::<String>(), "cdab");
    });
}

#[test]
fn new_items_wait_until_there_is_room_again_below_the_capacity() {
    within(|| {
        let queue = shelf_of(1, ['a']);
        let lease = queue.lease().unwrap();
        assert_eq!(queue.push(0, 'b'), Ok(()));
        assert_eq!(Lease::retry_after(lease, Duration::ZERO), Ok(()));
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.try_push(0, 'c'), Err(TryPushError::Full('c')));
        assert_eq!(queue.pop(), Some('b'));
        assert_eq!(queue.try_push(0, 'c'), Err(TryPushError::Full('c')));
        assert_eq!(queue.pop(), Some('a'));
        assert_eq!(queue.try_push(0, 'c'), Ok(()));
    });
}

#[test]
fn what_waits_for_its_time_holds_its_slot() {
    within(|| {
        let queue = shelf_of(1, ['a']);
        put_back(&queue, AGES);
        assert!(queue.is_full());
        assert_eq!(queue.try_push(0, 'b'), Err(TryPushError::Full('b')));
        assert!(queue.push_timeout(0, 'b', ms(1)).is_err());
    });
}

#[test]
fn a_slot_that_was_held_reaches_a_blocked_pusher() {
    within(|| {
        let queue = shelf_of(1, ['a']);
        put_back(&queue, ms(5));
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let pusher = asleep(scope, || queue.push(0, 'b'));
            assert_eq!(queue.pop(), Some('a'));
            assert_eq!(pusher.join().unwrap(), Ok(()));
            assert_eq!(queue.pop(), Some('b'));
        });
    });
}

#[test]
fn blocked_pushers_get_in_once_a_queue_beyond_its_capacity_is_below_it() {
    within(|| {
        let queue = shelf_of(2, ['a', 'b']);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let (a, b) = (queue.lease().unwrap(), queue.lease().unwrap());
            assert_eq!(queue.push_all([(0, 'c'), (0, 'd')]), Ok(2));
            let pushers = [(); 2].map(|()| asleep(scope, || queue.push(0, 'e')));
            assert_eq!(Lease::retry_after(a, Duration::ZERO), Ok(()));
            assert_eq!(Lease::retry_after(b, Duration::ZERO), Ok(()));
            for expected in ['c', 'd', 'a', 'b'] {
                assert_eq!(queue.pop(), Some(expected));
            }
            for pusher in pushers {
                assert_eq!(pusher.join().unwrap(), Ok(()));
            }
        });
    });
}

fn shelf_of<const N: usize>(capacity: usize, items: [char; N]) -> PriorityQueue<char> {
    let queue = PriorityQueue::new(capacity);
    for item in items {
        assert_eq!(queue.try_push(0, item), Ok(()));
    }
    queue
}

// Closed and aborted queues

#[test]
fn a_closed_queue_takes_back_what_was_leased() {
    within(|| {
        let queue = shelf(['a']);
        queue.close();
        put_back(&queue, ms(1));
        assert_eq!(queue.pop(), Some('a'));
        assert_eq!(queue.pop(), None);
    });
}

#[test]
fn a_closed_queue_is_not_over_while_something_waits_for_its_time() {
    within(|| {
        let queue = shelf(['a']);
        queue.close();
        put_back(&queue, ms(20));
        assert_eq!(queue.iter().collect::<String>(), "a");
    });
}

#[test]
fn try_pop_says_empty_while_a_lease_may_come_back_and_closed_after() {
    within(|| {
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
    put_back(&queue, AGES);
    assert_eq!(queue.try_pop(), Err(TryPopError::Empty));
    drop(queue.abort());
    assert_eq!(queue.try_pop(), Err(TryPopError::Closed));
}

#[test]
fn settling_the_last_lease_ends_every_blocked_popper() {
    within(|| {
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
    within(|| {
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
    within(|| {
        let queue = shelf([1]);
        queue.close();
        let lease = queue.lease().unwrap();
        thread::scope(|scope| {
            let other = asleep(scope, || {
                queue.lease().map(|lease| (*lease, Lease::retries(&lease)))
            });
            assert_eq!(Lease::retry_after(lease, ms(2)), Ok(()));
            assert_eq!(other.join().unwrap(), Some((1, 1)));
        });
    });
}

#[test]
fn popping_the_last_item_ends_those_who_wait_for_it() {
    within(|| {
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
    put_back(&queue, AGES);
    put_back(&queue, Duration::MAX);
    let mut rest = queue.abort();
    rest.sort();
    assert_eq!(rest, [1, 2, 3]);
    assert_eq!(queue.len(), 0);
}

#[test]
fn abort_ends_the_poppers_that_waited_for_a_lease() {
    within(|| {
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
    within(|| {
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
    within(|| {
        let queue = shelf([1, 2]);
        put_back(&queue, AGES);
        thread::scope(|scope| {
            let join = asleep(scope, || queue.join());
            assert_eq!(queue.abort().len(), 2);
            join.join().unwrap();
        });
    });
}

// Who watches the clock

#[test]
fn everything_that_comes_back_reaches_consumers_that_sleep() {
    within(|| {
        let queue = shelf([50, 5, 30, 10, 45, 20, 15, 40, 25, 35]);
        let (tell, told) = channel();
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let leases: Vec<_> = (0..10).filter_map(|_| queue.lease()).collect();
            for _ in 0..4 {
                let (queue, tell) = (&queue, tell.clone());
                asleep(scope, move || {
                    for item in queue {
                        tell.send(item).unwrap();
                    }
                });
            }
            for lease in leases {
                let delay = ms(*lease);
                assert_eq!(Lease::retry_after(lease, delay), Ok(()));
            }
            let mut taken: Vec<u64> = told.iter().take(10).collect();
            taken.sort();
            assert_eq!(taken, [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]);
        });
    });
}

#[test]
fn those_due_together_each_wake_a_consumer() {
    within(|| {
        let queue = shelf([1, 2, 3]);
        // Nobody goes on before each has one.
        let all = Barrier::new(3);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let leases: Vec<_> = (0..3).filter_map(|_| queue.lease()).collect();
            let poppers = [(); 3].map(|()| {
                asleep(scope, || {
                    let item = queue.pop();
                    all.wait();
                    item
                })
            });
            for lease in leases {
                assert_eq!(Lease::retry_after(lease, ms(5)), Ok(()));
            }
            for popper in poppers {
                assert!(popper.join().unwrap().is_some());
            }
        });
    });
}

#[test]
fn an_earlier_due_time_does_not_wait_for_a_later_one() {
    within(|| {
        for consumers in [1, 2, 3] {
            let queue = shelf(["late", "early"]);
            let (tell, told) = channel();
            thread::scope(|scope| {
                let _abort = AbortOnDrop(&queue);
                let late = queue.lease().unwrap();
                let early = queue.lease().unwrap();
                assert_eq!(Lease::retry_after(late, AGES), Ok(()));
                for _ in 0..consumers {
                    let (queue, tell) = (&queue, tell.clone());
                    asleep(scope, move || {
                        queue.iter().for_each(|item| tell.send(item).unwrap());
                    });
                }
                let start = Instant::now();
                assert_eq!(Lease::retry_after(early, ms(10)), Ok(()));
                assert_eq!(told.recv(), Ok("early"));
                assert!(start.elapsed() >= ms(10));
                assert_eq!(queue.abort(), ["late"]);
            });
        }
    });
}

#[test]
fn ever_earlier_due_times_come_out_each_at_its_own() {
    within(|| {
        let queue = shelf([50, 40, 30, 20, 10]);
        let start = Instant::now();
        thread::scope(|scope| {
            let _abort = AbortOnDrop(&queue);
            let leases = (0..5).filter_map(|_| queue.lease()).collect();
            let consumer = asleep(scope, || {
                let next = || queue.pop().map(|item| (item, start.elapsed()));
                (0..5).filter_map(|_| next()).collect::<Vec<_>>()
            });
            let due = put_back_timed(leases);
            let taken = consumer.join().unwrap();
            assert!(taken.iter().all(|&(item, at)| at >= ms(item)));
            let order: Vec<u64> = taken.into_iter().map(|(item, _)| item).collect();
            assert_by_due_time(&order, &due);
        });
    });
}

#[test]
fn a_watcher_that_times_out_hands_the_watch_over() {
    within(|| {
        for _ in 0..10 {
            let queue = shelf(['a']);
            put_back(&queue, ms(20));
            thread::scope(|scope| {
                let _abort = AbortOnDrop(&queue);
                let leaver = asleep(scope, || queue.pop_timeout(ms(5)));
                let stayer = asleep(scope, || queue.pop());
                // On a slow day the first gets it.
                match leaver.join().unwrap() {
                    Ok(_) => queue.push(0, 'b').unwrap(),
                    Err(error) => assert_eq!(error, PopTimeoutError::Timeout),
                }
                assert!(stayer.join().unwrap().is_some());
            });
        }
    });
}

#[test]
fn a_watcher_that_came_before_the_item_hands_the_watch_over() {
    within(|| {
        for _ in 0..10 {
            let queue = shelf(['a']);
            let lease = queue.lease().unwrap();
            thread::scope(|scope| {
                let _abort = AbortOnDrop(&queue);
                let leavers = [ms(15), ms(10)].map(|timeout| {
                    asleep(scope, {
                        let queue = &queue;
                        move || queue.pop_timeout(timeout)
                    })
                });
                let stayer = asleep(scope, || queue.pop());
                assert_eq!(Lease::retry_after(lease, ms(30)), Ok(()));
                for leaver in leavers {
                    if leaver.join().unwrap().is_ok() {
                        queue.push(0, 'b').unwrap();
                    }
                }
                assert!(stayer.join().unwrap().is_some());
            });
        }
    });
}

#[test]
fn a_watcher_that_takes_something_else_hands_the_watch_over() {
    within(|| {
        for _ in 0..10 {
            let queue = shelf(['a']);
            put_back(&queue, ms(20));
            // Neither goes on before both have one.
            let both = Barrier::new(2);
            thread::scope(|scope| {
                let _abort = AbortOnDrop(&queue);
                let poppers = [(); 2].map(|()| {
                    asleep(scope, || {
                        let item = queue.pop();
                        both.wait();
                        item
                    })
                });
                assert_eq!(queue.push(0, 'b'), Ok(()));
                let mut taken = poppers.map(|popper| popper.join().unwrap());
                taken.sort();
                assert_eq!(taken, [Some('a'), Some('b')]);
            });
        }
    });
}

#[test]
fn a_batch_of_pops_hands_the_watch_over() {
    within(|| {
        let queue = shelf(['a']);
        put_back(&queue, ms(20));
        let both = Barrier::new(2);
        thread::scope(|scope| {
            let _abort = AbortOnDrop(&queue);
            let poppers = [(); 2].map(|()| {
                asleep(scope, || {
                    let taken = queue.pop_many(&mut Vec::new(), 10);
                    both.wait();
                    taken
                })
            });
            assert_eq!(queue.push(0, 'b'), Ok(()));
            for popper in poppers {
                assert_eq!(popper.join().unwrap(), 1);
            }
        });
    });
}

/// Lets everybody go if the test fails half-way.
struct AbortOnDrop<'a, T>(&'a PriorityQueue<T>);

impl<T> Drop for AbortOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

// Join

#[test]
fn join_returns_at_once_from_an_idle_queue() {
    within(|| {
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
    within(|| {
        let queue = shelf([1]);
        assert!(!queue.join_timeout(ms(1)));
        let lease = queue.lease().unwrap();
        assert!(!queue.join_timeout(ms(1)));
        assert_eq!(Lease::retry_after(lease, AGES), Ok(()));
        assert!(!queue.join_timeout(ms(1)));
        assert_eq!(queue.abort(), [1]);
        assert!(queue.join_timeout(ms(1)));
    });
}

#[test]
fn join_timeout_waits_as_long_as_it_says() {
    within(|| {
        let queue = shelf([1]);
        let start = Instant::now();
        assert!(!queue.join_timeout(ms(5)));
        assert!(start.elapsed() >= ms(5));
    });
}

#[test]
fn popping_the_last_item_ends_every_join() {
    within(|| {
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
    within(|| {
        let queue = shelf([1, 2]);
        thread::scope(|scope| {
            let _abort = AbortOnDrop(&queue);
            let (first, second) = (queue.lease().unwrap(), queue.lease().unwrap());
            let joins = [(); 2].map(|()| asleep(scope, || queue.join()));
            let timed = asleep(scope, || queue.join_timeout(AGES));
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
fn join_is_not_trapped_by_a_queue_that_is_busy_again_at_once() {
    within(|| {
        for _ in 0..50 {
            let queue = shelf([1]);
            let mut lease = queue.lease().unwrap();
            thread::scope(|scope| {
                let _abort = AbortOnDrop(&queue);
                let join = asleep(scope, || queue.join());
                let timed = asleep(scope, || queue.join_timeout(AGES));
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
    within(|| {
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
    within(|| {
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
