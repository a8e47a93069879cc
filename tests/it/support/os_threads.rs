//! Threads as the operating system sees them, where it tells.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle, Scope, ScopedJoinHandle};

use super::until;

/// One thread, by its directory.
#[derive(Debug, Clone)]
pub(crate) struct OsThread(Option<PathBuf>);

impl OsThread {
    pub(crate) fn current() -> Self {
        Self(fs::canonicalize("/proc/thread-self").ok())
    }

    /// Those of this process whose names begin like that. The system cuts names to
    /// 15 bytes.
    pub(crate) fn named(prefix: &str) -> Vec<Self> {
        let Ok(threads) = fs::read_dir("/proc/self/task") else {
            return Vec::new();
        };
        let threads = threads.map(|thread| Self(thread.ok().map(|thread| thread.path())));
        let is_named = |name: String| name.starts_with(prefix);
        threads
            .filter(|thread| thread.read("comm").is_some_and(is_named))
            .collect()
    }

    /// Waits until the thread sleeps, seen three times in a row without having been
    /// awake in between, has ended, or cannot be looked at. A thread that waits for a
    /// busy lock looks asleep, too.
    #[track_caller]
    pub(crate) fn until_asleep(&self) {
        let (mut last, mut seen) = (None, 0);
        until(|| {
            let now = self.look();
            seen = match now {
                Some((true, _)) if last == now => seen + 1,
                _ => 0,
            };
            last = now;
            now.is_none() || seen == 3
        });
    }

    /// How often the thread has gone to sleep.
    pub(crate) fn sleeps(&self) -> Option<u64> {
        Some(self.look()?.1)
    }

    /// Whether the thread sleeps, and how often it has gone to sleep.
    fn look(&self) -> Option<(bool, u64)> {
        let status = self.read("status")?;
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
        let is_asleep = field("State:")?.trim_start().starts_with('S');
        let sleeps = field("voluntary_ctxt_switches:")?.trim().parse().ok()?;
        Some((is_asleep, sleeps))
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.0.as_ref()?.join(file)).ok()
    }
}

/// Starts a thread that is expected to block, and returns when it seems to, or is done.
#[track_caller]
pub(crate) fn blocked<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let (body, started) = telling(body);
    let thread = thread::spawn(body);
    started.recv().unwrap().until_asleep();
    thread
}

/// The same for a thread of a scope.
#[track_caller]
pub(crate) fn asleep<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    body: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    let (body, started) = telling(body);
    let thread = scope.spawn(body);
    started.recv().unwrap().until_asleep();
    thread
}

/// The body of a thread that tells first which it is.
fn telling<T>(body: impl FnOnce() -> T) -> (impl FnOnce() -> T, mpsc::Receiver<OsThread>) {
    let (tell, started) = mpsc::channel();
    let body = move || {
        tell.send(OsThread::current()).unwrap();
        drop(tell);
        body()
    };
    (body, started)
}
