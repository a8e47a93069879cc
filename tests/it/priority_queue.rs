//! `PriorityQueue` without its leases: order, the forms of push and pop,
//! closing, and who is woken.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use taskshelf::{
    CloseOnDrop, Iter, Lease, PopTimeoutError, PriorityQueue, PushAllError, PushError,
    PushTimeoutError, RetryError, TryPopError, TryPushError,
};

use self::kit::{Live, asleep, message};
use crate::support::within_seconds as within;

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

// Order

/// Fills queues of many depths with what `priority` says, and takes everything.
fn comes_out_sorted(priority: impl Fn(usize) -> i32) {
    for depth in [1, 2, 3, 10, 64, 65, 1000, 3000] {
        let queue = PriorityQueue::new(depth);
        let mut model: Vec<(i32, usize)> = (0..depth).map(|n| (priority(n), n)).collect();
        for &(priority, number) in &model {
            assert_eq!(queue.try_push(priority, number), Ok(()));
        }
        model.sort_by_key(|&(priority, _)| std::cmp::Reverse(priority));
        let numbers: Vec<usize> = model.into_iter().map(|(_, number)| number).collect();
        assert_eq!(everything(&queue), numbers, "at depth {depth}");
    }
}

/// Well mixed, and different for different numbers.
fn scatter(number: usize) -> i32 {
    (number as u32).wrapping_mul(2_654_435_761) as i32
}

#[test]
fn equal_priorities_come_out_in_the_order_pushed() {
    within(|| comes_out_sorted(|_| 7));
}

#[test]
fn four_priorities_come_out_in_order() {
    within(|| comes_out_sorted(|n| scatter(n).rem_euclid(4) - 2));
}

#[test]
fn a_thousand_priorities_come_out_in_order() {
    within(|| comes_out_sorted(|n| scatter(n).rem_euclid(1000) - 500));
}

#[test]
fn distinct_priorities_come_out_in_order() {
    within(|| comes_out_sorted(scatter));
}

#[test]
fn rising_and_falling_priorities_come_out_in_order() {
    within(|| {
        comes_out_sorted(|n| n as i32);
        comes_out_sorted(|n| -(n as i32));
    });
}

#[test]
fn the_extreme_priorities_are_like_any_other() {
    let queue = PriorityQueue::new(6);
    let pushed = [0, i32::MIN, i32::MAX, i32::MIN + 1, i32::MAX - 1, i32::MIN];
    for (number, priority) in pushed.into_iter().enumerate() {
        assert_eq!(queue.try_push(priority, number), Ok(()));
    }
    assert_eq!(everything(&queue), [2, 4, 0, 3, 1, 5]);
}

#[test]
fn a_priority_that_ran_empty_starts_anew_in_order() {
    let queue = PriorityQueue::new(8);
    for round in 0..100 {
        assert_eq!(
            queue.push_all([(1, round), (0, round), (1, round + 1)]),
            Ok(3)
        );
        assert_eq!(everything(&queue), [round, round + 1, round]);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(i32),
    PushAll(Vec<i32>),
    Pop,
    PopMany(usize),
    Lease,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let priority = prop_oneof![-2..=2, any::<i32>(), Just(i32::MIN), Just(i32::MAX)].boxed();
    prop_oneof![
        40 => priority.clone().prop_map(Step::Push),
        10 => vec(priority, 0..8).prop_map(Step::PushAll),
        30 => Just(Step::Pop),
        10 => (0_usize..6).prop_map(Step::PopMany),
        10 => Just(Step::Lease),
        1 => Just(Step::Close),
    ]
}

/// What a queue is for one thread: a list, and the most important that came
/// first.
struct Model {
    items: Vec<(i32, usize)>,
    capacity: usize,
    closed: bool,
    pushed: usize,
}

impl Model {
    fn take(&mut self) -> Option<usize> {
        let first = *self
            .items
            .iter()
            .min_by_key(|&&(priority, number)| (std::cmp::Reverse(priority), number))?;
        self.items.retain(|item| *item != first);
        Some(first.1)
    }

    fn follow(&mut self, queue: &PriorityQueue<usize>, step: Step) {
        let nothing = match self.closed {
            true => TryPopError::Closed,
            false => TryPopError::Empty,
        };
        match step {
            Step::Push(priority) => {
                let number = self.pushed;
                self.pushed += 1;
                let expected = if self.closed {
                    Err(TryPushError::Closed(number))
                } else if self.items.len() >= self.capacity {
                    Err(TryPushError::Full(number))
                } else {
                    self.items.push((priority, number));
                    Ok(())
                };
                assert_eq!(queue.try_push(priority, number), expected);
            }
            Step::PushAll(priorities) if !self.closed => {
                let room = self.capacity - self.items.len();
                let numbers = self.pushed..;
                let batch: Vec<_> = priorities.into_iter().zip(numbers).take(room).collect();
                self.pushed += batch.len();
                self.items.extend(&batch);
                assert_eq!(queue.push_all(batch.clone()), Ok(batch.len()));
            }
            Step::PushAll(priorities) => {
                if !priorities.is_empty() {
                    let batch: Vec<_> = priorities.into_iter().map(|p| (p, 0)).collect();
                    let error = queue.push_all(batch.clone()).unwrap_err();
                    assert_eq!((error.accepted, error.rest), (0, batch));
                }
            }
            Step::Pop => assert_eq!(queue.try_pop(), self.take().ok_or(nothing)),
            Step::PopMany(limit) if self.closed || !self.items.is_empty() => {
                let expected: Vec<_> = (0..limit).map_while(|_| self.take()).collect();
                let mut buffer = Vec::new();
                assert_eq!(queue.pop_many(&mut buffer, limit), expected.len());
                assert_eq!(buffer, expected);
            }
            Step::PopMany(_) => {}
            Step::Lease => {
                let leased = queue.try_lease().map(Lease::into_inner);
                assert_eq!(leased, self.take().ok_or(nothing));
            }
            Step::Close => {
                assert_eq!(queue.close(), !self.closed);
                self.closed = true;
            }
        }
        assert_eq!(queue.len(), self.items.len());
        assert_eq!(queue.is_empty(), self.items.is_empty());
        assert_eq!(queue.is_full(), self.items.len() >= self.capacity);
        assert_eq!(queue.is_closed(), self.closed);
    }
}

#[test]
fn one_thread_sees_a_sorted_list() {
    within(|| {
        let config = Config {
            failure_persistence: None,
            ..Config::default()
        };
        TestRunner::new(config)
            .run(&(1_usize..20, vec(step(), 0..200)), |(capacity, steps)| {
                let queue = PriorityQueue::new(capacity);
                let mut model = Model {
                    items: Vec::new(),
                    capacity,
                    closed: false,
                    pushed: 0,
                };
                for step in steps {
                    model.follow(&queue, step);
                }
                let left: Vec<_> = std::iter::from_fn(|| model.take()).collect();
                assert_eq!(queue.abort(), left);
                Ok(())
            })
            .unwrap();
    });
}

// Capacity

#[test]
#[should_panic(expected = "capacity")]
fn a_capacity_of_zero_panics() {
    PriorityQueue::<u8>::new(0);
}

#[test]
fn the_largest_capacities_take_no_memory() {
    within(|| {
        // A page for each of these would not fit into any address space.
        let queue = PriorityQueue::<[u8; 4096]>::new(usize::MAX);
        assert_eq!(queue.capacity(), usize::MAX);
        assert_eq!(queue.try_push(0, [1; 4096]), Ok(()));
        assert!(!queue.is_full());

        let queue = PriorityQueue::<[u8; 4096]>::new(1 << 40);
        assert_eq!(queue.capacity(), 1 << 40);
        assert_eq!(queue.try_push(0, [1; 4096]), Ok(()));
        assert_eq!(queue.len(), 1);
    });
}

#[test]
fn a_full_queue_says_so_and_nothing_less_does() {
    let queue = PriorityQueue::new(3);
    for len in 0..3 {
        assert_eq!(
            (queue.len(), queue.is_empty(), queue.is_full()),
            (len, len == 0, false)
        );
        assert_eq!(queue.try_push(0, len), Ok(()));
    }
    assert_eq!(
        (queue.len(), queue.is_empty(), queue.is_full()),
        (3, false, true)
    );
    assert_eq!(queue.capacity(), 3);
}

// The forms of push

#[test]
fn a_push_into_a_full_queue_waits_for_a_slot() {
    within(|| {
        let queue = full(1);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let pusher = asleep(scope, || queue.push(0, 1));
            assert!(!pusher.is_finished());
            assert_eq!(queue.pop(), Some(0));
            assert_eq!(pusher.join().unwrap(), Ok(()));
            assert_eq!(queue.pop(), Some(1));
        });
    });
}

#[test]
fn a_try_push_into_a_full_queue_hands_the_item_back() {
    within(|| {
        let queue = full(2);
        assert_eq!(queue.try_push(9, 7), Err(TryPushError::Full(7)));
        assert_eq!(everything(&queue), [0, 1]);
    });
}

#[test]
fn a_timed_push_without_time_tries_once() {
    within(|| {
        let queue = PriorityQueue::new(2);
        assert_eq!(queue.push_timeout(0, 'a', Duration::ZERO), Ok(()));
        assert_eq!(queue.push_deadline(0, 'b', past()), Ok(()));
        assert_eq!(
            queue.push_timeout(0, 'c', Duration::ZERO),
            Err(PushTimeoutError::Timeout('c'))
        );
        assert_eq!(
            queue.push_deadline(0, 'd', past()),
            Err(PushTimeoutError::Timeout('d'))
        );
        assert_eq!(everything(&queue), ['a', 'b']);
    });
}

#[test]
fn a_timed_push_waits_as_long_as_it_says() {
    within(|| {
        let queue = full(1);
        let start = Instant::now();
        assert_eq!(
            queue.push_timeout(0, 1, SHORT),
            Err(PushTimeoutError::Timeout(1))
        );
        assert!(start.elapsed() >= SHORT);
        let deadline = Instant::now() + SHORT;
        assert_eq!(
            queue.push_deadline(0, 1, deadline),
            Err(PushTimeoutError::Timeout(1))
        );
        assert!(Instant::now() >= deadline);
    });
}

#[test]
fn a_timed_push_gets_the_slot_that_becomes_free() {
    within(|| {
        for timeout in [Duration::from_secs(3600), Duration::MAX] {
            let queue = full(1);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                let pusher = asleep(scope, || queue.push_timeout(0, 1, timeout));
                assert_eq!(queue.pop(), Some(0));
                assert_eq!(pusher.join().unwrap(), Ok(()));
            });
        }
    });
}

#[test]
fn a_push_deadline_far_away_gets_the_slot_that_becomes_free() {
    within(|| {
        let queue = full(1);
        let deadline = Instant::now() + Duration::from_secs(3600);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let pusher = asleep(scope, || queue.push_deadline(0, 1, deadline));
            assert_eq!(queue.pop(), Some(0));
            assert_eq!(pusher.join().unwrap(), Ok(()));
        });
    });
}

#[test]
fn a_closed_queue_hands_back_what_is_pushed_in_any_form() {
    within(|| {
        let queue = PriorityQueue::new(4);
        queue.close();
        assert_eq!(queue.push(0, 1), Err(PushError(1)));
        assert_eq!(queue.try_push(0, 2), Err(TryPushError::Closed(2)));
        assert_eq!(
            queue.push_timeout(0, 3, Duration::MAX),
            Err(PushTimeoutError::Closed(3))
        );
        assert_eq!(
            queue.push_timeout(0, 4, Duration::ZERO),
            Err(PushTimeoutError::Closed(4))
        );
        assert_eq!(
            queue.push_deadline(0, 5, past()),
            Err(PushTimeoutError::Closed(5))
        );
        let error = queue.push_all([(1, 6), (2, 7)]).unwrap_err();
        assert_eq!((error.accepted, error.rest), (0, vec![(1, 6), (2, 7)]));
        assert!(queue.is_empty());
    });
}

#[test]
fn a_queue_that_is_full_and_closed_says_closed() {
    within(|| {
        let queue = full(1);
        queue.close();
        assert_eq!(queue.try_push(0, 1), Err(TryPushError::Closed(1)));
        assert_eq!(
            queue.push_timeout(0, 2, Duration::ZERO),
            Err(PushTimeoutError::Closed(2))
        );
    });
}

// The forms of pop

#[test]
fn a_pop_from_an_empty_queue_waits_for_an_item() {
    within(|| {
        let queue = PriorityQueue::new(1);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let popper = asleep(scope, || queue.pop());
            assert!(!popper.is_finished());
            assert_eq!(queue.push(0, 'a'), Ok(()));
            assert_eq!(popper.join().unwrap(), Some('a'));
        });
    });
}

#[test]
fn a_try_pop_from_an_empty_queue_says_empty() {
    let queue = PriorityQueue::<u8>::new(1);
    assert_eq!(queue.try_pop(), Err(TryPopError::Empty));
    assert!(matches!(queue.try_lease(), Err(TryPopError::Empty)));
}

#[test]
fn a_timed_pop_without_time_tries_once() {
    within(|| {
        let queue = full(4);
        assert_eq!(queue.pop_timeout(Duration::ZERO), Ok(0));
        assert_eq!(queue.pop_deadline(past()), Ok(1));
        let lease = queue.lease_timeout(Duration::ZERO).unwrap();
        assert_eq!(Lease::into_inner(lease), 2);
        let lease = queue.lease_deadline(past()).unwrap();
        assert_eq!(Lease::into_inner(lease), 3);

        let timeout = PopTimeoutError::Timeout;
        assert_eq!(queue.pop_timeout(Duration::ZERO), Err(timeout));
        assert_eq!(queue.pop_deadline(past()), Err(timeout));
        assert_eq!(queue.lease_timeout(Duration::ZERO).err(), Some(timeout));
        assert_eq!(queue.lease_deadline(past()).err(), Some(timeout));
    });
}

#[test]
fn a_timed_pop_waits_as_long_as_it_says() {
    within(|| {
        let queue = PriorityQueue::<u8>::new(1);
        let start = Instant::now();
        assert_eq!(queue.pop_timeout(SHORT), Err(PopTimeoutError::Timeout));
        assert!(start.elapsed() >= SHORT);
        let deadline = Instant::now() + SHORT;
        assert_eq!(queue.pop_deadline(deadline), Err(PopTimeoutError::Timeout));
        assert!(Instant::now() >= deadline);
        let start = Instant::now();
        let error = queue.lease_timeout(SHORT).err();
        assert_eq!(error, Some(PopTimeoutError::Timeout));
        assert!(start.elapsed() >= SHORT);
        let deadline = Instant::now() + SHORT;
        let error = queue.lease_deadline(deadline).err();
        assert_eq!(error, Some(PopTimeoutError::Timeout));
        assert!(Instant::now() >= deadline);
    });
}

#[test]
fn a_timed_pop_gets_the_item_that_comes() {
    within(|| {
        for timeout in [Duration::from_secs(3600), Duration::MAX] {
            let queue = PriorityQueue::new(1);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                let popper = asleep(scope, || queue.pop_timeout(timeout));
                assert_eq!(queue.push(0, 'a'), Ok(()));
                assert_eq!(popper.join().unwrap(), Ok('a'));

                let popper = asleep(scope, || {
                    queue.lease_timeout(timeout).map(Lease::into_inner)
                });
                assert_eq!(queue.push(0, 'b'), Ok(()));
                assert_eq!(popper.join().unwrap(), Ok('b'));
            });
        }
    });
}

#[test]
fn a_pop_deadline_far_away_gets_the_item_that_comes() {
    within(|| {
        let queue = PriorityQueue::new(1);
        let deadline = Instant::now() + Duration::from_secs(3600);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let popper = asleep(scope, || queue.pop_deadline(deadline));
            assert_eq!(queue.push(0, 'a'), Ok(()));
            assert_eq!(popper.join().unwrap(), Ok('a'));

            let popper = asleep(scope, || {
                queue.lease_deadline(deadline).map(Lease::into_inner)
            });
            assert_eq!(queue.push(0, 'b'), Ok(()));
            assert_eq!(popper.join().unwrap(), Ok('b'));
        });
    });
}

#[test]
fn timed_poppers_that_overlap_each_leave_in_their_own_time() {
    within(|| {
        let queue = PriorityQueue::<u8>::new(1);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let forever = asleep(scope, || queue.pop_timeout(Duration::MAX));
            let short = scope.spawn(|| queue.pop_timeout(SHORT));
            assert_eq!(short.join().unwrap(), Err(PopTimeoutError::Timeout));
            assert!(!forever.is_finished());
            assert_eq!(queue.push(0, 1), Ok(()));
            assert_eq!(forever.join().unwrap(), Ok(1));
        });
    });
}

// Many at once

#[test]
fn pop_many_takes_no_more_than_its_limit_and_appends() {
    within(|| {
        let queue = full(5);
        let mut buffer = vec![100];
        assert_eq!(queue.pop_many(&mut buffer, 2), 2);
        assert_eq!(buffer, [100, 0, 1]);
        assert_eq!(queue.pop_many(&mut buffer, 7), 3);
        assert_eq!(buffer, [100, 0, 1, 2, 3, 4]);
    });
}

#[test]
fn pop_many_without_a_limit_takes_what_is_there() {
    within(|| {
        let queue = full(5);
        let mut buffer = Vec::new();
        assert_eq!(queue.pop_many(&mut buffer, usize::MAX), 5);
        assert_eq!(buffer, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn pop_many_of_none_does_not_wait() {
    within(|| {
        let queue = PriorityQueue::<u8>::new(5);
        assert_eq!(queue.pop_many(&mut Vec::new(), 0), 0);
        assert_eq!(queue.push(0, 1), Ok(()));
        assert_eq!(queue.pop_many(&mut Vec::new(), 0), 0);
        assert_eq!(queue.len(), 1);
    });
}

#[test]
fn pop_many_goes_by_priority() {
    within(|| {
        let queue = PriorityQueue::new(5);
        assert_eq!(
            queue.push_all([(0, 'd'), (2, 'a'), (1, 'c'), (2, 'b')]),
            Ok(4)
        );
        let mut buffer = Vec::new();
        assert_eq!(queue.pop_many(&mut buffer, 3), 3);
        assert_eq!(buffer, ['a', 'b', 'c']);
    });
}

#[test]
fn pop_many_waits_for_the_first() {
    within(|| {
        let queue = PriorityQueue::new(5);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let popper = asleep(scope, || {
                let mut buffer = Vec::new();
                (queue.pop_many(&mut buffer, usize::MAX), buffer)
            });
            assert_eq!(queue.push(0, 'a'), Ok(()));
            assert_eq!(popper.join().unwrap(), (1, vec!['a']));
        });
    });
}

#[test]
fn pop_many_of_a_closed_queue_takes_what_is_there_and_then_nothing() {
    within(|| {
        let queue = full(3);
        queue.close();
        let mut buffer = Vec::new();
        assert_eq!(queue.pop_many(&mut buffer, 10), 3);
        assert_eq!(queue.pop_many(&mut buffer, 10), 0);
        assert_eq!(buffer, [0, 1, 2]);
    });
}

#[test]
fn push_all_gets_more_in_than_there_is_room_for_at_once() {
    within(|| {
        let queue = PriorityQueue::new(3);
        thread::scope(|scope| {
            let producer = scope.spawn(|| {
                let _close = queue.close_on_drop();
                queue.push_all((0..1000).map(|n| (0, n)))
            });
            assert_eq!(
                queue.iter().collect::<Vec<_>>(),
                (0..1000).collect::<Vec<_>>()
            );
            assert_eq!(producer.join().unwrap(), Ok(1000));
        });
    });
}

#[test]
fn push_all_never_exceeds_the_capacity() {
    within(|| {
        let queue = PriorityQueue::new(3);
        thread::scope(|scope| {
            let producer = asleep(scope, || queue.push_all((0..100).map(|n| (0, n))));
            for number in 0..100 {
                assert!(queue.len() <= 3);
                assert_eq!(queue.pop(), Some(number));
            }
            assert_eq!(producer.join().unwrap(), Ok(100));
        });
    });
}

#[test]
fn push_all_of_nothing_is_nothing() {
    let queue = full(1);
    assert_eq!(queue.push_all(std::iter::empty()), Ok(0));
    assert_eq!(queue.len(), 1);
}

#[test]
fn push_all_takes_the_first_none_for_the_end() {
    let queue = PriorityQueue::new(100);
    let mut calls = 0;
    let items = std::iter::from_fn(|| {
        calls += 1;
        (calls != 3 && calls < 9).then_some((0, calls))
    });
    assert_eq!(queue.push_all(items), Ok(2));
    assert_eq!(calls, 3);
}

#[test]
fn push_all_closed_midway_loses_nothing() {
    within(|| {
        let queue = PriorityQueue::new(3);
        let pulled = AtomicUsize::new(0);
        thread::scope(|scope| {
            let producer = asleep(scope, || {
                let items = (0..).map(|n| (n % 3, n)).inspect(|_| {
                    pulled.fetch_add(1, Ordering::Relaxed);
                });
                queue.push_all(items)
            });
            let mut taken: Vec<i32> = (0..200).filter_map(|_| queue.pop()).collect();
            queue.close();
            let error = producer.join().unwrap().unwrap_err();
            taken.extend(queue.iter());
            taken.sort();
            let accepted: Vec<i32> = (0..error.accepted as i32).collect();
            assert_eq!(taken, accepted);
            let rest: Vec<_> = (error.accepted as i32..pulled.load(Ordering::Relaxed) as i32)
                .map(|n| (n % 3, n))
                .collect();
            assert!(!rest.is_empty());
            assert_eq!(error.rest, rest);
        });
    });
}

#[test]
fn push_all_puts_in_what_came_before_the_iterators_panic() {
    within(|| {
        for before in [0, 1, 63, 64, 65, 100] {
            let queue = PriorityQueue::new(1000);
            let items = (0..)
                .inspect(|&n| assert!(n < before, "no more"))
                .map(|n| (0, n));
            let panic = catch_unwind(AssertUnwindSafe(|| queue.push_all(items))).unwrap_err();
            assert_eq!(message(&*panic), "no more");
            assert_eq!(everything(&queue), (0..before).collect::<Vec<_>>());
            assert_eq!(queue.push(0, 0), Ok(()));
        }
    });
}

#[test]
fn push_all_runs_its_iterator_outside_the_lock() {
    within(|| {
        let queue = PriorityQueue::new(1000);
        let items = (0..100)
            .inspect(|_| assert!(!queue.is_full()))
            .map(|n| (0, n));
        assert_eq!(queue.push_all(items), Ok(100));
    });
}

#[test]
fn every_item_of_a_batch_finds_a_sleeping_popper() {
    within(|| {
        for poppers in [2, 3, 5] {
            let queue = PriorityQueue::new(8);
            // Nobody goes on before each has an item.
            let all = Barrier::new(poppers + 1);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                for _ in 0..poppers {
                    asleep(scope, || {
                        let item = queue.pop();
                        all.wait();
                        item
                    });
                }
                assert_eq!(queue.push_all((0..poppers).map(|n| (0, n))), Ok(poppers));
                all.wait();
            });
        }
    });
}

#[test]
fn every_single_push_finds_a_sleeping_popper() {
    within(|| {
        let queue = PriorityQueue::new(8);
        let all = Barrier::new(4);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            for _ in 0..3 {
                asleep(scope, || {
                    queue.pop();
                    all.wait();
                });
            }
            for number in 0..3 {
                assert_eq!(queue.push(0, number), Ok(()));
            }
            all.wait();
        });
    });
}

// Slots for those who wait

#[test]
fn a_single_free_slot_reaches_a_blocked_pusher() {
    within(|| {
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
    within(|| {
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
    within(|| {
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
    within(|| {
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
    within(|| {
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
    within(|| {
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

/// How many threads that never wait may get something before the one that
/// waited for it.
const PATIENCE: usize = 2000;

#[test]
fn a_blocked_pusher_is_not_starved_by_those_who_never_wait() {
    for _ in 0..40 {
        within(|| {
            let queue = full(1);
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                let _done = SetOnDrop(&done);
                for _ in 0..3 {
                    scope.spawn(|| {
                        while !done.load(Ordering::Relaxed) {
                            let _ = queue.try_push(0, 0);
                        }
                    });
                }
                let pusher = asleep(scope, || queue.push(0, usize::MAX));
                // Each pop frees the one slot, and the next shows who got it.
                let turn = (0..=PATIENCE).position(|_| queue.pop() == Some(usize::MAX));
                assert!(
                    turn.is_some(),
                    "the pusher that waits was passed by {PATIENCE}"
                );
                assert_eq!(pusher.join().unwrap(), Ok(()));
            });
        });
    }
}

#[test]
fn a_blocked_popper_is_not_starved_by_those_who_never_wait() {
    for _ in 0..20 {
        within(|| {
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
                let turn = (0..=PATIENCE).position(|_| {
                    assert_eq!(queue.push(0, ()), Ok(()));
                    told.recv().unwrap()
                });
                assert!(
                    turn.is_some(),
                    "the popper that waits was passed by {PATIENCE}"
                );
                assert_eq!(popper.join().unwrap(), Some(()));
            });
        });
    }
}

#[test]
fn every_pusher_gets_its_turn_among_pushers() {
    within(|| {
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

// Closing

#[test]
fn only_the_call_that_closes_says_so() {
    within(|| {
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
    within(|| {
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
    within(|| {
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
    within(|| {
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
    within(|| {
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
            let timed: Vec<_> = [Duration::from_secs(3600), Duration::MAX]
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
    within(|| {
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
    within(|| {
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
    within(|| {
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
    within(|| {
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
    within(|| {
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
    within(|| {
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
    within(|| {
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

// What is dropped

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
    assert_eq!(Lease::retry_after(lease, Duration::from_secs(3600)), Ok(()));
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

#[test]
fn the_drops_balance_whatever_is_done() {
    within(|| {
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
    within(|| {
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

// Types

/// Neither `Debug`, `Clone` nor `Sync`.
struct Plain(PhantomData<Cell<u8>>);

#[test]
fn debug_asks_nothing_of_the_item() {
    let queue = PriorityQueue::new(2);
    assert!(queue.push(0, Plain(PhantomData)).is_ok());
    assert!(format!("{queue:?}").contains("PriorityQueue"));
    assert!(format!("{:?}", queue.iter()).contains("Iter"));
    assert!(format!("{:?}", queue.close_on_drop()).contains("CloseOnDrop"));
}

#[test]
fn a_queue_can_be_shared_whenever_its_items_can_be_sent() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<PriorityQueue<Plain>>();
    sent::<Lease<'_, Plain>>();
    sent::<Iter<'_, Plain>>();
    sent::<CloseOnDrop<'_, Plain>>();
    shared::<Lease<'_, u8>>();
}

#[test]
fn a_queue_may_be_used_across_a_caught_panic() {
    fn unwinds<T: UnwindSafe + RefUnwindSafe>() {}
    unwinds::<PriorityQueue<Plain>>();
    unwinds::<PriorityQueue<&mut u8>>();
}

#[test]
fn every_error_is_an_error_whatever_the_item() {
    fn is_error<E: Error + fmt::Debug>() {}
    is_error::<PushError<Plain>>();
    is_error::<RetryError<Plain>>();
    is_error::<TryPushError<Plain>>();
    is_error::<PushTimeoutError<Plain>>();
    is_error::<PushAllError<Plain>>();
    is_error::<TryPopError>();
    is_error::<PopTimeoutError>();
    let text = format!("{:?}", PushError(Plain(PhantomData)));
    assert!(text.contains("PushError"));
}

#[test]
fn every_error_gives_its_item_back() {
    assert_eq!(PushError(1).into_inner(), 1);
    assert_eq!(RetryError(1).into_inner(), 1);
    assert_eq!(TryPushError::Full(1).into_inner(), 1);
    assert_eq!(TryPushError::Closed(1).into_inner(), 1);
    assert_eq!(PushTimeoutError::Timeout(1).into_inner(), 1);
    assert_eq!(PushTimeoutError::Closed(1).into_inner(), 1);
    assert_eq!((PushError(2).0, RetryError(3).0), (2, 3));
}

#[test]
fn every_predicate_tells_the_variants_apart() {
    let full = TryPushError::Full(());
    assert_eq!((full.is_full(), full.is_closed()), (true, false));
    let closed = TryPushError::Closed(());
    assert_eq!((closed.is_full(), closed.is_closed()), (false, true));
    let timeout = PushTimeoutError::Timeout(());
    assert_eq!((timeout.is_timeout(), timeout.is_closed()), (true, false));
    let closed = PushTimeoutError::Closed(());
    assert_eq!((closed.is_timeout(), closed.is_closed()), (false, true));
    let empty = TryPopError::Empty;
    assert_eq!((empty.is_empty(), empty.is_closed()), (true, false));
    let closed = TryPopError::Closed;
    assert_eq!((closed.is_empty(), closed.is_closed()), (false, true));
    let timeout = PopTimeoutError::Timeout;
    assert_eq!((timeout.is_timeout(), timeout.is_closed()), (true, false));
    let closed = PopTimeoutError::Closed;
    assert_eq!((closed.is_timeout(), closed.is_closed()), (false, true));
}

#[test]
fn every_error_says_what_happened() {
    let closed = [
        PushError(1).to_string(),
        TryPushError::Closed(1).to_string(),
        PushTimeoutError::Closed(1).to_string(),
        RetryError(1).to_string(),
        TryPopError::Closed.to_string(),
        PopTimeoutError::Closed.to_string(),
    ];
    for text in closed {
        assert!(text.starts_with("queue is closed"), "{text}");
    }
    assert_eq!(TryPushError::Full(1).to_string(), "queue is full");
    assert!(
        PushTimeoutError::Timeout(1)
            .to_string()
            .starts_with("timed out")
    );
    assert!(
        PopTimeoutError::Timeout
            .to_string()
            .starts_with("timed out")
    );

    let queue = PriorityQueue::new(1);
    queue.close();
    let text = queue.push_all([(0, 1), (0, 2)]).unwrap_err().to_string();
    assert!(
        text.contains("closed") && text.contains('0') && text.contains('2'),
        "{text}"
    );
}

/// A moment that has gone by.
fn past() -> Instant {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(1)).unwrap_or(now)
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(crate) mod kit {
    use std::any::Any;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::thread::{self, Scope, ScopedJoinHandle};

    /// Starts a thread and waits until it sleeps or is done. Where the system
    /// does not tell, returns at once.
    pub(crate) fn asleep<'scope, T: Send + 'scope>(
        scope: &'scope Scope<'scope, '_>,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        let (tell, told) = channel();
        let thread = scope.spawn(move || {
            let _ = tell.send(std::fs::read_link("/proc/thread-self").ok());
            work()
        });
        let link = told.recv().ok().flatten();
        let path = Path::new("/proc").join(link.unwrap_or_default());
        until_asleep(&path, || thread.is_finished());
        thread
    }

    /// Waits until the thread with that directory sleeps, seen three times in
    /// a row without having been awake in between, or cannot be looked at.
    pub(crate) fn until_asleep(thread: &Path, is_over: impl Fn() -> bool) {
        let (mut last, mut seen) = (None, 0);
        while seen < 3 && !is_over() {
            let Some(now) = switches(thread) else {
                return;
            };
            seen = match now.0 && last == Some(now) {
                true => seen + 1,
                false => 0,
            };
            last = Some(now);
            thread::yield_now();
        }
    }

    /// Whether the thread sleeps, and how often it went to sleep so far.
    pub(crate) fn switches(thread: &Path) -> Option<(bool, u64)> {
        let status = std::fs::read_to_string(thread.join("status")).ok()?;
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
        let asleep = field("State:")?.trim_start().starts_with('S');
        Some((
            asleep,
            field("voluntary_ctxt_switches:")?.trim().parse().ok()?,
        ))
    }

    /// The directories of this process's threads whose names begin like that.
    pub(crate) fn threads_named(prefix: &str) -> Vec<PathBuf> {
        let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
            return Vec::new();
        };
        threads
            .filter_map(|thread| Some(thread.ok()?.path()))
            .filter(|path| {
                std::fs::read_to_string(path.join("comm"))
                    .is_ok_and(|name| name.starts_with(prefix))
            })
            .collect()
    }

    /// The message of a panic.
    pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
        match panic.downcast_ref::<String>() {
            Some(text) => text,
            None => panic.downcast_ref::<&str>().copied().unwrap_or("no text"),
        }
    }

    /// Counts the things that were made and not yet dropped.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Live(Arc<AtomicUsize>);

    impl Live {
        pub(crate) fn one(&self) -> Counted {
            self.0.fetch_add(1, Ordering::SeqCst);
            Counted(self.clone(), false)
        }

        /// One whose destructor panics.
        pub(crate) fn bomb(&self) -> Counted {
            self.0.fetch_add(1, Ordering::SeqCst);
            Counted(self.clone(), true)
        }

        pub(crate) fn count(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[derive(Debug)]
    pub(crate) struct Counted(Live, bool);

    impl PartialEq for Counted {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            // A second drop would go below zero.
            let before = self.0.0.fetch_sub(1, Ordering::SeqCst);
            assert!(before > 0, "dropped twice");
            assert!(!self.1, "the destructor's panic");
        }
    }
}
