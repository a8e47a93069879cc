//! A task as it lies on the shelf.
//!
//! Kept small: one core writes it and another reads it, and fetching it from
//! there is the dearest part of its way through the queue. What few tasks have
//! lies in a box.

use std::time::{Duration, Instant};

use crate::entry::{Entry, Item};
use crate::task::{Task, TaskId};

/// All of a [`Task`] but its priority, which the shelf knows.
pub(crate) struct Job<P> {
    payload: P,
    /// In the sequence of acceptance; 0 until the task is accepted. With [`RETRY`].
    number: u64,
    extra: Option<Box<Extra>>,
}

/// Set in the number of a task that is to be tried again. It stands there and not in the
/// box, which is not to be fetched under the lock. No queue lives to accept 2^63 tasks.
const RETRY: u64 = 1 << 63;

struct Extra {
    /// `None` if the number is the task's id.
    id: Option<TaskId>,
    retries: Option<u32>,
    progress: Option<Progress>,
}

/// How a task has been tried.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    pub(crate) attempts: u32,
    /// When the first of them started.
    pub(crate) started: Instant,
    /// When the last of them ended.
    pub(crate) ended: Instant,
}

impl Progress {
    pub(crate) fn duration(self) -> Duration {
        self.ended.saturating_duration_since(self.started)
    }
}

impl<P> Job<P> {
    #[inline]
    pub(crate) fn entry(task: Task<P>) -> Entry<Self> {
        let extra = match (task.id, task.retries) {
            (None, None) => None,
            (id, retries) => Some(Box::new(Extra {
                id,
                retries,
                progress: None,
            })),
        };
        let item = Self {
            payload: task.payload,
            number: 0,
            extra,
        };
        Entry {
            priority: task.priority,
            item,
        }
    }

    /// A task that has failed and will be tried again, with the number it has.
    pub(crate) fn again(task: Task<P>, number: u64, progress: Progress) -> Entry<Self> {
        let extra = Extra {
            id: task.id,
            retries: task.retries,
            progress: Some(progress),
        };
        let item = Self {
            payload: task.payload,
            number: number | RETRY,
            extra: Some(Box::new(extra)),
        };
        Entry {
            priority: task.priority,
            item,
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number & !RETRY
    }

    /// The task, and how it has been tried, if it was.
    #[inline]
    pub(crate) fn into_task(entry: Entry<Self>) -> (Task<P>, Option<Progress>) {
        let Entry { priority, item } = entry;
        let number = item.number();
        let number = (number > 0).then_some(TaskId::Number(number));
        let (id, retries, progress) = match item.extra {
            None => (number, None, None),
            Some(extra) => (extra.id.or(number), extra.retries, extra.progress),
        };
        let task = Task {
            payload: item.payload,
            priority,
            retries,
            id,
        };
        (task, progress)
    }
}

impl<P> Item for Job<P> {
    #[inline]
    fn accepted(&mut self, number: u64) {
        self.number = number;
    }

    #[inline]
    fn is_retry(&self) -> bool {
        self.number & RETRY != 0
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_hardly_larger_than_its_payload() {
        assert_eq!(size_of::<Job<u64>>(), 24);
    }

    #[test]
    fn a_task_comes_out_as_it_went_in() {
        let tasks = [
            Task::new('a'),
            Task::new('a').with_priority(7),
            Task::new('a').with_retries(0),
            Task::new('a').with_id("name"),
            Task::new('a').with_id(0).with_retries(u32::MAX),
        ];
        for task in tasks {
            let (back, progress) = Job::into_task(Job::entry(task.clone()));
            assert_eq!(back, task);
            assert!(progress.is_none());
        }
    }

    #[test]
    fn a_number_names_only_a_task_without_an_id() {
        let accepted = |task| {
            let mut entry = Job::entry(task);
            entry.item.accepted(5);
            assert!(!entry.item.is_retry());
            Job::into_task(entry).0
        };
        assert_eq!(accepted(Task::new('a')).id(), Some(&TaskId::Number(5)));
        let named = accepted(Task::new('a').with_id("name"));
        assert_eq!(named.id(), Some(&TaskId::from("name")));
    }

    #[test]
    fn a_task_that_failed_keeps_its_id_its_number_and_its_times() {
        let started = Instant::now();
        let ended = started + Duration::from_secs(3);
        let mut entry = Job::entry(Task::new('a'));
        entry.item.accepted(5);
        let (task, _) = Job::into_task(entry);
        let progress = Progress {
            attempts: 2,
            started,
            ended,
        };
        let again = Job::again(task, 5, progress);
        assert_eq!(again.item.number(), 5);
        assert!(again.item.is_retry());
        let (task, progress) = Job::into_task(again);
        assert_eq!(task.id(), Some(&TaskId::Number(5)));
        let progress = progress.map(|p| (p.attempts, p.duration()));
        assert_eq!(progress, Some((2, Duration::from_secs(3))));
    }
}
