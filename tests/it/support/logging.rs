//! What threads log.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::Count;

type LogHook = Box<dyn Fn(log::Level, &str)>;

thread_local! {
    static LOG_HOOK: RefCell<Option<LogHook>> = const { RefCell::new(None) };
}

/// The test binary's logger: does nothing on a thread that has no hook, nor for other
/// targets than that of the library.
struct Relay;

impl log::Log for Relay {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() != "taskshelf" {
            return;
        }
        let hook = LOG_HOOK.try_with(|hook| hook.take()).ok().flatten();
        if let Some(hook) = hook {
            let called = panic::catch_unwind(AssertUnwindSafe(|| {
                hook(record.level(), &record.args().to_string());
            }));
            LOG_HOOK.set(Some(hook));
            if let Err(panic) = called {
                panic::resume_unwind(panic);
            }
        }
    }

    fn flush(&self) {}
}

/// Calls the hook with what this thread logs from now on.
pub(crate) fn on_log(hook: impl Fn(log::Level, &str) + 'static) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        log::set_logger(&Relay).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
    LOG_HOOK.set(Some(Box::new(hook)));
}

/// Panics at whatever this thread logs from now on, and counts the times.
pub(crate) fn panic_on_log(times: &Count) {
    let times = times.clone();
    on_log(move |_, _| {
        times.add();
        panic!("the logger's");
    });
}
