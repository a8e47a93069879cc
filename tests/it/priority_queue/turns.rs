//! Slots and items for those who wait: nobody is left out, nobody starves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use taskshelf::PriorityQueue;

use super::full;
use crate::support::{asleep, within_seconds};

#[test]
fn a_single_free_slot_reaches_a_blocked_pusher() {
    within_seconds(|| {
        // Nobody takes anything more until the pusher is through.
        for capacity in [1, 2, 3, 4, 8, 100, 1000] {
            let queue = full(capacity);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                let pusher = asleep(scope, || queue.push(0, capacity));
                assert_eq!(queue.pop(), Some(0));
                assert_eq!(pusher.join().unwrap(), Ok(()));
            });
        }
    });
}

#[test]
fn every_free_slot_reaches_a_blocked_pusher() {
    within_seconds(|| {
        for capacity in [3, 100] {
            let queue = full(capacity);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                let pushers: Vec<_> = (0..3)
                    .map(|_| asleep(scope, || queue.push(0, capacity)))
                    .collect();
                for _ in 0..3 {
                    assert!(queue.pop().is_some());
                }
                for pusher in pushers {
                    assert_eq!(pusher.join().unwrap(), Ok(()));
                }
            });
        }
    });
}

#[test]
fn the_slots_that_pop_many_frees_reach_every_blocked_pusher() {
    within_seconds(|| {
        let queue = full(4);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let pushers: Vec<_> = (0..3).map(|_| asleep(scope, || queue.push(0, 4))).collect();
            assert_eq!(queue.pop_many(&mut Vec::new(), 3), 3);
            for pusher in pushers {
                assert_eq!(pusher.join().unwrap(), Ok(()));
            }
        });
    });
}

#[test]
fn a_leased_item_leaves_its_slot_to_a_blocked_pusher() {
    within_seconds(|| {
        let queue = full(1);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let pusher = asleep(scope, || queue.push(0, 1));
            let lease = queue.lease().unwrap();
            assert_eq!(pusher.join().unwrap(), Ok(()));
            drop(lease);
        });
    });
}

#[test]
fn a_slot_reaches_a_blocked_pusher_though_another_times_out() {
    within_seconds(|| {
        for round in 0..300_u32 {
            let queue = full(1);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                let deadline = Instant::now() + Duration::from_millis(2);
                let leaver = scope.spawn({
                    let queue = &queue;
                    move || queue.push_deadline(0, 1, deadline)
                });
                let stayer = scope.spawn(|| queue.push(0, 2));
                // About when the first gives up: from 100 us before to after.
                let moment = deadline + Duration::from_micros(u64::from(round % 20) * 10);
                let moment = moment - Duration::from_micros(100);
                while Instant::now() < moment {
                    std::hint::spin_loop();
                }
                assert_eq!(queue.pop(), Some(0));
                if leaver.join().unwrap().is_ok() {
                    assert!(queue.pop().is_some());
                }
                assert_eq!(stayer.join().unwrap(), Ok(()));
            });
        }
    });
}

#[test]
fn an_item_reaches_a_blocked_popper_though_another_times_out() {
    within_seconds(|| {
        for round in 0..300_u32 {
            let queue = PriorityQueue::new(4);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                let deadline = Instant::now() + Duration::from_millis(2);
                let leaver = scope.spawn({
                    let queue = &queue;
                    move || queue.pop_deadline(deadline)
                });
                let stayer = scope.spawn(|| queue.pop());
                let moment = deadline + Duration::from_micros(u64::from(round % 20) * 10);
                let moment = moment - Duration::from_micros(100);
                while Instant::now() < moment {
                    std::hint::spin_loop();
                }
                assert_eq!(queue.push(0, 'a'), Ok(()));
                if leaver.join().unwrap().is_ok() {
                    assert_eq!(queue.push(0, 'b'), Ok(()));
                }
                assert!(stayer.join().unwrap().is_some());
            });
        }
    });
}

/// How many threads that never wait may get something before the one that waited for
/// it: 16,384 as the queue counts, and the item or two that were on their way.
const BOUND: usize = (1 << 14) + 2;

/// How many it are in half of the rounds at the most. It is some hundred, a thousand beside
/// other tests, and in single rounds as many as there may be; where those who run keep the
/// lock from one that was woken, it is that in most of them.
const USUAL: usize = BOUND / 4;

fn assert_few_pass(rounds: usize, mut passed_in_a_round: impl FnMut() -> Option<usize>) {
    let mut passes: Vec<usize> = (0..rounds)
        .map(|_| passed_in_a_round().expect("those who never wait get it for ever"))
        .collect();
    passes.sort_unstable();
    assert!(passes[rounds / 2] <= USUAL, "{passes:?}");
}

#[test]
fn a_blocked_pusher_is_not_starved_by_those_who_never_wait() {
    assert_few_pass(41, || {
        within_seconds(|| {
            let queue = full(1);
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                let _done = SetOnDrop(&done);
                // First, for a thread that waits for a busy lock looks asleep too.
                let pusher = asleep(scope, || queue.push(0, usize::MAX));
                let (tell, told) = channel();
                for _ in 0..3 {
                    let (queue, done, tell) = (&queue, &done, tell.clone());
                    scope.spawn(move || {
                        let _ = queue.try_push(0, 0);
                        tell.send(()).unwrap();
                        while !done.load(Ordering::Relaxed) {
                            let _ = queue.try_push(0, 0);
                        }
                    });
                }
                told.iter().take(3).for_each(drop);
                // Each pop frees the one slot, and the next shows who got it.
                let passed = (0..=BOUND).position(|_| queue.pop() == Some(usize::MAX))?;
                assert_eq!(pusher.join().unwrap(), Ok(()));
                Some(passed)
            })
        })
    });
}

#[test]
fn a_blocked_popper_is_not_starved_by_those_who_never_wait() {
    assert_few_pass(21, || {
        within_seconds(|| {
            let queue = PriorityQueue::new(1);
            let done = AtomicBool::new(false);
            let (tell, told) = channel();
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                let _done = SetOnDrop(&done);
                let (shelf, waits) = (&queue, tell.clone());
                let popper = asleep(scope, move || {
                    let item = shelf.pop();
                    waits.send(true).unwrap();
                    item
                });
                for _ in 0..3 {
                    let (queue, done, tell) = (&queue, &done, tell.clone());
                    scope.spawn(move || {
                        while !done.load(Ordering::Relaxed) {
                            if queue.try_pop().is_ok() {
                                tell.send(false).unwrap();
                            }
                        }
                    });
                }
                // One item at a time, and somebody gets it.
                let passed = (0..=BOUND).position(|_| {
                    assert_eq!(queue.push(0, ()), Ok(()));
                    told.recv().unwrap()
                })?;
                assert_eq!(popper.join().unwrap(), Some(()));
                Some(passed)
            })
        })
    });
}

#[test]
fn every_pusher_gets_its_turn_among_pushers() {
    within_seconds(|| {
        let queue = PriorityQueue::new(1);
        thread::scope(|scope| {
            for pusher in 0..4 {
                let queue = &queue;
                scope.spawn(move || while queue.push(0, pusher).is_ok() {});
            }
            let mut turns = [0; 4];
            while turns.contains(&0) || turns.iter().sum::<usize>() < 1000 {
                turns[queue.pop().unwrap()] += 1;
            }
            queue.close();
        });
    });
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
