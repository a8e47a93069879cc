//! Results and the books: what is settled can be received, and the stream ends.

use std::sync::Arc;

use loom::thread;
use taskshelf::model::advance;
use taskshelf::{Attempt, Backoff, QueueOptions, RetryWaits, TryRecvError};

use crate::support::{
    Bound::*, Fault, Meeting, SECOND, echo, lose_a_result, model, model_in_odd_worlds, payloads,
    start, zero_fails_once,
};

// A wrong sum would mean that a snapshot is put together from two looks; too few
// results, that a task was settled before it was published, or left one place of the
// books before it was in the next; too many, that nobody is about to settle it.
fn snapshots(fault: Fault) {
    // Where the second snapshot sees the task, if it was accepted by then: ready, waiting,
    // running, settled. Never waiting: the worker puts it back, due at once, and takes it
    // again in one critical section.
    let expected = [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]];
    model(Preemptions(4), 21_000).outcomes(expected, move || {
        let options = QueueOptions::new(2, 1).backoff(Backoff::none());
        let queue = start(zero_fails_once, options);
        let (submitter, results) = (queue.submitter(), queue.results());
        let observer = thread::spawn(move || {
            let mut there = 0;
            let snapshots = [(); 2].map(|()| {
                let stats = submitter.stats();
                assert!(there <= stats.settled + stats.running, "too many results");
                there = results.len() as u64;
                assert!(there >= stats.settled, "the results");
                assert_eq!(
                    stats.accepted,
                    stats.ready + stats.waiting + stats.running + stats.settled
                );
                stats
            });
            let last = &snapshots[1];
            [last.ready, last.waiting, last.running, last.settled]
        });
        queue.submit(0).unwrap();
        lose_a_result(&queue, fault);
        queue.wait_idle();
        let stats = queue.stats();
        assert_eq!((stats.accepted, stats.succeeded, stats.retries), (1, 1, 1));
        assert_eq!(queue.results().len(), 1, "the results");
        let seen = observer.join().unwrap();
        assert_eq!(queue.into_inner().drain().len(), 1, "the results");
        seen
    });
}

promise!(
    every_snapshot_balances_and_settled_results_are_there: snapshots(),
    ResultLost => "the results"
);

// A hang would mean that the stream of results does not end when the last
// worker leaves, be it because a canceller still holds the sender.
fn stream_and_cancel(fault: Fault) {
    model(Preemptions(4), 6_900).outcomes([true, false], move || {
        let queue = start(echo, QueueOptions::new(2, 1));
        let (submitter, results) = (queue.submitter(), queue.results());
        queue.submit(1).unwrap();
        let canceller = thread::spawn(move || {
            if fault != Fault::NoCancel {
                submitter.cancel();
            }
        });
        let results: Vec<_> = results.iter().collect();
        canceller.join().unwrap();
        assert_eq!(results.len(), 1);
        results[0].outcome.is_ok()
    });
}

promise!(the_stream_of_results_ends: stream_and_cancel(), NoCancel => "deadlock");

// A stream that has not ended would mean that a canceller keeps it from its end with
// nothing left to publish.
fn stream_after_a_drain(fault: Fault) {
    model(Exhaustive, 270).check(move || {
        let queue = start(echo, QueueOptions::new(1, 1));
        let (submitter, results) = (queue.submitter(), queue.results());
        let canceller = thread::spawn(move || submitter.cancel());
        if fault == Fault::NoClose {
            queue.wait_idle();
            std::mem::forget(queue);
        } else {
            assert!(queue.into_inner().drain().is_empty());
        }
        let end = results.try_recv().expect_err("nothing was submitted");
        assert_eq!(end, TryRecvError::Disconnected, "the end");
        canceller.join().unwrap();
    });
}

promise!(
    the_stream_of_results_has_ended_when_drain_returns: stream_after_a_drain(),
    NoClose => "the end"
);

// A hang would mean that a stream which begins while results are published does
// not end; a wrong list, that it misses a result, has one twice, or has them out
// of order.
fn late_stream(fault: Fault) {
    model(Exhaustive, 96_000).outcomes([0, 1, 2], move || {
        let queue = start(echo, QueueOptions::new(2, 1));
        queue.submit(1).unwrap();
        queue.submit(2).unwrap();
        queue.close();
        if fault == Fault::NoRace {
            queue.wait_idle();
        }
        let results = queue.results();
        let kept = results.len();
        let payloads: Vec<u32> = results.iter().map(|r| r.outcome.unwrap()).collect();
        assert_eq!(payloads, [1, 2]);
        kept
    });
}

promise!(a_stream_that_begins_late_has_every_result: late_stream(), NoRace => "the outcomes");

// A hang would mean that a stream which begins while two workers publish does
// not end; a wrong set, that the one that came to it second lost its result, or
// that a result was both kept and sent. How they are ordered is up to the two.
fn late_stream_of_two(fault: Fault) {
    model(Preemptions(3), 16_000).outcomes([0, 1, 2], move || {
        let queue = start(echo, QueueOptions::new(2, 2));
        queue.submit(1).unwrap();
        queue.submit(2).unwrap();
        queue.close();
        if fault == Fault::NoRace {
            queue.wait_idle();
        }
        let results = queue.results();
        let kept = results.len();
        let results: Vec<_> = results.iter().collect();
        assert_eq!(payloads(&results), [1, 2]);
        kept
    });
}

promise!(
    a_stream_that_begins_between_two_workers_has_every_result: late_stream_of_two(),
    NoRace => "the outcomes"
);

// The same where a canceller publishes beside the worker: each of the two tasks
// is published by one of them.
fn late_stream_and_cancel(fault: Fault) {
    // How many results the stream begins with, and how many tasks were aborted.
    let expected = (0..=2).flat_map(|kept| (0..=2).map(move |aborted| (kept, aborted)));
    model(Preemptions(3), 4_400).outcomes(expected, move || {
        let queue = start(echo, QueueOptions::new(2, 1));
        queue.submit_all([1, 2]).unwrap();
        queue.close();
        let submitter = queue.submitter();
        let canceller = thread::spawn(move || {
            if fault != Fault::NoCancel {
                submitter.cancel();
            }
        });
        let results = queue.results();
        let kept = results.len();
        let results: Vec<_> = results.iter().collect();
        canceller.join().unwrap();
        assert_eq!(payloads(&results), [1, 2]);
        let aborted = results.iter().filter(|r| r.outcome.is_err()).count();
        (kept, aborted)
    });
}

promise!(
    a_stream_that_begins_between_a_worker_and_a_canceller_has_every_result: late_stream_and_cancel(),
    NoCancel => "the outcomes"
);

// A hang would mean that the end of the results is told to one receiver of two.
fn end_of_results(fault: Fault) {
    model(Preemptions(3), 16_000)
        .in_both_orders()
        .check(move || {
            let queue = start(echo, QueueOptions::new(1, 1));
            let receivers = [(); 2].map(|()| {
                let results = queue.results();
                thread::spawn(move || results.iter().count())
            });
            queue.submit(1).unwrap();
            if fault != Fault::NoClose {
                queue.close();
            }
            let sum: usize = receivers.into_iter().map(|r| r.join().unwrap()).sum();
            assert_eq!(sum, 1);
        });
}

promise!(the_end_of_the_results_is_seen_by_every_receiver: end_of_results(), NoClose => "deadlock");

// A hang would mean that of two results one was left to a receiver that nobody
// woke: the receivers wait for each other, with a result each.
fn two_receivers(fault: Fault) {
    model(Preemptions(3), 19_000)
        .in_both_orders()
        .check(move || {
            let queue = start(echo, QueueOptions::new(2, 1));
            let meeting = Arc::new(Meeting::default());
            let receivers = [(); 2].map(|()| {
                let (results, meeting) = (queue.results(), Arc::clone(&meeting));
                thread::spawn(move || {
                    assert!(results.recv().is_ok());
                    meeting.meet(2);
                })
            });
            queue.submit(1).unwrap();
            if fault != Fault::NobodySubmits {
                queue.submit(2).unwrap();
            }
            receivers.into_iter().for_each(|r| r.join().unwrap());
            assert!(queue.into_inner().drain().is_empty());
        });
}

promise!(each_result_wakes_a_receiver: two_receivers(), NobodySubmits => "deadlock");

// A hang would mean that a result has called a receiver whose time had run out, and
// not the one that waits.
fn receiver_in_a_hurry(fault: Fault) {
    model_in_odd_worlds(Preemptions(2), 2_200).outcomes([true, false], move || {
        let queue = start(echo, QueueOptions::new(2, 1));
        let (hasty, patient) = (queue.results(), queue.results());
        let hasty = thread::spawn(move || hasty.recv_timeout(SECOND).is_ok());
        let clock = thread::spawn(|| advance(SECOND));
        queue.submit(1).unwrap();
        if fault != Fault::NobodySubmits {
            queue.submit(2).unwrap();
        }
        assert!(patient.recv().unwrap().outcome.is_ok());
        let in_time = hasty.join().unwrap();
        clock.join().unwrap();
        let left = queue.into_inner().drain().len();
        assert_eq!(left, usize::from(!in_time), "the results");
        in_time
    });
}

promise!(
    a_result_calls_no_receiver_that_has_gone: receiver_in_a_hurry(),
    NobodySubmits => "the results"
);

// A leak would mean that a payload or a result stays behind in a queue that is
// gone, or is kept by nobody.
fn tracked_payloads(fault: Fault) {
    model(Exhaustive, 52).outcomes([true, false], move || {
        let queue = start(
            |attempt: &Attempt<'_, loom::sync::Arc<u32>>| Ok::<_, ()>(attempt.payload.clone()),
            QueueOptions::new(2, 1),
        );
        queue.submit(loom::sync::Arc::new(1)).unwrap();
        let mut results = queue.into_inner().abort();
        let run = results[0].outcome.is_ok();
        if fault == Fault::Leak {
            std::mem::forget(results.pop());
        }
        run
    });
}

promise!(no_payload_and_no_result_is_leaked: tracked_payloads(), Leak => "leak");

/// A payload, and an error, that loom misses if nobody drops it.
type Tracked = loom::sync::Arc<u32>;

fn fails_with_its_payload(attempt: &Attempt<'_, Tracked>) -> Result<(), Tracked> {
    Err(attempt.payload.clone())
}

// A leak would mean that a task which is cancelled before or in its delay stays
// behind, or the error that the delay was for.
fn tracked_delays(waits: RetryWaits, fault: Fault) {
    // Whether it was seen to wait, and whether it failed before the cancel.
    let expected = [(false, false), (false, true), (true, false)];
    model(Exhaustive, 520).outcomes(expected, move || {
        let queue = start(
            fails_with_its_payload,
            QueueOptions::new(1, 1)
                .backoff(Backoff::constant(SECOND))
                .retry_waits(waits),
        );
        let payload = Tracked::new(1);
        if fault == Fault::Leak {
            std::mem::forget(payload.clone());
        }
        queue.submit(payload).unwrap();
        let submitter = queue.submitter();
        let waited = submitter.stats().waiting == 1;
        queue.cancel();
        drop(queue);
        let stats = submitter.stats();
        assert_eq!(stats.settled, 1);
        (waited, stats.failed == 1)
    });
}

promise!(
    nothing_of_a_task_cancelled_while_it_waits_is_leaked: tracked_delays(RetryWaits::FreeWorker),
    Leak => "leak"
);

promise!(
    nothing_of_a_task_cancelled_in_its_workers_hands_is_leaked: tracked_delays(RetryWaits::HoldWorker),
    Leak => "leak"
);

// A leak would mean that the results in a stream outlive the queue and the last
// receiver, whichever of the two goes first.
fn tracked_stream(fault: Fault) {
    // How many results were there when the receiver went.
    model(Exhaustive, 54_000).outcomes([0, 1, 2], move || {
        let queue = start(
            fails_with_its_payload,
            QueueOptions::new(2, 1).max_retries(0),
        );
        let results = queue.results();
        queue.submit(Tracked::new(1)).unwrap();
        queue.submit(Tracked::new(2)).unwrap();
        let receiver = thread::spawn(move || {
            let left = results.len();
            match fault {
                Fault::Leak => std::mem::forget(results.recv()),
                _ => drop(results),
            }
            left
        });
        drop(queue);
        receiver.join().unwrap()
    });
}

promise!(no_result_that_nobody_received_is_leaked: tracked_stream(), Leak => "leak");
