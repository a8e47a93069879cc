//! Buffers that grow while the lock is held.
//!
//! No buffer can be larger than `isize::MAX` bytes. Where addresses are short that is within
//! reach, and a buffer that would become larger panics; under the lock that would leave the
//! books with an item that is gone. So it ends the process there, as a failed allocation does
//! everywhere. Where addresses are long the memory is used up long before.

use std::alloc::{Layout, handle_alloc_error};
use std::collections::{TryReserveError, VecDeque};

const ADDRESSES_ARE_SHORT: bool = size_of::<usize>() < size_of::<u64>();

pub(crate) trait Growth {
    /// Makes sure of room for one more item.
    fn reserve_one(&mut self);
}

impl<T> Growth for Vec<T> {
    #[inline]
    fn reserve_one(&mut self) {
        if ADDRESSES_ARE_SHORT {
            self.try_reserve(1).unwrap_or_else(no_room::<T>);
        }
    }
}

impl<T> Growth for VecDeque<T> {
    #[inline]
    fn reserve_one(&mut self) {
        if ADDRESSES_ARE_SHORT {
            self.try_reserve(1).unwrap_or_else(no_room::<T>);
        }
    }
}

/// The error does not tell how much was asked for, so the message names one item.
#[cold]
fn no_room<T>(_: TryReserveError) {
    handle_alloc_error(Layout::new::<T>())
}
