//! What a lease is, how it ends, and how it goes over into the next.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use taskshelf::{Lease, PriorityQueue};

use super::{is_idle, ms, shelf};
use crate::support::{Live, asleep, within_seconds};

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
fn a_lease_keeps_its_priority_and_what_was_changed_in_its_item() {
    within_seconds(|| {
        let queue = PriorityQueue::new(4);
        assert_eq!(queue.push(-7, 0), Ok(()));
        for retries in 0..3 {
            let mut lease = queue.lease().unwrap();
            assert_eq!((Lease::priority(&lease), *lease), (-7, retries));
            *lease += 1;
            assert_eq!(Lease::retry_after(lease, Duration::ZERO), Ok(()));
        }
    });
}

#[test]
fn a_lease_may_end_on_another_thread() {
    within_seconds(|| {
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
    within_seconds(|| {
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
    within_seconds(|| {
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
    within_seconds(|| {
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
    within_seconds(|| {
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
    within_seconds(|| {
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
    within_seconds(|| {
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

/// A number, and whether it has gone back.
type Once = (u32, bool);

#[test]
fn two_workers_that_put_back_everything_once_both_end_after_close() {
    within_seconds(|| {
        for _ in 0..30 {
            let queue = PriorityQueue::<Once>::new(4);
            let settled = thread::scope(|scope| {
                let workers = [(); 2].map(|()| {
                    scope.spawn(|| {
                        let mut settled = 0;
                        while let Some(mut lease) = queue.lease() {
                            if !mem::replace(&mut lease.1, true) {
                                assert_eq!(Lease::retry_after(lease, ms(1)), Ok(()));
                            } else {
                                settled += 1;
                            }
                        }
                        settled
                    })
                });
                assert_eq!(queue.push_all((0..20).map(|n| (0, (n, false)))), Ok(20));
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

/// Fills a batch of up to four leases and deals with it: every third item goes
/// back once, and one of them for longer, so that both workers sleep before it
/// comes. Returns how many were done with.
fn work_through_a_batch<'a>(queue: &'a PriorityQueue<Once>, first: Lease<'a, Once>) -> usize {
    let mut batch = vec![first];
    while batch.len() < 4 {
        let Ok(lease) = queue.try_lease() else { break };
        batch.push(lease);
    }
    let mut done = 0;
    for mut lease in batch {
        if lease.0 % 3 == 0 && !mem::replace(&mut lease.1, true) {
            let delay = if lease.0 == 0 { ms(5) } else { ms(1) };
            assert_eq!(Lease::retry_after(lease, delay), Ok(()));
        } else {
            done += 1;
        }
    }
    done
}

#[test]
fn two_workers_that_lease_in_batches_both_end_after_close() {
    within_seconds(|| {
        for _ in 0..20 {
            let queue = PriorityQueue::new(50);
            let done = thread::scope(|scope| {
                let workers = [(); 2].map(|()| {
                    scope.spawn(|| {
                        let mut done = 0;
                        while let Some(first) = queue.lease() {
                            done += work_through_a_batch(&queue, first);
                        }
                        done
                    })
                });
                assert_eq!(queue.push_all((0..50).map(|n| (0, (n, false)))), Ok(50));
                queue.close();
                workers
                    .into_iter()
                    .map(|worker| worker.join().unwrap())
                    .sum::<usize>()
            });
            assert_eq!(done, 50);
            assert!(is_idle(&queue));
        }
    });
}
