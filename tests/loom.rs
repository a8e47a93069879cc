//! Models of the wake-ups and of the shutdown protocol. `cargo loom` runs them.

#[cfg(not(loom))]
#[test]
#[ignore = "runs with `cargo loom`, to tell whether the models do"]
fn the_models_are_compiled_in() {
    panic!("the models were not compiled in: RUSTFLAGS in the environment overrides `--cfg loom`");
}

#[cfg(loom)]
mod models {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool as StdBool, Ordering::SeqCst};
    use std::sync::{Arc, Mutex as StdMutex};
    use std::time::Duration;

    use loom::sync::{Condvar, Mutex};
    use loom::thread;
    use taskshelf::model::advance;
    use taskshelf::{
        Attempt, Backoff, Lease, PopTimeoutError, PriorityQueue, PushTimeoutError, QueueOptions,
        ResultsPolicy, RetryWaits, SubmitError, Submitted, TaskQueue, TryPushError,
    };

    const SECOND: Duration = Duration::from_secs(1);

    /// Explores every schedule with up to three preemptions;
    /// `LOOM_MAX_PREEMPTIONS` says otherwise.
    fn model(body: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 20_000;
        builder.preemption_bound.get_or_insert(3);
        builder.check(body);
    }

    /// Runs a model that says how each execution went; all of `expected`, and
    /// nothing else, must have happened.
    fn outcomes<O>(
        expected: impl IntoIterator<Item = O>,
        body: impl Fn() -> O + Send + Sync + 'static,
    ) where
        O: Ord + Send + std::fmt::Debug + 'static,
    {
        let seen = Arc::new(StdMutex::new(BTreeSet::new()));
        let sink = Arc::clone(&seen);
        model(move || {
            let outcome = body();
            sink.lock().unwrap().insert(outcome);
        });
        assert_eq!(*seen.lock().unwrap(), expected.into_iter().collect());
    }

    /// Lets two handlers meet. A model's own synchronisation.
    #[derive(Default)]
    struct Meeting(Mutex<u32>, Condvar);

    impl Meeting {
        fn meet(&self, number: u32) {
            let mut here = self.0.lock().unwrap();
            *here += 1;
            self.1.notify_all();
            while *here < number {
                here = self.1.wait(here).unwrap();
            }
        }
    }

    // A hang here would mean that a worker slept through the close.
    #[test]
    fn a_closed_queue_gives_everything_and_ends() {
        model(|| {
            let queue = Arc::new(PriorityQueue::new(2));
            let popper = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.iter().collect::<Vec<i32>>())
            };
            queue.push(0, 1).unwrap();
            queue.push(1, 2).unwrap();
            queue.close();
            let mut popped = popper.join().unwrap();
            popped.sort();
            assert_eq!(popped, [1, 2]);
        });
    }

    // A hang here would mean that one of the results was never published, or
    // that the worker slept through the close.
    #[test]
    fn drain_returns_every_result() {
        model(|| {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| Ok::<_, ()>(attempt.payload),
                QueueOptions::new(2, 1),
            )
            .unwrap();
            queue.submit(1).unwrap();
            queue.submit(2).unwrap();
            assert_eq!(queue.drain().len(), 2);
        });
    }

    // A hang here would mean that the close woke one of two sleepers, or that a
    // sleeper was called for an item that another had taken, and nobody else was.
    #[test]
    fn close_ends_two_consumers_and_loses_nothing() {
        model(|| {
            let queue = Arc::new(PriorityQueue::new(2));
            let poppers = [(); 2].map(|()| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.iter().collect::<Vec<i32>>())
            });
            queue.push(0, 1).unwrap();
            queue.push(1, 2).unwrap();
            queue.close();
            let mut popped: Vec<i32> = poppers
                .into_iter()
                .flat_map(|p| p.join().unwrap())
                .collect();
            popped.sort();
            assert_eq!(popped, [1, 2]);
        });
    }

    // A hang here would mean that the pop freed a slot and called nobody, or
    // that the close left a submitter asleep.
    #[test]
    fn a_blocked_push_ends_with_room_or_with_the_close() {
        outcomes([(false, false), (true, false), (true, true)], || {
            let queue = Arc::new(PriorityQueue::new(1));
            queue.push(0, 0).unwrap();
            let pusher = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.push(0, 1).is_ok())
            };
            let popper = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || (queue.pop(), queue.try_pop().ok()))
            };
            queue.close();
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

    // A hang here would mean that of two freed slots one was left to a
    // submitter that nobody woke. Nothing is closed until both are in.
    #[test]
    fn two_blocked_pushes_get_two_freed_slots() {
        model(|| {
            let queue = Arc::new(PriorityQueue::new(2));
            queue.push_all([(0, 0), (0, 0)]).unwrap();
            let pushers = [(); 2].map(|()| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.push(0, 1).unwrap())
            });
            let mut buffer = Vec::new();
            let mut popped = queue.pop_many(&mut buffer, 2);
            pushers.into_iter().for_each(|p| p.join().unwrap());
            assert!(queue.len() <= 2);
            popped += queue.abort().len();
            assert_eq!(popped, 4);
        });
    }

    // A hang here would mean that the call for the one slot went to a submitter
    // whose time ran out, and that it was not passed on.
    #[test]
    fn a_slot_that_a_timed_out_push_was_called_for_goes_to_the_next() {
        outcomes([true, false], || {
            let queue = Arc::new(PriorityQueue::new(1));
            queue.push(0, 0).unwrap();
            let timed = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || match queue.push_timeout(0, 1, SECOND) {
                    Ok(()) => true,
                    Err(PushTimeoutError::Timeout(1)) => false,
                    Err(error) => panic!("{error}"),
                })
            };
            let patient = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.push(0, 2).unwrap())
            };
            let clock = thread::spawn(|| advance(Duration::MAX));
            assert_eq!(queue.pop(), Some(0));
            // One of the two is in by now, or on its way.
            let first = queue.pop().unwrap();
            clock.join().unwrap();
            let timed = timed.join().unwrap();
            let others = if timed { 1 } else { 0 };
            for _ in 0..others {
                queue.pop().unwrap();
            }
            patient.join().unwrap();
            assert!(first == 1 || first == 2);
            assert!(queue.is_empty());
            timed
        });
    }

    // A hang here would mean that nobody watched the due time: the watcher was
    // called away, or left, and did not hand over.
    #[test]
    fn a_due_retry_wakes_one_of_two_consumers() {
        model(|| {
            let queue = Arc::new(PriorityQueue::new(1));
            queue.push(0, 7).unwrap();
            let consumers = [(); 2].map(|()| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    let mut done = 0;
                    while let Some(lease) = queue.lease() {
                        if Lease::retries(&lease) < 1 {
                            Lease::retry_after(lease, SECOND).unwrap();
                        } else {
                            done += 1;
                        }
                    }
                    done
                })
            });
            queue.close();
            advance(Duration::MAX);
            let done: u32 = consumers.into_iter().map(|c| c.join().unwrap()).sum();
            assert_eq!(done, 1);
        });
    }

    // A hang here would mean that the watcher, called for the second item (or
    // for the earlier time), left the other due time unwatched.
    #[test]
    fn an_earlier_due_time_is_watched_too() {
        model(|| {
            let queue = Arc::new(PriorityQueue::new(2));
            queue.push(0, 2).unwrap();
            queue.push(0, 1).unwrap();
            let (two, one) = (queue.lease().unwrap(), queue.lease().unwrap());
            let popper = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.pop().unwrap())
            };
            Lease::retry_after(two, 2 * SECOND).unwrap();
            Lease::retry_after(one, SECOND).unwrap();
            advance(SECOND);
            assert_eq!(popper.join().unwrap(), 1);
            advance(SECOND);
            assert_eq!(queue.try_pop(), Ok(2));
        });
    }

    // A hang here would mean that a watcher whose own deadline came first left
    // without handing the watch over.
    #[test]
    fn a_watcher_that_times_out_hands_over() {
        outcomes(
            [Ok(7), Err(PopTimeoutError::Timeout)].map(|o| o.is_ok()),
            || {
                let queue = Arc::new(PriorityQueue::new(1));
                queue.push(0, 7).unwrap();
                Lease::retry_after(queue.lease().unwrap(), 2 * SECOND).unwrap();
                let hasty = {
                    let queue = Arc::clone(&queue);
                    thread::spawn(move || {
                        let got = queue.pop_timeout(SECOND);
                        if got.is_ok() {
                            queue.push(0, 8).unwrap();
                        }
                        got.is_ok()
                    })
                };
                let patient = {
                    let queue = Arc::clone(&queue);
                    thread::spawn(move || queue.pop().unwrap())
                };
                advance(SECOND);
                advance(Duration::MAX);
                let hasty = hasty.join().unwrap();
                assert_eq!(patient.join().unwrap(), if hasty { 8 } else { 7 });
                hasty
            },
        );
    }

    // A hang here would mean that a consumer was left asleep with an item
    // ready: both are needed, for the two items wait for each other.
    #[test]
    fn no_consumer_sleeps_while_something_is_ready() {
        model(|| {
            let queue = Arc::new(PriorityQueue::new(2));
            let meeting = Arc::new(Meeting::default());
            let consumers = [(); 2].map(|()| {
                let (queue, meeting) = (Arc::clone(&queue), Arc::clone(&meeting));
                thread::spawn(move || {
                    queue.pop().unwrap();
                    meeting.meet(2);
                })
            });
            queue.push(0, 1).unwrap();
            queue.push(0, 2).unwrap();
            consumers.into_iter().for_each(|c| c.join().unwrap());
        });
    }

    // The same for one push of both: one call has to lead to the next.
    #[test]
    fn one_call_leads_to_the_next() {
        model(|| {
            let queue = Arc::new(PriorityQueue::new(2));
            let meeting = Arc::new(Meeting::default());
            let consumers = [(); 2].map(|()| {
                let (queue, meeting) = (Arc::clone(&queue), Arc::clone(&meeting));
                thread::spawn(move || {
                    queue.pop().unwrap();
                    meeting.meet(2);
                })
            });
            queue.push_all([(0, 1), (0, 2)]).unwrap();
            consumers.into_iter().for_each(|c| c.join().unwrap());
        });
    }

    // A hang here would mean that an idle moment was missed, or that a settle
    // did not look for those who wait for it.
    #[test]
    fn join_returns_after_the_last_settle() {
        model(|| {
            let queue = Arc::new(PriorityQueue::new(2));
            queue.push_all([(0, 1), (0, 2)]).unwrap();
            let done = Arc::new(StdBool::new(false));
            let worker = {
                let (queue, done) = (Arc::clone(&queue), Arc::clone(&done));
                thread::spawn(move || {
                    let lease = queue.lease().unwrap();
                    let lease = Lease::next(lease).unwrap();
                    done.store(true, SeqCst);
                    drop(lease);
                    // The queue is not idle for long.
                    queue.push(0, 3).unwrap();
                })
            };
            let other = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.join_timeout(SECOND))
            };
            // Only one of two joiners can be stuck with the item that comes later.
            advance(Duration::MAX);
            let _ = other.join().unwrap();
            worker.join().unwrap();
            assert!(done.load(SeqCst));
            assert_eq!(queue.pop(), Some(3));
            queue.join();
        });
    }

    // A hang here would mean that a moment of idleness was missed by a joiner
    // that slept through it.
    #[test]
    fn join_returns_even_if_the_idle_moment_is_over() {
        model(|| {
            let queue = Arc::new(PriorityQueue::new(1));
            queue.push(0, 1).unwrap();
            let lease = queue.lease().unwrap();
            let joiner = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.join())
            };
            let asleep = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.join_timeout(Duration::MAX))
            };
            drop(lease);
            queue.push(0, 2).unwrap();
            // Both were asleep at the idle moment, or the second item traps
            // them until it is popped.
            assert_eq!(queue.pop(), Some(2));
            joiner.join().unwrap();
            assert!(asleep.join().unwrap());
        });
    }

    // A hang here would mean that an abort left a lease-holder's queue waiting;
    // a wrong count that an item was handed out twice, or to nobody.
    #[test]
    fn an_aborted_queue_hands_out_a_retried_item_once() {
        outcomes([true, false], || {
            let queue = Arc::new(PriorityQueue::new(1));
            queue.push(0, 7).unwrap();
            let worker = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || match queue.lease() {
                    Some(lease) => Lease::retry_after(lease, SECOND).is_err(),
                    None => false,
                })
            };
            let popper = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.pop())
            };
            let left = queue.abort();
            let refused = worker.join().unwrap();
            let popped = popper.join().unwrap();
            queue.join();
            assert_eq!(
                left.len() + usize::from(refused) + usize::from(popped.is_some()),
                1
            );
            refused
        });
    }

    // A hang here would mean that drain waited for a delay that the cancel had
    // ended, or for results that nobody publishes; a missing result, that the
    // drain collected before the canceller had published.
    fn cancel_while_draining(waits: RetryWaits) {
        outcomes([0, 1], move || {
            let queue = TaskQueue::new(
                |_: &Attempt<'_, u32>| Err::<(), _>("no"),
                QueueOptions::new(2, 1)
                    .backoff(Backoff::constant(SECOND))
                    .max_retries(1)
                    .retry_waits(waits),
            )
            .unwrap();
            queue.submit_all([1, 2]).unwrap();
            let submitter = queue.submitter();
            let drainer = thread::spawn(move || queue.drain());
            submitter.cancel();
            // Whatever the drainer sees, the books say the same.
            let results = drainer.join().unwrap();
            let stats = submitter.stats();
            assert_eq!(results.len(), 2);
            assert_eq!((stats.accepted, stats.settled), (2, 2));
            let aborted = results
                .iter()
                .filter(|r| r.outcome.as_ref().is_err_and(|f| f.error.is_aborted()))
                .count();
            assert_eq!(stats.aborted, aborted as u64);
            assert_eq!(stats.failed, 2 - aborted as u64);
            for result in &results {
                let aborted = result.outcome.as_ref().is_err_and(|f| f.error.is_aborted());
                assert!(result.attempts == 1 || (aborted && result.attempts == 0));
            }
            let one = results.iter().any(|r| r.attempts == 1);
            usize::from(one)
        });
    }

    #[test]
    fn cancel_ends_a_drain_and_every_task_has_its_result() {
        cancel_while_draining(RetryWaits::FreeWorker);
    }

    #[test]
    fn cancel_ends_a_delay_in_a_workers_hands() {
        cancel_while_draining(RetryWaits::HoldWorker);
    }

    // A hang here would mean that two cancellers wait for each other, or that
    // one found the publisher gone with tasks in its hands.
    #[test]
    fn two_cancels_publish_each_task_once() {
        model(|| {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| Ok::<_, ()>(attempt.payload),
                QueueOptions::new(2, 1),
            )
            .unwrap();
            queue.submit_all([1, 2]).unwrap();
            let submitter = queue.submitter();
            let canceller = thread::spawn(move || submitter.cancel());
            let results = queue.abort();
            canceller.join().unwrap();
            assert_eq!(results.len(), 2);
        });
    }

    // A hang here would mean that the stream of results does not end when the
    // last worker leaves, be it because a canceller still holds the sender.
    #[test]
    fn the_stream_of_results_ends() {
        model(|| {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| Ok::<_, ()>(attempt.payload),
                QueueOptions::new(2, 1),
            )
            .unwrap();
            let (submitter, results) = (queue.submitter(), queue.results());
            queue.submit(1).unwrap();
            queue.close();
            let canceller = thread::spawn(move || submitter.cancel());
            assert_eq!(results.iter().count(), 1);
            canceller.join().unwrap();
        });
    }

    // A hang here would mean that a task was accepted after the last worker
    // had left.
    #[test]
    fn a_submit_that_races_a_drain_is_run_or_refused() {
        outcomes([true, false], || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| Ok::<_, ()>(attempt.payload),
                QueueOptions::new(1, 2),
            )
            .unwrap();
            let submitter = queue.submitter();
            let producer = thread::spawn(move || match submitter.submit(1) {
                Ok(Submitted::Accepted(_)) => true,
                Err(SubmitError::Closed(task)) => task.payload != 1,
                other => panic!("{other:?}"),
            });
            let results = queue.drain();
            let accepted = producer.join().unwrap();
            assert_eq!(results.len(), usize::from(accepted));
            accepted
        });
    }

    // A hang here would mean that the workers left while a handler could still
    // add a task, or that nobody was called for it.
    #[test]
    fn a_handler_adds_tasks_while_the_queue_drains() {
        model(|| {
            let meeting = Arc::new(Meeting::default());
            let queue = TaskQueue::new(
                move |attempt: &Attempt<'_, u32>| {
                    match attempt.payload {
                        0 => {
                            attempt.submit(1).unwrap();
                            // The child needs the other worker.
                            meeting.meet(2);
                        }
                        _ => meeting.meet(2),
                    }
                    Ok::<_, ()>(())
                },
                QueueOptions::new(1, 2),
            )
            .unwrap();
            queue.submit(0).unwrap();
            assert_eq!(queue.drain().len(), 2);
        });
    }

    // A hang here would mean that the worker waits for room for its own retry.
    #[test]
    fn a_retry_does_not_wait_for_room() {
        model(|| {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| match (attempt.payload, attempt.number()) {
                    (0, 1) => Err("again"),
                    _ => Ok(()),
                },
                QueueOptions::new(1, 1).backoff(Backoff::constant(SECOND)),
            )
            .unwrap();
            queue.submit(0).unwrap();
            let submitter = queue.submitter();
            let producer = thread::spawn(move || submitter.submit(1).unwrap());
            let clock = thread::spawn(|| advance(Duration::MAX));
            producer.join().unwrap();
            clock.join().unwrap();
            let results = queue.drain();
            assert_eq!(results.len(), 2);
            assert!(results.iter().all(|r| r.outcome.is_ok()));
        });
    }

    // A wrong sum here would mean that a change of the books is made in two
    // critical sections; a missing result, that a task was settled first.
    #[test]
    fn every_snapshot_balances_and_settled_results_are_there() {
        model(|| {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| match attempt.number() {
                    1 => Err("again"),
                    _ => Ok(()),
                },
                QueueOptions::new(2, 1).backoff(Backoff::none()),
            )
            .unwrap();
            let (submitter, results) = (queue.submitter(), queue.results());
            let observer = thread::spawn(move || {
                for _ in 0..2 {
                    let stats = submitter.stats();
                    assert!(results.len() as u64 >= stats.settled);
                    assert_eq!(
                        stats.accepted,
                        stats.ready + stats.waiting + stats.running + stats.settled
                    );
                }
            });
            queue.submit(1).unwrap();
            queue.wait_idle();
            assert_eq!(queue.stats().retries, 1);
            assert_eq!(queue.results().len(), 1);
            observer.join().unwrap();
            assert_eq!(queue.drain().len(), 1);
        });
    }

    // A hang here would mean that the time ran out, and that the drain that
    // follows waits for a wake-up that was spent on the first.
    #[test]
    fn a_drain_that_ran_out_of_time_can_go_on() {
        outcomes([true, false], || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| Ok::<_, ()>(attempt.payload),
                QueueOptions::new(1, 1),
            )
            .unwrap();
            queue.submit(1).unwrap();
            let clock = thread::spawn(|| advance(Duration::MAX));
            let (in_time, results) = match queue.drain_timeout(SECOND) {
                Ok(results) => (true, results),
                Err(queue) => (false, queue.drain()),
            };
            clock.join().unwrap();
            assert_eq!(results.len(), 1);
            in_time
        });
    }

    // A hang here would mean that a cancel forgot the submitters that sleep.
    #[test]
    fn cancel_ends_a_blocked_submit() {
        outcomes([true, false], || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| Ok::<_, ()>(attempt.payload),
                QueueOptions::new(1, 1).results(ResultsPolicy::Discard),
            )
            .unwrap();
            queue.submit(1).unwrap();
            let submitter = queue.submitter();
            let producer = thread::spawn(move || submitter.submit(2).is_ok());
            queue.cancel();
            let accepted = producer.join().unwrap();
            let submitter = queue.submitter();
            drop(queue);
            let stats = submitter.stats();
            assert_eq!(stats.settled, 1 + u64::from(accepted));
            assert_eq!(stats.refused, u64::from(!accepted));
            accepted
        });
    }

    // A hang here would mean that a delay in a worker's hands does not end with
    // its time, or that its room is not given to the submitter that waits.
    #[test]
    fn a_held_task_gives_its_room_up_when_it_is_due() {
        model(|| {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| match (attempt.payload, attempt.number()) {
                    (0, 1) => Err("again"),
                    _ => Ok(()),
                },
                QueueOptions::new(1, 1)
                    .backoff(Backoff::constant(SECOND))
                    .retry_waits(RetryWaits::HoldWorker),
            )
            .unwrap();
            queue.submit(0).unwrap();
            let submitter = queue.submitter();
            let producer = thread::spawn(move || submitter.submit(1).unwrap());
            let clock = thread::spawn(|| advance(Duration::MAX));
            producer.join().unwrap();
            clock.join().unwrap();
            let results = queue.drain();
            assert_eq!(results.len(), 2);
            assert_eq!(results[0].attempts + results[1].attempts, 3);
        });
    }

    // A task accepted here would mean that one that waits in its worker's hands
    // takes up no room, and that an outage does not slow submitters down.
    #[test]
    fn a_held_task_takes_up_room() {
        outcomes([true, false], || {
            let queue = TaskQueue::new(
                |_: &Attempt<'_, u32>| Err::<(), _>("no"),
                QueueOptions::new(1, 1)
                    .backoff(Backoff::constant(SECOND))
                    .retry_waits(RetryWaits::HoldWorker),
            )
            .unwrap();
            queue.submit(0).unwrap();
            let held = queue.stats().waiting == 1;
            let full = queue.try_submit(1).is_err();
            assert!(full || !held);
            let _ = queue.abort();
            held
        });
    }

    // A hang here would mean that the clock's last move leaves waits that begin
    // after it to wait for ever.
    #[test]
    fn all_the_time_there_is_has_passed_for_later_waits_too() {
        model(|| {
            advance(Duration::MAX);
            let queue = PriorityQueue::new(1);
            assert_eq!(queue.pop_timeout(SECOND), Err(PopTimeoutError::Timeout));
            queue.push(0, 1).unwrap();
            Lease::retry_after(queue.lease().unwrap(), SECOND).unwrap();
            assert_eq!(queue.pop(), Some(1));
            assert!(queue.join_timeout(SECOND));
        });
    }

    // A hang here would mean that a queue dropped on its own worker joins it.
    #[test]
    fn a_queue_dropped_on_its_own_worker_finishes_by_itself() {
        type Home = Arc<StdMutex<Option<TaskQueue<u32, (), ()>>>>;
        model(|| {
            let home = Home::default();
            let taken = Arc::clone(&home);
            let queue = TaskQueue::new(
                move |_: &Attempt<'_, u32>| {
                    let queue = taken.lock().unwrap().take();
                    drop(queue);
                    Ok(())
                },
                QueueOptions::new(2, 1),
            )
            .unwrap();
            let (submitter, results) = (queue.submitter(), queue.results());
            *home.lock().unwrap() = Some(queue);
            submitter.submit(1).unwrap();
            let second = submitter.submit(2).is_ok();
            assert_eq!(results.iter().count(), 1 + usize::from(second));
        });
    }

    // A leak here would mean that a payload stays in a queue that is gone; it
    // is refused, handed out, or dropped.
    #[test]
    fn no_item_is_leaked() {
        model(|| {
            let queue = Arc::new(PriorityQueue::new(1));
            let pusher = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    let _ = queue.push(0, loom::sync::Arc::new(1));
                    let _ = match queue.try_push(0, loom::sync::Arc::new(2)) {
                        Ok(()) => None,
                        Err(TryPushError::Full(item) | TryPushError::Closed(item)) => Some(item),
                    };
                })
            };
            if let Some(lease) = queue.lease() {
                let _ = Lease::retry_after(lease, SECOND);
            }
            drop(queue.abort());
            pusher.join().unwrap();
        });
    }

    // A hang here would mean that the end of the results is told to one receiver
    // of two.
    #[test]
    fn the_end_of_the_results_is_seen_by_every_receiver() {
        model(|| {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| Ok::<_, ()>(attempt.payload),
                QueueOptions::new(1, 1),
            )
            .unwrap();
            let receivers = [(); 2].map(|()| {
                let results = queue.results();
                thread::spawn(move || results.iter().count())
            });
            queue.submit(1).unwrap();
            queue.close();
            let sum: usize = receivers.into_iter().map(|r| r.join().unwrap()).sum();
            assert_eq!(sum, 1);
        });
    }
}
