//! The shelf alone: items, room, and idleness.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use loom::sync::atomic::AtomicBool;
use taskshelf::model::{advance, timed_waits};
use taskshelf::{Lease, PriorityQueue, TryPushError};

use crate::support::{
    Bound::*, Fault, Fragile, Meeting, SECOND, beside, model, model_in_odd_worlds,
};

// A hang would mean that a consumer slept through the close, or that a sleeper
// was called for an item that another had taken, and nobody else was.
fn close_ends(consumers: usize, fault: Fault) {
    let exploration = match consumers {
        1 => model_in_odd_worlds(Exhaustive, 140),
        _ => model_in_odd_worlds(Preemptions(4), 5_300),
    };
    exploration.check(move || {
        let queue = Arc::new(PriorityQueue::new(2));
        let poppers: Vec<_> = (0..consumers)
            .map(|_| beside(&queue, |queue| queue.iter().collect::<Vec<i32>>()))
            .collect();
        queue.push(0, 1).unwrap();
        queue.push(1, 2).unwrap();
        if fault != Fault::NoClose {
            queue.close();
        }
        let mut popped: Vec<i32> = poppers
            .into_iter()
            .flat_map(|p| p.join().unwrap())
            .collect();
        popped.sort();
        assert_eq!(popped, [1, 2]);
    });
}

promise!(a_closed_queue_gives_everything_and_ends: close_ends(1), NoClose => "deadlock");

promise!(close_ends_two_consumers_and_loses_nothing: close_ends(2), NoClose => "deadlock");

// A hang would mean that a consumer was left asleep with an item ready: both
// are needed, for the two items wait for each other. With one push of both, one
// call has to lead to the next.
fn two_items_meet(pushes: usize, fault: Fault) {
    model_in_odd_worlds(Exhaustive, 3_600).check(move || {
        let queue = Arc::new(PriorityQueue::new(2));
        let meeting = Arc::new(Meeting::default());
        let consumers = [(); 2].map(|()| {
            let meeting = Arc::clone(&meeting);
            beside(&queue, move |queue| {
                queue.pop().unwrap();
                meeting.meet(2);
            })
        });
        let items = [(0, 1), (0, 2)];
        let last = if fault == Fault::NobodySubmits { 1 } else { 2 };
        match pushes {
            1 => drop(queue.push_all(items[..last].to_vec())),
            _ => items[..last]
                .iter()
                .for_each(|&(priority, item)| queue.push(priority, item).unwrap()),
        }
        consumers.into_iter().for_each(|c| c.join().unwrap());
    });
}

promise!(
    no_consumer_sleeps_while_something_is_ready: two_items_meet(2),
    NobodySubmits => "deadlock"
);

promise!(one_call_leads_to_the_next: two_items_meet(1), NobodySubmits => "deadlock");

// A hang would mean that the pop freed a slot and called nobody, or that the
// close left a submitter asleep.
fn blocked_push(fault: Fault) {
    let expected = [(false, false), (true, false), (true, true)];
    model_in_odd_worlds(Exhaustive, 590).outcomes(expected, move || {
        let queue = Arc::new(PriorityQueue::new(1));
        queue.push(0, 0).unwrap();
        let pusher = beside(&queue, |queue| queue.push(0, 1).is_ok());
        let popper = beside(&queue, |queue| (queue.pop(), queue.try_pop().ok()));
        if fault != Fault::NoClose {
            queue.close();
        }
        let accepted = pusher.join().unwrap();
        let (first, second) = popper.join().unwrap();
        assert_eq!(first, Some(0));
        let rest = queue.abort();
        assert_eq!(
            usize::from(accepted),
            rest.len() + usize::from(second.is_some())
        );
        (accepted, second.is_some())
    });
}

promise!(
    a_blocked_push_ends_with_room_or_with_the_close: blocked_push(),
    NoClose => "the outcomes"
);

// A hang would mean that the close called one of two submitters, and that the
// other waits for room that nobody makes.
fn close_with_two_pushers(fault: Fault) {
    model_in_odd_worlds(Exhaustive, 2_400).check(move || {
        let queue = Arc::new(PriorityQueue::new(1));
        queue.push(0, 0).unwrap();
        let pushers = [1, 2].map(|item| {
            beside(&queue, move |queue| {
                assert_eq!(queue.push(0, item).unwrap_err().0, item);
            })
        });
        if fault != Fault::NoClose {
            queue.close();
        }
        pushers.into_iter().for_each(|p| p.join().unwrap());
        assert_eq!(queue.pop(), Some(0));
        assert_eq!(queue.pop(), None);
    });
}

promise!(close_wakes_every_blocked_push: close_with_two_pushers(), NoClose => "deadlock");

// A hang would mean that a consumer which took two items at once left a third,
// and the other consumer asleep: it takes both to end the meeting.
fn two_at_once_and_one(fault: Fault) {
    model(Exhaustive, 3_600).check(move || {
        let queue = Arc::new(PriorityQueue::new(3));
        let meeting = Arc::new(Meeting::default());
        let other = Arc::clone(&meeting);
        let two = beside(&queue, move |queue| {
            let mut buffer = Vec::new();
            queue.pop_many(&mut buffer, 2);
            meeting.meet(2);
            buffer
        });
        let one = beside(&queue, move |queue| {
            let item = queue.pop().unwrap();
            other.meet(2);
            item
        });
        let items = if fault == Fault::NobodySubmits { 1 } else { 3 };
        queue.push_all((1..=items).map(|item| (0, item))).unwrap();
        let mut popped = two.join().unwrap();
        assert_eq!(popped.len(), 2);
        popped.push(one.join().unwrap());
        popped.sort();
        assert_eq!(popped, [1, 2, 3]);
    });
}

promise!(
    what_a_pop_many_leaves_wakes_another_consumer: two_at_once_and_one(),
    NobodySubmits => "deadlock"
);

// A hang would mean that a freed slot was left to a submitter that nobody woke.
// Nothing is closed until both are in.
fn slots_freed_one_by_one(capacity: usize, fault: Fault) {
    model_in_odd_worlds(Exhaustive, 53_000).check(move || {
        let queue = Arc::new(PriorityQueue::new(capacity));
        queue.push_all(vec![(0, 0); capacity]).unwrap();
        let pushers = [(); 2].map(|()| beside(&queue, |queue| queue.push(0, 1).unwrap()));
        let pops = if fault == Fault::NobodyTakes { 1 } else { 2 };
        for _ in 0..pops {
            queue.pop().unwrap();
            assert!(queue.len() <= capacity);
        }
        pushers.into_iter().for_each(|p| p.join().unwrap());
        assert_eq!(queue.abort().len(), capacity);
    });
}

promise!(
    each_freed_slot_lets_a_blocked_push_in: slots_freed_one_by_one(1),
    NobodyTakes => "deadlock"
);

promise!(
    each_of_several_freed_slots_lets_a_blocked_push_in: slots_freed_one_by_one(2),
    NobodyTakes => "deadlock"
);

// A hang would mean that of two slots freed at once one was left to a submitter
// that nobody woke.
fn slots_freed_at_once(fault: Fault) {
    model_in_odd_worlds(Exhaustive, 880).check(move || {
        let queue = Arc::new(PriorityQueue::new(2));
        queue.push_all([(0, 0), (0, 0)]).unwrap();
        let pushers = [(); 2].map(|()| beside(&queue, |queue| queue.push(0, 1).unwrap()));
        let mut buffer = Vec::new();
        let limit = if fault == Fault::NobodyTakes { 1 } else { 2 };
        let mut popped = queue.pop_many(&mut buffer, limit);
        pushers.into_iter().for_each(|p| p.join().unwrap());
        assert!(queue.len() <= 2);
        popped += queue.abort().len();
        assert_eq!(popped, 4);
    });
}

promise!(
    two_slots_freed_at_once_let_two_blocked_pushes_in: slots_freed_at_once(),
    NobodyTakes => "deadlock"
);

/// Says when it is dropped, in a way that the checker sees: others may run just
/// before.
struct LastWords(Arc<AtomicBool>);

impl Drop for LastWords {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.store(true, SeqCst);
        }
    }
}

// A hang would mean that a settle did not look for those who wait for it, or
// called only one of them; an item that is still there, that a joiner took the
// queue for idle while an item was leased, or settled and not dropped yet.
fn two_joiners(fault: Fault) {
    model_in_odd_worlds(Exhaustive, 27_000).check(move || {
        let queue = Arc::new(PriorityQueue::new(2));
        let gone = Arc::new(AtomicBool::new(false));
        let last = LastWords(Arc::clone(&gone));
        queue.push_all([(0, None), (0, Some(last))]).unwrap();
        let worker = beside(&queue, move |queue| {
            let lease = Lease::next(queue.lease().unwrap()).unwrap();
            match fault {
                Fault::LeaseForgotten => std::mem::forget(lease),
                _ => drop(lease),
            }
        });
        let other = {
            let gone = Arc::clone(&gone);
            beside(&queue, move |queue| {
                queue.join();
                assert!(gone.load(SeqCst), "the item");
            })
        };
        queue.join();
        assert!(gone.load(SeqCst), "the item");
        other.join().unwrap();
        worker.join().unwrap();
    });
}

promise!(join_returns_after_the_last_settle: two_joiners(), LeaseForgotten => "deadlock");

// Fewer back than were seen asleep before the idle moment would mean that one
// was not called, or asked again, and was trapped by the item that came next: a
// hang, had it no timeout.
fn busy_queue(fault: Fault) {
    // How many were seen asleep, and how many came back.
    let expected = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)];
    model(Preemptions(4), 24_000).outcomes(expected, move || {
        let queue = Arc::new(PriorityQueue::new(1));
        queue.push(0, 1).unwrap();
        let lease = queue.lease().unwrap();
        let joiners = [(); 2].map(|()| beside(&queue, |queue| queue.join_timeout(SECOND)));
        let asleep = timed_waits();
        match fault {
            Fault::LeaseForgotten => std::mem::forget(lease),
            _ => drop(lease),
        }
        // Never idle again.
        queue.push(0, 2).unwrap();
        advance(Duration::MAX);
        let returned = joiners.map(|joiner| usize::from(joiner.join().unwrap()));
        (asleep, returned.into_iter().sum())
    });
}

promise!(a_busy_queue_traps_no_joiner: busy_queue(), LeaseForgotten => "the outcomes");

// A hang would mean that the settle which empties a closed queue called one of
// two consumers.
fn last_settle(fault: Fault) {
    model_in_odd_worlds(Exhaustive, 11_000).check(move || {
        let queue = Arc::new(PriorityQueue::new(1));
        queue.push(0, 1).unwrap();
        let lease = Fragile::new(queue.lease().unwrap());
        let poppers = [(); 2].map(|()| beside(&queue, |queue| queue.pop()));
        queue.close();
        if fault != Fault::LeaseForgotten {
            drop(lease.into_inner());
        } else {
            std::mem::forget(lease);
        }
        poppers
            .into_iter()
            .for_each(|p| assert_eq!(p.join().unwrap(), None));
    });
}

promise!(
    the_settle_that_empties_a_closed_queue_ends_every_consumer: last_settle(),
    LeaseForgotten => "deadlock"
);

// A leak would mean that a payload stays in a queue that is gone; it is
// refused, handed out, or dropped. A hang, that the abort left a push asleep.
fn tracked_items(fault: Fault) {
    model(Exhaustive, 39).check(move || {
        let queue = Arc::new(PriorityQueue::new(1));
        let pusher = beside(&queue, |queue| {
            let _ = queue.push(0, loom::sync::Arc::new(1));
            let _ = match queue.try_push(0, loom::sync::Arc::new(2)) {
                Ok(()) => None,
                Err(TryPushError::Full(item) | TryPushError::Closed(item)) => Some(item),
            };
        });
        if let Some(lease) = queue.lease() {
            match fault {
                Fault::Leak => std::mem::forget(Lease::into_inner(lease)),
                _ => drop(Lease::retry_after(lease, SECOND)),
            }
        }
        drop(queue.abort());
        pusher.join().unwrap();
    });
}

promise!(no_item_is_leaked: tracked_items(), Leak => "leak");
