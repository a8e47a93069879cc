//! What is submitted: a payload with a priority, and perhaps a name.

use std::fmt;
use std::sync::Arc;

/// Names a task: as its submitter chose, or else by its number in the sequence of
/// acceptance.
///
/// Ids are labels. The queue neither checks that they are unique nor looks
/// anything up by them: a number may be that of another queue's task, or one that somebody
/// chose. Cheap to clone.
///
/// # Examples
///
/// ```
/// use taskshelf::TaskId;
///
/// assert_eq!(TaskId::from(7).to_string(), "7");
/// assert_eq!(TaskId::from("nightly-report").to_string(), "nightly-report");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskId {
    /// Unless the submitter chose it, its place in the order of acceptance, from 1 on.
    Number(u64),
    /// Chosen by the submitter.
    Name(Arc<str>),
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

// The only integer: with a second one `with_id(7)` would be ambiguous.
impl From<u64> for TaskId {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for TaskId {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<&String> for TaskId {
    fn from(name: &String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<Arc<str>> for TaskId {
    fn from(name: Arc<str>) -> Self {
        Self::Name(name)
    }
}

impl From<String> for TaskId {
    fn from(name: String) -> Self {
        Self::Name(name.into())
    }
}

/// A unit of work: the payload that the handler gets to see, and how the queue
/// is to treat it.
///
/// Whatever is `Into<Task<P>>` can be submitted: a bare payload gets priority 0
/// and the queue's number of retries.
///
/// # Examples
///
/// ```
/// use taskshelf::Task;
///
/// let task = Task::new("resize.png").with_id("thumbnail").with_priority(5).with_retries(1);
/// assert_eq!(task.payload, "resize.png");
/// assert_eq!(task.priority, 5);
///
/// let plain: Task<&str> = "resize.png".into();
/// assert_eq!(plain.priority, 0);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Task<P> {
    /// What the handler works on.
    pub payload: P,
    /// Greater is sooner; 0 unless set.
    pub priority: i32,
    /// How many attempts may follow the first. `None` leaves it to
    /// [`QueueOptions::max_retries`](crate::QueueOptions::max_retries).
    pub retries: Option<u32>,
    /// `None` until the task is accepted or given a name.
    pub(crate) id: Option<TaskId>,
}

pub(crate) const HAS_AN_ID: &str = "whoever accepts a task gives it an id";

impl<P> Task<P> {
    /// A task with priority 0, the queue's number of retries, and no name.
    pub fn new(payload: P) -> Self {
        Self {
            payload,
            priority: 0,
            retries: None,
            id: None,
        }
    }

    /// Names the task. Without a name it gets its number in the sequence of
    /// acceptance, in which named tasks count as well.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<TaskId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Greater priorities are taken first, equal ones in the order accepted.
    #[must_use]
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// How many attempts may follow the first; 0 means one attempt in all.
    #[must_use]
    pub fn with_retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// The task's id; `None` for an unnamed task that was never accepted.
    pub fn id(&self) -> Option<&TaskId> {
        self.id.as_ref()
    }

    /// The id of a task that was accepted.
    pub(crate) fn accepted_id(&self) -> &TaskId {
        self.id.as_ref().expect(HAS_AN_ID)
    }

    /// The same task around another payload.
    #[must_use]
    pub fn map<Q>(self, f: impl FnOnce(P) -> Q) -> Task<Q> {
        Task {
            payload: f(self.payload),
            priority: self.priority,
            retries: self.retries,
            id: self.id,
        }
    }
}

impl<P> From<P> for Task<P> {
    fn from(payload: P) -> Self {
        Self::new(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn an_id_is_two_words_long() {
        assert_eq!(size_of::<TaskId>(), 2 * size_of::<usize>());
    }

    #[test]
    fn mapping_the_payload_keeps_the_rest() {
        let task = Task::new(1).with_id("a").with_priority(-3).with_retries(9);
        let mapped = task.map(|n| n.to_string());
        let expected = Task::new(String::from("1"))
            .with_id("a")
            .with_priority(-3)
            .with_retries(9);
        assert_eq!(mapped, expected);
    }
}
