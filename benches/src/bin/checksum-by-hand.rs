//! What one writes without taskshelf: the job of `examples/checksum` on
//! crossbeam's channels. It prints the same manifest, and knows no priorities,
//! retries or panics, and no progress.
//!
//! `checksum-by-hand WORKERS DIR`

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;

use sha2::{Digest, Sha256};
use walkdir::WalkDir;

const CAPACITY: usize = 1024;
const BUFFER_SIZE: usize = 128 * 1024;

/// Aligned like the pages that are copied into it, as in the example.
#[repr(align(4096))]
struct Buffer([u8; BUFFER_SIZE]);

type Hashed = (PathBuf, io::Result<[u8; 32]>);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let (Some(workers), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: checksum-by-hand WORKERS DIR".into());
    };
    let workers: usize = workers.to_string_lossy().parse()?;

    let (submit, take) = crossbeam_channel::bounded::<PathBuf>(CAPACITY);
    let (publish, results) = crossbeam_channel::unbounded::<Hashed>();
    let threads: Vec<_> = (0..workers)
        .map(|_| {
            let (take, publish) = (take.clone(), publish.clone());
            thread::spawn(move || {
                let mut buffer = Box::new(Buffer([0; BUFFER_SIZE]));
                for path in take {
                    let digest = sha256(&path, &mut buffer.0);
                    publish.send((path, digest)).expect("it is open");
                }
            })
        })
        .collect();
    drop((take, publish));

    let mut manifest = BTreeMap::new();
    let mut add = |(path, digest): Hashed| match digest {
        Ok(digest) => drop(manifest.insert(path.into_os_string(), digest)),
        Err(error) => eprintln!("{}: {error}", path.display()),
    };
    for entry in WalkDir::new(directory) {
        let entry = entry?;
        if entry.file_type().is_file() {
            submit.send(entry.into_path())?;
        }
        results.try_iter().for_each(&mut add);
    }
    drop(submit);
    results.iter().for_each(&mut add);
    threads.into_iter().for_each(|t| t.join().expect("it ends"));
    Ok(print(&manifest)?)
}

fn sha256(path: &Path, buffer: &mut [u8]) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    loop {
        match file.read(buffer)? {
            0 => return Ok(hasher.finalize().into()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn print(manifest: &BTreeMap<OsString, [u8; 32]>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER_SIZE, io::stdout().lock());
    for (path, digest) in manifest {
        let name = escape(path.as_encoded_bytes());
        if let Cow::Owned(_) = name {
            out.write_all(b"\\")?;
        }
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        out.write_all(&text)?;
        out.write_all(b"  ")?;
        out.write_all(&name)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// The way `sha256sum` does.
fn escape(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.iter().any(|byte| b"\\\n\r".contains(byte)) {
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
