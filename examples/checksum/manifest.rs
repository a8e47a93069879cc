//! Collects what was hashed, and prints it as `sha256sum` would.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::time::Duration;

use indicatif::BinaryBytes;
use taskshelf::{Failure, WorkerResult};

use crate::progress::Progress;
use crate::{BUFFER_SIZE, FileName, Sha256Digest, Visit, say};

/// Every path once, in the order of its bytes, however the arguments overlap.
type Manifest = BTreeMap<OsString, Sha256Digest>;

/// Everything that has come back so far.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) progress: Progress,
    manifest: Manifest,
    bytes: u64,
    /// What could not be read, once each, like the files of the manifest.
    failed: BTreeSet<OsString>,
    nameless_failures: usize,
}

impl Collected {
    pub(crate) fn add(&mut self, result: WorkerResult<FileName, Visit, io::Error>) {
        match result.outcome {
            Ok(Visit::PutBack) => {}
            Ok(Visit::Hashed {
                name,
                digest,
                bytes,
            }) => {
                self.progress.done();
                let before = self.manifest.insert(name, digest);
                if before.is_none() {
                    self.bytes += bytes;
                }
            }
            Err(failure) => {
                let Failure { task, error, .. } = *failure;
                self.progress.done();
                let (name, attempts) = (task.payload.into_inner(), result.attempts);
                self.fail(name, format_args!("{error} (attempts: {attempts})"));
            }
        }
    }

    pub(crate) fn unwalkable(&mut self, error: &walkdir::Error) {
        match (error.path(), error.io_error()) {
            (Some(path), Some(reason)) => {
                self.fail(path.as_os_str().to_owned(), format_args!("{reason}"));
            }
            // A directory broke off while it was read.
            _ => {
                self.nameless_failures += 1;
                self.progress.suspend(|| say(error));
            }
        }
    }

    fn fail(&mut self, name: OsString, reason: fmt::Arguments<'_>) {
        if !self.failed.contains(&name) {
            self.progress
                .suspend(|| say(format_args!("{name:?}: {reason}")));
            self.failed.insert(name);
        }
    }

    pub(crate) fn failures(&self) -> usize {
        self.failed.len() + self.nameless_failures
    }

    pub(crate) fn summary(&self, retries: u64, elapsed: Duration) -> String {
        let (files, bytes, failures) = (self.manifest.len(), self.bytes, self.failures());
        let throughput = BinaryBytes((bytes as f64 / elapsed.as_secs_f64()) as u64);
        format!(
            "files: {files}, bytes: {bytes}, failures: {failures}, retries: {retries}, \
             throughput: {throughput}/s in {elapsed:.2?}"
        )
    }

    pub(crate) fn print(&self) -> Result<(), String> {
        match write(io::stdout().lock(), &self.manifest) {
            // The reader has seen enough, as in `| head`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(format!("cannot write the manifest: {error}")),
            Ok(()) => Ok(()),
        }
    }
}

fn write(out: impl Write, manifest: &Manifest) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER_SIZE, out);
    for (name, digest) in manifest {
        write_line(&mut out, name, digest)?;
    }
    out.flush()
}

/// One line as `sha256sum` prints it: a leading backslash says that the name is
/// escaped. On Unix the encoded bytes are the very name, be it UTF-8 or not.
fn write_line(out: &mut impl Write, name: &OsStr, digest: &Sha256Digest) -> io::Result<()> {
    let name = escape(name.as_encoded_bytes());
    if let Cow::Owned(_) = name {
        out.write_all(b"\\")?;
    }
    out.write_all(&hex(digest))?;
    out.write_all(b"  ")?;
    out.write_all(&name)?;
    out.write_all(b"\n")
}

/// The name so that it takes one line; borrowed if it does as it is.
fn escape(name: &[u8]) -> Cow<'_, [u8]> {
    let is_special = |byte| matches!(byte, b'\\' | b'\n' | b'\r');
    if !name.iter().copied().any(is_special) {
        return Cow::Borrowed(name);
    }
    let mut escaped = Vec::with_capacity(name.len() + 8);
    for &byte in name {
        match byte {
            b'\\' => escaped.extend(b"\\\\"),
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            _ => escaped.push(byte),
        }
    }
    Cow::Owned(escaped)
}

/// Lower-case hexadecimal, without a formatter: there may be a million lines.
fn hex(digest: &Sha256Digest) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}
