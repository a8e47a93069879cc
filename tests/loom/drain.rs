//! From start to join: nobody stays, and nothing is left undone.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use loom::sync::atomic::AtomicBool;
use loom::thread;
use taskshelf::model::{advance, allow_threads};
use taskshelf::{Attempt, BuildError, QueueOptions, TaskQueue};

use crate::support::{
    Bound::*, Fault, Meeting, SECOND, accepted, echo, lose_a_result, model, model_in_odd_worlds,
    start,
};

// A hang would mean that one of the results was never published, or that a
// worker slept through the close.
fn drain_of_two(workers: usize, fault: Fault) {
    let exploration = match workers {
        1 => model_in_odd_worlds(Exhaustive, 140),
        _ => model_in_odd_worlds(Preemptions(4), 8_400),
    };
    exploration.check(move || {
        let queue = start(echo, QueueOptions::new(2, workers));
        queue.submit(1).unwrap();
        queue.submit(2).unwrap();
        lose_a_result(&queue, fault);
        let results = queue.into_inner().drain();
        let mut values: Vec<u32> = results.into_iter().filter_map(|r| r.outcome.ok()).collect();
        values.sort();
        assert_eq!(values, [1, 2], "the results");
    });
}

promise!(drain_returns_every_result: drain_of_two(1), ResultLost => "the results");

promise!(drain_returns_every_result_of_two_workers: drain_of_two(2), ResultLost => "the results");

// Two calls that closed the queue, or none, would mean that the look and the
// change are two critical sections; a hang, that the later close woke nobody
// and the earlier one neither.
fn two_closers(fault: Fault) {
    model(Preemptions(4), 9_200).outcomes([true, false], move || {
        let queue = start(echo, QueueOptions::new(1, 1));
        let [one, two, submitter] = [(); 3].map(|()| queue.submitter());
        if fault == Fault::NoRace {
            queue.close();
        }
        let other = thread::spawn(move || one.close());
        let producer = thread::spawn(move || accepted(submitter.submit(1), 1));
        let closed = two.close();
        assert_ne!(closed, other.join().unwrap(), "the closes");
        let accepted = producer.join().unwrap();
        assert_eq!(queue.into_inner().drain().len(), usize::from(accepted));
        accepted
    });
}

promise!(one_of_two_closes_is_the_one_that_closed: two_closers(), NoRace => "the closes");

// A hang would mean that the time ran out, and that the drain that follows
// waits for a wake-up that was spent on the first.
fn drain_in_time(fault: Fault) {
    model(Exhaustive, 100_000).outcomes([true, false], move || {
        let queue = start(echo, QueueOptions::new(1, 1));
        queue.submit(1).unwrap();
        let clock = thread::spawn(move || {
            if fault != Fault::ClockStands {
                advance(Duration::MAX);
            }
        });
        let (in_time, results) = match queue.into_inner().drain_timeout(SECOND) {
            Ok(results) => (true, results),
            Err(queue) => (false, queue.drain()),
        };
        clock.join().unwrap();
        assert_eq!(results.len(), 1);
        in_time
    });
}

promise!(a_drain_that_ran_out_of_time_can_go_on: drain_in_time(), ClockStands => "the outcomes");

// A hang would mean that the last handle does not end its workers when it goes;
// an attempt that is not done, that it does not wait for them.
fn last_handle(fault: Fault) {
    model(Exhaustive, 99).check(move || {
        let meeting = Arc::new(Meeting::default());
        let done = Arc::new(AtomicBool::new(false));
        let (inside, ended) = (Arc::clone(&meeting), Arc::clone(&done));
        let queue = start(
            move |attempt: &Attempt<'_, u32>| {
                inside.meet(2);
                ended.store(!attempt.is_cancelled(), SeqCst);
                Ok::<_, ()>(())
            },
            QueueOptions::new(1, 1),
        );
        queue.submit(1).unwrap();
        meeting.meet(2);
        match fault {
            Fault::NoClose => std::mem::forget(queue),
            _ => drop(queue),
        }
        assert!(done.load(SeqCst), "the attempt");
    });
}

promise!(the_last_handle_waits_for_the_handler_that_runs: last_handle(), NoClose => "the attempt");

type Home = Arc<StdMutex<Option<TaskQueue<u32, (), ()>>>>;

// A hang would mean that a queue dropped on its own worker joins it, or does
// not close.
fn own_worker(fault: Fault) {
    model(Exhaustive, 2_700).outcomes([false, true], move || {
        let home = Home::default();
        let taken = Arc::clone(&home);
        let queue = start(
            move |_: &Attempt<'_, u32>| {
                let queue = taken.lock().unwrap().take();
                match fault {
                    Fault::NoClose => std::mem::forget(queue),
                    _ => drop(queue),
                }
                Ok(())
            },
            QueueOptions::new(2, 1),
        );
        let (submitter, results) = (queue.submitter(), queue.results());
        *home.lock().unwrap() = Some(queue.into_inner());
        submitter.submit(1).unwrap();
        let second = submitter.submit(2).is_ok();
        assert_eq!(results.iter().count(), 1 + usize::from(second));
        second
    });
}

promise!(a_queue_dropped_on_its_own_worker_finishes_by_itself: own_worker(), NoClose => "deadlock");

// A hang would mean that the worker which did start was not told to leave; a
// handler still held, that nobody waited until it had.
fn missing_thread(fault: Fault) {
    model(Exhaustive, 3).check(move || {
        let held = Arc::new(());
        let left = Arc::downgrade(&held);
        let handler = move |attempt: &Attempt<'_, u32>| {
            let _ = &held;
            echo(attempt)
        };
        if fault != Fault::ThreadsStart {
            allow_threads(1);
        }
        match TaskQueue::new(handler, QueueOptions::new(1, 2)) {
            Err(BuildError::Spawn { started, .. }) => assert_eq!(started, 1),
            other => panic!("the threads: {other:?}"),
        }
        assert_eq!(left.strong_count(), 0);
    });
}

promise!(
    a_thread_that_does_not_start_ends_those_before_it: missing_thread(),
    ThreadsStart => "the threads"
);
