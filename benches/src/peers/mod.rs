//! Who taskshelf is compared with.

pub mod channels;
mod heap;
pub mod pools;
mod ring;
