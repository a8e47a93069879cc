//! What is left of a queue that has ended: no thread, no payload, no result.

use std::cell::RefCell;
use std::sync::Barrier;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use taskshelf::{Attempt, Backoff, QueueOptions, ResultsPolicy, TaskQueue};

use crate::support::{Counted, Live, OsThread, until, within_seconds};

thread_local! {
    /// Lives as long as the worker that called the handler.
    static RESIDENT: RefCell<Option<Counted>> =
        const { RefCell::new(None) };
}

/// A queue whose workers have all run, and have left something that goes with
/// the thread.
fn all_awake(prefix: &str, residents: &Live) -> TaskQueue<u32, (), ()> {
    let (all, residents) = (Barrier::new(5), residents.clone());
    let queue = TaskQueue::new(
        move |_: &Attempt<'_, u32>| {
            RESIDENT.with_borrow_mut(|resident| {
                resident.get_or_insert_with(|| residents.one());
            });
            all.wait();
            Ok(())
        },
        QueueOptions::new(100, 5).thread_name(prefix),
    )
    .unwrap();
    queue.submit_all(0..5).unwrap();
    queue
}

fn no_thread_is_left(
    prefix: &'static str,
    end: impl FnOnce(TaskQueue<u32, (), ()>) + Send + 'static,
) {
    within_seconds(move || {
        let residents = Live::default();
        let queue = all_awake(prefix, &residents);
        queue.wait_idle();
        assert_eq!(residents.count(), 5);
        end(queue);
        // A thread that was joined has dropped what belonged to it.
        assert_eq!(residents.count(), 0);
        // The system may take a moment longer to forget its name.
        until(|| OsThread::named(prefix).is_empty());
    });
}

#[test]
fn drain_leaves_no_thread() {
    no_thread_is_left("lim-drain", |queue| assert_eq!(queue.drain().len(), 5));
}

#[test]
fn drain_timeout_leaves_no_thread() {
    no_thread_is_left("lim-timed", |queue| {
        assert_eq!(
            queue.drain_timeout(Duration::from_secs(60)).unwrap().len(),
            5
        );
    });
}

#[test]
fn abort_leaves_no_thread() {
    no_thread_is_left("lim-abort", |queue| assert_eq!(queue.abort().len(), 5));
}

#[test]
fn drop_leaves_no_thread() {
    no_thread_is_left("lim-drop", drop);
}

#[test]
fn unwinding_leaves_no_thread() {
    no_thread_is_left("lim-unwind", |queue| {
        let panic = std::panic::AssertUnwindSafe(|| {
            let _queue = queue;
            std::panic::resume_unwind(Box::new("the owner's"));
        });
        assert!(std::panic::catch_unwind(panic).is_err());
    });
}

/// Payloads whose senders are the only ones that the receiver has.
fn watched(count: usize) -> (Vec<Sender<()>>, Receiver<()>) {
    let (sender, receiver) = channel();
    (vec![sender; count], receiver)
}

#[test]
fn abort_drops_the_payloads_that_nobody_kept() {
    within_seconds(|| {
        let (payloads, receiver) = watched(20);
        let queue = TaskQueue::new(
            |_: &Attempt<'_, Sender<()>>| Err::<(), _>("again"),
            QueueOptions::new(20, 1)
                .backoff(Backoff::constant(Duration::MAX))
                .results(ResultsPolicy::Discard),
        )
        .unwrap();
        let submitter = queue.submitter();
        queue.submit_all(payloads).unwrap();
        assert!(queue.abort().is_empty());
        assert!(receiver.recv().is_err());
        assert!(submitter.is_closed());
    });
}

#[test]
fn aborted_payloads_go_with_their_results() {
    within_seconds(|| {
        let (payloads, receiver) = watched(20);
        let queue = TaskQueue::new(
            |_: &Attempt<'_, Sender<()>>| Err::<(), _>("again"),
            QueueOptions::new(20, 1).backoff(Backoff::constant(Duration::MAX)),
        )
        .unwrap();
        let submitter = queue.submitter();
        queue.submit_all(payloads).unwrap();
        let results = queue.abort();
        assert_eq!(results.len(), 20);
        assert!(
            receiver
                .try_recv()
                .is_err_and(|error| error != std::sync::mpsc::TryRecvError::Disconnected)
        );
        drop(results);
        assert!(receiver.recv().is_err());
        assert!(submitter.is_closed());
    });
}

#[test]
fn a_payload_is_gone_when_its_result_is_there() {
    within_seconds(|| {
        let live = Live::default();
        let queue = TaskQueue::new(
            |_: &Attempt<'_, _>| Ok::<_, ()>(()),
            QueueOptions::new(4, 2),
        )
        .unwrap();
        for _ in 0..500 {
            queue.submit_all([live.one(), live.one()]).unwrap();
            queue.wait_idle();
            assert_eq!(live.count(), 0);
        }
        assert_eq!(queue.drain().len(), 1000);
    });
}
