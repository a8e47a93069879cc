//! The example that hashes directory trees, as a program, beside the same job
//! on a pool written by hand and beside `sha256sum` itself.

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::Instant;

use crate::effort::Effort;
use crate::paired::{Comparison, Contender};
use crate::report::{Report, Row};

const WORKERS: usize = 2;
const FILES_IN_DIRECTORY: usize = 250;

/// A directory tree of files, gone when it is dropped.
struct Tree(PathBuf);

impl Tree {
    /// The files take turns in having these sizes.
    fn plant(name: &str, files: usize, sizes: &[usize]) -> io::Result<Self> {
        let root = env::temp_dir().join(format!("taskshelf-{name}-{}", process::id()));
        let tree = Self(root);
        let largest = sizes.iter().copied().max().unwrap_or(0);
        let content: Vec<u8> = (0..largest).map(|n| ((n * n) >> 7) as u8).collect();
        for file in 0..files {
            let directory = tree.0.join(format!("{:03}", file / FILES_IN_DIRECTORY));
            if file % FILES_IN_DIRECTORY == 0 {
                fs::create_dir_all(&directory)?;
            }
            let size = sizes[file % sizes.len()];
            fs::write(directory.join(format!("{file:06}")), &content[..size])?;
        }
        Ok(tree)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // it is a temporary directory
    }
}

/// Builds the programs of this package beside this one, which is one of them.
fn build() -> Result<PathBuf, Box<dyn Error>> {
    let here = env::current_exe()?;
    let profile = here.parent().ok_or("a program lies in a directory")?;
    let target = profile.parent().ok_or("and that in the target directory")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--locked", "--bins"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .arg("--target-dir")
        .arg(target)
        .status()?;
    if !status.success() {
        return Err("the programs to compare were not built".into());
    }
    Ok(profile.to_owned())
}

/// Runs it, and returns the milliseconds it took and what it printed: a line
/// for each file.
fn run(command: &mut Command, files: usize) -> (f64, Vec<u8>) {
    let start = Instant::now();
    let output = command
        .stderr(Stdio::null())
        .output()
        .expect("the program starts");
    let millis = start.elapsed().as_secs_f64() * 1000.0;
    assert!(output.status.success(), "{command:?} failed");
    let lines = output.stdout.iter().filter(|b| **b == b'\n').count();
    assert_eq!(lines, files, "{command:?} lost files");
    (millis, output.stdout)
}

fn sorted_lines(manifest: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = manifest.split_inclusive(|b| *b == b'\n').collect();
    lines.sort_unstable();
    lines
}

fn compare(programs: &Path, tree: &Path, files: usize, rounds: usize) -> Comparison {
    let workers = WORKERS.to_string();
    let mut ours = Command::new(programs.join("checksum"));
    ours.args(["--workers", &workers]).arg(tree);
    let mut by_hand = Command::new(programs.join("checksum-by-hand"));
    by_hand.arg(&workers).arg(tree);
    let mut sha256sum = Command::new("sh");
    let script = r#"find "$1" -type f -print0 | xargs -0 -P "$2" -n 64 sha256sum"#;
    sha256sum.args(["-c", script, "sh"]).arg(tree).arg(&workers);

    // They do the same job: the same names, with the same digests.
    let (_, expected) = run(&mut sha256sum, files);
    for command in [&mut ours, &mut by_hand] {
        let (_, manifest) = run(command, files);
        let agrees = sorted_lines(&manifest) == sorted_lines(&expected);
        assert!(agrees, "{command:?} prints another manifest");
    }

    let contenders = vec![
        Contender::ours("checksum", || run(&mut ours, files).0),
        Contender::peer("by hand", || run(&mut by_hand, files).0),
        Contender::peer("sha256sum", || run(&mut sha256sum, files).0),
    ];
    Comparison::run(contenders, rounds)
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let programs = build()?;
    let files = effort.files;
    let trees: [(&str, &[usize]); 2] = [
        (
            "up to 256 KiB",
            &[100, 4 << 10, 16 << 10, 64 << 10, 256 << 10],
        ),
        ("100 bytes", &[100]),
    ];
    let mut rows = Vec::new();
    for (label, sizes) in trees {
        let tree = Tree::plant("checksum", files, sizes)?;
        let comparison = compare(&programs, &tree.0, files, effort.rounds);
        rows.push(Row::new(format!("{files}, {label}"), comparison));
    }
    report.compare(
        "checksum",
        "The example checksum, 2 workers, files in the page cache: ms",
        "files",
        &rows,
    );
    Ok(())
}
