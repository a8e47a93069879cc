//! The greatest priority first, equal ones in the order pushed.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use taskshelf::{Lease, PriorityQueue, TryPopError, TryPushError};

use super::everything;
use crate::support::within_seconds;

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
    within_seconds(|| comes_out_sorted(|_| 7));
}

#[test]
fn four_priorities_come_out_in_order() {
    within_seconds(|| comes_out_sorted(|n| scatter(n).rem_euclid(4) - 2));
}

#[test]
fn a_thousand_priorities_come_out_in_order() {
    within_seconds(|| comes_out_sorted(|n| scatter(n).rem_euclid(1000) - 500));
}

#[test]
fn distinct_priorities_come_out_in_order() {
    within_seconds(|| comes_out_sorted(scatter));
}

#[test]
fn rising_and_falling_priorities_come_out_in_order() {
    within_seconds(|| {
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
    within_seconds(|| {
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
