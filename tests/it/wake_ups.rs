//! Who is woken, and for what: nobody in vain. Only Linux tells how often a thread has
//! gone to sleep.

use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{
    Attempt, Backoff, PriorityQueue, QueueOptions, ResultsPolicy, RetryWaits, TaskQueue,
};

use crate::clock_ends::longest;
use crate::support::{OsThread, until, within_seconds};

/// The threads whose names begin like that, once there are so many and all of them
/// sleep.
#[track_caller]
fn sleeping(prefix: &str, count: usize) -> Vec<OsThread> {
    until(|| OsThread::named(prefix).len() == count);
    let threads = OsThread::named(prefix);
    threads.iter().for_each(OsThread::until_asleep);
    threads
}

/// How often those threads went to sleep within a fifth of a second.
fn wake_ups(threads: &[OsThread]) -> u64 {
    let before = sleeps(threads);
    thread::sleep(Duration::from_millis(200));
    sleeps(threads) - before
}

/// How often those threads have gone to sleep.
fn sleeps(threads: &[OsThread]) -> u64 {
    threads.iter().filter_map(OsThread::sleeps).sum()
}

fn echo(attempt: &Attempt<'_, u32>) -> Result<u32, &'static str> {
    Ok(attempt.payload)
}

fn fails(_: &Attempt<'_, u32>) -> Result<u32, &'static str> {
    Err("always")
}

#[test]
fn an_idle_queue_makes_none() {
    within_seconds(|| {
        let options = QueueOptions::new(4, 8).thread_name("wake-idle");
        let queue = TaskQueue::new(echo, options).unwrap();
        assert_eq!(wake_ups(&sleeping("wake-idle", 8)), 0);

        // Nor does one that has done something.
        queue.submit_all(0..100).unwrap();
        queue.wait_idle();
        assert_eq!(wake_ups(&sleeping("wake-idle", 8)), 0);
        assert_eq!(queue.drain().len(), 100);
    });
}

#[test]
fn a_retry_far_away_makes_none() {
    let modes = [
        (RetryWaits::FreeWorker, "wake-free"),
        (RetryWaits::HoldWorker, "wake-hold"),
    ];
    for (waits, name) in modes {
        within_seconds(move || {
            let queue = TaskQueue::new(
                fails,
                QueueOptions::new(4, 8)
                    .retry_waits(waits)
                    .backoff(Backoff::constant(Duration::from_secs(60)))
                    .thread_name(name),
            )
            .unwrap();
            queue.submit(1).unwrap();
            until(|| queue.stats().waiting == 1);
            assert_eq!(wake_ups(&sleeping(name, 8)), 0);
            assert_eq!(queue.abort().len(), 1);
        });
    }
}

#[test]
fn a_retry_is_watched_for_by_the_worker_that_puts_it_back() {
    const TASKS: u32 = 20;
    within_seconds(|| {
        // Each has to be watched for, for it is due before all others.
        let fails_earlier = |attempt: &Attempt<'_, u32>| {
            let delay = Duration::from_secs(u64::from(100 - attempt.payload));
            Err::<u32, _>(attempt.retry_after(delay, "not yet"))
        };
        let options = QueueOptions::new(64, 8).thread_name("wake-watch");
        let queue = TaskQueue::new(fails_earlier, options).unwrap();
        let threads = sleeping("wake-watch", 8);
        let before = sleeps(&threads);
        for number in 1..=TASKS {
            queue.submit(number).unwrap();
            until(|| queue.stats().waiting == u64::from(number));
            sleeping("wake-watch", 8);
        }
        let slept = sleeps(&threads) - before;
        assert!(slept <= u64::from(TASKS + TASKS / 4), "{slept} sleeps");
        assert_eq!(queue.abort().len(), TASKS as usize);
    });
}

#[test]
fn idle_poppers_and_pushers_make_none() {
    within_seconds(|| {
        let (empty, full) = (PriorityQueue::<u8>::new(1), PriorityQueue::new(1));
        assert_eq!(full.push(0, 1), Ok(()));
        thread::scope(|scope| {
            let _close = (empty.close_on_drop(), full.close_on_drop());
            for number in 0..4 {
                let (empty, full) = (&empty, &full);
                thread::Builder::new()
                    .name(format!("wake-shelf-{number}"))
                    .spawn_scoped(scope, move || match number {
                        0 => empty.pop_timeout(Duration::from_secs(60)).is_ok(),
                        1 => empty.pop().is_some(),
                        2 => full.push_timeout(0, 2, Duration::from_secs(60)).is_ok(),
                        _ => full.push(0, 2).is_ok(),
                    })
                    .unwrap();
            }
            assert_eq!(wake_ups(&sleeping("wake-shelf", 4)), 0);
        });
    });
}

#[test]
fn a_busy_queue_does_not_wake_a_thread_for_each_task() {
    const TASKS: u32 = 20_000;
    // The queue is often empty with the first, and often full with the other.
    for (work, name) in [(0, "wake-quick"), (5, "wake-slow")] {
        within_seconds(move || {
            let work = Duration::from_micros(work);
            let handler = move |_: &Attempt<'_, u32>| {
                let start = Instant::now();
                while start.elapsed() < work {}
                Ok::<_, ()>(())
            };
            let options = QueueOptions::new(1024, 1)
                .thread_name(name)
                .results(ResultsPolicy::Discard);
            let queue = TaskQueue::new(handler, options).unwrap();
            let mut threads = sleeping(name, 1);
            threads.push(OsThread::current());
            let before = sleeps(&threads);
            for number in 0..TASKS {
                queue.submit(number).unwrap();
            }
            queue.wait_idle();
            let slept = sleeps(&threads) - before;
            assert!(slept <= u64::from(TASKS / 10), "{slept} sleeps");
        });
    }
}

#[test]
fn a_wait_until_the_end_of_time_makes_none() {
    within_seconds(|| {
        let queue = PriorityQueue::<u8>::new(1);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            for timeout in longest() {
                let queue = &queue;
                thread::Builder::new()
                    .name("wake-pop".into())
                    .spawn_scoped(scope, move || queue.pop_timeout(timeout))
                    .unwrap();
            }
            assert_eq!(wake_ups(&sleeping("wake-pop", longest().len())), 0);
        });
    });
}
