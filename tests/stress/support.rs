//! Time, threads, what lives, and panics that are meant.

use std::any::Any;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::random::Random;

pub(crate) fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .ok()
            .unwrap_or_else(|| panic!("{name} is not a number")),
    )
}

/// To the standard error, past the capture of the tests' output.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

/// As many rounds if the long run was asked for, and otherwise as many as fit.
pub(crate) fn on_request(rounds: u64) -> u64 {
    match variable::<u64>("TASKSHELF_STRESS") {
        Some(_) => rounds,
        None => 0,
    }
}

/// Runs one mix after another until the time is over, but no less than so many.
pub(crate) fn for_a_while(rounds: u64, mix: impl Fn(Random) + Send + Sync + 'static) {
    let seconds = variable("TASKSHELF_STRESS");
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(2));
    let given = variable("TASKSHELF_SEED");
    let mut seeds = Random(RandomState::new().hash_one(()));
    let mix = Arc::new(mix);
    let mut round = 0;
    while round < rounds || Instant::now() < end {
        round += 1;
        let seed = given.unwrap_or_else(|| seeds.next());
        let (done, finished) = channel::<()>();
        let mix = Arc::clone(&mix);
        let thread = thread::spawn(move || {
            let _done = done;
            mix(Random(seed));
        });
        if finished.recv_timeout(Duration::from_secs(10)) == Err(RecvTimeoutError::Timeout) {
            panic!("seed {seed}: not over after 10 s, so somebody waits for ever");
        }
        if thread.join().is_err() {
            panic!("seed {seed}: see above");
        }
    }
    if seconds.is_some() {
        let test = thread::current();
        say(&format!("{}: {round} mixes", test.name().unwrap_or("")));
    }
}

/// Whether a queue is so large that who has to wait for room waits for much.
pub(crate) fn is_large(capacity: usize) -> bool {
    capacity >= 256
}

/// The message of a panic that is part of the mix.
pub(crate) const PLANNED: &str = "planned";

/// Says nothing on the way, unlike `panic!`.
pub(crate) fn panic_as_planned() -> ! {
    resume_unwind(Box::new(PLANNED))
}

pub(crate) fn is_planned(panic: &(dyn Any + Send)) -> bool {
    panic.downcast_ref::<&str>() == Some(&PLANNED)
}

/// What `f` returns; `None` if it panics as planned. Any other panic goes on.
pub(crate) fn unless_planned<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => Some(value),
        Err(panic) if is_planned(&*panic) => None,
        Err(panic) => resume_unwind(panic),
    }
}

/// Counts what lives.
#[derive(Clone, Default)]
pub(crate) struct Live(Arc<AtomicI64>);

impl Live {
    /// One more. Now and then its destructor panics.
    pub(crate) fn one(&self, random: &mut Random) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        Counted {
            live: self.clone(),
            explodes: Cell::new(random.chance(5)),
        }
    }

    pub(crate) fn count(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub(crate) struct Counted {
    live: Live,
    explodes: Cell<bool>,
}

impl Counted {
    pub(crate) fn explodes(&self) -> bool {
        self.explodes.get()
    }

    /// For a test that is about to drop it itself.
    pub(crate) fn defuse(&self) {
        self.explodes.set(false);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.live.0.fetch_sub(1, Ordering::SeqCst);
        // A second panic on the way out of a first would end the process.
        if self.explodes.get() && !thread::panicking() {
            panic_as_planned();
        }
    }
}

/// Waits until no thread has a name that begins like this.
pub(crate) fn no_thread_is_left(prefix: &str) {
    let is_there = |thread: std::io::Result<std::fs::DirEntry>| {
        thread
            .and_then(|thread| std::fs::read_to_string(thread.path().join("comm")))
            .is_ok_and(|name| name.starts_with(prefix))
    };
    // The system forgets a joined thread a moment later.
    while std::fs::read_dir("/proc/self/task").is_ok_and(|mut all| all.any(is_there)) {
        thread::yield_now();
    }
}
