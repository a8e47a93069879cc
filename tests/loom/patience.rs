//! Submitters of a large full queue, who are not woken for every slot. In these
//! models four is large, and room for two is much.

use std::sync::Arc;
use std::time::Duration;

use loom::thread::{self, JoinHandle};
use taskshelf::model::{advance, large_from, now, timed_waits};
use taskshelf::{Attempt, PriorityQueue, PushError, PushTimeoutError, QueueOptions, TaskQueue};

use crate::support::{
    Bound::*, Fault, Fragile, Meeting, SECOND, beside, model, model_in_odd_worlds, payloads, start,
};

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
    model_in_odd_worlds(Exhaustive, 180).check(move || {
        let queue = full();
        let pusher = beside(&queue, |queue| queue.push(0, 4).unwrap());
        let clock = clock(fault);
        assert_eq!(queue.pop(), Some(0));
        pusher.join().unwrap();
        clock.join().unwrap();
        assert_eq!(queue.len(), CAPACITY);
    });
}

promise!(
    one_slot_of_a_large_queue_does_not_stay_free_for_ever: one_slot(),
    ClockStands => "deadlock"
);

// A hang would mean that a pusher sleeps on beside a slot, for the one whose
// patience stood for both has gone.
fn one_slot_each(fault: Fault) {
    model_in_odd_worlds(Preemptions(3), 3_800)
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

promise!(whoever_is_patient_hands_over: one_slot_each(), ClockStands => "deadlock");

// An outcome missing would mean that whoever got a part of its items in is not patient
// again while it waits for room for the rest: it would be called for every slot.
fn patient_again(fault: Fault) {
    model(Preemptions(3), 150).outcomes([true, false], move || {
        let queue = full();
        let pusher = beside(&queue, |queue| queue.push_all([(0, 4), (0, 5)]).unwrap());
        let was_patient = timed_waits() == 1;
        queue.pop();
        if fault != Fault::ClockStands {
            advance(SECOND);
        }
        let is_again = queue.len() == CAPACITY && timed_waits() == 1;
        queue.pop();
        clock(Fault::None).join().unwrap();
        assert_eq!(pusher.join().unwrap(), 2);
        was_patient && is_again
    });
}

promise!(who_got_a_part_in_is_patient_for_the_rest: patient_again(), ClockStands => "outcome");

// A hang would mean that whose patience ended behind another kept a slot from both.
fn patient_one_after_the_other(fault: Fault) {
    model(Preemptions(2), 10_000).check(move || {
        let queue = full();
        let pushers = [4, 5].map(|item| beside(&queue, move |queue| queue.push(0, item).unwrap()));
        let taker = beside(&queue, move |queue| {
            for _ in 0..3 {
                queue.pop();
                if fault != Fault::ClockStands {
                    advance(SECOND);
                }
            }
            clock(fault).join().unwrap();
        });
        queue.push(0, 6).unwrap();
        pushers.into_iter().for_each(|p| p.join().unwrap());
        taker.join().unwrap();
        assert_eq!(queue.len(), CAPACITY);
    });
}

promise!(
    who_is_patient_behind_another_hands_over: patient_one_after_the_other(),
    ClockStands => "deadlock"
);

// A hang would mean that a slot stays free although a pusher has slept in vain, for
// the sake of another that has come since: no clock helps them.
fn slept_in_vain(fault: Fault) {
    model(Preemptions(3), 2_900).outcomes([false, true], move || {
        let queue = full();
        let meeting = Arc::new(Meeting::default());
        let here = Arc::clone(&meeting);
        let first = beside(&queue, move |queue| {
            queue.push(0, 4).unwrap();
            here.meet(1);
        });
        let was_patient = timed_waits() == 1;
        advance(SECOND); // it is no more
        if !was_patient {
            advance(Duration::MAX); // it may be yet
        }
        let here = Arc::clone(&meeting);
        let taker = beside(&queue, move |queue| {
            if fault != Fault::NobodyTakes {
                queue.pop();
            }
            here.meet(2); // one of them is in
            queue.pop();
            first.join().unwrap();
            advance(Duration::MAX); // the other may have come after that
        });
        queue.push(0, 5).unwrap();
        meeting.meet(1);
        taker.join().unwrap();
        was_patient
    });
}

promise!(
    who_has_slept_in_vain_does_not_wait_for_the_clock_again: slept_in_vain(),
    NobodyTakes => "deadlock"
);

// A hang would mean that a pusher sleeps on although half of the queue is free:
// here no clock helps it.
fn half_free(fault: Fault) {
    model_in_odd_worlds(Exhaustive, 99).check(move || {
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

promise!(half_of_a_large_queue_calls_who_is_patient: half_free(), NobodyTakes => "deadlock");

// A hang would mean that a close does not reach who is patient; a push that is
// let in, that the close does not hold.
fn close_and_slot(fault: Fault) {
    model_in_odd_worlds(Exhaustive, 150).outcomes([true, false], move || {
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

promise!(close_wakes_a_patient_pusher: close_and_slot(), NoClose => "deadlock");

// A hang would mean that an abort does not reach who is patient; a wrong sum,
// that an item is in the queue and handed back too, or neither.
fn abort_and_slot(fault: Fault) {
    model(Exhaustive, 160).outcomes([true, false], move || {
        let queue = full();
        let pusher = beside(&queue, |queue| match queue.push(0, 4) {
            Ok(()) => true,
            Err(PushError(4)) => false,
            Err(error) => panic!("{error}"),
        });
        let taker = beside(&queue, |queue| queue.try_pop().ok());
        let mut items = match fault {
            Fault::NoCancel => vec![],
            _ => queue.abort(),
        };
        items.extend(taker.join().unwrap());
        let pushed = pusher.join().unwrap();
        items.sort();
        let all = if pushed { 0..5 } else { 0..4 };
        assert!(items.into_iter().eq(all), "the items");
        pushed
    });
}

promise!(abort_wakes_a_patient_pusher: abort_and_slot(), NoCancel => "deadlock");

// Nobody in would mean that who waits with a deadline gave the free slot up
// when its patience ended, or reported a timeout without another look; a hang,
// that its patience hides the deadline.
fn slot_before_the_deadline(fault: Fault) {
    model(Exhaustive, 82_000).outcomes([true, false], move || {
        let queue = full();
        let deadline = now() + SECOND;
        let pusher = beside(&queue, move |queue| {
            match queue.push_deadline(0, 4, deadline) {
                Ok(()) => true,
                Err(PushTimeoutError::Timeout(4)) => false,
                Err(error) => panic!("{error}"),
            }
        });
        let taker = beside(&queue, |queue| queue.pop());
        // Its patience ends in the first half, its time with the second.
        advance(SECOND / 2);
        let in_time = queue.len() < CAPACITY;
        if fault != Fault::ClockStands {
            advance(SECOND / 2);
        }
        assert!(taker.join().unwrap().is_some());
        let pushed = pusher.join().unwrap();
        assert!(pushed || !in_time, "the slot was free in time");
        pushed
    });
}

promise!(
    a_patient_pusher_with_a_deadline_uses_all_of_its_time: slot_before_the_deadline(),
    ClockStands => "deadlock"
);

// A failure would mean that a pusher is refused beside a slot because it woke up so late
// that both its patience, for one who came before it, and its own time were over.
fn both_times_over(fault: Fault) {
    model(Preemptions(2), 17_000).check(move || {
        let queue = full();
        let pushers = [4, 5].map(|item| beside(&queue, move |queue| queue.push(0, item).unwrap()));
        thread::yield_now(); // they may fall asleep
        queue.pop();
        advance(SECOND); // ends the patience of the first, and nobody's is the second's
        let third = beside(&queue, |queue| queue.push_timeout(0, 6, SECOND));
        thread::yield_now();
        if fault != Fault::NobodyTakes {
            assert_eq!(queue.pop_many(&mut Vec::new(), 2), 2);
        }
        advance(SECOND);
        assert_eq!(third.join().unwrap(), Ok(()));
        clock(fault).join().unwrap();
        pushers.into_iter().for_each(|p| p.join().unwrap());
    });
}

promise!(
    who_wakes_up_late_behind_another_tries_once_more: both_times_over(),
    NobodyTakes => "Timeout"
);

/// A queue with one worker, and with room for four tasks, that many submitted.
/// The handler of `waits` waits for somebody at the meeting.
fn full_with_a_worker(waits: u32) -> (Fragile<TaskQueue<u32, u32, ()>>, Arc<Meeting>) {
    large_from(CAPACITY);
    let meeting = Arc::new(Meeting::default());
    let inside = Arc::clone(&meeting);
    let queue = start(
        move |attempt: &Attempt<'_, u32>| {
            if attempt.payload == waits {
                inside.meet(2);
            }
            Ok(attempt.payload)
        },
        QueueOptions::new(CAPACITY, 1),
    );
    queue.submit_all(0..4).unwrap();
    (queue, meeting)
}

// A hang would mean that a submitter sleeps on although the worker has made much
// room, and takes no more before the submitter is in: no clock helps it.
fn much_room_from_a_worker(fault: Fault) {
    model(Preemptions(4), 1_900).check(move || {
        let (queue, meeting) = full_with_a_worker(2);
        let submitter = queue.submitter();
        let producer = thread::spawn(move || {
            submitter.submit_all([4, 5]).unwrap();
            if fault != Fault::NobodySubmits {
                meeting.meet(2);
            }
        });
        producer.join().unwrap();
        let results = queue.into_inner().drain();
        assert_eq!(payloads(&results), [0, 1, 2, 3, 4, 5]);
    });
}

promise!(
    a_worker_calls_who_is_patient_once_there_is_much_room: much_room_from_a_worker(),
    NobodySubmits => "deadlock"
);

// A hang would mean that the one slot which the worker made stays free: its task
// waits for the submitter, whose patience has an end.
fn one_slot_from_a_worker(fault: Fault) {
    // Whether the submitter was seen asleep.
    model(Preemptions(3), 840).outcomes([true, false], move || {
        let (queue, meeting) = full_with_a_worker(0);
        let submitter = queue.submitter();
        let producer = thread::spawn(move || {
            if fault != Fault::NobodySubmits {
                submitter.submit(4).unwrap();
                meeting.meet(2);
            }
        });
        let sleeps = timed_waits() == 1;
        advance(Duration::MAX);
        producer.join().unwrap();
        let results = queue.into_inner().drain();
        assert_eq!(payloads(&results), [0, 1, 2, 3, 4]);
        sleeps
    });
}

promise!(
    one_slot_that_a_worker_made_does_not_stay_free_for_ever: one_slot_from_a_worker(),
    NobodySubmits => "deadlock"
);
