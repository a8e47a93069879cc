//! The system's allocator, with a count of the bytes that are live.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

/// Counts only while it is asked to, so that the other tables do not pay for a
/// counter that all threads share.
pub struct Counting {
    is_on: AtomicBool,
    live: AtomicIsize,
}

impl Counting {
    pub const fn new() -> Self {
        Self {
            is_on: AtomicBool::new(false),
            live: AtomicIsize::new(0),
        }
    }

    /// How many more bytes are live after `work` than before it. What `work`
    /// returns is dropped after that.
    pub fn growth<R>(&self, work: impl FnOnce() -> R) -> isize {
        self.live.store(0, Ordering::SeqCst);
        self.is_on.store(true, Ordering::SeqCst);
        let kept = work();
        self.is_on.store(false, Ordering::SeqCst);
        drop(kept);
        self.live.load(Ordering::SeqCst)
    }

    fn add(&self, bytes: isize) {
        // ORDERING: a statistic; `growth` meets the threads it counts by other
        // means.
        if self.is_on.load(Ordering::Relaxed) {
            self.live.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.add(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.add(size as isize - layout.size() as isize);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
