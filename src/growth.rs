//! Buffers that grow while the lock is held.
//!
//! A buffer that cannot have the memory that it needs ends the process. Where addresses are
//! short it may panic before that, because no buffer can be larger than `isize::MAX` bytes;
//! the panic would leave the books with an item that is gone. So that ends the process, too.
//! Where they are not short the memory is used up long before.

use std::alloc::{Layout, handle_alloc_error};
use std::collections::VecDeque;

const ADDRESSES_ARE_SHORT: bool = size_of::<usize>() < size_of::<u64>();

pub(crate) trait Growth {
    /// To be called before an item is put in.
    fn make_room(&mut self);
}

impl<T> Growth for Vec<T> {
    #[inline]
    fn make_room(&mut self) {
        if ADDRESSES_ARE_SHORT && self.try_reserve(1).is_err() {
            handle_alloc_error(Layout::new::<T>());
        }
    }
}

impl<T> Growth for VecDeque<T> {
    #[inline]
    fn make_room(&mut self) {
        if ADDRESSES_ARE_SHORT && self.try_reserve(1).is_err() {
            handle_alloc_error(Layout::new::<T>());
        }
    }
}
