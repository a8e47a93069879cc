//! The forms of pop.

use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{Lease, PopTimeoutError, PriorityQueue, TryPopError};

use super::{SHORT, full, past};
use crate::support::{HOUR, asleep, within_seconds};

#[test]
fn a_pop_from_an_empty_queue_waits_for_an_item() {
    within_seconds(|| {
        let queue = PriorityQueue::new(1);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let popper = asleep(scope, || queue.pop());
            assert!(!popper.is_finished());
            assert_eq!(queue.push(0, 'a'), Ok(()));
            assert_eq!(popper.join().unwrap(), Some('a'));
        });
    });
}

#[test]
fn a_popper_in_a_busy_line_falls_asleep() {
    within_seconds(|| {
        let queue = full(1);
        // The line is busy: whoever came last did not have to wait.
        assert_eq!(queue.pop(), Some(0));
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            // Goes on only once the popper sleeps.
            let popper = asleep(scope, || queue.pop());
            assert_eq!(queue.push(0, 1), Ok(()));
            assert_eq!(popper.join().unwrap(), Some(1));
        });
    });
}

#[test]
fn a_try_pop_from_an_empty_queue_says_empty() {
    let queue = PriorityQueue::<u8>::new(1);
    assert_eq!(queue.try_pop(), Err(TryPopError::Empty));
    assert!(matches!(queue.try_lease(), Err(TryPopError::Empty)));
}

#[test]
fn a_timed_pop_without_time_tries_once() {
    within_seconds(|| {
        let queue = full(4);
        assert_eq!(queue.pop_timeout(Duration::ZERO), Ok(0));
        assert_eq!(queue.pop_deadline(past()), Ok(1));
        let lease = queue.lease_timeout(Duration::ZERO).unwrap();
        assert_eq!(Lease::into_inner(lease), 2);
        let lease = queue.lease_deadline(past()).unwrap();
        assert_eq!(Lease::into_inner(lease), 3);

        let timeout = PopTimeoutError::Timeout;
        assert_eq!(queue.pop_timeout(Duration::ZERO), Err(timeout));
        assert_eq!(queue.pop_deadline(past()), Err(timeout));
        assert_eq!(queue.lease_timeout(Duration::ZERO).err(), Some(timeout));
        assert_eq!(queue.lease_deadline(past()).err(), Some(timeout));
    });
}

#[test]
fn a_timed_pop_waits_as_long_as_it_says() {
    within_seconds(|| {
        let queue = PriorityQueue::<u8>::new(1);
        let start = Instant::now();
        assert_eq!(queue.pop_timeout(SHORT), Err(PopTimeoutError::Timeout));
        assert!(start.elapsed() >= SHORT);
        let deadline = Instant::now() + SHORT;
        assert_eq!(queue.pop_deadline(deadline), Err(PopTimeoutError::Timeout));
        assert!(Instant::now() >= deadline);
        let start = Instant::now();
        let error = queue.lease_timeout(SHORT).err();
        assert_eq!(error, Some(PopTimeoutError::Timeout));
        assert!(start.elapsed() >= SHORT);
        let deadline = Instant::now() + SHORT;
        let error = queue.lease_deadline(deadline).err();
        assert_eq!(error, Some(PopTimeoutError::Timeout));
        assert!(Instant::now() >= deadline);
    });
}

#[test]
fn a_timed_pop_gets_the_item_that_comes() {
    within_seconds(|| {
        for timeout in [HOUR, Duration::MAX] {
            let queue = PriorityQueue::new(1);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                let popper = asleep(scope, || queue.pop_timeout(timeout));
                assert_eq!(queue.push(0, 'a'), Ok(()));
                assert_eq!(popper.join().unwrap(), Ok('a'));

                let popper = asleep(scope, || {
                    queue.lease_timeout(timeout).map(Lease::into_inner)
                });
                assert_eq!(queue.push(0, 'b'), Ok(()));
                assert_eq!(popper.join().unwrap(), Ok('b'));
            });
        }
    });
}

#[test]
fn a_pop_deadline_far_away_gets_the_item_that_comes() {
    within_seconds(|| {
        let queue = PriorityQueue::new(1);
        let deadline = Instant::now() + HOUR;
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let popper = asleep(scope, || queue.pop_deadline(deadline));
            assert_eq!(queue.push(0, 'a'), Ok(()));
            assert_eq!(popper.join().unwrap(), Ok('a'));

            let popper = asleep(scope, || {
                queue.lease_deadline(deadline).map(Lease::into_inner)
            });
            assert_eq!(queue.push(0, 'b'), Ok(()));
            assert_eq!(popper.join().unwrap(), Ok('b'));
        });
    });
}

#[test]
fn timed_poppers_that_overlap_each_leave_in_their_own_time() {
    within_seconds(|| {
        let queue = PriorityQueue::<u8>::new(1);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let forever = asleep(scope, || queue.pop_timeout(Duration::MAX));
            let short = scope.spawn(|| queue.pop_timeout(SHORT));
            assert_eq!(short.join().unwrap(), Err(PopTimeoutError::Timeout));
            assert!(!forever.is_finished());
            assert_eq!(queue.push(0, 1), Ok(()));
            assert_eq!(forever.join().unwrap(), Ok(1));
        });
    });
}

#[test]
fn try_iter_takes_what_is_ready_and_goes_on_later() {
    within_seconds(|| {
        let queue = PriorityQueue::new(4);
        queue.push_all([(0, 1), (1, 2)]).unwrap();
        let mut items = queue.try_iter();
        assert_eq!(items.by_ref().collect::<Vec<_>>(), [2, 1]);
        assert_eq!(queue.push(0, 3), Ok(()));
        assert_eq!((items.next(), items.next()), (Some(3), None));
        queue.close();
        assert_eq!(items.next(), None);
    });
}
