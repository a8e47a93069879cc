//! What the types of the queue and its errors can do.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};

use taskshelf::{
    CloseOnDrop, Iter, Lease, PopTimeoutError, PriorityQueue, PushAllError, PushError,
    PushTimeoutError, RetryError, TryIter, TryPopError, TryPushError,
};

/// Neither `Debug`, `Clone` nor `Sync`.
struct Plain(PhantomData<Cell<u8>>);

#[test]
fn debug_asks_nothing_of_the_item() {
    let queue = PriorityQueue::new(2);
    assert!(queue.push(0, Plain(PhantomData)).is_ok());
    assert!(format!("{queue:?}").contains("PriorityQueue"));
    assert!(format!("{:?}", queue.iter()).starts_with("Iter"));
    assert!(format!("{:?}", queue.try_iter()).starts_with("TryIter"));
    assert!(format!("{:?}", queue.close_on_drop()).contains("CloseOnDrop"));
}

#[test]
fn a_queue_can_be_shared_whenever_its_items_can_be_sent() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<PriorityQueue<Plain>>();
    sent::<Lease<'_, Plain>>();
    sent::<Iter<'_, Plain>>();
    sent::<CloseOnDrop<'_, Plain>>();
    shared::<Lease<'_, u8>>();
}

#[test]
fn a_queue_may_be_used_across_a_caught_panic() {
    fn unwinds<T: UnwindSafe + RefUnwindSafe>() {}
    unwinds::<PriorityQueue<Plain>>();
    unwinds::<PriorityQueue<&mut u8>>();
    unwinds::<Iter<'_, Plain>>();
    unwinds::<TryIter<'_, Plain>>();
}

#[test]
fn every_error_is_an_error_whatever_the_item() {
    fn is_error<E: Error + fmt::Debug>() {}
    is_error::<PushError<Plain>>();
    is_error::<RetryError<Plain>>();
    is_error::<TryPushError<Plain>>();
    is_error::<PushTimeoutError<Plain>>();
    is_error::<PushAllError<Plain>>();
    is_error::<TryPopError>();
    is_error::<PopTimeoutError>();
}

#[test]
fn debug_text_of_an_error_names_it_and_asks_nothing_of_the_item() {
    let item = || Plain(PhantomData);
    let texts = [
        (format!("{:?}", PushError(item())), "PushError"),
        (format!("{:?}", RetryError(item())), "RetryError"),
        (format!("{:?}", TryPushError::Full(item())), "Full"),
        (format!("{:?}", TryPushError::Closed(item())), "Closed"),
        (
            format!("{:?}", PushTimeoutError::Timeout(item())),
            "Timeout",
        ),
        (format!("{:?}", PushTimeoutError::Closed(item())), "Closed"),
    ];
    for (text, name) in texts {
        assert!(text.contains(name), "{name:?} is not in {text:?}");
    }

    let queue = PriorityQueue::new(1);
    queue.close();
    let refused = queue.push_all((0..37).map(|_| (0, item()))).unwrap_err();
    let text = format!("{refused:?}");
    assert!(
        text.contains("PushAllError") && text.contains("37"),
        "{text}"
    );
}

#[test]
fn every_error_gives_its_item_back() {
    assert_eq!(PushError(1).into_inner(), 1);
    assert_eq!(RetryError(1).into_inner(), 1);
    assert_eq!(TryPushError::Full(1).into_inner(), 1);
    assert_eq!(TryPushError::Closed(1).into_inner(), 1);
    assert_eq!(PushTimeoutError::Timeout(1).into_inner(), 1);
    assert_eq!(PushTimeoutError::Closed(1).into_inner(), 1);
    assert_eq!((PushError(2).0, RetryError(3).0), (2, 3));
}

#[test]
fn every_predicate_tells_the_variants_apart() {
    let full = TryPushError::Full(());
    assert_eq!((full.is_full(), full.is_closed()), (true, false));
    let closed = TryPushError::Closed(());
    assert_eq!((closed.is_full(), closed.is_closed()), (false, true));
    let timeout = PushTimeoutError::Timeout(());
    assert_eq!((timeout.is_timeout(), timeout.is_closed()), (true, false));
    let closed = PushTimeoutError::Closed(());
    assert_eq!((closed.is_timeout(), closed.is_closed()), (false, true));
    let empty = TryPopError::Empty;
    assert_eq!((empty.is_empty(), empty.is_closed()), (true, false));
    let closed = TryPopError::Closed;
    assert_eq!((closed.is_empty(), closed.is_closed()), (false, true));
    let timeout = PopTimeoutError::Timeout;
    assert_eq!((timeout.is_timeout(), timeout.is_closed()), (true, false));
    let closed = PopTimeoutError::Closed;
    assert_eq!((closed.is_timeout(), closed.is_closed()), (false, true));
}

#[test]
fn every_error_says_what_happened() {
    let closed = [
        PushError(1).to_string(),
        TryPushError::Closed(1).to_string(),
        PushTimeoutError::Closed(1).to_string(),
        RetryError(1).to_string(),
        TryPopError::Closed.to_string(),
        PopTimeoutError::Closed.to_string(),
    ];
    for text in closed {
        assert!(text.starts_with("queue is closed"), "{text}");
    }
    assert_eq!(TryPushError::Full(1).to_string(), "queue is full");
    assert!(
        PushTimeoutError::Timeout(1)
            .to_string()
            .starts_with("timed out")
    );
    assert!(
        PopTimeoutError::Timeout
            .to_string()
            .starts_with("timed out")
    );

    let queue = PriorityQueue::new(1);
    queue.close();
    let text = queue.push_all([(0, 1), (0, 2)]).unwrap_err().to_string();
    assert!(
        text.contains("closed") && text.contains('0') && text.contains('2'),
        "{text}"
    );
}
