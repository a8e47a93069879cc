//! Which items of a line have come back, and how often: kept beside the line and not in
//! it, for few ever do, and smaller items are cheaper to move from core to core.

use std::collections::VecDeque;

/// For a line of items that are put in at the back and taken out at the front. While
/// nothing in the line has come back it need not be told of them.
pub(crate) struct Returns {
    /// How many items there are from the front up to the last that has come back, that
    /// one included.
    reach: usize,
    /// For each that has come back: how many items lie between it and the one before that
    /// did, or the front, and how often it came back.
    marks: VecDeque<(usize, u32)>,
}

impl Returns {
    pub(crate) const fn new() -> Self {
        Self {
            reach: 0,
            marks: VecDeque::new(),
        }
    }

    /// Whether nothing in the line has come back.
    pub(crate) fn is_empty(&self) -> bool {
        self.reach == 0
    }

    /// An item that has come back is put in behind `len` others.
    pub(crate) fn push(&mut self, len: usize, returns: u32) {
        self.marks.push_back((len - self.reach, returns));
        self.reach = len + 1;
    }

    /// The first item is taken out. Returns how often it has come back.
    pub(crate) fn pop(&mut self) -> u32 {
        let Some((before, returns)) = self.marks.front_mut() else {
            return 0;
        };
        self.reach -= 1;
        if *before > 0 {
            *before -= 1;
            return 0;
        }
        let returns = *returns;
        self.marks.pop_front();
        if self.marks.is_empty() {
            self.marks = VecDeque::new();
        }
        returns
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn how_often_an_item_has_come_back_comes_out_with_it() {
        let mut returns = Returns::new();
        let line = [0, 3, 0, 0, 1, 2, 0];
        for (len, &times) in line.iter().enumerate() {
            if times > 0 {
                returns.push(len, times);
            }
        }
        assert_eq!(line.map(|_| returns.pop()), line);
        assert!(returns.is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_a_line_of_numbers(steps in prop::collection::vec(0..5u32, 0..200)) {
            let (mut returns, mut naive) = (Returns::new(), VecDeque::new());
            for step in steps {
                match step {
                    0 => {
                        let expected = naive.pop_front().unwrap_or(0);
                        prop_assert_eq!(returns.pop(), expected);
                    }
                    1 => naive.push_back(0),
                    _ => {
                        returns.push(naive.len(), step - 1);
                        naive.push_back(step - 1);
                    }
                }
                prop_assert_eq!(returns.is_empty(), naive.iter().all(|times| *times == 0));
            }
        }
    }
}
