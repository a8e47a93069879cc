//! A model's clock: stands still until [`advance`] moves it.
//!
//! A waiter sets its alarm while it holds the gate of its mutex, and keeps the
//! gate until its condvar has it. Whoever moves the clock rings the alarms
//! that are due, taking each gate first: by then the waiter waits, so the ring
//! is not lost. The clock's own lock is never held across a gate.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::{Duration, Instant};

use super::checker::sync::{Condvar, Mutex, MutexGuard};
use super::world;

/// The instant at which every model starts.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The end of time: far enough for every deadline that is not "never", near
/// enough for an `Instant`.
const END: Duration = Duration::from_secs(1 << 40);

super::checker::lazy_static! {
    // One per execution of a model.
    static ref CLOCK: Mutex<Clock> = Mutex::new(Clock::default());
}

#[derive(Default)]
struct Clock {
    elapsed: Duration,
    alarms: Vec<Alarm>,
    next_id: u64,
}

struct Alarm {
    id: u64,
    deadline: Instant,
    gate: Arc<Mutex<()>>,
    condvar: Arc<Condvar>,
}

impl Clock {
    fn now(&self) -> Instant {
        start() + self.elapsed
    }
}

fn clock() -> MutexGuard<'static, Clock> {
    CLOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn start() -> Instant {
    *START
}

fn since_start(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(start())
}

/// The model's present time.
pub fn now() -> Instant {
    clock().now()
}

/// How many waits there are that the clock could end. A wait counts once its queue's lock
/// is free again, until the clock ends it or it is over: seen here, it sleeps or is about to,
/// or has been woken.
pub fn timed_waits() -> usize {
    clock().alarms.len()
}

/// Moves the model's clock forward and wakes every wait that is due by then.
///
/// Time does not move by itself in a model. End a model that waits for time
/// with `advance(Duration::MAX)`: all the time there is has passed.
pub fn advance(by: Duration) {
    let mut due: VecDeque<Alarm> = {
        let mut clock = clock();
        clock.elapsed = clock.elapsed.max(clock.elapsed.saturating_add(by).min(END));
        if clock.elapsed >= END {
            // All the time there is has passed, for waits that would last longer as well.
            let ends = clock.alarms.iter().map(|alarm| since_start(alarm.deadline));
            clock.elapsed = ends.fold(clock.elapsed, Duration::max);
        }
        let now = clock.now();
        let (due, later): (Vec<_>, _) = std::mem::take(&mut clock.alarms)
            .into_iter()
            .partition(|alarm| alarm.deadline <= now);
        clock.alarms = later;
        due.into()
    };
    let order = world::order();
    while let Some(alarm) = order.take(&mut due) {
        drop(alarm.gate.lock());
        alarm.condvar.notify_one();
    }
}

/// `None` if it is that late already.
pub(super) fn set_alarm(
    deadline: Instant,
    gate: &Arc<Mutex<()>>,
    condvar: &Arc<Condvar>,
) -> Option<u64> {
    let mut clock = clock();
    if clock.elapsed >= END {
        // The same for waits that begin now.
        clock.elapsed = clock.elapsed.max(since_start(deadline));
    }
    if deadline <= clock.now() {
        return None;
    }
    let id = clock.next_id;
    clock.next_id += 1;
    clock.alarms.push(Alarm {
        id,
        deadline,
        gate: Arc::clone(gate),
        condvar: Arc::clone(condvar),
    });
    Some(id)
}

pub(super) fn clear_alarm(id: u64) {
    clock().alarms.retain(|alarm| alarm.id != id);
}
