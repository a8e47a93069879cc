//! The forms of push, and how much they let in.

use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{PriorityQueue, PushError, PushTimeoutError, TryPushError};

use super::{SHORT, everything, full, past};
use crate::support::{HOUR, asleep, within_seconds};

#[test]
#[should_panic(expected = "capacity")]
fn a_capacity_of_zero_panics() {
    PriorityQueue::<u8>::new(0);
}

#[test]
fn the_largest_capacities_take_no_memory() {
    within_seconds(|| {
        // A page for each of these would not fit into any address space.
        let queue = PriorityQueue::<[u8; 4096]>::new(usize::MAX);
        assert_eq!(queue.capacity(), usize::MAX);
        assert_eq!(queue.try_push(0, [1; 4096]), Ok(()));
        assert!(!queue.is_full());

        let queue = PriorityQueue::<[u8; 4096]>::new(usize::MAX / 2);
        assert_eq!(queue.capacity(), usize::MAX / 2);
        assert_eq!(queue.try_push(0, [1; 4096]), Ok(()));
        assert_eq!(queue.len(), 1);
    });
}

#[test]
fn a_full_queue_says_so_and_nothing_less_does() {
    let queue = PriorityQueue::new(3);
    for len in 0..3 {
        assert_eq!(
            (queue.len(), queue.is_empty(), queue.is_full()),
            (len, len == 0, false)
        );
        assert_eq!(queue.try_push(0, len), Ok(()));
    }
    assert_eq!(
        (queue.len(), queue.is_empty(), queue.is_full()),
        (3, false, true)
    );
    assert_eq!(queue.capacity(), 3);
}

#[test]
fn a_push_into_a_full_queue_waits_for_a_slot() {
    within_seconds(|| {
        let queue = full(1);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let pusher = asleep(scope, || queue.push(0, 1));
            assert!(!pusher.is_finished());
            assert_eq!(queue.pop(), Some(0));
            assert_eq!(pusher.join().unwrap(), Ok(()));
            assert_eq!(queue.pop(), Some(1));
        });
    });
}

#[test]
fn a_try_push_into_a_full_queue_hands_the_item_back() {
    within_seconds(|| {
        let queue = full(2);
        assert_eq!(queue.try_push(9, 7), Err(TryPushError::Full(7)));
        assert_eq!(everything(&queue), [0, 1]);
    });
}

#[test]
fn a_timed_push_without_time_tries_once() {
    within_seconds(|| {
        let queue = PriorityQueue::new(2);
        assert_eq!(queue.push_timeout(0, 'a', Duration::ZERO), Ok(()));
        assert_eq!(queue.push_deadline(0, 'b', past()), Ok(()));
        assert_eq!(
            queue.push_timeout(0, 'c', Duration::ZERO),
            Err(PushTimeoutError::Timeout('c'))
        );
        assert_eq!(
            queue.push_deadline(0, 'd', past()),
            Err(PushTimeoutError::Timeout('d'))
        );
        assert_eq!(everything(&queue), ['a', 'b']);
    });
}

#[test]
fn a_timed_push_waits_as_long_as_it_says() {
    within_seconds(|| {
        let queue = full(1);
        let start = Instant::now();
        assert_eq!(
            queue.push_timeout(0, 1, SHORT),
            Err(PushTimeoutError::Timeout(1))
        );
        assert!(start.elapsed() >= SHORT);
        let deadline = Instant::now() + SHORT;
        assert_eq!(
            queue.push_deadline(0, 1, deadline),
            Err(PushTimeoutError::Timeout(1))
        );
        assert!(Instant::now() >= deadline);
    });
}

#[test]
fn a_timed_push_gets_the_slot_that_becomes_free() {
    within_seconds(|| {
        for timeout in [HOUR, Duration::MAX] {
            let queue = full(1);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                let pusher = asleep(scope, || queue.push_timeout(0, 1, timeout));
                assert_eq!(queue.pop(), Some(0));
                assert_eq!(pusher.join().unwrap(), Ok(()));
            });
        }
    });
}

#[test]
fn a_push_deadline_far_away_gets_the_slot_that_becomes_free() {
    within_seconds(|| {
        let queue = full(1);
        let deadline = Instant::now() + HOUR;
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let pusher = asleep(scope, || queue.push_deadline(0, 1, deadline));
            assert_eq!(queue.pop(), Some(0));
            assert_eq!(pusher.join().unwrap(), Ok(()));
        });
    });
}

#[test]
fn a_closed_queue_hands_back_what_is_pushed_in_any_form() {
    within_seconds(|| {
        let queue = PriorityQueue::new(4);
        queue.close();
        assert_eq!(queue.push(0, 1), Err(PushError(1)));
        assert_eq!(queue.try_push(0, 2), Err(TryPushError::Closed(2)));
        assert_eq!(
            queue.push_timeout(0, 3, Duration::MAX),
            Err(PushTimeoutError::Closed(3))
        );
        assert_eq!(
            queue.push_timeout(0, 4, Duration::ZERO),
            Err(PushTimeoutError::Closed(4))
        );
        assert_eq!(
            queue.push_deadline(0, 5, past()),
            Err(PushTimeoutError::Closed(5))
        );
        let error = queue.push_all([(1, 6), (2, 7)]).unwrap_err();
        assert_eq!((error.accepted, error.rest), (0, vec![(1, 6), (2, 7)]));
        assert!(queue.is_empty());
    });
}

#[test]
fn a_queue_that_is_full_and_closed_says_closed() {
    within_seconds(|| {
        let queue = full(1);
        queue.close();
        assert_eq!(queue.try_push(0, 1), Err(TryPushError::Closed(1)));
        assert_eq!(
            queue.push_timeout(0, 2, Duration::ZERO),
            Err(PushTimeoutError::Closed(2))
        );
    });
}
