//! The threads to signal once the lock is free.

#[must_use = "threads that are not signalled sleep on"]
pub(crate) struct Wakes<W> {
    pub(crate) consumer: Option<W>,
    pub(crate) submitter: Option<W>,
    pub(crate) others: Vec<W>,
}

impl<W> Wakes<W> {
    pub(crate) const NOBODY: Self = Self {
        consumer: None,
        submitter: None,
        others: Vec::new(),
    };

    /// `None` if there are none.
    pub(crate) fn if_any(self) -> Option<Self> {
        let any = self.consumer.is_some() || self.submitter.is_some() || !self.others.is_empty();
        any.then_some(self)
    }

    pub(crate) fn wakers(self) -> impl Iterator<Item = W> {
        let consumer = self.consumer.into_iter();
        consumer.chain(self.submitter).chain(self.others)
    }
}
