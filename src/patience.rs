//! Which submitter of a large full queue sleeps on while there is room for a few items.
//!
//! To wake a submitter costs a consumer some microseconds, which is too dear for every
//! single item. So one of those that sleep is *patient*: it sleeps no longer than [`GRACE`],
//! and until then nobody is called before there is much room. Then all are, one after the
//! other, until the queue is full again or nobody waits.
//!
//! Patience is suspended while somebody waits that has slept before and got nothing. When
//! the grace runs out nobody is patient any more: the first in line is called, whoever was
//! the patient one.

use std::time::{Duration, Instant};

use crate::line::Ticket;

/// How long the patient one sleeps at most. A consumer that takes longer than this for one
/// item pays for a wake-up each time, and hardly notices.
pub(crate) const GRACE: Duration = Duration::from_millis(1);

pub(crate) struct Patience {
    /// Room that a submitter is worth waking for; more than one slot in a queue
    /// so large that it will not be empty before the submitter is there.
    much_room: usize,
    /// The submitter that sleeps no longer than its grace.
    patient: Option<Ticket>,
    /// How many submitters wait in a large queue that have slept before and got
    /// nothing. They are called for any room there is: before they are through, nobody
    /// else's patience counts.
    impatient: u32,
    /// Whether sleeping submitters are called for any room there is. Means nothing while
    /// nobody waits for space.
    refilling: bool,
}

impl Patience {
    pub(crate) fn new(much_room: usize) -> Self {
        Self {
            much_room,
            patient: None,
            impatient: 0,
            refilling: false,
        }
    }

    /// Whether submitters need not be told of every slot that gets free.
    pub(crate) fn is_large(&self) -> bool {
        self.much_room > 1
    }

    /// Whether so much room is worth waking a patient submitter for.
    #[inline]
    pub(crate) fn is_much(&self, room: usize) -> bool {
        room >= self.much_room
    }

    /// A submitter is about to wait where nobody does.
    pub(crate) fn begin(&mut self) {
        self.refilling = false;
    }

    /// A submitter falls asleep; `is_again` if it has slept for this before. If it becomes the
    /// patient one, returns when its grace ends. One whose own deadline comes first cannot.
    pub(crate) fn fall_asleep(
        &mut self,
        is_again: bool,
        ticket: Ticket,
        deadline: Option<Instant>,
        now: impl FnOnce() -> Instant,
    ) -> Option<Instant> {
        if !self.is_large() {
            return None;
        }
        if is_again {
            self.impatient += 1;
            return None;
        }
        if self.patient.is_some() || self.impatient > 0 {
            return None;
        }
        let end = now().checked_add(GRACE)?;
        if deadline.is_some_and(|deadline| deadline <= end) {
            return None;
        }
        self.patient = Some(ticket);
        Some(end)
    }

    /// A submitter is awake again. Whether it was the patient one.
    pub(crate) fn wake_up(&mut self, is_again: bool, ticket: Ticket) -> bool {
        if self.is_large() && is_again {
            self.impatient -= 1;
        }
        self.patient.take_if(|patient| *patient == ticket).is_some()
    }

    /// Whether sleeping submitters are called for so much room, and from now on for any,
    /// until there is none.
    pub(crate) fn calls_for(&mut self, room: usize) -> bool {
        let is_nobody_patient = self.patient.is_none() || self.impatient > 0;
        self.refilling = room > 0 && (self.refilling || is_nobody_patient || self.is_much(room));
        self.refilling
    }
}
