//! What is put back, and when it comes out again.

use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{Lease, PopTimeoutError, PriorityQueue, TryPopError};

use super::{assert_by_due_time, is_idle, ms, put_back, put_back_timed, shelf};
use crate::support::{HOUR, asleep, within_seconds};

#[test]
fn what_comes_back_is_not_due_before_its_delay() {
    within_seconds(|| {
        let queue = shelf(['a']);
        let start = Instant::now();
        put_back(&queue, ms(20));
        assert_eq!(queue.pop(), Some('a'));
        assert!(start.elapsed() >= ms(20));
    });
}

#[test]
fn what_comes_back_without_a_delay_is_ready() {
    let queue = shelf(['a']);
    put_back(&queue, Duration::ZERO);
    assert_eq!(queue.try_pop(), Ok('a'));
}

#[test]
fn what_waits_for_its_time_is_in_but_cannot_be_taken() {
    within_seconds(|| {
        let queue = shelf(['a']);
        put_back(&queue, HOUR);
        assert_eq!((queue.len(), queue.is_empty()), (1, false));
        assert_eq!(queue.try_pop(), Err(TryPopError::Empty));
        assert_eq!(queue.pop_timeout(ms(1)), Err(PopTimeoutError::Timeout));
        assert!(!is_idle(&queue));
    });
}

#[test]
fn a_try_pop_sees_what_has_become_due() {
    within_seconds(|| {
        let queue = shelf(['a']);
        let start = Instant::now();
        put_back(&queue, ms(2));
        while queue.try_pop() != Ok('a') {
            thread::yield_now();
        }
        assert!(start.elapsed() >= ms(2));
    });
}

#[test]
fn a_pop_timeout_longer_than_the_delay_gets_the_item() {
    within_seconds(|| {
        let queue = shelf(['a']);
        put_back(&queue, ms(5));
        assert_eq!(queue.pop_timeout(HOUR), Ok('a'));
        assert_eq!(queue.push(0, 'b'), Ok(()));
        put_back(&queue, ms(5));
        assert_eq!(queue.pop_timeout(Duration::MAX), Ok('b'));
        assert_eq!(queue.push(0, 'c'), Ok(()));
        put_back(&queue, ms(5));
        assert_eq!(queue.pop_many(&mut Vec::new(), 2), 1);
    });
}

#[test]
fn a_deadline_after_the_due_time_gets_the_item() {
    within_seconds(|| {
        // The popper gives up just when the item is due, and tries once more.
        let queue = shelf(['a']);
        put_back(&queue, ms(5));
        let deadline = Instant::now() + ms(5);
        assert_eq!(queue.pop_deadline(deadline), Ok('a'));
    });
}

#[test]
fn what_was_put_back_comes_out_by_its_due_time() {
    within_seconds(|| {
        let queue = shelf([30, 10, 20, 1, 15]);
        let due = put_back_timed((0..5).filter_map(|_| queue.lease()).collect());
        let taken: Vec<u64> = (0..5).filter_map(|_| queue.pop()).collect();
        assert_by_due_time(&taken, &due);
    });
}

/// Takes everything, puts all of it back, and waits until all of it is due
/// with nobody asking in between.
fn put_all_back_and_wait<T>(queue: &PriorityQueue<T>) {
    let leases: Vec<_> = std::iter::from_fn(|| queue.try_lease().ok()).collect();
    for lease in leases {
        assert!(Lease::retry_after(lease, ms(1)).is_ok());
    }
    let due = Instant::now() + ms(1);
    while Instant::now() < due {
        thread::yield_now();
    }
}

#[test]
fn what_is_due_comes_out_by_its_priority() {
    within_seconds(|| {
        let queue = PriorityQueue::new(4);
        assert_eq!(queue.push_all([(0, 'c'), (2, 'a'), (1, 'b')]), Ok(3));
        put_all_back_and_wait(&queue);
        assert_eq!(queue.push(1, 'd'), Ok(()));
        queue.close();
        assert_eq!(queue.iter().next(), Some('a'));
        assert_eq!(queue.iter().last(), Some('c'));
    });
}

#[test]
fn those_that_came_back_together_keep_their_order() {
    within_seconds(|| {
        let queue = shelf('a'..='z');
        put_all_back_and_wait(&queue);
        queue.close();
        assert!(queue.iter().eq('a'..='z'));
        // No two readings of the clock need be equal, but "never" is one time
        // for all.
        let queue = shelf('a'..='z');
        let leases: Vec<_> = std::iter::from_fn(|| queue.try_lease().ok()).collect();
        for lease in leases {
            assert_eq!(Lease::retry_after(lease, Duration::MAX), Ok(()));
        }
        assert!(queue.abort().into_iter().eq('a'..='z'));
    });
}

#[test]
fn what_comes_back_joins_the_back_of_its_line() {
    within_seconds(|| {
        let queue = PriorityQueue::new(8);
        assert_eq!(
            queue.push_all([(0, 'z'), (1, 'a'), (1, 'b'), (1, 'c')]),
            Ok(4)
        );
        put_back(&queue, Duration::ZERO);
        queue.close();
        assert_eq!(queue.iter().collect::<String>(), "bcaz");
    });
}

#[test]
fn what_is_due_in_ages_does_not_hold_up_what_is_due() {
    within_seconds(|| {
        let queue = shelf([Duration::MAX, HOUR, ms(2), Duration::ZERO]);
        for _ in 0..4 {
            let lease = queue.lease().unwrap();
            let delay = *lease;
            assert_eq!(Lease::retry_after(lease, delay), Ok(()));
        }
        let mut due = [queue.pop(), queue.pop()];
        due.sort();
        assert_eq!(due, [Some(Duration::ZERO), Some(ms(2))]);
        assert_eq!(queue.push(0, ms(7)), Ok(()));
        assert_eq!(queue.pop(), Some(ms(7)));
        assert_eq!(queue.len(), 2);
    });
}

#[test]
fn a_delay_without_end_is_ended_by_abort() {
    within_seconds(|| {
        let queue = shelf(['a']);
        put_back(&queue, Duration::MAX);
        assert_eq!(queue.pop_timeout(ms(1)), Err(PopTimeoutError::Timeout));
        queue.close();
        thread::scope(|scope| {
            let popper = asleep(scope, || queue.pop());
            assert_eq!(queue.abort(), ['a']);
            assert_eq!(popper.join().unwrap(), None);
        });
        assert!(is_idle(&queue));
    });
}

#[test]
fn what_is_due_goes_before_whatever_is_pushed_later() {
    let queue = shelf(['a']);
    put_back(&queue, Duration::ZERO);
    assert_eq!(queue.push(0, 'b'), Ok(()));
    put_back(&queue, Duration::ZERO); // the first again, which is behind the second now
    assert_eq!(queue.push_all([(0, 'c'), (0, 'd')]), Ok(2));
    queue.close();
    assert_eq!(queue.iter().collect::<String>(), "bacd");
}

#[test]
fn an_abort_hands_out_what_is_due_in_its_order() {
    let queue = shelf(['a']);
    queue.push(9, 'b').unwrap();
    put_back(&queue, Duration::ZERO);
    assert_eq!(queue.abort(), ['b', 'a']);
}
