//! The plain pattern: a producer puts tasks on a bounded queue, a consumer
//! takes them at its own pace. First with two threads of our own around a
//! `PriorityQueue`, then with the threads, retries and results of a `TaskQueue`.
//!
//! `cargo run --example producer_consumer`

use std::error::Error;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::thread;
use std::time::Duration;

use taskshelf::{Attempt, PriorityQueue, QueueOptions, TaskQueue};

const TASKS: u32 = 10;
const CAPACITY: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    match run() {
        // The reader has seen enough, as in `| head`.
        Err(error) if is_broken_pipe(&*error) => Ok(()),
        outcome => outcome,
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    say(format_args!(
        "-- two threads around a queue of capacity {CAPACITY}"
    ))?;
    with_own_threads()?;
    say(format_args!("-- the same through a task queue"))?;
    with_a_task_queue()
}

fn with_own_threads() -> io::Result<()> {
    let queue = PriorityQueue::new(CAPACITY);
    thread::scope(|scope| {
        let producer = scope.spawn(|| {
            // Lets the consumer come to its end, however this thread ends.
            let _close = queue.close_on_drop();
            for number in 0..TASKS {
                // Blocks while the queue is full.
                if queue.push(0, number).is_err() {
                    break; // the consumer has left early
                }
                say(format_args!("produced {number}"))?;
            }
            Ok(())
        });
        // Lets the producer go if this thread leaves early.
        let _close = queue.close_on_drop();
        for number in &queue {
            work();
            say(format_args!("consumed {number}"))?;
        }
        producer.join().expect("the producer does not panic")
    })
}

fn with_a_task_queue() -> Result<(), Box<dyn Error>> {
    let queue = TaskQueue::new(
        |attempt: &Attempt<'_, u32>| {
            work();
            // What cannot be written now cannot be written later.
            say(format_args!("consumed {}", attempt.payload))
                .map_err(|error| attempt.permanent(error))?;
            Ok::<u32, io::Error>(attempt.payload * attempt.payload)
        },
        QueueOptions::new(CAPACITY, 1),
    )?;
    for number in 0..TASKS {
        queue.submit(number)?; // blocks while the queue is full
        say(format_args!("produced {number}"))?;
    }
    for result in queue.drain() {
        match result.outcome {
            Ok(square) => say(format_args!(
                "task {}: {square}, in {:?}",
                result.task_id, result.duration
            ))?,
            Err(failure) => say(format_args!("{failure}"))?,
        }
    }
    Ok(())
}

/// Takes its time.
fn work() {
    thread::sleep(Duration::from_millis(20));
}

/// Like `println!`, which panics when it cannot write.
fn say(line: Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
