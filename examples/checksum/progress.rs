//! The progress bar: on standard error, and only if that is a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Ticks by itself while the main thread is blocked.
pub(crate) struct Progress {
    bar: ProgressBar,
    found: u64,
    found_all: bool,
    done: u64,
    shown: Instant,
}

impl Progress {
    /// While files are being found the bar is told of so many at once, and so the main
    /// thread takes as many results at once. For each file to look whether the workers have
    /// finished another would slow down both.
    const MANY: u64 = 512;
    /// Unless it takes so long to find them. The clock is looked at after every `FEW` files.
    const PAUSE: Duration = Duration::from_millis(100);
    const FEW: u64 = 64;

    /// Returns whether it is time to see what is done, and to [`show`](Self::show) it.
    pub(crate) fn found(&mut self) -> bool {
        self.found += 1;
        self.found % Self::MANY == 0
            || self.found % Self::FEW == 0 && self.shown.elapsed() >= Self::PAUSE
    }

    /// What is left now fits on the shelf, and may be few files that take long:
    /// from here on the bar is told of each.
    pub(crate) fn found_all(&mut self) {
        self.found_all = true;
        self.show();
    }

    pub(crate) fn done(&mut self) {
        self.done += 1;
        if self.found_all {
            self.bar.set_position(self.done);
        }
    }

    pub(crate) fn show(&mut self) {
        self.bar.set_length(self.found);
        self.bar.set_position(self.done);
        self.shown = Instant::now();
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
            found_all: false,
            done: 0,
            shown: Instant::now(),
        }
    }
}
