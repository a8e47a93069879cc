//! Every call that a worker, a canceller or a dropped task queue makes into code of the
//! user's: handlers, custom backoffs, destructors and loggers may panic, and none of that
//! reaches the thread or the books. (Iterators have a door of their own, in
//! [`chunks`](crate::chunks). A lease, or a bare queue, drops its items as a `Vec` does.)

use std::any::Any;
use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// Writes to the log. Loggers are code of the user's as well: a panic in one
/// is swallowed, for there is nowhere left to report it.
macro_rules! report {
    ($level:ident, $($message:tt)+) => {{
        let _ = $crate::contain::silence(|| ::log::$level!(target: "taskshelf", $($message)+));
    }};
}
pub(crate) use report;

/// Calls `f`; a panic becomes its message.
pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    // Unwind safety: what a panic leaves half-done is the user's own, and the
    // user is told of the panic.
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(message_of)
}

/// Drops a value whose destructor may panic.
pub(crate) fn discard<T>(value: T) {
    if mem::needs_drop::<T>() {
        if let Err(message) = contain(|| drop(value)) {
            report!(error, "a destructor panicked: {message}");
        }
    }
}

/// The text of a panic. The payload goes through its own destructor, which may
/// panic in turn.
fn message_of(payload: Box<dyn Any + Send>) -> String {
    let message = if let Some(text) = payload.downcast_ref::<&str>() {
        String::from(*text)
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        String::from("the panic has no message")
    };
    if !silence(|| drop(payload)) {
        report!(error, "a destructor panicked: that of a panic's payload");
    }
    message
}

/// Calls `f`, and swallows a panic. Returns whether there was none. If dropping the panic's
/// payload panics too, that second payload is leaked, for there is no end to it otherwise.
pub(crate) fn silence(f: impl FnOnce()) -> bool {
    let Err(payload) = panic::catch_unwind(AssertUnwindSafe(f)) else {
        return true;
    };
    if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(second);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic::panic_any(Bomb);
        }
    }

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(contain(|| 1), Ok(1));
        let formatted = contain(|| panic!("no {}", 7));
        assert_eq!(formatted, Err::<(), _>(String::from("no 7")));
        let literal = contain(|| panic!("plain"));
        assert_eq!(literal, Err::<(), _>(String::from("plain")));
        let number = contain(|| panic::panic_any(7));
        assert_eq!(
            number,
            Err::<(), _>(String::from("the panic has no message"))
        );
    }

    #[test]
    fn a_payload_whose_destructor_panics_is_contained() {
        assert!(contain(|| panic::panic_any(Bomb)).is_err());
        discard(Bomb);
    }
}
