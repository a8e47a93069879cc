//! What a model may decide about the world around the queues.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::checker;
use crate::sync::{LARGE_CAPACITY, MAX_PASSES};

/// Which of several sleepers is woken first, where more than one could be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The one that has slept the longest.
    #[default]
    Oldest,
    /// The one that fell asleep last.
    Newest,
}

impl Order {
    /// Takes the next one out of a list that begins with the oldest.
    pub(super) fn take<T>(self, sleepers: &mut VecDeque<T>) -> Option<T> {
        match self {
            Self::Oldest => sleepers.pop_front(),
            Self::Newest => sleepers.pop_back(),
        }
    }
}

/// What a model may decide about the world around the queues.
struct World {
    order: Order,
    threads_allowed: usize,
    large_capacity: usize,
    max_passes: u32,
    looks: u32,
    spurious_wakes: u32,
}

checker::lazy_static! {
    // One per execution of a model. No schedule depends on the lock, which is
    // never held across anything that the checker sees.
    static ref WORLD: Mutex<World> = Mutex::new(World {
        order: Order::default(),
        threads_allowed: usize::MAX,
        large_capacity: LARGE_CAPACITY,
        max_passes: MAX_PASSES,
        looks: checker::LOOKS,
        spurious_wakes: 0,
    });
}

fn world() -> MutexGuard<'static, World> {
    WORLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says in which order this execution of the model wakes threads, where that
/// is not decided by a queue: receivers that wait for results, and waits that
/// are due at the same move of the clock. Call it first.
pub fn wake_order(order: Order) {
    world().order = order;
}

pub(super) fn order() -> Order {
    world().order
}

/// Lets the queues start only so many more threads in this execution of the
/// model: the next one does not start.
pub fn allow_threads(count: usize) {
    world().threads_allowed = count;
}

/// Says from which capacity on, but not below 3, a queue that is built in this execution
/// of the model counts as large: 256 unless said, too many for a model. A submitter that
/// waits for a large queue may need the clock to get on.
pub fn large_from(capacity: usize) {
    world().large_capacity = capacity;
}

pub(crate) fn large_capacity() -> usize {
    world().large_capacity
}

/// Says how many threads in a row may go ahead of those who wait for a queue that
/// is built in this execution of the model: 16,384 unless said, too many for a
/// model. With 0 a thread that comes while others wait has to wait, too.
pub fn let_pass(count: u32) {
    world().max_passes = count;
}

pub(crate) fn max_passes() -> u32 {
    world().max_passes
}

/// Says how often, in this execution of the model, a thread that waits for a busy
/// queue looks again before it sleeps: not at all in loom unless said, once in
/// shuttle.
pub fn look_again(times: u32) {
    world().looks = times;
}

pub(super) fn looks() -> u32 {
    world().looks
}

/// Wakes the first `count` waits on a condvar in this execution of the model though nobody
/// has notified it, as may happen.
pub fn wake_spuriously(count: u32) {
    world().spurious_wakes = count;
}

/// Whether this sleep is one of them.
pub(super) fn wakes_spuriously() -> bool {
    let mut world = world();
    let wakes = world.spurious_wakes > 0;
    world.spurious_wakes = world.spurious_wakes.saturating_sub(1);
    wakes
}

/// Whether one more thread starts.
pub(super) fn admits_thread() -> bool {
    let mut world = world();
    let admits = world.threads_allowed > 0;
    world.threads_allowed = world.threads_allowed.saturating_sub(1);
    admits
}
