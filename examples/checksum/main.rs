//! Prints the SHA-256 of every file below some directories, as a manifest that
//! GNU `sha256sum --check` accepts.
//!
//! ```text
//! cargo run --release --example checksum -- DIR... > manifest
//! sha256sum --check --quiet manifest
//! ```
//!
//! Below one of the directories the manifest would list itself, still empty.
//!
//! ```text
//! main thread: walk -> submit -> [shelf] -> workers: hash, or put back
//!                print <- collect <- [results] <-----'
//! ```
//!
//! What the queue does here:
//!
//! - **Backpressure.** `submit_all` blocks while the shelf is full, so a fast
//!   walk hardly runs further ahead of the workers than `--capacity` files.
//! - **Priority.** Small files overtake large ones: a worker that opens a large
//!   file puts it back on the shelf, behind everything smaller.
//! - **Retries.** A file whose error may pass is tried again with backoff; one
//!   that vanished or may not be read is given up at once. So is a directory
//!   that cannot be walked, for the walk is no task.
//! - **Results.** The main thread takes what is finished now and then while it
//!   looks for files. That needs no collecting thread, and few results pile up:
//!   while it waits for room, hardly more can come than the shelf holds tasks.
//!
//! `submit_all` takes 64 files at a time from the walk: fewer locks, but nothing
//! is hashed before so many were found, or all.
//!
//! `manifest` keeps and prints what has come back, `progress` shows how far it is.

mod manifest;
mod progress;

use std::cell::RefCell;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use clap::builder::RangedI64ValueParser;
use sha2::{Digest, Sha256};
use taskshelf::{Attempt, Backoff, QueueOptions, Task, TaskQueue};
use walkdir::{DirEntry, WalkDir};

use crate::manifest::Collected;

/// More threads than can be of use, fewer than the system would fail to start.
const MAX_WORKERS: usize = 1024;
const MAX_CAPACITY: usize = 1_000_000;

const EXIT_STATUS: &str = "Exit status: 0 if every file was hashed, \
    1 if a file or directory could not be read, \
    2 if the arguments are at fault, and then nothing is hashed, \
    or the manifest cannot be written.";

/// Prints a SHA-256 manifest of directory trees for `sha256sum --check`
#[derive(Parser)]
#[command(name = "checksum", after_help = EXIT_STATUS)]
struct Args {
    /// Directories to walk; a file is hashed itself
    #[arg(value_name = "DIR", default_value = ".")]
    paths: Vec<PathBuf>,

    /// Threads that hash, 1 to 1024 [default: one for each core]
    #[arg(long, value_name = "N", value_parser = from_one_to(MAX_WORKERS))]
    #[arg(allow_negative_numbers = true, default_value_t = cores(), hide_default_value = true)]
    workers: usize,

    /// Files that may wait to be hashed before the walk waits, 1 to 1000000
    #[arg(long, value_name = "N", value_parser = from_one_to(MAX_CAPACITY))]
    #[arg(allow_negative_numbers = true, default_value_t = 1024)]
    capacity: usize,
}

fn from_one_to(limit: usize) -> RangedI64ValueParser<usize> {
    RangedI64ValueParser::new().range(1..=limit as i64)
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_WORKERS))
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_failures) => ExitCode::from(1),
        Err(error) => {
            say(with_causes(&*error));
            ExitCode::from(2)
        }
    }
}

/// Hashes, prints and sums up. Returns how many files and directories failed;
/// an error means that there is no manifest at all.
fn run(args: &Args) -> Result<usize, Box<dyn Error>> {
    let started = Instant::now();
    check(&args.paths)?;

    let options = QueueOptions::new(args.capacity, args.workers)
        .backoff(Backoff::exponential(Duration::from_millis(5)))
        .thread_name("checksum");
    let queue = TaskQueue::new(visit, options)?;
    let results = queue.results();

    let mut collected = Collected::default();
    queue.submit_all(walk(&args.paths).filter_map(|found| match found {
        Ok(entry) => {
            if collected.progress.found() {
                results.try_iter().for_each(|result| collected.add(result));
                collected.progress.show();
            }
            let name = RefCell::new(entry.into_path().into_os_string());
            Some(Task::new(name).with_priority(AS_FOUND))
        }
        Err(error) => {
            collected.unwalkable(&error);
            None
        }
    }))?;
    queue.close();
    collected.progress.found_all();
    results.iter().for_each(|result| collected.add(result));
    collected.progress.finish();

    let summary = collected.summary(queue.stats().retries, started.elapsed());
    let printed = collected.print();
    say(summary);
    printed?;
    Ok(collected.failures())
}

/// An error, what caused it, and so on.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Says it on standard error, in one write. If that fails, nobody is left to be
/// told.
fn say(message: impl Display) {
    let line = format!("checksum: {message}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}

// ---------------------------------------------------------------- walking

/// Refuses arguments that cannot be walked, before any work is done.
fn check(paths: &[PathBuf]) -> Result<(), String> {
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| format!("{path:?}: {error}"))?;
        if !metadata.is_dir() && !metadata.is_file() {
            return Err(format!("{path:?}: neither a directory nor a regular file"));
        }
    }
    Ok(())
}

/// The regular files at and below `paths`, and what could not be walked.
fn walk(paths: &[PathBuf]) -> impl Iterator<Item = walkdir::Result<DirEntry>> {
    paths
        .iter()
        .flat_map(|path| WalkDir::new(unlike_stdin(path)))
        .filter(|found| found.as_ref().map_or(true, is_regular_file))
}

/// `sha256sum --check` takes the name `-` for standard input.
fn unlike_stdin(path: &Path) -> &Path {
    if path.as_os_str() == "-" {
        Path::new("./-")
    } else {
        path
    }
}

/// Symbolic links are followed only where the user named one. What the user
/// named is a file unless it is a directory, even if it has vanished meanwhile:
/// then hashing it will say so.
fn is_regular_file(entry: &DirEntry) -> bool {
    if entry.depth() == 0 {
        !entry.path().is_dir()
    } else {
        entry.file_type().is_file()
    }
}

// ---------------------------------------------------------------- hashing

/// The priority of a file whose size is not known yet: above all large ones.
const AS_FOUND: i32 = 0;

/// Files of this size or more let the others overtake them. They take so long
/// (milliseconds) that opening them twice does not matter.
const LARGE: u64 = 32 * 1024 * 1024;

/// A file that goes on after so many bytes may be large. What was hashed of it
/// by then is lost if it is put back: the thirtieth part at most.
const SUSPICIOUS: u64 = 1024 * 1024;

type Sha256Digest = [u8; 32];

/// The payload. Whoever is done with the file takes the name out of it.
type FileName = RefCell<OsString>;

/// What a worker did with a file.
enum Visit {
    Hashed {
        name: OsString,
        digest: Sha256Digest,
        bytes: u64,
    },
    PutBack,
}

/// The handler: runs on the workers, once for each attempt.
fn visit(attempt: &Attempt<'_, FileName>) -> io::Result<Visit> {
    match hash_or_put_back(attempt) {
        Err(error) if !may_pass(&error) => Err(attempt.permanent(error)),
        visit => visit,
    }
}

fn hash_or_put_back(attempt: &Attempt<'_, FileName>) -> io::Result<Visit> {
    let mut file = File::open(&*attempt.payload.borrow())?;
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    let mut asked = false;
    BUFFER.with_borrow_mut(|buffer| {
        loop {
            let count = match file.read(&mut buffer.0) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            if count == 0 {
                return Ok(Visit::Hashed {
                    name: attempt.payload.take(),
                    digest: hasher.finalize().into(),
                    bytes,
                });
            }
            hasher.update(&buffer.0[..count]);
            bytes += count as u64;
            // Nobody needs to ask a file that has ended by now for its size.
            if bytes >= SUSPICIOUS && !asked {
                asked = true;
                if put_back_if_large(attempt, &file)? {
                    return Ok(Visit::PutBack);
                }
            }
        }
    })
}

/// Submits a large file again, the larger the less important, in one class for
/// each power of two. Returns whether it did.
///
/// The size is asked of the open file because that is cheap. During the walk it
/// would take one more search for the path, 3 to 7 % of the run.
fn put_back_if_large(attempt: &Attempt<'_, FileName>, file: &File) -> io::Result<bool> {
    if attempt.priority != AS_FOUND {
        return Ok(false); // it was put back before
    }
    let size = file.metadata()?.len();
    if size < LARGE {
        return Ok(false);
    }
    let task = Task::new(attempt.payload.clone()).with_priority(-(size.ilog2() as i32));
    let submitted = attempt.submit(task);
    Ok(submitted.is_ok()) // refused only by a queue that was cancelled
}

/// Whether the error may be about the moment (a disk that stumbles, a server
/// away, too many open files) rather than about the file.
fn may_pass(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::Unsupported
    )
}

/// Large enough to make system calls rare, small enough to stay in the cache
/// of a core between the read and the hash.
const BUFFER_SIZE: usize = 128 * 1024;

/// Aligned like the pages that are copied into it, which is fastest.
#[repr(align(4096))]
struct Buffer([u8; BUFFER_SIZE]);

thread_local! {
    /// One for each worker, used again for every file: to allocate and clear one
    /// would take longer than to read most files.
    static BUFFER: RefCell<Box<Buffer>> = RefCell::new(Box::new(Buffer([0; BUFFER_SIZE])));
}
