//! A task as it lies on the shelf.
//!
//! Kept small: one core writes it and another reads it, and fetching it from
//! there is the dearest part of its way through the queue. What few tasks have
//! lies in a box.

use std::time::{Duration, Instant};

use crate::task::{Task, TaskId};

/// All of a [`Task`] but its priority, which the shelf knows.
pub(crate) struct Job<P> {
    payload: P,
    /// In the sequence of acceptance; 0 until the task is accepted.
    number: u64,
    extra: Option<Box<Extra>>,
}

struct Extra {
    /// `None` if the number is the task's id.
    id: Option<TaskId>,
    retries: Option<u32>,
    progress: Option<Progress>,
}

/// When a task has been tried.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    /// When its first attempt started.
    pub(crate) started: Instant,
    /// When its latest attempt ended.
    pub(crate) ended: Instant,
}

impl Progress {
    pub(crate) fn duration(self) -> Duration {
        self.ended.saturating_duration_since(self.started)
    }
}

impl<P> Job<P> {
    #[inline]
    pub(crate) fn new(task: Task<P>) -> Self {
        let extra = match (task.id, task.retries) {
            (None, None) => None,
            (id, retries) => Some(Box::new(Extra {
                id,
                retries,
                progress: None,
            })),
        };
        Self {
            payload: task.payload,
            number: 0,
            extra,
        }
    }

    /// A task that has failed and will be tried again, with the number it has.
    pub(crate) fn again(task: Task<P>, number: u64, progress: Progress) -> Self {
        let extra = Extra {
            id: task.id,
            retries: task.retries,
            progress: Some(progress),
        };
        Self {
            payload: task.payload,
            number,
            extra: Some(Box::new(extra)),
        }
    }

    /// The task was accepted. Runs under the queue's lock.
    #[inline]
    pub(crate) fn stamp(&mut self, number: u64) {
        self.number = number;
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The task, and when it has been tried, if it was.
    #[inline]
    pub(crate) fn into_task(self, priority: i32) -> (Task<P>, Option<Progress>) {
        let number = (self.number > 0).then_some(TaskId::Number(self.number));
        let (id, retries, progress) = match self.extra {
            None => (number, None, None),
            Some(extra) => (extra.id.or(number), extra.retries, extra.progress),
        };
        let task = Task {
            payload: self.payload,
            priority,
            retries,
            id,
        };
        (task, progress)
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
            let (back, progress) = Job::new(task.clone()).into_task(task.priority);
            assert_eq!(back, task);
            assert!(progress.is_none());
        }
    }

    #[test]
    fn a_number_names_only_a_task_without_an_id() {
        let accepted = |task| {
            let mut job = Job::new(task);
            job.stamp(5);
            job.into_task(0).0
        };
        assert_eq!(accepted(Task::new('a')).id(), Some(&TaskId::Number(5)));
        let named = accepted(Task::new('a').with_id("name"));
        assert_eq!(named.id(), Some(&TaskId::from("name")));
    }

    #[test]
    fn a_task_that_failed_keeps_its_id_its_number_and_its_times() {
        let started = Instant::now();
        let ended = started + Duration::from_secs(3);
        let mut job = Job::new(Task::new('a'));
        job.stamp(5);
        let (task, _) = job.into_task(0);
        let again = Job::again(task, 5, Progress { started, ended });
        assert_eq!(again.number(), 5);
        let (task, progress) = again.into_task(0);
        assert_eq!(task.id(), Some(&TaskId::Number(5)));
        let duration = progress.map(Progress::duration);
        assert_eq!(duration, Some(Duration::from_secs(3)));
    }
}
