//! A line of sleeping threads, and the one wake-up that may be on its way.
//!
//! Whoever wakes a line takes one thread out of it, *calls* it, and calls no
//! other until that one has arrived under the lock again (unless the end has
//! come, which calls all). The called thread then looks at the state itself, so
//! the rules that decide who is called next are asked anew and nothing is lost;
//! a line full of sleepers costs its waker one signal instead of one for every
//! change.
//!
//! Threads that were not called may pass the line (or *barge*), for waiting until a
//! called thread has woken up would leave the queue standing still. They may do so
//! only so many times in a row: nobody is overtaken for ever.

use std::collections::VecDeque;

/// Names one wait of one thread, however often it sleeps for it. Those who began to
/// wait later have greater ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// How a thread came to be in front of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is here for the first time.
    Newcomer,
    /// It looks again, and has not slept for this yet.
    Again,
    /// It slept, and it is its turn.
    Called,
    /// It slept, and is awake before its turn: its time ran out, or it was called for
    /// something else than what there is.
    Early,
    /// Its grace ran out while others were before it in the line. It leaves what there is to
    /// them, unless this is its last look.
    Behind,
}

impl Turn {
    /// Whether it has not slept for this yet.
    pub(crate) fn is_new(self) -> bool {
        matches!(self, Self::Newcomer | Self::Again)
    }
}

/// `W` is whatever the monitor signals to wake a thread.
pub(crate) struct Line<W> {
    /// In the order of their tickets.
    asleep: VecDeque<(Ticket, W)>,
    /// Taken out of the sleepers, and not yet under the lock again. While it is set
    /// nobody else is called, except at the end.
    called: Option<Ticket>,
    /// How many were given out.
    tickets: u64,
    /// How many threads in a row went ahead of those who wait. Starts anew when a called
    /// thread gets through, and with the first who waits; one that was called and lost the
    /// race leaves it as it is.
    passes: u32,
    max_passes: u32,
}

impl<W> Line<W> {
    /// A line that so many threads in a row may pass.
    pub(crate) const fn new(max_passes: u32) -> Self {
        Self {
            asleep: VecDeque::new(),
            called: None,
            tickets: 0,
            passes: 0,
            max_passes,
        }
    }

    /// Whether a called thread has yet to arrive.
    pub(crate) fn is_called(&self) -> bool {
        self.called.is_some()
    }

    #[cfg(test)]
    pub(crate) fn contains(&self, ticket: Ticket) -> bool {
        self.place(ticket).is_ok()
    }

    /// Whether somebody waits that came before.
    pub(crate) fn is_behind(&self, ticket: Ticket) -> bool {
        let first = self.asleep.front().map(|(first, _)| *first);
        first
            .into_iter()
            .chain(self.called)
            .any(|other| other < ticket)
    }

    /// Where a thread stands, or would.
    fn place(&self, ticket: Ticket) -> Result<usize, usize> {
        self.asleep
            .binary_search_by_key(&ticket, |(other, _)| *other)
    }

    /// A thread that begins to wait joins at the back. One that has slept for this
    /// already, and comes with the ticket it had, takes its old place, whether it was
    /// called and lost the race or just woke up to look; the count of those who passed
    /// stands. So threads are called in the order in which they came.
    pub(crate) fn join(&mut self, earlier: Option<Ticket>, waker: W) -> Ticket {
        if earlier.is_none() && !self.is_waited_in() {
            self.passes = 0;
        }
        let ticket = earlier.unwrap_or_else(|| {
            self.tickets += 1;
            Ticket(self.tickets)
        });
        let (Ok(place) | Err(place)) = self.place(ticket);
        self.asleep.insert(place, (ticket, waker));
        ticket
    }

    /// A thread is awake again. Whether it was called.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> bool {
        if self.called == Some(ticket) {
            self.called = None;
            return true;
        }
        match self.place(ticket) {
            Ok(place) => {
                self.asleep.remove(place);
                false
            }
            Err(_) => true, // together with all others
        }
    }

    /// Takes the first sleeper out.
    pub(crate) fn call_first(&mut self) -> Option<W> {
        self.call_at(0)
    }

    /// Takes this sleeper out, or the first if it does not sleep here.
    pub(crate) fn call(&mut self, ticket: Option<Ticket>) -> Option<W> {
        let wanted = ticket.and_then(|ticket| self.place(ticket).ok());
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
        turn == Turn::Called || self.passes < self.max_passes || !self.is_waited_in()
    }

    /// A thread got what the line is for, in its turn or ahead of it.
    pub(crate) fn passed(&mut self, turn: Turn) {
        if turn != Turn::Called && self.is_waited_in() {
            self.passes = self.passes.saturating_add(1);
        } else {
            self.passes = 0;
        }
    }

    /// Whether somebody sleeps here, or was called and has yet to arrive.
    pub(crate) fn is_waited_in(&self) -> bool {
        !self.asleep.is_empty() || self.called.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX_PASSES: u32 = 100;

    #[test]
    fn who_lost_the_race_takes_its_old_place() {
        let mut line = Line::new(MAX_PASSES);
        let first = line.join(None, 'a');
        line.join(None, 'b');
        line.call_first();
        line.leave(first);
        line.join(Some(first), 'a');
        assert_eq!(line.call_first(), Some('a'));
    }

    #[test]
    fn who_wakes_up_to_look_does_not_go_ahead_of_those_before_it() {
        let mut line = Line::new(MAX_PASSES);
        line.join(None, 'a');
        let second = line.join(None, 'b');
        line.join(None, 'c');
        line.leave(second);
        line.join(Some(second), 'b');
        assert_eq!(line.call_all().collect::<String>(), "abc");
    }

    #[test]
    fn sleepers_are_told_apart_however_many_there_were() {
        let mut line = Line::new(MAX_PASSES);
        let early = line.join(None, 'e');
        line.tickets = u64::MAX - 3;
        let [_, b, c] = ['a', 'b', 'c'].map(|name| line.join(None, name));
        line.leave(b);
        assert!(!line.contains(b));
        assert!(line.contains(early));
        assert_eq!(line.call(Some(c)), Some('c'));
        line.leave(c);
        assert_eq!(line.call_first(), Some('e'));
        line.leave(early);
        assert_eq!(line.call_first(), Some('a'));
        assert_eq!(line.call_first(), None);
    }

    #[test]
    fn newcomers_pass_a_line_a_bounded_number_of_times() {
        let mut line = Line::new(MAX_PASSES);
        let sleeper = line.join(None, 'a');
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
    fn those_before_are_asleep_or_called_and_came_earlier() {
        let mut line = Line::new(MAX_PASSES);
        let first = line.join(None, 'a');
        assert!(!line.is_behind(first), "nobody else is there");
        let second = line.join(None, 'b');
        assert!(line.is_behind(second));
        assert!(!line.is_behind(first));
        line.call_first();
        assert!(line.is_behind(second), "the first is on its way");
        line.leave(first);
        assert!(!line.is_behind(second));
    }

    #[test]
    fn a_line_that_everybody_has_left_may_be_passed() {
        let mut line = Line::new(MAX_PASSES);
        let sleeper = line.join(None, 'a');
        (0..MAX_PASSES).for_each(|_| line.passed(Turn::Newcomer));
        assert!(!line.lets_pass(Turn::Newcomer));
        line.leave(sleeper); // its time ran out
        assert!(line.lets_pass(Turn::Newcomer));
    }

    #[test]
    fn who_loses_the_race_again_and_again_is_not_passed_for_ever() {
        let mut line = Line::new(MAX_PASSES);
        let sleeper = line.join(None, 'a');
        for _ in 0..MAX_PASSES {
            line.passed(Turn::Newcomer);
            line.call_first();
            line.leave(sleeper);
            line.join(Some(sleeper), 'a');
        }
        assert!(!line.lets_pass(Turn::Newcomer));
    }

    /// Names a sleeper by its place, as far as there are that many.
    type Which = usize;

    #[derive(Debug, Clone)]
    enum Step {
        Join,
        /// Somebody who is awake sleeps on.
        Rejoin(Which),
        /// The sleeper's time runs out.
        GiveUp(Which),
        CallFirst,
        Call(Which),
        CallAll,
        /// The called thread is here, and goes ahead, or away.
        Arrive(bool),
        /// Others go ahead, so many if they may.
        Pass(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => Just(Step::Join),
            3 => any::<Which>().prop_map(Step::Rejoin),
            2 => any::<Which>().prop_map(Step::GiveUp),
            4 => Just(Step::CallFirst),
            1 => any::<Which>().prop_map(Step::Call),
            1 => Just(Step::CallAll),
            4 => any::<bool>().prop_map(Step::Arrive),
            4 => (0..MAX_PASSES).prop_map(Step::Pass),
        ]
    }

    /// The line as plain as can be: names, and a tally of who went ahead.
    #[derive(Default)]
    struct Naive {
        asleep: Vec<(u32, Ticket)>,
        called: Option<(u32, Ticket)>,
        /// Those who have slept and got nothing.
        awake: Vec<(u32, Ticket)>,
        overtaken: u32,
    }

    impl Naive {
        fn is_waited_in(&self) -> bool {
            !self.asleep.is_empty() || self.called.is_some()
        }

        fn call(&mut self, place: usize) -> Option<u32> {
            if place >= self.asleep.len() {
                return None;
            }
            let sleeper = self.asleep.remove(place);
            self.called = Some(sleeper);
            Some(sleeper.0)
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_line(steps in prop::collection::vec(step(), 0..150)) {
            let (mut line, mut naive) = (Line::new(MAX_PASSES), Naive::default());
            for (name, step) in (0..).zip(steps) {
                match step {
                    Step::Join => {
                        if !naive.is_waited_in() {
                            naive.overtaken = 0;
                        }
                        naive.asleep.push((name, line.join(None, name)));
                    }
                    Step::Rejoin(which) => {
                        if let Some(place) = which.checked_rem(naive.awake.len()) {
                            let (name, ticket) = naive.awake.remove(place);
                            prop_assert_eq!(line.join(Some(ticket), name), ticket);
                            naive.asleep.push((name, ticket));
                            naive.asleep.sort_by_key(|(name, _)| *name);
                        }
                    }
                    Step::GiveUp(which) => {
                        if let Some(place) = which.checked_rem(naive.asleep.len()) {
                            let sleeper = naive.asleep.remove(place);
                            line.leave(sleeper.1);
                            naive.awake.push(sleeper);
                        }
                    }
                    Step::CallFirst if naive.called.is_none() => {
                        prop_assert_eq!(line.call_first(), naive.call(0));
                    }
                    Step::Call(which) if naive.called.is_none() => {
                        let place = which.checked_rem(naive.asleep.len() + 1).unwrap_or(0);
                        let ticket = naive.asleep.get(place).map(|(_, ticket)| *ticket);
                        let place = if ticket.is_some() { place } else { 0 };
                        prop_assert_eq!(line.call(ticket), naive.call(place));
                    }
                    Step::CallFirst | Step::Call(_) => {}
                    Step::CallAll => {
                        let all: Vec<u32> = line.call_all().collect();
                        let names: Vec<u32> = naive.asleep.drain(..).map(|(n, _)| n).collect();
                        prop_assert_eq!(all, names);
                    }
                    Step::Arrive(goes_ahead) => {
                        if let Some((name, ticket)) = naive.called.take() {
                            line.leave(ticket);
                            prop_assert!(line.lets_pass(Turn::Called));
                            if goes_ahead {
                                line.passed(Turn::Called);
                                naive.overtaken = 0;
                            } else {
                                naive.awake.push((name, ticket));
                            }
                        }
                    }
                    Step::Pass(times) => {
                        for turn in [Turn::Newcomer, Turn::Early].into_iter().cycle().take(times as usize) {
                            let may = !naive.is_waited_in() || naive.overtaken < MAX_PASSES;
                            prop_assert_eq!(line.lets_pass(turn), may);
                            if may {
                                line.passed(turn);
                                naive.overtaken = if naive.is_waited_in() {
                                    naive.overtaken + 1
                                } else {
                                    0
                                };
                            }
                        }
                    }
                }
                prop_assert_eq!(line.is_called(), naive.called.is_some());
                for (_, ticket) in &naive.asleep {
                    prop_assert!(line.contains(*ticket));
                }
                prop_assert!(naive.called.is_none_or(|(_, ticket)| !line.contains(ticket)));
            }
        }
    }
}
