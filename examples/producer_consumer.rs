//! The plain pattern: a producer puts tasks on a bounded queue, a consumer
//! takes them at its own pace. First with two threads of our own around a
//! `PriorityQueue`, then with the threads, retries and results of a `TaskQueue`.
//!
//! `cargo run --example producer_consumer`

#![allow(
    clippy::print_stdout,
    reason = "a command-line program talks to its terminal"
)]

use std::error::Error;
use std::thread;
use std::time::Duration;

use taskshelf::{Attempt, PriorityQueue, QueueOptions, TaskQueue};

const TASKS: u32 = 10;
const CAPACITY: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    println!("-- two threads around a queue of capacity {CAPACITY}");
    with_own_threads();
    println!("-- the same through a task queue");
    with_a_task_queue()
}

fn with_own_threads() {
    let queue = PriorityQueue::new(CAPACITY);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Closes the queue at the end, and if this thread panics.
            let _close = queue.close_on_drop();
            for number in 0..TASKS {
                // Blocks while the queue is full.
                if queue.push(0, number).is_err() {
                    break; // the consumer has left early
                }
                println!("produced {number}");
            }
        });
        // If this thread panics the producer must not wait for room for ever.
        let _close = queue.close_on_drop();
        for number in &queue {
            work();
            println!("consumed {number}");
        }
    });
}

fn with_a_task_queue() -> Result<(), Box<dyn Error>> {
    let queue = TaskQueue::new(
        |attempt: &Attempt<'_, u32>| {
            work();
            println!("consumed {}", attempt.payload);
            Ok::<u32, Box<dyn Error + Send + Sync>>(attempt.payload * attempt.payload)
        },
        QueueOptions::new(CAPACITY, 1),
    )?;
    for number in 0..TASKS {
        queue.submit(number)?; // blocks while the queue is full
        println!("produced {number}");
    }
    for result in queue.drain() {
        let square = result.outcome?;
        println!(
            "task {}: {square}, in {:?}",
            result.task_id, result.duration
        );
    }
    Ok(())
}

/// Takes its time.
fn work() {
    thread::sleep(Duration::from_millis(20));
}
