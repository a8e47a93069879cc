//! Items that come back, and who watches the time for them.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;
use taskshelf::model::advance;
use taskshelf::{Attempt, Backoff, Lease, PriorityQueue, QueueOptions, RetryWaits};

use crate::support::{
    Bound::*, Fault, Fragile, Meeting, SECOND, beside, echo, model, model_in_odd_worlds, payloads,
    start, zero_fails_once,
};

/// Moves the clock, unless the twin is about that.
fn pass(time: Duration, fault: Fault) {
    if fault != Fault::ClockStands {
        advance(time);
    }
}

fn options(capacity: usize, workers: usize) -> QueueOptions {
    QueueOptions::new(capacity, workers).backoff(Backoff::constant(SECOND))
}

// A hang would mean that nobody watched the due time: that neither of two
// sleepers was called to watch what came back; or that the watcher was called
// away, or left, and did not hand over.
fn retry_and_two_consumers(fault: Fault) {
    model_in_odd_worlds(Preemptions(4), 18_000).check(move || {
        let queue = Arc::new(PriorityQueue::new(1));
        queue.push(0, 0).unwrap();
        let lease = Fragile::new(queue.lease().unwrap());
        let consumers = [(); 2].map(|()| {
            beside(&queue, |queue| {
                let mut done = 0;
                while let Some(mut lease) = queue.lease() {
                    *lease += 1;
                    if *lease < 2 {
                        Lease::retry_after(lease, SECOND).unwrap();
                    } else {
                        done += 1;
                    }
                }
                done
            })
        });
        Lease::retry_after(lease.into_inner(), SECOND).unwrap();
        queue.close();
        pass(Duration::MAX, fault);
        let done: u32 = consumers.into_iter().map(|c| c.join().unwrap()).sum();
        assert_eq!(done, 1);
    });
}

promise!(
    a_due_retry_wakes_one_of_two_consumers: retry_and_two_consumers(),
    ClockStands => "deadlock"
);

// A hang would mean that the watcher, called for the second item (or for the
// earlier time), left the other due time unwatched.
fn earlier_due_time(fault: Fault) {
    model_in_odd_worlds(Exhaustive, 400).check(move || {
        let queue = Arc::new(PriorityQueue::new(2));
        queue.push_all([(0, 2), (0, 1)]).unwrap();
        let (two, one) = (queue.lease().unwrap(), queue.lease().unwrap());
        let popper = beside(&queue, |queue| queue.pop().unwrap());
        Lease::retry_after(two, 2 * SECOND).unwrap();
        Lease::retry_after(one, SECOND).unwrap();
        pass(SECOND, fault);
        assert_eq!(popper.join().unwrap(), 1);
        advance(SECOND);
        assert_eq!(queue.try_pop(), Ok(2));
    });
}

promise!(an_earlier_due_time_is_watched_too: earlier_due_time(), ClockStands => "deadlock");

// A hang would mean that a watcher whose own deadline came first left without
// handing the watch over.
fn hasty_watcher(fault: Fault) {
    model_in_odd_worlds(Preemptions(4), 7_100)
        .in_both_orders()
        .outcomes([true, false], move || {
            let queue = Arc::new(PriorityQueue::new(1));
            queue.push(0, 7).unwrap();
            Lease::retry_after(queue.lease().unwrap(), 2 * SECOND).unwrap();
            let hasty = beside(&queue, |queue| {
                let got = queue.pop_timeout(SECOND).is_ok();
                if got {
                    queue.push(0, 8).unwrap();
                }
                got
            });
            let patient = beside(&queue, |queue| queue.pop().unwrap());
            advance(SECOND);
            pass(Duration::MAX, fault);
            let hasty = hasty.join().unwrap();
            assert_eq!(patient.join().unwrap(), if hasty { 8 } else { 7 });
            hasty
        });
}

promise!(a_watcher_that_times_out_hands_over: hasty_watcher(), ClockStands => "deadlock");

// A hang would mean that the one consumer that watched the time took its item
// and left the other asleep beside the second, due at the same instant.
fn due_together(fault: Fault) {
    model(Preemptions(4), 13_000)
        .in_both_orders()
        .check(move || {
            let queue = Arc::new(PriorityQueue::new(2));
            queue.push_all([(0, 1), (0, 2)]).unwrap();
            let leases = [queue.lease().unwrap(), queue.lease().unwrap()];
            let meeting = Arc::new(Meeting::default());
            let consumers = [(); 2].map(|()| {
                let meeting = Arc::clone(&meeting);
                beside(&queue, move |queue| {
                    queue.pop().unwrap();
                    meeting.meet(2);
                })
            });
            for lease in leases {
                Lease::retry_after(lease, SECOND).unwrap();
            }
            pass(Duration::MAX, fault);
            consumers.into_iter().for_each(|c| c.join().unwrap());
        });
}

promise!(two_retries_due_together_reach_two_consumers: due_together(), ClockStands => "deadlock");

// A hang would mean that the consumer of a closed queue does not watch the time
// of what came back; `None`, that it left while a lease could come back.
fn back_to_a_closed_queue(fault: Fault) {
    model(Exhaustive, 45).check(move || {
        let queue = Arc::new(PriorityQueue::new(1));
        queue.push(0, 7).unwrap();
        let lease = Fragile::new(queue.lease().unwrap());
        let popper = beside(&queue, |queue| (queue.pop(), queue.pop()));
        queue.close();
        match fault {
            Fault::LeaseForgotten => std::mem::forget(lease),
            _ => Lease::retry_after(lease.into_inner(), SECOND).unwrap(),
        }
        advance(Duration::MAX);
        assert_eq!(popper.join().unwrap(), (Some(7), None));
    });
}

promise!(
    a_lease_comes_back_to_a_closed_queue: back_to_a_closed_queue(),
    LeaseForgotten => "deadlock"
);

// A hang would mean that the lease waits for the room that its own item's
// absence gave away, or that a push is not called once there is room again.
fn back_beyond_capacity(fault: Fault) {
    model(Exhaustive, 39_000).check(move || {
        let queue = Arc::new(PriorityQueue::new(1));
        queue.push(0, 1).unwrap();
        let lease = Fragile::new(queue.lease().unwrap());
        let pusher = beside(&queue, |queue| {
            queue.push(0, 2).unwrap();
            queue.push(0, 3).unwrap();
        });
        Lease::retry_after(lease.into_inner(), SECOND).unwrap();
        pass(Duration::MAX, fault);
        let mut popped = [(); 3].map(|()| {
            assert!(queue.len() <= 2, "capacity, and one lease that came back");
            queue.pop().unwrap()
        });
        pusher.join().unwrap();
        popped.sort();
        assert_eq!(popped, [1, 2, 3]);
    });
}

promise!(a_lease_that_comes_back_needs_no_room: back_beyond_capacity(), ClockStands => "deadlock");

// A hang would mean that an abort left a lease-holder's queue waiting; a wrong
// count that an item was handed out twice, or to nobody.
fn abort_and_retry(fault: Fault) {
    model(Exhaustive, 1_200).outcomes([true, false], move || {
        let queue = Arc::new(PriorityQueue::new(1));
        queue.push(0, 7).unwrap();
        let worker = beside(&queue, move |queue| match queue.lease() {
            Some(lease) if fault == Fault::LeaseForgotten => {
                std::mem::forget(lease);
                false
            }
            Some(lease) => Lease::retry_after(lease, SECOND).is_err(),
            None => false,
        });
        let popper = beside(&queue, |queue| queue.pop());
        let left = queue.abort();
        let refused = worker.join().unwrap();
        let popped = popper.join().unwrap();
        queue.join();
        assert_eq!(
            left.len() + usize::from(refused) + usize::from(popped.is_some()),
            1
        );
        refused
    });
}

promise!(
    an_aborted_queue_hands_out_a_retried_item_once: abort_and_retry(),
    LeaseForgotten => "deadlock"
);

// A hang would mean that the worker left, or slept without the time, while a
// retry was pending.
fn retry_in_a_closed_queue(fault: Fault) {
    model(Preemptions(4), 3_100)
        .in_both_orders()
        .check(move || {
            let queue = start(zero_fails_once, options(1, 1));
            queue.submit(0).unwrap();
            let submitter = queue.submitter();
            let closer = thread::spawn(move || submitter.close());
            advance(SECOND);
            pass(Duration::MAX, fault);
            let results = queue.into_inner().drain();
            closer.join().unwrap();
            assert_eq!(results.len(), 1);
            assert_eq!(results[0].attempts, 2);
        });
}

promise!(
    a_close_at_any_point_of_a_retry_waits_for_it: retry_in_a_closed_queue(),
    ClockStands => "deadlock"
);

// A hang would mean that one of the workers left, for the other would see to
// the retry: that adds a task and waits for it, which takes both.
fn retry_that_needs_both_workers(fault: Fault) {
    model(Preemptions(3), 8_200)
        .in_both_orders()
        .check(move || {
            let meeting = Arc::new(Meeting::default());
            let queue = start(
                move |attempt: &Attempt<'_, u32>| {
                    zero_fails_once(attempt)?;
                    if attempt.payload == 0 && fault != Fault::NobodySubmits {
                        attempt.submit(1).unwrap();
                    }
                    meeting.meet(2);
                    echo(attempt)
                },
                options(1, 2),
            );
            queue.submit(0).unwrap();
            queue.close();
            advance(SECOND);
            advance(Duration::MAX);
            let results = queue.into_inner().drain();
            assert_eq!(payloads(&results), [0, 1]);
        });
}

promise!(
    of_two_workers_neither_leaves_while_a_retry_is_pending: retry_that_needs_both_workers(),
    NobodySubmits => "deadlock"
);

// A hang would mean that the worker that watched the time took the other task,
// which waits for the retry, and that nobody watches any more.
fn task_that_waits_for_a_retry(fault: Fault) {
    model(Preemptions(3), 3_900)
        .in_both_orders()
        .check(move || {
            let meeting = Arc::new(Meeting::default());
            let queue = start(
                move |attempt: &Attempt<'_, u32>| {
                    zero_fails_once(attempt)?;
                    meeting.meet(2);
                    Ok::<_, &str>(())
                },
                options(2, 2),
            );
            queue.submit(0).unwrap();
            queue.submit(1).unwrap();
            pass(Duration::MAX, fault);
            let results = queue.into_inner().drain();
            assert_eq!(results.len(), 2);
            assert!(results.iter().all(|r| r.outcome.is_ok()));
        });
}

promise!(
    somebody_always_watches_the_earliest_due_time: task_that_waits_for_a_retry(),
    ClockStands => "deadlock"
);

// A hang would mean that the worker waits for room for its own retry; or, if it
// sleeps the delay out itself, that the delay does not end with its time, or
// that its room is not given to the submitter that waits.
fn retry_and_submit(waits: RetryWaits, fault: Fault) {
    model(Preemptions(3), 10_000).check(move || {
        let queue = start(zero_fails_once, options(1, 1).retry_waits(waits));
        queue.submit(0).unwrap();
        let submitter = queue.submitter();
        let producer = thread::spawn(move || submitter.submit(1).unwrap());
        let clock = thread::spawn(move || pass(Duration::MAX, fault));
        producer.join().unwrap();
        clock.join().unwrap();
        let results = queue.into_inner().drain();
        assert_eq!(payloads(&results), [0, 1]);
        assert!(results.iter().all(|r| r.outcome.is_ok()));
        assert_eq!(results[0].attempts + results[1].attempts, 3);
    });
}

promise!(
    a_retry_does_not_wait_for_room: retry_and_submit(RetryWaits::FreeWorker),
    ClockStands => "deadlock"
);

promise!(
    a_held_task_gives_its_room_up_when_it_is_due: retry_and_submit(RetryWaits::HoldWorker),
    ClockStands => "deadlock"
);

// A task accepted here would mean that one that waits in its worker's hands
// takes up no room, and that an outage does not slow submitters down. A hang,
// that the abort did not end the delay.
fn room_of_a_held_task(fault: Fault) {
    model(Exhaustive, 2_200).outcomes([true, false], move || {
        let waits = options(1, 1).retry_waits(RetryWaits::HoldWorker);
        let queue = match fault {
            Fault::NothingFails => start(echo, waits),
            _ => start(zero_fails_once, waits),
        };
        queue.submit(0).unwrap();
        let held = queue.stats().waiting == 1;
        let full = queue.try_submit(1).is_err();
        assert!(full || !held);
        let _ = queue.into_inner().abort();
        held
    });
}

promise!(a_held_task_takes_up_room: room_of_a_held_task(), NothingFails => "the outcomes");
