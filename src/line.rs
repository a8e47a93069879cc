//! A line of sleeping threads, and the one wake-up that may be on its way.
//!
//! Whoever wakes a line takes one thread out of it, *calls* it, and calls no
//! other until that one has arrived under the lock again. The called thread
//! then looks at the state itself, so the rules that decide who is called next
//! are asked anew and nothing is lost; a line full of sleepers costs its waker
//! one signal instead of one for every change.
//!
//! Threads that were not called may pass the line, for waiting until a called
//! thread has woken up would leave the queue standing still. They may do so
//! only [`MAX_PASSES`] times in a row: nobody is overtaken for ever.

use std::collections::VecDeque;

/// How many threads in a row may go ahead of a line that somebody waits in.
pub(crate) const MAX_PASSES: u32 = 1024;

/// Names one sleep of one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// How a thread came to be in front of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It has not slept for this yet.
    Newcomer,
    /// It slept, and was called.
    Called,
    /// It slept, and its time ran out before it was called.
    TimedOut,
}

/// `W` is whatever the shell signals to wake a thread.
pub(crate) struct Line<W> {
    asleep: VecDeque<(Ticket, W)>,
    called: Option<Ticket>,
    next: u64,
    passes: u32,
}

impl<W> Line<W> {
    pub(crate) const fn new() -> Self {
        Self {
            asleep: VecDeque::new(),
            called: None,
            next: 0,
            passes: 0,
        }
    }

    /// Whether a called thread has yet to arrive.
    pub(crate) fn is_called(&self) -> bool {
        self.called.is_some()
    }

    pub(crate) fn contains(&self, ticket: Ticket) -> bool {
        self.asleep.iter().any(|(other, _)| *other == ticket)
    }

    /// Newcomers join at the back; who slept already and lost the race keeps
    /// its place at the front.
    pub(crate) fn join(&mut self, turn: Turn, waker: W) -> Ticket {
        if !self.is_waited_in() {
            self.passes = 0;
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        match turn {
            Turn::Newcomer => self.asleep.push_back((ticket, waker)),
            Turn::Called | Turn::TimedOut => self.asleep.push_front((ticket, waker)),
        }
        ticket
    }

    /// A thread is awake again, called or not.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        if self.called == Some(ticket) {
            self.called = None;
        } else {
            self.asleep.retain(|(other, _)| *other != ticket);
        }
    }

    /// Takes the first sleeper out.
    pub(crate) fn call_first(&mut self) -> Option<W> {
        self.call_at(0)
    }

    /// Takes this sleeper out, or the first if it does not sleep here.
    pub(crate) fn call(&mut self, ticket: Option<Ticket>) -> Option<W> {
        let wanted = self
            .asleep
            .iter()
            .position(|(other, _)| Some(*other) == ticket);
        self.call_at(wanted.unwrap_or(0))
    }

    fn call_at(&mut self, position: usize) -> Option<W> {
        let (ticket, waker) = self.asleep.remove(position)?;
        self.called = Some(ticket);
        Some(waker)
    }

    pub(crate) fn call_all(&mut self) -> impl Iterator<Item = W> + '_ {
        self.asleep.drain(..).map(|(_, waker)| waker)
    }

    /// Whether a thread may go ahead now.
    pub(crate) fn lets_pass(&self, turn: Turn) -> bool {
        turn == Turn::Called || self.passes < MAX_PASSES || !self.is_waited_in()
    }

    /// A thread went ahead.
    pub(crate) fn passed(&mut self, turn: Turn) {
        if turn != Turn::Called && self.is_waited_in() {
            self.passes = self.passes.saturating_add(1);
        } else {
            self.passes = 0;
        }
    }

    fn is_waited_in(&self) -> bool {
        !self.asleep.is_empty() || self.called.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_sleeper_is_called_first() {
        let mut line = Line::new();
        let first = line.join(Turn::Newcomer, 'a');
        line.join(Turn::Newcomer, 'b');
        assert_eq!(line.call_first(), Some('a'));
        assert!(line.is_called());
        line.leave(first);
        assert!(!line.is_called());
        assert_eq!(line.call_first(), Some('b'));
        assert_eq!(line.call_first(), None);
    }

    #[test]
    fn who_lost_the_race_goes_to_the_front() {
        let mut line = Line::new();
        let first = line.join(Turn::Newcomer, 'a');
        line.join(Turn::Newcomer, 'b');
        line.call_first();
        line.leave(first);
        line.join(Turn::Called, 'a');
        assert_eq!(line.call_first(), Some('a'));
    }

    #[test]
    fn a_sleeper_can_be_called_out_of_turn() {
        let mut line = Line::new();
        line.join(Turn::Newcomer, 'a');
        let second = line.join(Turn::Newcomer, 'b');
        assert_eq!(line.call(Some(second)), Some('b'));
        assert_eq!(line.call(Some(second)), Some('a'), "it sleeps no more");
    }

    #[test]
    fn a_sleeper_whose_time_ran_out_leaves_without_having_been_called() {
        let mut line = Line::new();
        let first = line.join(Turn::Newcomer, 'a');
        let second = line.join(Turn::Newcomer, 'b');
        assert_eq!(line.call_first(), Some('a'));
        line.leave(second);
        assert!(line.is_called(), "the call was for another");
        assert_eq!(line.call_first(), None);
        line.leave(first);
        assert!(!line.is_called());
    }

    #[test]
    fn newcomers_pass_a_line_a_bounded_number_of_times() {
        let mut line = Line::new();
        let sleeper = line.join(Turn::Newcomer, 'a');
        line.call_first();
        for _ in 0..MAX_PASSES {
            assert!(line.lets_pass(Turn::Newcomer));
            line.passed(Turn::Newcomer);
        }
        assert!(!line.lets_pass(Turn::Newcomer));
        assert!(line.lets_pass(Turn::Called));
        line.leave(sleeper);
        line.passed(Turn::Called);
        assert!(line.lets_pass(Turn::Newcomer));
    }

    #[test]
    fn passing_an_empty_line_is_not_counted() {
        let mut line = Line::<char>::new();
        for _ in 0..2 * MAX_PASSES {
            assert!(line.lets_pass(Turn::Newcomer));
            line.passed(Turn::Newcomer);
        }
    }
}
