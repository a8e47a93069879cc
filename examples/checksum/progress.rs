//! The progress bar: on standard error, and only if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Ticks by itself while the main thread is blocked.
pub(crate) struct Progress {
    bar: ProgressBar,
    found: u64,
    done: u64,
    step: u64,
}

impl Progress {
    /// The bar reads the clock whenever it is told something, so it is told in
    /// steps while files are being found.
    const STEP: u64 = 64;

    pub(crate) fn found(&mut self) {
        self.found += 1;
        if self.found % Self::STEP == 0 {
            self.bar.set_length(self.found);
        }
    }

    /// What is left now fits on the shelf, and may be few files that take long:
    /// from here on the bar is told of each.
    pub(crate) fn found_all(&mut self) {
        self.step = 1;
        self.bar.set_length(self.found);
        self.bar.set_position(self.done);
    }

    pub(crate) fn done(&mut self) {
        self.done += 1;
        if self.done % self.step == 0 {
            self.bar.set_position(self.done);
        }
    }

    /// Takes the bar away while `speak` runs.
    pub(crate) fn suspend(&self, speak: impl FnOnce()) {
        self.bar.suspend(speak);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Default for Progress {
    fn default() -> Self {
        let style =
            ProgressStyle::with_template("{spinner} {wide_bar} {pos}/{len} files {per_sec}")
                .expect("the template is a constant");
        let bar = ProgressBar::new(0).with_style(style);
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self {
            bar,
            found: 0,
            done: 0,
            step: Self::STEP,
        }
    }
}
