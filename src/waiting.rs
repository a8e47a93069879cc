//! Items that wait for their time, the earliest due first, and among those due
//! together the one that began to wait first. Time is always an argument.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// When a waiting item is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    At(Instant),
    /// So far ahead that no `Instant` can say it. It sorts after every instant.
    Never,
}

impl Due {
    pub(crate) fn after(now: Instant, delay: Duration) -> Self {
        now.checked_add(delay).map_or(Self::Never, Self::At)
    }

    pub(crate) fn instant(self) -> Option<Instant> {
        match self {
            Self::At(instant) => Some(instant),
            Self::Never => None,
        }
    }
}

pub(crate) struct Waiting<T> {
    /// Keyed by due time, then by the order in which the waits began.
    items: BTreeMap<(Due, u64), T>,
    begun: u64,
}

impl<T> Waiting<T> {
    pub(crate) const fn new() -> Self {
        Self {
            items: BTreeMap::new(),
            begun: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn push(&mut self, due: Due, item: T) {
        self.items.insert((due, self.begun), item);
        self.begun += 1;
    }

    /// The instant at which the next item is due, if one ever is.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let (&(due, _), _) = self.items.first_key_value()?;
        due.instant()
    }

    /// Takes the next item that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        let first = self.items.first_entry()?;
        (first.key().0 <= Due::At(now)).then(|| first.remove())
    }

    /// Every item, in the order in which they would have been due.
    pub(crate) fn into_items(self) -> impl Iterator<Item = T> {
        self.items.into_values()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_is_taken_before_its_time() {
        let start = Instant::now();
        let mut waiting = Waiting::new();
        waiting.push(Due::after(start, 2 * SECOND), "b");
        waiting.push(Due::after(start, SECOND), "a");
        waiting.push(Due::after(start, Duration::MAX), "never");
        assert_eq!(waiting.next_due(), Some(start + SECOND));
        assert_eq!(waiting.pop_due(start), None);
        assert_eq!(waiting.pop_due(start + SECOND), Some("a"));
        assert_eq!(waiting.pop_due(start + SECOND), None);
        assert_eq!(waiting.pop_due(start + 3 * SECOND), Some("b"));
        assert_eq!(waiting.next_due(), None);
        assert_eq!(waiting.pop_due(start + 1_000_000 * SECOND), None);
        assert_eq!(waiting.into_items().collect::<Vec<_>>(), ["never"]);
    }

    #[test]
    fn those_due_together_come_out_in_order_however_many_there_were() {
        let start = Instant::now();
        let due = Due::At(start);
        let mut waiting = Waiting::new();
        waiting.push(due, "an early one");
        waiting.begun = u64::MAX - 3;
        for item in ["a", "b", "c"] {
            waiting.push(due, item);
        }
        let order: Vec<_> = std::iter::from_fn(|| waiting.pop_due(start)).collect();
        assert_eq!(order, ["an early one", "a", "b", "c"]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// `None` is a delay without an end.
        Push(Option<u64>),
        Pop,
        Advance(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            9 => (0..20_u64).prop_map(|delay| Step::Push(Some(delay))),
            1 => Just(Step::Push(None)),
            8 => Just(Step::Pop),
            4 => (0..4_u64).prop_map(Step::Advance),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_list(steps in prop::collection::vec(step(), 0..200)) {
            let mut now = Instant::now();
            let mut waiting = Waiting::new();
            let mut naive = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(delay) => {
                        let due = Due::after(now, delay.map_or(Duration::MAX, Duration::from_secs));
                        waiting.push(due, number);
                        naive.push((due, number));
                        naive.sort();
                    }
                    Step::Pop => {
                        let expected = match naive.first() {
                            Some(&(due, _)) if due <= Due::At(now) => Some(naive.remove(0).1),
                            _ => None,
                        };
                        prop_assert_eq!(waiting.pop_due(now), expected);
                    }
                    Step::Advance(seconds) => now += Duration::from_secs(seconds),
                }
                prop_assert_eq!(waiting.len(), naive.len());
                prop_assert_eq!(waiting.is_empty(), naive.is_empty());
                let next = naive.first().and_then(|(due, _)| due.instant());
                prop_assert_eq!(waiting.next_due(), next);
            }
            let rest: Vec<usize> = waiting.into_items().collect();
            prop_assert_eq!(rest, naive.into_iter().map(|(_, n)| n).collect::<Vec<_>>());
        }
    }
}
