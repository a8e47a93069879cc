//! Ending early: every task is settled once, whoever ends the queue.

use loom::thread;
use taskshelf::{Attempt, Backoff, QueueOptions, ResultsPolicy, RetryWaits, WorkerResult};

use crate::support::{
    Bound::*, Fault, SECOND, accepted, echo, lose_a_result, model, model_in_odd_worlds, payloads,
    start,
};

fn is_aborted<R, E>(result: &WorkerResult<u32, R, E>) -> bool {
    result
        .outcome
        .as_ref()
        .is_err_and(|failure| failure.error.is_aborted())
}

/// How a task fared whose every attempt fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// Aborted before its first attempt.
    Unrun,
    /// Aborted in the delay after it.
    Delayed,
    /// It was cancelled while it ran, and has its own error.
    Failed,
}

// A hang would mean that drain waited for a delay that the cancel had ended, or
// for results that nobody publishes; a missing result, that the drain collected
// before the canceller had published.
fn cancel_while_draining(workers: usize, waits: RetryWaits, fault: Fault) {
    use End::*;
    let (exploration, mut expected) = match workers {
        1 => (
            model_in_odd_worlds(Preemptions(4), 1_200),
            vec![[Unrun, Failed]],
        ),
        _ => (model(Preemptions(3), 11_000), vec![[Unrun, Failed]]),
    };
    expected.extend([[Unrun, Unrun], [Unrun, Delayed]]);
    // Unless the only worker holds the first task while it waits.
    if workers == 2 || waits == RetryWaits::FreeWorker {
        expected.extend([[Delayed, Delayed], [Delayed, Failed]]);
    }
    if workers == 2 {
        expected.push([Failed, Failed]);
    }
    exploration.outcomes(expected, move || {
        let queue = start(
            |_: &Attempt<'_, u32>| Err::<u32, _>("no"),
            QueueOptions::new(2, workers)
                .backoff(Backoff::constant(SECOND))
                .max_retries(1)
                .retry_waits(waits),
        );
        queue.submit_all([1, 2]).unwrap();
        let submitter = queue.submitter();
        let drainer = thread::spawn(move || queue.into_inner().drain());
        if fault != Fault::NoCancel {
            submitter.cancel();
        }
        // Whatever the drainer sees, the books say the same.
        let results = drainer.join().unwrap();
        let stats = submitter.stats();
        assert_eq!(payloads(&results), [1, 2]);
        assert_eq!((stats.accepted, stats.settled), (2, 2));
        let aborted = results.iter().filter(|r| is_aborted(r)).count();
        assert_eq!(stats.aborted, aborted as u64);
        assert_eq!(stats.failed, 2 - aborted as u64);
        let mut ends = [0, 1].map(|i| match (results[i].attempts, is_aborted(&results[i])) {
            (0, true) => Unrun,
            (1, true) => Delayed,
            (1, false) => Failed,
            other => panic!("{other:?}"),
        });
        ends.sort();
        ends
    });
}

promise!(
    cancel_ends_a_drain_and_every_task_has_its_result: cancel_while_draining(1, RetryWaits::FreeWorker),
    NoCancel => "deadlock"
);

promise!(
    cancel_ends_a_delay_in_a_workers_hands: cancel_while_draining(1, RetryWaits::HoldWorker),
    NoCancel => "deadlock"
);

promise!(
    cancel_ends_the_delays_in_the_hands_of_two_workers: cancel_while_draining(2, RetryWaits::HoldWorker),
    NoCancel => "deadlock"
);

// An attempt that was aborted would mean that a handler saw the cancel before it had
// happened: its task went back, to wait for another attempt.
fn seen_by_the_handler(waits: RetryWaits, fault: Fault) {
    model(Exhaustive, 150).outcomes(["unrun", "done", "failed"], move || {
        let queue = start(
            |attempt: &Attempt<'_, u32>| match attempt.is_cancelled() {
                true => Err("it is cancelled"),
                false => Ok(attempt.payload),
            },
            QueueOptions::new(1, 1)
                .backoff(Backoff::constant(SECOND))
                .retry_waits(waits),
        );
        queue.submit(1).unwrap();
        if fault != Fault::NoCancel {
            queue.submitter().cancel();
        }
        let result = queue.into_inner().drain().remove(0);
        match (result.attempts, is_aborted(&result)) {
            (0, true) => "unrun",
            (1, false) if result.outcome.is_ok() => "done",
            (1, false) => "failed",
            other => panic!("{other:?}"),
        }
    });
}

promise!(
    a_handler_that_sees_the_cancel_has_its_own_error: seen_by_the_handler(RetryWaits::FreeWorker),
    NoCancel => "the outcomes"
);

promise!(
    a_held_handler_that_sees_the_cancel_has_its_own_error: seen_by_the_handler(RetryWaits::HoldWorker),
    NoCancel => "the outcomes"
);

// A hang would mean that two cancellers wait for each other; a missing result,
// that one found the publisher gone with tasks in its hands.
fn two_cancels(fault: Fault) {
    model(Preemptions(4), 1_500).outcomes([0, 1, 2], move || {
        let queue = start(echo, QueueOptions::new(2, 1));
        queue.submit_all([1, 2]).unwrap();
        lose_a_result(&queue, fault);
        let submitter = queue.submitter();
        let canceller = thread::spawn(move || submitter.cancel());
        let results = queue.into_inner().abort();
        canceller.join().unwrap();
        assert_eq!(payloads(&results), [1, 2], "the results");
        results.iter().filter(|r| is_aborted(r)).count()
    });
}

promise!(two_cancels_publish_each_task_once: two_cancels(), ResultLost => "the results");

// A hang would mean that a cancel forgot the submitters that sleep.
fn blocked_submit(fault: Fault) {
    model_in_odd_worlds(Exhaustive, 63_000).outcomes([true, false], move || {
        let options = QueueOptions::new(1, 1).results(ResultsPolicy::Discard);
        let queue = start(echo, options);
        queue.submit(1).unwrap();
        let submitter = queue.submitter();
        let producer = thread::spawn(move || submitter.submit(2).is_ok());
        if fault != Fault::NoCancel {
            queue.cancel();
        }
        let accepted = producer.join().unwrap();
        let submitter = queue.submitter();
        drop(queue);
        let stats = submitter.stats();
        assert_eq!(stats.settled, 1 + u64::from(accepted));
        assert_eq!(stats.refused, u64::from(!accepted));
        accepted
    });
}

promise!(cancel_ends_a_blocked_submit: blocked_submit(), NoCancel => "the outcomes");

// A hang would mean that the abort left a submitter waiting for room; a wrong
// count, that a task is neither in the results nor handed back.
fn submits_and_abort(fault: Fault) {
    model(Preemptions(4), 3_300).outcomes([0, 1, 2], move || {
        let queue = start(echo, QueueOptions::new(1, 1));
        let submitter = queue.submitter();
        let producer = thread::spawn(move || {
            [1, 2].map(|payload| accepted(submitter.submit(payload), payload))
        });
        lose_a_result(&queue, fault);
        let results = queue.into_inner().abort();
        let accepted = match producer.join().unwrap() {
            [false, false] => vec![],
            [true, false] => vec![1],
            [true, true] => vec![1, 2],
            [false, true] => panic!("closed never becomes open again"),
        };
        assert_eq!(payloads(&results), accepted, "the results");
        accepted.len()
    });
}

promise!(an_abort_settles_or_refuses_every_task: submits_and_abort(), ResultLost => "the results");
