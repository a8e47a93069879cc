//! Submitters of a large full queue, who are not woken for every slot. In these
//! models four is large, and room for two is much.

use std::sync::Arc;
use std::time::Duration;

use loom::thread::{self, JoinHandle};
use taskshelf::model::{advance, large_from};
use taskshelf::{PriorityQueue, PushError};

use crate::support::{Bound::*, Fault, beside, model, model_in_odd_worlds};

const CAPACITY: usize = 4;

fn full() -> Arc<PriorityQueue<u32>> {
    large_from(CAPACITY);
    let queue = PriorityQueue::new(CAPACITY);
    (0..4).for_each(|item| queue.push(0, item).unwrap());
    Arc::new(queue)
}

fn clock(fault: Fault) -> JoinHandle<()> {
    thread::spawn(move || {
        if fault != Fault::ClockStands {
            advance(Duration::MAX);
        }
    })
}

// A hang would mean that the one free slot stays free although nothing else is
// taken until the pusher gets on: be it because nothing ends the pusher's
// patience, or because it was over before the slot was free.
fn one_slot(fault: Fault) {
    model_in_odd_worlds(Exhaustive, 80).check(move || {
        let queue = full();
        let pusher = beside(&queue, |queue| queue.push(0, 4).unwrap());
        let clock = clock(fault);
        assert_eq!(queue.pop(), Some(0));
        pusher.join().unwrap();
        clock.join().unwrap();
        assert_eq!(queue.len(), CAPACITY);
    });
}

#[test]
fn one_slot_of_a_large_queue_does_not_stay_free_for_ever() {
    one_slot(Fault::None);
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_slot_of_a_large_queue_does_not_stay_free_for_ever_can_fail() {
    one_slot(Fault::ClockStands);
}

// A hang would mean that a pusher sleeps on beside a slot, for the one whose
// patience stood for both has gone.
fn one_slot_each(fault: Fault) {
    model_in_odd_worlds(Preemptions(3), 2_400)
        .in_both_orders()
        .check(move || {
            let queue = full();
            let pushers =
                [4, 5].map(|item| beside(&queue, move |queue| queue.push(0, item).unwrap()));
            let clock = clock(fault);
            assert_eq!(queue.pop(), Some(0));
            assert_eq!(queue.pop(), Some(1));
            pushers.into_iter().for_each(|p| p.join().unwrap());
            clock.join().unwrap();
            assert_eq!(queue.len(), CAPACITY);
        });
}

#[test]
fn whoever_is_patient_hands_over() {
    one_slot_each(Fault::None);
}

#[test]
#[should_panic(expected = "deadlock")]
fn whoever_is_patient_hands_over_can_fail() {
    one_slot_each(Fault::ClockStands);
}

// A hang would mean that a pusher sleeps on although half of the queue is free:
// here no clock helps it.
fn half_free(fault: Fault) {
    model_in_odd_worlds(Exhaustive, 45).check(move || {
        let queue = full();
        let pusher = beside(&queue, |queue| queue.push(0, 4).unwrap());
        let taker = beside(&queue, |queue| queue.pop().unwrap());
        if fault != Fault::NobodyTakes {
            assert!(queue.pop().is_some());
        }
        taker.join().unwrap();
        pusher.join().unwrap();
    });
}

#[test]
fn half_of_a_large_queue_calls_who_is_patient() {
    half_free(Fault::None);
}

#[test]
#[should_panic(expected = "deadlock")]
fn half_of_a_large_queue_calls_who_is_patient_can_fail() {
    half_free(Fault::NobodyTakes);
}

// A hang would mean that a close does not reach who is patient; a push that is
// let in, that the close does not hold.
fn close_and_slot(fault: Fault) {
    model_in_odd_worlds(Exhaustive, 60).outcomes([true, false], move || {
        let queue = full();
        let pusher = beside(&queue, |queue| match queue.push(0, 4) {
            Ok(()) => true,
            Err(PushError(4)) => false,
            Err(error) => panic!("{error}"),
        });
        let closer = beside(&queue, move |queue| {
            if fault != Fault::NoClose {
                queue.close();
            }
        });
        assert_eq!(queue.pop(), Some(0));
        closer.join().unwrap();
        let pushed = pusher.join().unwrap();
        assert_eq!(queue.len(), CAPACITY - usize::from(!pushed));
        pushed
    });
}

#[test]
fn close_wakes_a_patient_pusher() {
    close_and_slot(Fault::None);
}

#[test]
#[should_panic(expected = "deadlock")]
fn close_wakes_a_patient_pusher_can_fail() {
    close_and_slot(Fault::NoClose);
}
