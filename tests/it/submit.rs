//! Who gets in, under which id, and in what company.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use taskshelf::{
    Attempt, BackpressureStrategy, QueueOptions, SubmitError, Submitted, Task, TaskId, TaskQueue,
};

use crate::support::{
    Counted, Gate, Live, blocked, echo, full, gated, number, odd_task, sorted_values, values,
    within_seconds,
};

#[test]
fn ids_count_the_accepted_tasks_from_one() {
    within_seconds(|| {
        let queue = echo(8, 1);
        assert_eq!(queue.submit(10).unwrap(), Submitted::Accepted(number(1)));
        assert_eq!(queue.try_submit(11).unwrap(), number(2));
        assert_eq!(
            queue.submit_timeout(12, Duration::ZERO).unwrap(),
            Submitted::Accepted(number(3))
        );
        queue.submit_all([13, 14]).unwrap();
        assert_eq!(queue.try_submit(15).unwrap(), number(6));
        let ids: Vec<_> = queue.drain().into_iter().map(|r| r.task_id).collect();
        assert_eq!(ids, (1..=6).map(number).collect::<Vec<_>>());
    });
}

#[test]
fn refused_tasks_use_no_numbers_up() {
    within_seconds(|| {
        let (queue, gate) = full(1, BackpressureStrategy::Drop);
        assert!(queue.try_submit(7).unwrap_err().is_full());
        assert!(queue.submit_timeout(7, Duration::ZERO).is_err());
        assert!(!queue.submit(7).unwrap().is_accepted());
        assert_eq!(queue.submit_all([7, 7]).unwrap().accepted, 0);
        gate.open();
        queue.wait_idle();
        assert_eq!(queue.try_submit(2).unwrap(), number(3));
        drop(queue);
    });
}

#[test]
fn numbers_are_given_once_however_many_threads_submit() {
    within_seconds(|| {
        let queue = echo(1000, 2);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let submitter = queue.submitter();
                thread::spawn(move || {
                    let mut last = number(0);
                    for payload in 0..100 {
                        let id = submitter.submit(payload).unwrap().accepted().unwrap();
                        assert!(id > last, "{id} after {last}");
                        last = id;
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let mut ids: Vec<_> = queue.drain().into_iter().map(|r| r.task_id).collect();
        ids.sort();
        assert_eq!(ids, (1..=400).map(number).collect::<Vec<_>>());
    });
}

#[test]
fn equal_tasks_run_in_the_order_of_their_numbers() {
    within_seconds(|| {
        let (queue, gate) = gated(1000, BackpressureStrategy::Block);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let submitter = queue.submitter();
                thread::spawn(move || {
                    for payload in 0..100 {
                        submitter.submit(payload).unwrap();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        gate.open();
        let ids: Vec<_> = queue.drain().into_iter().map(|r| r.task_id).collect();
        assert_eq!(ids, (1..=401).map(number).collect::<Vec<_>>());
    });
}

#[test]
fn a_name_is_kept() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| Ok::<_, &str>(attempt.id().clone()),
            QueueOptions::new(4, 1),
        )
        .unwrap();
        let name = TaskId::from("a");
        let submitted = queue.submit(Task::new(1).with_id("a")).unwrap();
        assert_eq!(submitted, Submitted::Accepted(name.clone()));
        let result = queue.drain().remove(0);
        assert_eq!(result.task_id, name);
        assert_eq!(result.outcome.unwrap(), name);
    });
}

#[test]
fn equal_names_are_two_tasks() {
    within_seconds(|| {
        let queue = echo(4, 1);
        queue.submit(Task::new(1).with_id("a")).unwrap();
        queue.submit(Task::new(2).with_id("a")).unwrap();
        assert_eq!(values(queue.drain()), [1, 2]);
    });
}

#[test]
fn a_named_task_has_its_place_in_the_sequence_too() {
    within_seconds(|| {
        let queue = echo(4, 1);
        queue.submit(Task::new(1).with_id("a")).unwrap();
        assert_eq!(queue.try_submit(2).unwrap(), number(2));
        drop(queue);
    });
}

#[test]
fn a_failed_task_that_is_submitted_again_keeps_its_id() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |_: &Attempt<'_, u32>| Err::<(), _>("no"),
            QueueOptions::new(8, 1).max_retries(0),
        )
        .unwrap();
        let results = queue.results();
        queue.submit(1).unwrap();
        queue.submit(Task::new(2).with_id("a")).unwrap();
        for id in [number(1), TaskId::from("a")] {
            let result = results.recv().unwrap();
            assert_eq!(result.task_id, id);
            let task = result.outcome.unwrap_err().task;
            assert_eq!(task.id(), Some(&id));
            assert_eq!(queue.submit(task).unwrap(), Submitted::Accepted(id));
        }
        let ids: Vec<_> = queue.drain().into_iter().map(|r| r.task_id).collect();
        assert_eq!(ids, [number(1), TaskId::from("a")]);
    });
}

#[test]
fn a_failure_holds_the_task_as_it_was_accepted() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |_: &Attempt<'_, u32>| Err::<(), _>("no"),
            QueueOptions::new(8, 1).backoff(taskshelf::Backoff::none()),
        )
        .unwrap();
        queue.submit(odd_task()).unwrap();
        let result = queue.drain().remove(0);
        assert_eq!(result.attempts, 3);
        assert_eq!(result.outcome.unwrap_err().task, odd_task());
    });
}

#[test]
fn an_attempt_shows_the_task() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| Ok::<_, &str>(Task::clone(attempt)),
            QueueOptions::new(8, 1),
        )
        .unwrap();
        queue.submit(odd_task()).unwrap();
        assert_eq!(values(queue.drain()), [odd_task()]);
    });
}

#[test]
fn submit_all_submits_in_order() {
    within_seconds(|| {
        let (queue, gate) = gated(500, BackpressureStrategy::Block);
        let submitted = queue.submit_all(1..=300).unwrap();
        assert_eq!(submitted.accepted, 300);
        assert_eq!(submitted.dropped, []);
        gate.open();
        assert_eq!(values(queue.drain()), (0..=300).collect::<Vec<_>>());
    });
}

#[test]
fn submit_all_keeps_what_a_task_asks_for() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Block);
        let low = Task::new(1).with_id("low");
        let high = Task::new(2).with_id("high").with_priority(1);
        queue.submit_all([low, high]).unwrap();
        gate.open();
        let ids: Vec<_> = queue.drain().into_iter().map(|r| r.task_id).collect();
        assert_eq!(ids, [number(1), "high".into(), "low".into()]);
    });
}

#[test]
fn submit_all_of_nothing_is_nothing() {
    within_seconds(|| {
        let queue = echo(4, 1);
        assert_eq!(queue.submit_all::<[u32; 0]>([]).unwrap().accepted, 0);
        assert_eq!(queue.stats().accepted, 0);
        drop(queue);
    });
}

#[test]
fn what_a_panicking_iterator_has_yielded_is_accepted() {
    for yielded in [0, 5, 64, 100, 130] {
        within_seconds(move || {
            let queue = echo(4, 1);
            let tasks = (0..).inspect(|&n| assert!(n < yielded, "out of tasks"));
            let panic = catch_unwind(AssertUnwindSafe(|| queue.submit_all(tasks))).unwrap_err();
            assert_eq!(*panic.downcast::<&str>().unwrap(), "out of tasks");
            assert_eq!(values(queue.drain()), (0..yielded).collect::<Vec<u32>>());
        });
    }
}

#[test]
fn the_panic_of_an_iterator_goes_on_also_when_the_queue_is_full() {
    within_seconds(|| {
        let (queue, gate) = gated(3, BackpressureStrategy::Error);
        let tasks = (1..).inspect(|&n| assert!(n < 10));
        let outcome = catch_unwind(AssertUnwindSafe(|| queue.submit_all(tasks)));
        gate.open();
        assert_eq!(values(queue.drain()), [0, 1, 2, 3]);
        assert!(outcome.is_err(), "the panic did not go on");
    });
}

/// Tasks from an iterator that panics when it is dropped.
fn tasks_with_a_bomb(live: &Live) -> impl Iterator<Item = u32> + use<> {
    let bomb = live.bomb();
    (1..=100).inspect(move |_| {
        let _held = &bomb;
    })
}

#[test]
fn an_iterator_that_panics_when_it_is_dropped_takes_no_task_along() {
    within_seconds(|| {
        let live = Live::default();
        let payloads = |tasks: Vec<Task<u32>>| -> Vec<_> {
            tasks.into_iter().map(|task| task.payload).collect()
        };
        for strategy in [BackpressureStrategy::Block, BackpressureStrategy::Error] {
            let (queue, gate) = full(1, strategy);
            if strategy == BackpressureStrategy::Block {
                queue.close();
            }
            let refused = queue.submit_all(tasks_with_a_bomb(&live)).unwrap_err();
            assert_eq!(refused.accepted, 0);
            assert_eq!(payloads(refused.rest), (1..=64).collect::<Vec<_>>());
            gate.open();
        }
        let (queue, gate) = full(1, BackpressureStrategy::Drop);
        let all = queue.submit_all(tasks_with_a_bomb(&live)).unwrap();
        assert_eq!(payloads(all.dropped), (1..=100).collect::<Vec<_>>());
        gate.open();
        let all = echo(4, 1).submit_all(tasks_with_a_bomb(&live)).unwrap();
        assert_eq!(all.accepted, 100);
        assert_eq!((live.drops(), live.drops_in_unwinding()), (4, 0));
    });
}

/// What is refused is dropped before the panic of the iterator goes on: in the unwinding
/// another would end the process.
#[test]
fn tasks_lost_with_a_panicking_iterator_may_panic_when_they_are_dropped() {
    for (closes, yielded) in [(true, 5), (false, 5), (false, 100)] {
        within_seconds(move || {
            let (queue, gate) = full_and_dropping();
            if closes {
                queue.close();
            }
            let live = Live::default();
            let tasks = (0..).map(|n| {
                assert!(n < yielded, "out of tasks");
                Some(live.bomb())
            });
            let panic = catch_unwind(AssertUnwindSafe(|| queue.submit_all(tasks))).unwrap_err();
            assert_eq!(*panic.downcast::<&str>().unwrap(), "out of tasks");
            assert_eq!((live.drops(), live.drops_in_unwinding()), (yielded, 0));
            gate.open();
            assert_eq!(queue.drain().len(), 2);
        });
    }
}

/// Full of tasks that hold nothing, with a worker at the gate; drops what does not fit.
fn full_and_dropping() -> (TaskQueue<Option<Counted>, (), ()>, Gate) {
    let gate = Gate::new();
    let held = gate.clone();
    let queue = TaskQueue::new(
        move |_: &Attempt<'_, Option<Counted>>| {
            held.pass();
            Ok(())
        },
        QueueOptions::new(1, 1).backpressure(BackpressureStrategy::Drop),
    )
    .unwrap();
    queue.submit(None).unwrap();
    gate.arrived(1);
    queue.submit(None).unwrap();
    (queue, gate)
}

#[test]
fn a_close_in_the_middle_of_submit_all_loses_nothing() {
    within_seconds(|| {
        let queue = echo(1000, 1);
        let submitter = queue.submitter();
        let mut tasks = (0..500).inspect(|&n| {
            if n == 100 {
                submitter.close();
            }
        });
        let error = queue.submit_all(tasks.by_ref()).unwrap_err();
        assert_eq!(error.error, SubmitError::Closed(Task::new(())));
        let accepted = error.accepted;
        let mut seen = sorted_values(queue.drain());
        assert_eq!(seen.len(), accepted);
        seen.extend(error.rest.into_iter().map(|task| task.payload));
        seen.extend(tasks);
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
    });
}

#[test]
fn close_ends_a_submit_all_that_waits_for_room() {
    within_seconds(|| {
        let (queue, gate) = gated(4, BackpressureStrategy::Block);
        let submitter = queue.submitter();
        let thread = blocked(move || {
            let mut tasks = 1..=200;
            let error = submitter.submit_all(tasks.by_ref()).unwrap_err();
            (error, tasks)
        });
        queue.close();
        let (error, left) = thread.join().unwrap();
        assert_eq!(error.error, SubmitError::Closed(Task::new(())));
        assert!(error.accepted <= 4);
        gate.open();
        let mut seen = values(queue.drain());
        assert_eq!(seen.len(), 1 + error.accepted);
        seen.extend(error.rest.into_iter().map(|task| task.payload));
        seen.extend(left);
        assert_eq!(seen, (0..=200).collect::<Vec<_>>());
    });
}

#[test]
fn tasks_that_need_each_other_run_at_once() {
    within_seconds(|| {
        for together in [true, false] {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, Arc<Barrier>>| {
                    attempt.payload.wait();
                    Ok::<_, &str>(())
                },
                QueueOptions::new(8, 3),
            )
            .unwrap();
            for _ in 0..100 {
                let barrier = Arc::new(Barrier::new(3));
                if together {
                    queue.submit_all(vec![barrier; 3]).unwrap();
                } else {
                    for barrier in vec![barrier; 3] {
                        queue.submit(barrier).unwrap();
                    }
                }
                queue.wait_idle();
            }
            drop(queue);
        }
    });
}

#[test]
fn a_submitter_does_not_keep_the_queue_alive() {
    within_seconds(|| {
        let queue = echo(4, 1);
        let submitter = queue.submitter();
        let clone = submitter.clone();
        submitter.submit(1).unwrap();
        clone.submit(2).unwrap();
        assert_eq!(queue.drain().len(), 2);
        assert!(submitter.is_closed() && clone.is_closed());
        let refused = submitter.submit(odd_task()).unwrap_err();
        assert_eq!(refused, SubmitError::Closed(odd_task()));
    });
}
