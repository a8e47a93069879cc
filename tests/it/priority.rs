//! Which task is taken next.

use std::thread;
use std::time::Duration;

use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, QueueOptions, ResultsPolicy, RetryWaits, Task,
    TaskQueue,
};

use crate::support::{Gate, Recorder, gated, values, within_seconds};

#[test]
fn greater_priorities_come_first_and_equal_ones_in_the_order_accepted() {
    within_seconds(|| {
        let (queue, gate) = gated(1000, BackpressureStrategy::Block);
        let mut tasks: Vec<(i32, u32)> = (1..=1000)
            .map(|n| (i32::try_from(n * 7919 % 3).unwrap(), n))
            .collect();
        for &(priority, payload) in &tasks {
            queue
                .submit(Task::new(payload).with_priority(priority))
                .unwrap();
        }
        gate.open();
        tasks.sort_by_key(|&(priority, payload)| (-priority, payload));
        let expected: Vec<_> = tasks.into_iter().map(|(_, payload)| payload).collect();
        assert_eq!(values(queue.drain())[1..], expected);
    });
}

#[test]
fn the_extreme_priorities_are_in_order() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Block);
        let priorities = [0, i32::MIN, i32::MAX, -1, i32::MIN + 1, i32::MAX - 1, 1];
        for (payload, priority) in (1..).zip(priorities) {
            queue
                .submit(Task::new(payload).with_priority(priority))
                .unwrap();
        }
        gate.open();
        assert_eq!(values(queue.drain()), [0, 3, 6, 7, 1, 4, 5, 2]);
    });
}

#[test]
fn a_task_goes_before_all_lesser_ones_however_long_they_have_waited() {
    within_seconds(|| {
        let (queue, gate) = gated(200, BackpressureStrategy::Block);
        queue.submit_all(1..=100).unwrap();
        queue.submit(Task::new(101).with_priority(1)).unwrap();
        gate.open();
        assert_eq!(values(queue.drain())[..3], [0, 101, 1]);
    });
}

fn options() -> QueueOptions {
    QueueOptions::new(8, 1)
}

/// The order of attempts of: a first task that fails once, two equal ones, and
/// a lesser one. The second passes its time with `second`.
fn attempts_around_a_retry(options: QueueOptions, second: fn()) -> Vec<(&'static str, u32)> {
    let gate = Gate::new();
    let order = Recorder::new();
    let handler = {
        let (gate, order) = (gate.clone(), order.clone());
        move |attempt: &Attempt<'_, &'static str>| {
            gate.pass();
            order.note((attempt.payload, attempt.number()));
            match (attempt.payload, attempt.number()) {
                ("first", 1) => Err("not yet"),
                ("second", _) => {
                    second();
                    Ok(())
                }
                _ => Ok(()),
            }
        }
    };
    let queue = TaskQueue::new(handler, options).unwrap();
    queue.submit(Task::new("first").with_priority(5)).unwrap();
    gate.arrived(1);
    queue.submit("lesser").unwrap();
    queue.submit(Task::new("second").with_priority(5)).unwrap();
    queue.submit(Task::new("third").with_priority(5)).unwrap();
    gate.open();
    queue.wait_idle();
    order.events()
}

const AT_THE_BACK: [(&str, u32); 5] = [
    ("first", 1),
    ("second", 1),
    ("third", 1),
    ("first", 2),
    ("lesser", 1),
];

#[test]
fn a_retried_task_joins_the_back_of_the_line_of_its_priority() {
    within_seconds(|| {
        let order = attempts_around_a_retry(options().backoff(Backoff::none()), || ());
        assert_eq!(order, AT_THE_BACK);
    });
}

#[test]
fn a_task_that_has_waited_joins_the_back_of_the_line_of_its_priority() {
    within_seconds(|| {
        for policy in [ResultsPolicy::Keep, ResultsPolicy::Discard] {
            // The second task takes longer than the first one waits.
            let backoff = Backoff::constant(Duration::from_millis(2));
            let order = attempts_around_a_retry(options().backoff(backoff).results(policy), || {
                thread::sleep(Duration::from_millis(10));
            });
            assert_eq!(order, AT_THE_BACK, "{policy:?}");
        }
    });
}

#[test]
fn a_retry_in_the_workers_hands_lets_nobody_pass() {
    within_seconds(|| {
        for backoff in [Backoff::none(), Backoff::constant(Duration::from_millis(5))] {
            let options = options()
                .backoff(backoff)
                .retry_waits(RetryWaits::HoldWorker);
            let order = attempts_around_a_retry(options, || ());
            let expected = [
                ("first", 1),
                ("first", 2),
                ("second", 1),
                ("third", 1),
                ("lesser", 1),
            ];
            assert_eq!(order, expected);
        }
    });
}
