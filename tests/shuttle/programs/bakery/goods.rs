//! What goes into a queue and comes out of it.

use std::panic::resume_unwind;
use std::sync::Arc;

use super::Bakery;
use crate::random::Random;

/// The payload of a task, or what a handler makes of it.
pub(super) struct Goods {
    /// The same for both.
    pub(super) key: u64,
    /// How many generations of children it may have.
    pub(super) generations: u64,
    bakery: Arc<Bakery>,
    destructor: Destructor,
}

#[derive(Debug, Clone, Copy)]
enum Destructor {
    Plain,
    Looks,
    Closes,
    Cancels,
    Panics,
}

impl Destructor {
    fn draw(random: &mut Random) -> Self {
        match random.below(40) {
            0..=1 => Self::Looks,
            2 => Self::Closes,
            3 => Self::Cancels,
            4..=5 => Self::Panics,
            _ => Self::Plain,
        }
    }
}

impl Goods {
    pub(super) fn new(
        bakery: &Arc<Bakery>,
        random: &mut Random,
        key: u64,
        generations: u64,
    ) -> Self {
        bakery.books().live += 1;
        let destructor = match bakery.is_stormy {
            true => Destructor::draw(random),
            false => Destructor::Plain,
        };
        Self {
            key,
            generations,
            bakery: Arc::clone(bakery),
            destructor,
        }
    }

    /// What the program drops itself does nothing more. Returns the key.
    pub(super) fn unpack(mut self) -> u64 {
        self.destructor = Destructor::Plain;
        self.key
    }
}

impl Drop for Goods {
    fn drop(&mut self) {
        self.bakery.books().live -= 1;
        if std::thread::panicking() {
            return; // a second panic would abort the process
        }
        let submitter = self.bakery.submitter();
        match self.destructor {
            Destructor::Plain => {}
            Destructor::Looks => {
                submitter.stats();
            }
            Destructor::Closes => {
                submitter.close();
            }
            Destructor::Cancels => submitter.cancel(),
            Destructor::Panics => resume_unwind(Box::new("planned, in a destructor")),
        }
    }
}
