//! Where tests meet sleeping threads, and what they count: the means of the
//! shelf's tests and of those that go to the limits.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use crate::support::until;

/// Starts a thread and waits until it sleeps or is done. Where the system
/// does not tell, returns at once.
pub(crate) fn asleep<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    let (tell, told) = channel();
    let thread = scope.spawn(move || {
        let _ = tell.send(std::fs::read_link("/proc/thread-self").ok());
        work()
    });
    let link = told.recv().ok().flatten();
    let path = Path::new("/proc").join(link.unwrap_or_default());
    until_asleep(&path, || thread.is_finished());
    thread
}

/// Waits until the thread with that directory sleeps, seen three times in
/// a row without having been awake in between, or cannot be looked at.
pub(crate) fn until_asleep(thread: &Path, is_over: impl Fn() -> bool) {
    let (mut last, mut seen) = (None, 0);
    while seen < 3 && !is_over() {
        let Some(now) = switches(thread) else {
            return;
        };
        seen = match now.0 && last == Some(now) {
            true => seen + 1,
            false => 0,
        };
        last = Some(now);
        thread::yield_now();
    }
}

/// Whether the thread sleeps, and how often it went to sleep so far.
pub(crate) fn switches(thread: &Path) -> Option<(bool, u64)> {
    let status = std::fs::read_to_string(thread.join("status")).ok()?;
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
    let asleep = field("State:")?.trim_start().starts_with('S');
    Some((
        asleep,
        field("voluntary_ctxt_switches:")?.trim().parse().ok()?,
    ))
}

/// The directories of this process's threads whose names begin like that.
pub(crate) fn threads_named(prefix: &str) -> Vec<PathBuf> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    threads
        .filter_map(|thread| Some(thread.ok()?.path()))
        .filter(|path| {
            std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with(prefix))
        })
        .collect()
}

/// The threads whose names begin like that, once there are so many and all of
/// them sleep.
pub(crate) fn sleeping(prefix: &str, count: usize) -> Vec<PathBuf> {
    until(|| threads_named(prefix).len() == count);
    let threads = threads_named(prefix);
    for thread in &threads {
        until_asleep(thread, || false);
    }
    threads
}

/// How often those threads went to sleep within a fifth of a second.
pub(crate) fn wake_ups(threads: &[PathBuf]) -> u64 {
    let before = sleeps(threads);
    thread::sleep(Duration::from_millis(200));
    sleeps(threads) - before
}

/// How often those threads have gone to sleep.
pub(crate) fn sleeps(threads: &[PathBuf]) -> u64 {
    threads
        .iter()
        .filter_map(|thread| Some(switches(thread)?.1))
        .sum()
}

/// The message of a panic.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    match panic.downcast_ref::<String>() {
        Some(text) => text,
        None => panic.downcast_ref::<&str>().copied().unwrap_or("no text"),
    }
}

/// Counts the things that were made and not yet dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live(Arc<AtomicUsize>);

impl Live {
    pub(crate) fn one(&self) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone(), false)
    }

    /// One whose destructor panics.
    pub(crate) fn bomb(&self) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone(), true)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct Counted(Live, bool);

impl PartialEq for Counted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // A second drop would go below zero.
        let before = self.0.0.fetch_sub(1, Ordering::SeqCst);
        assert!(before > 0, "dropped twice");
        assert!(!self.1, "the destructor's panic");
    }
}
