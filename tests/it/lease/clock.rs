//! Whoever sleeps, somebody watches the earliest due time.

use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use taskshelf::{Lease, PopTimeoutError};

use super::{AbortOnDrop, assert_by_due_time, ms, put_back, put_back_timed, shelf};
use crate::support::{HOUR, asleep, within_seconds};

#[test]
fn everything_that_comes_back_reaches_consumers_that_sleep() {
    within_seconds(|| {
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
    within_seconds(|| {
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
    within_seconds(|| {
        for consumers in [1, 2, 3] {
            let queue = shelf(["late", "early"]);
            let (tell, told) = channel();
            thread::scope(|scope| {
                let _abort = AbortOnDrop(&queue);
                let late = queue.lease().unwrap();
                let early = queue.lease().unwrap();
                assert_eq!(Lease::retry_after(late, HOUR), Ok(()));
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
    within_seconds(|| {
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
    within_seconds(|| {
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
    within_seconds(|| {
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
    within_seconds(|| {
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
    within_seconds(|| {
        let queue = shelf(['a']);
        put_back(&queue, ms(20));
        let both = Barrier::new(2);
        thread::scope(|scope| {
            let _abort = AbortOnDrop(&queue);
            let poppers = [(); 2].map(|()| {
                asleep(scope, || {
                    // One each, even if both are there by the time the first is awake.
                    let taken = queue.pop_many(&mut Vec::new(), 1);
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
