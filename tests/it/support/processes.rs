//! Tests in processes of their own.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::within_seconds;

const CHILD: &str = "TASKSHELF_CHILD";

/// One test of this binary in a process of its own, which ends with this.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(test: &str) -> Self {
        let child = Command::new(env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null()) // the planned panics
            .spawn();
        Self(child.unwrap())
    }

    /// Calls `heard` with every line that the child [`say`]s.
    pub(crate) fn listen(&mut self, mut heard: impl FnMut(&mut Child, &str)) {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if let Some(word) = line.strip_prefix("child: ") {
                heard(&mut self.0, word);
            }
        }
    }

    #[track_caller]
    pub(crate) fn succeeds(mut self) {
        let status = self.0.wait().unwrap();
        assert!(status.success(), "the child's {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn say(word: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "\nchild: {word}").unwrap();
}

/// Runs the body of that test in a child, in which it must get to its end.
#[track_caller]
pub(crate) fn in_a_child(test: &'static str, body: fn()) {
    if is_child() {
        body();
        say("done");
        return;
    }
    within_seconds(move || {
        let mut child = Process::start(test);
        let mut done = false;
        child.listen(|_, word| done |= word == "done");
        child.succeeds();
        assert!(done, "the child did not run {test}");
    });
}

/// Whether this is such a process.
pub(crate) fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}
