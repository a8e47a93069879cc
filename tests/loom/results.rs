//! Results and the books: what is settled can be received, and the stream ends.

use std::sync::Arc;

use loom::thread;
use taskshelf::{Attempt, Backoff, QueueOptions};

use crate::support::{
    Bound::*, Fault, Meeting, echo, lose_a_result, model, start, zero_fails_once,
};

// A wrong sum would mean that a change of the books is made in two critical
// sections; a missing result, that a task was settled before it was published.
fn snapshots(fault: Fault) {
    model(Preemptions(4), 7_400).check(move || {
        let options = QueueOptions::new(2, 1).backoff(Backoff::none());
        let queue = start(zero_fails_once, options);
        let (submitter, results) = (queue.submitter(), queue.results());
        let observer = thread::spawn(move || {
            for _ in 0..2 {
                let stats = submitter.stats();
                assert!(results.len() as u64 >= stats.settled, "the results");
                assert_eq!(
                    stats.accepted,
                    stats.ready + stats.waiting + stats.running + stats.settled
                );
            }
        });
        queue.submit(0).unwrap();
        lose_a_result(&queue, fault);
        queue.wait_idle();
        assert_eq!(queue.stats().retries, 1);
        assert_eq!(queue.results().len(), 1, "the results");
        observer.join().unwrap();
        assert_eq!(queue.into_inner().drain().len(), 1, "the results");
    });
}

#[test]
fn every_snapshot_balances_and_settled_results_are_there() {
    snapshots(Fault::None);
}

#[test]
#[should_panic(expected = "the results")]
fn every_snapshot_balances_and_settled_results_are_there_can_fail() {
    snapshots(Fault::ResultLost);
}

// A hang would mean that the stream of results does not end when the last
// worker leaves, be it because a canceller still holds the sender.
fn stream_and_cancel(fault: Fault) {
    model(Preemptions(4), 3_900).outcomes([true, false], move || {
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

#[test]
fn the_stream_of_results_ends() {
    stream_and_cancel(Fault::None);
}

#[test]
#[should_panic(expected = "deadlock")]
fn the_stream_of_results_ends_can_fail() {
    stream_and_cancel(Fault::NoCancel);
}

// A hang would mean that a stream which begins while results are published does
// not end; a wrong list, that it misses a result, has one twice, or has them out
// of order.
fn late_stream(fault: Fault) {
    model(Exhaustive, 7_700).outcomes([0, 1, 2], move || {
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

#[test]
fn a_stream_that_begins_late_has_every_result() {
    late_stream(Fault::None);
}

#[test]
#[should_panic(expected = "the outcomes")]
fn a_stream_that_begins_late_has_every_result_can_fail() {
    late_stream(Fault::NoRace);
}

// A hang would mean that the end of the results is told to one receiver of two.
fn end_of_results(fault: Fault) {
    model(Preemptions(3), 7_700)
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

#[test]
fn the_end_of_the_results_is_seen_by_every_receiver() {
    end_of_results(Fault::None);
}

#[test]
#[should_panic(expected = "deadlock")]
fn the_end_of_the_results_is_seen_by_every_receiver_can_fail() {
    end_of_results(Fault::NoClose);
}

// A hang would mean that of two results one was left to a receiver that nobody
// woke: the receivers wait for each other, with a result each.
fn two_receivers(fault: Fault) {
    model(Preemptions(3), 9_300)
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

#[test]
fn each_result_wakes_a_receiver() {
    two_receivers(Fault::None);
}

#[test]
#[should_panic(expected = "deadlock")]
fn each_result_wakes_a_receiver_can_fail() {
    two_receivers(Fault::NobodySubmits);
}

// A leak would mean that a payload or a result stays behind in a queue that is
// gone, or is kept by nobody.
fn tracked_payloads(fault: Fault) {
    model(Exhaustive, 11).outcomes([true, false], move || {
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

#[test]
fn no_payload_and_no_result_is_leaked() {
    tracked_payloads(Fault::None);
}

#[test]
#[should_panic(expected = "leak")]
fn no_payload_and_no_result_is_leaked_can_fail() {
    tracked_payloads(Fault::Leak);
}
