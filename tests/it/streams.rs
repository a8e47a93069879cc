//! Who may be the first to ask for results, which turns those that were kept
//! into a stream: each is received once all the same.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;

use taskshelf::{Attempt, BackpressureStrategy, QueueOptions, TaskQueue};

use crate::support::{
    Count, Echo, Gate, Recorder, gated, sorted_values, until, values, within_seconds,
};

/// Receives what is there.
fn receive<P>(queue: &TaskQueue<P, u32, &'static str>, seen: &Recorder<u32>) {
    let results = queue.results().try_iter().collect();
    values(results)
        .into_iter()
        .for_each(|value| seen.note(value));
}

/// Receives the results of a queue that is done, and checks that together with
/// those seen already they are `expected`.
#[track_caller]
fn assert_each_seen_once<P: Send + 'static>(
    queue: Arc<TaskQueue<P, u32, &'static str>>,
    seen: &Recorder<u32>,
    expected: std::ops::Range<u32>,
) {
    queue.wait_idle();
    receive(&queue, seen);
    let left = Arc::into_inner(queue).unwrap().drain();
    assert_eq!(left.len(), 0);
    let mut seen = seen.events();
    seen.sort();
    assert_eq!(seen, expected.collect::<Vec<_>>());
}

#[test]
fn a_handler_may_be_the_first_to_ask_for_results() {
    for workers in [1, 3] {
        within_seconds(move || {
            let (own, seen) = (Arc::new(OnceLock::<Weak<Echo>>::new()), Recorder::new());
            let handler = {
                let (own, seen) = (Arc::clone(&own), seen.clone());
                move |attempt: &Attempt<'_, u32>| {
                    until(|| own.get().is_some());
                    if attempt.payload >= 20 && attempt.payload % 5 == 0 {
                        receive(&own.get().unwrap().upgrade().unwrap(), &seen);
                    }
                    Ok(attempt.payload)
                }
            };
            let queue = TaskQueue::new(handler, QueueOptions::new(50, workers)).unwrap();
            let queue = Arc::new(queue);
            own.set(Arc::downgrade(&queue)).unwrap();
            queue.submit_all(0..50).unwrap();
            queue.wait_idle();
            if workers == 1 {
                // The last who asked found all that came before it.
                assert_eq!(seen.events(), (0..45).collect::<Vec<_>>());
            }
            assert_each_seen_once(queue, &seen, 0..50);
        });
    }
}

#[test]
fn a_payloads_destructor_may_be_the_first_to_ask_for_results() {
    type Own = Arc<OnceLock<Weak<TaskQueue<Asks, u32, &'static str>>>>;

    /// Asks when it is dropped, if it is to.
    struct Asks(u32, Option<Own>, Recorder<u32>);

    impl Drop for Asks {
        fn drop(&mut self) {
            if let Some(own) = &self.1 {
                until(|| own.get().is_some());
                receive(&own.get().unwrap().upgrade().unwrap(), &self.2);
            }
        }
    }

    for workers in [1, 3] {
        within_seconds(move || {
            let (own, seen) = (Own::default(), Recorder::new());
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, Asks>| Ok(attempt.payload.0),
                QueueOptions::new(50, workers),
            );
            let queue = Arc::new(queue.unwrap());
            own.set(Arc::downgrade(&queue)).unwrap();
            let payload = |number| {
                let asks = number >= 20 && number % 5 == 0;
                Asks(number, asks.then(|| Arc::clone(&own)), seen.clone())
            };
            queue.submit_all((0..50).map(payload)).unwrap();
            assert_each_seen_once(queue, &seen, 0..50);
        });
    }
}

#[test]
fn what_is_drained_may_be_the_first_to_ask_another_queue_for_results() {
    /// Asks when it is dropped.
    struct Asks(Arc<Echo>, Recorder<u32>);

    impl Drop for Asks {
        fn drop(&mut self) {
            receive(&self.0, &self.1);
        }
    }

    within_seconds(|| {
        let (queue, gate) = gated(50, BackpressureStrategy::Block);
        queue.submit_all(1..50).unwrap();
        gate.open();
        let (queue, seen) = (Arc::new(queue), Recorder::new());
        let handler = {
            let (queue, seen) = (Arc::clone(&queue), seen.clone());
            move |attempt: &Attempt<'_, u64>| {
                until(|| queue.stats().settled >= attempt.payload);
                Ok::<_, &str>(Asks(Arc::clone(&queue), seen.clone()))
            }
        };
        let asking = TaskQueue::new(handler, QueueOptions::new(4, 1)).unwrap();
        asking.submit_all([1, 5, 10]).unwrap();
        drop(asking.drain());
        assert!(seen.events().len() >= 10);
        assert_each_seen_once(queue, &seen, 0..50);
    });
}

#[test]
fn many_threads_may_be_the_first_to_ask_for_results() {
    within_seconds(|| {
        for round in 0..400 {
            let (ran, ready) = (Arc::new(AtomicU32::new(0)), AtomicU32::new(0));
            let (asked, last) = (Count::new(), Gate::new());
            let handler = {
                let (ran, last) = (Arc::clone(&ran), last.clone());
                move |attempt: &Attempt<'_, u32>| {
                    ran.fetch_add(1, Ordering::SeqCst);
                    if attempt.payload == 499 {
                        last.pass();
                    }
                    Ok(attempt.payload)
                }
            };
            let queue: Echo = TaskQueue::new(handler, QueueOptions::new(500, 2)).unwrap();
            let ask = || {
                until(|| ran.load(Ordering::SeqCst) >= round);
                // In every other round they come at once, kept apart neither by a
                // lock nor by a wake-up; else the first to come meets the workers.
                if round % 2 == 0 {
                    ready.fetch_add(1, Ordering::SeqCst);
                    until(|| {
                        (0..1000).any(|_| {
                            std::hint::spin_loop();
                            ready.load(Ordering::SeqCst) == 4
                        })
                    });
                }
                let results = queue.results();
                asked.add();
                results.iter().collect::<Vec<_>>()
            };
            let results = thread::scope(|scope| {
                let threads = [(); 4].map(|()| scope.spawn(ask));
                queue.submit_all(0..500).unwrap();
                // The last task runs until all have asked.
                asked.at_least(4);
                last.open();
                queue.close();
                threads.map(|thread| thread.join().unwrap())
            });
            let results = results.into_iter().flatten().collect();
            assert_eq!(sorted_values(results), (0..500).collect::<Vec<_>>());
            assert_eq!(queue.drain(), []);
        }
    });
}
