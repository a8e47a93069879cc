//! How many bytes lie below a directory, and where: each directory is a task, and its
//! handler submits those below it.
//!
//! `cargo run --release --example disk_usage -- [DIR]`: this directory unless one is
//! given. Exit status 1 if one could not be read.

#![allow(
    clippy::print_stderr,
    reason = "a command-line program talks to its terminal"
)]

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs, io};

use taskshelf::{Attempt, QueueOptions, Task, TaskQueue};

const WORKERS: usize = 8; // they mostly wait for the disk
const SHOWN: usize = 5;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let root = env::args_os().nth(1).map_or(".".into(), PathBuf::from);

    // What handlers submit is never refused for want of room. Deeper directories go
    // first, so that few lie on the shelf at a time.
    let queue = TaskQueue::new(measure, QueueOptions::new(1, WORKERS).max_retries(1))?;
    queue.submit(root)?;

    // Finishes what was submitted, and what that submits.
    let (mut sizes, mut status) = (Vec::new(), ExitCode::SUCCESS);
    for result in queue.drain() {
        match result.outcome {
            Ok(size) => sizes.push(size),
            Err(failure) => {
                eprintln!("{:?}: {}", failure.task.payload, failure.error);
                status = ExitCode::FAILURE;
            }
        }
    }
    sizes.sort_by(|(a, _), (b, _)| b.cmp(a));
    let mut out = io::stdout().lock();
    for (bytes, directory) in sizes.iter().take(SHOWN) {
        writeln!(out, "{bytes:>12} {}", directory.display())?;
    }
    let total: u64 = sizes.iter().map(|(bytes, _)| bytes).sum();
    writeln!(out, "{total:>12} in {} directories", sizes.len())?;
    Ok(status)
}

/// The bytes of the files in a directory, without those below it.
fn measure(attempt: &Attempt<'_, PathBuf>) -> io::Result<(u64, PathBuf)> {
    let (mut bytes, mut below) = (0, Vec::new());
    for entry in fs::read_dir(&attempt.payload)? {
        let entry = entry?;
        let metadata = entry.metadata()?; // of a symbolic link itself
        if metadata.is_dir() {
            below.push(entry.path());
        } else {
            bytes += metadata.len();
        }
    }
    // Only now that nothing can fail: an attempt that is repeated would submit them again.
    for directory in below {
        let task = Task::new(directory).with_priority(attempt.priority + 1);
        attempt.submit(task).map_err(io::Error::other)?;
    }
    Ok((bytes, attempt.payload.clone()))
}
