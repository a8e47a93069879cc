//! Which addresses accept connections: tasks that block and fail, retries, and a time
//! after which the rest is given up.
//!
//! `cargo run --example port_check -- [HOST:PORT]...`

use std::env;
use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use taskshelf::{Attempt, Backoff, QueueOptions, TaskQueue};

const WORKERS: usize = 16; // they do nothing but wait
const TIMEOUT: Duration = Duration::from_secs(2);
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    // By default a port that listens, and one that listened a moment ago.
    let (open, closed) = (listen()?, listen()?.local_addr()?);
    let defaults = [open.local_addr()?.to_string(), closed.to_string()];
    let mut addresses: Vec<String> = env::args().skip(1).collect();
    if addresses.is_empty() {
        addresses = defaults.into();
    }

    let options = QueueOptions::new(64, WORKERS)
        .max_retries(2)
        .backoff(Backoff::exponential(Duration::from_millis(50)));
    let queue = TaskQueue::new(connect, options)?;
    queue.submit_all(addresses)?;
    let results = match queue.drain_timeout(GIVE_UP_AFTER) {
        Ok(results) => results,
        // Ends the delays between attempts; what is late is settled without another.
        Err(queue) => queue.abort(),
    };
    let mut out = io::stdout().lock();
    for result in results {
        let attempts = result.attempts;
        match result.outcome {
            Ok((address, time)) => writeln!(out, "{address}: open, {time:.1?}")?,
            Err(failure) => {
                let (address, error) = (&failure.task.payload, &failure.error);
                writeln!(out, "{address}: {error} (attempts: {attempts})")?;
            }
        }
    }
    Ok(())
}

fn listen() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0))
}

fn connect(attempt: &Attempt<'_, String>) -> io::Result<(String, Duration)> {
    // A name that does not parse will not do so later.
    let mut addresses = attempt.payload.to_socket_addrs().map_err(|error| {
        match error.kind() == ErrorKind::InvalidInput {
            true => attempt.permanent(error),
            false => error,
        }
    })?;
    let address = addresses.next().ok_or(ErrorKind::AddrNotAvailable)?;
    let start = Instant::now();
    TcpStream::connect_timeout(&address, TIMEOUT)?;
    Ok((attempt.payload.clone(), start.elapsed()))
}
