//! Waits that have a deadline, the clock that ends them, and what these models
//! rely on: that loom and `support` report what goes wrong.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use taskshelf::model::advance;
use taskshelf::{Lease, PopTimeoutError, PriorityQueue, PushTimeoutError};

use crate::support::{Bound::*, Fault, SECOND, beside, model, model_in_odd_worlds};

// A hang would mean that the call for the one slot went to a submitter whose
// time ran out, and that it was not passed on.
fn timed_push(fault: Fault) {
    model_in_odd_worlds(Preemptions(3), 20_000).outcomes([true, false], move || {
        let queue = Arc::new(PriorityQueue::new(1));
        queue.push(0, 0).unwrap();
        let timed = beside(&queue, |queue| match queue.push_timeout(0, 1, SECOND) {
            Ok(()) => true,
            Err(PushTimeoutError::Timeout(1)) => false,
            Err(error) => panic!("{error}"),
        });
        let patient = beside(&queue, |queue| queue.push(0, 2).unwrap());
        let clock = thread::spawn(move || {
            if fault != Fault::ClockStands {
                advance(Duration::MAX);
            }
        });
        assert_eq!(queue.pop(), Some(0));
        // One of the two is in by now, or on its way.
        let first = queue.pop().unwrap();
        clock.join().unwrap();
        let timed = timed.join().unwrap();
        if timed {
            queue.pop().unwrap();
        }
        patient.join().unwrap();
        assert!(first == 1 || first == 2);
        assert!(queue.is_empty());
        timed
    });
}

promise!(
    a_slot_that_a_timed_out_push_was_called_for_goes_to_the_next: timed_push(),
    ClockStands => "the outcomes"
);

// A hang would mean that the end of all time leaves somebody asleep who would wait for
// longer.
fn longer_than_all_time(fault: Fault) {
    model(Exhaustive, 3).check(move || {
        let queue = Arc::new(PriorityQueue::<u32>::new(1));
        let popper = beside(&queue, |queue| {
            queue.pop_timeout(Duration::from_secs(1 << 41))
        });
        if fault != Fault::ClockStands {
            advance(Duration::MAX);
        }
        assert_eq!(popper.join().unwrap(), Err(PopTimeoutError::Timeout));
    });
}

promise!(the_end_of_time_ends_every_wait: longer_than_all_time(), ClockStands => "deadlock");

// A hang would mean that an item was left to a consumer whose time ran out
// after it had been called, and that the other sleeps on.
fn timed_pop(fault: Fault) {
    model_in_odd_worlds(Preemptions(3), 330).outcomes([true, false], move || {
        let queue = Arc::new(PriorityQueue::new(2));
        let timed = beside(&queue, |queue| {
            let popped = queue.pop_timeout(SECOND);
            assert!(popped != Err(PopTimeoutError::Closed));
            popped.is_ok()
        });
        let patient = beside(&queue, |queue| queue.pop().unwrap());
        queue.push(0, 1).unwrap();
        if fault != Fault::ClockStands {
            advance(Duration::MAX);
        }
        let timed = timed.join().unwrap();
        if timed {
            queue.push(0, 2).unwrap();
        }
        patient.join().unwrap();
        timed
    });
}

promise!(
    an_item_that_a_timed_out_pop_was_called_for_goes_to_the_next: timed_pop(),
    ClockStands => "deadlock"
);

// Nobody in would mean that a push reported a timeout without another look,
// though there was room in time; a hang, that a call went astray between two
// that ran out of time together.
fn two_timed_pushes(fault: Fault) {
    model_in_odd_worlds(Preemptions(3), 560)
        .in_both_orders()
        .check(move || {
            let queue = Arc::new(PriorityQueue::new(1));
            queue.push(0, 0).unwrap();
            let pushers = [1, 2].map(|item| {
                beside(&queue, move |queue| {
                    queue.push_timeout(0, item, SECOND).is_ok()
                })
            });
            if fault != Fault::NobodyTakes {
                assert_eq!(queue.pop(), Some(0));
            }
            advance(Duration::MAX);
            let accepted = pushers.into_iter().map(|p| p.join().unwrap());
            assert_eq!(
                accepted.filter(|accepted| *accepted).count(),
                1,
                "the pushes"
            );
        });
}

promise!(
    of_two_pushes_due_together_one_gets_the_slot: two_timed_pushes(),
    NobodyTakes => "the pushes"
);

// A hang would mean that the clock's last move leaves waits that begin after it
// to wait for ever.
fn later_waits(fault: Fault) {
    model(Exhaustive, 1).check(move || {
        if fault != Fault::ClockStands {
            advance(Duration::MAX);
        }
        let queue = PriorityQueue::new(1);
        assert_eq!(queue.pop_timeout(SECOND), Err(PopTimeoutError::Timeout));
        queue.push(0, 1).unwrap();
        Lease::retry_after(queue.lease().unwrap(), SECOND).unwrap();
        assert_eq!(queue.pop(), Some(1));
        assert!(queue.join_timeout(SECOND));
    });
}

promise!(
    all_the_time_there_is_has_passed_for_later_waits_too: later_waits(),
    ClockStands => "deadlock"
);

// Another order would mean that equal due times do not keep the order in which
// the waits began; nothing there, that what is due just now has to wait longer.
fn one_instant(fault: Fault) {
    model(Exhaustive, 1).check(move || {
        let queue = PriorityQueue::new(3);
        queue.push_all([(0, 1), (0, 2), (0, 3)]).unwrap();
        let mut leases = [(); 3].map(|()| queue.try_lease().unwrap());
        for delay in [Duration::ZERO, SECOND] {
            for lease in leases {
                Lease::retry_after(lease, delay).unwrap();
            }
            if fault != Fault::ClockStands {
                advance(delay);
            }
            leases = [(); 3].map(|()| queue.try_lease().expect("what is due"));
            assert_eq!(leases.each_ref().map(|l| **l), [1, 2, 3], "the order");
        }
    });
}

promise!(
    those_due_at_one_instant_come_out_in_the_order_they_came_back: one_instant(),
    ClockStands => "what is due"
);

// ----- the models' own instruments ------------------------------------------

#[test]
#[should_panic(expected = "deadlock")]
fn a_notification_without_the_lock_is_reported() {
    model(Exhaustive, 1).check(|| {
        let bell = Arc::new((Mutex::new(false), Condvar::new()));
        let ringer = beside(&bell, |(rung, bell)| {
            let before = *rung.lock().unwrap();
            bell.notify_one();
            *rung.lock().unwrap() = !before;
        });
        let (rung, heard) = &*bell;
        let mut rung = rung.lock().unwrap();
        while !*rung {
            rung = heard.wait(rung).unwrap();
        }
        drop(rung);
        ringer.join().unwrap();
    });
}

#[test]
#[should_panic(expected = "executions were explored")]
fn an_exploration_that_shrinks_is_reported() {
    model(Exhaustive, 2).check(|| ());
}

#[test]
#[should_panic(expected = "the outcomes")]
fn an_outcome_that_never_comes_about_is_reported() {
    model(Exhaustive, 1).outcomes([1, 2], || 1);
}

#[test]
#[should_panic(expected = "the outcomes")]
fn an_outcome_that_is_not_expected_is_reported() {
    model(Exhaustive, 1).outcomes([], || 1);
}
