//! What a program has been told, to be compared with what its queue says.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

use taskshelf::model::now;
use taskshelf::{ResultsPolicy, Stats, SubmitError, Submitted, Submitter, Task, TaskError};

use super::super::world::{Wait, assert_waited};
use super::goods::Goods;
use super::{Bakery, Outcome};
use crate::random::Random;

#[derive(Default)]
pub(super) struct Books {
    keys: u64,
    /// How many payloads and products there are.
    pub(super) live: u64,
    accepted: u64,
    dropped: u64,
    refused: u64,
    /// How often the handler was called for each key.
    calls: HashMap<u64, u32>,
    /// From when on a task may be called again.
    pub(super) due: HashMap<u64, Instant>,
    results: Vec<Receipt>,
    /// Whether all the results that the queue keeps have been received.
    pub(super) has_all_results: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Receipt {
    key: u64,
    attempts: u32,
    ending: Ending,
}

#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Succeeded,
    Failed,
    Panicked,
    Aborted,
}

impl Books {
    pub(super) fn has_due(&self, now: Instant) -> bool {
        self.due.values().any(|due| *due <= now)
    }

    /// Returns how often the handler has been called for this key.
    pub(super) fn call(&mut self, key: u64, now: Instant) -> u32 {
        if let Some(due) = self.due.remove(&key) {
            assert!(due <= now, "called before its time");
        }
        let calls = self.calls.entry(key).or_default();
        *calls += 1;
        *calls
    }

    /// At the end. No task is in two results: none can be copied.
    pub(super) fn assert_agree(&self, stats: Stats, policy: ResultsPolicy) {
        assert_balance(stats);
        assert_eq!(stats.accepted, self.accepted);
        assert_eq!(stats.dropped, self.dropped);
        assert_eq!(stats.refused, self.refused);
        let calls = self.calls.values();
        let retries: u32 = calls.map(|calls| calls - 1).sum();
        assert_eq!(stats.retries, u64::from(retries));
        assert_eq!(self.live, 0, "left alive");

        for result in &self.results {
            let calls = self.calls.get(&result.key).copied().unwrap_or(0);
            assert_eq!(calls, result.attempts, "attempts of {result:?}");
        }
        let count = |ending| self.results.iter().filter(|r| r.ending == ending).count() as u64;
        if policy == ResultsPolicy::Discard {
            assert_eq!(self.results, []);
        } else if self.has_all_results {
            let succeeded = match policy {
                ResultsPolicy::Keep => stats.succeeded,
                _ => 0,
            };
            let endings = [
                Ending::Succeeded,
                Ending::Failed,
                Ending::Panicked,
                Ending::Aborted,
            ];
            let ended = [succeeded, stats.failed, stats.panicked, stats.aborted];
            assert_eq!(endings.map(count), ended);
        }
    }
}

pub(super) fn assert_balance(stats: Stats) {
    let there = stats.ready + stats.waiting + stats.running;
    assert_eq!(stats.accepted, there + stats.settled, "{stats:?}");
    let ended = stats.succeeded + stats.failed + stats.panicked + stats.aborted;
    assert_eq!(stats.settled, ended, "{stats:?}");
}

impl Bakery {
    /// A lock of `std`, not to be held where another thread might go on: [`now`] is such a
    /// place.
    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task of a new key.
    pub(super) fn order(self: &Arc<Self>, random: &mut Random, generations: u64) -> Task<Goods> {
        let key = {
            let mut books = self.books();
            books.keys += 1;
            books.keys
        };
        let goods = Goods::new(self, random, key, generations);
        let mut task = Task::new(goods).with_priority(random.priority());
        if random.chance(30) {
            task = task.with_retries(random.below(4) as u32);
        }
        if random.chance(30) {
            task = task.with_id(format!("task {key}"));
        }
        task
    }

    pub(super) fn submit(&self, submitter: &Submitter<Goods>, task: Task<Goods>, wait: Wait) {
        let end = wait.end();
        let submitted = match wait {
            Wait::No => submitter.try_submit(task).map(Submitted::Accepted),
            Wait::Forever => submitter.submit(task),
            Wait::Timeout(time) => submitter.submit_timeout(task, time),
            Wait::Deadline(time) => submitter.submit_deadline(task, now() + time),
        };
        if let Err(SubmitError::Timeout(_)) = &submitted {
            assert_waited(end);
        }
        self.note(submitted);
    }

    pub(super) fn submit_all(&self, submitter: &Submitter<Goods>, tasks: Vec<Task<Goods>>) {
        let count = tasks.len();
        let (accepted, dropped, rest) = match submitter.submit_all(tasks) {
            Ok(submitted) => (submitted.accepted, submitted.dropped, Vec::new()),
            Err(error) => (error.accepted, Vec::new(), error.rest),
        };
        assert_eq!(accepted + dropped.len() + rest.len(), count);
        let mut books = self.books();
        books.accepted += accepted as u64;
        books.dropped += dropped.len() as u64;
        books.refused += rest.len() as u64;
        drop(books);
        dropped.into_iter().chain(rest).for_each(|task| {
            task.payload.unpack();
        });
    }

    /// Takes note of what became of a task that was submitted.
    pub(super) fn note(&self, submitted: Result<Submitted<Goods>, SubmitError<Goods>>) {
        match submitted {
            Ok(Submitted::Accepted(_)) => self.books().accepted += 1,
            Ok(other) => {
                other.dropped().unwrap().payload.unpack();
                self.books().dropped += 1;
            }
            Err(error) => {
                assert!(!error.is_closed() || self.submitter().is_closed());
                error.into_task().payload.unpack();
                self.books().refused += 1;
            }
        }
    }

    /// Takes note of a result.
    pub(super) fn record(&self, result: Outcome) {
        let attempts = result.attempts;
        let (key, ending) = match result.outcome {
            Ok(product) => (product.unpack(), Ending::Succeeded),
            Err(failure) => {
                let key = failure.task.payload.unpack();
                let ending = match failure.error {
                    TaskError::Failed(product) => {
                        product.unpack();
                        Ending::Failed
                    }
                    TaskError::Panicked(_) => Ending::Panicked,
                    _ => Ending::Aborted,
                };
                (key, ending)
            }
        };
        let receipt = Receipt {
            key,
            attempts,
            ending,
        };
        self.books().results.push(receipt);
    }
}
