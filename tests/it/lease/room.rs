//! What comes back is never refused; what is new waits for room.

use std::thread;
use std::time::Duration;

use taskshelf::{Lease, TryPushError};

use super::{ms, put_back, shelf_of};
use crate::support::{HOUR, asleep, within_seconds};

#[test]
fn what_comes_back_is_never_refused_for_want_of_room() {
    within_seconds(|| {
        let queue = shelf_of(2, ['a', 'b']);
        let first = queue.lease().unwrap();
        let second = queue.lease().unwrap();
        assert_eq!(queue.push_all([(0, 'c'), (0, 'd')]), Ok(2));
        assert_eq!(Lease::retry_after(first, Duration::ZERO), Ok(()));
        assert_eq!(Lease::retry_after(second, Duration::ZERO), Ok(()));
        assert_eq!((queue.len(), queue.is_full()), (4, true));
        queue.close();
        assert_eq!(queue.iter().collect::<String>(), "cdab");
    });
}

#[test]
fn new_items_wait_until_there_is_room_again_below_the_capacity() {
    within_seconds(|| {
        let queue = shelf_of(1, ['a']);
        let lease = queue.lease().unwrap();
        assert_eq!(queue.push(0, 'b'), Ok(()));
        assert_eq!(Lease::retry_after(lease, Duration::ZERO), Ok(()));
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.try_push(0, 'c'), Err(TryPushError::Full('c')));
        assert_eq!(queue.pop(), Some('b'));
        assert_eq!(queue.try_push(0, 'c'), Err(TryPushError::Full('c')));
        assert_eq!(queue.pop(), Some('a'));
        assert_eq!(queue.try_push(0, 'c'), Ok(()));
    });
}

#[test]
fn what_waits_for_its_time_holds_its_slot() {
    within_seconds(|| {
        let queue = shelf_of(1, ['a']);
        put_back(&queue, HOUR);
        assert!(queue.is_full());
        assert_eq!(queue.try_push(0, 'b'), Err(TryPushError::Full('b')));
        assert!(queue.push_timeout(0, 'b', ms(1)).is_err());
    });
}

#[test]
fn a_slot_that_was_held_reaches_a_blocked_pusher() {
    within_seconds(|| {
        let queue = shelf_of(1, ['a']);
        put_back(&queue, ms(5));
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let pusher = asleep(scope, || queue.push(0, 'b'));
            assert_eq!(queue.pop(), Some('a'));
            assert_eq!(pusher.join().unwrap(), Ok(()));
            assert_eq!(queue.pop(), Some('b'));
        });
    });
}

#[test]
fn blocked_pushers_get_in_once_a_queue_beyond_its_capacity_is_below_it() {
    within_seconds(|| {
        let queue = shelf_of(2, ['a', 'b']);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let (a, b) = (queue.lease().unwrap(), queue.lease().unwrap());
            assert_eq!(queue.push_all([(0, 'c'), (0, 'd')]), Ok(2));
            let pushers = [(); 2].map(|()| asleep(scope, || queue.push(0, 'e')));
            assert_eq!(Lease::retry_after(a, Duration::ZERO), Ok(()));
            assert_eq!(Lease::retry_after(b, Duration::ZERO), Ok(()));
            for expected in ['c', 'd', 'a', 'b'] {
                assert_eq!(queue.pop(), Some(expected));
            }
            for pusher in pushers {
                assert_eq!(pusher.join().unwrap(), Ok(()));
            }
        });
    });
}
