//! Markdown for the reader, and findings for the targets.

use std::fmt;
use std::path::PathBuf;

use crate::charts::Chart;
use crate::effort::Effort;
use crate::machine;
use crate::paired::{Comparison, Role, geometric_mean};

/// A row of a table of comparisons.
pub struct Row {
    pub label: String,
    pub comparison: Comparison,
}

impl Row {
    pub fn new(label: impl Into<String>, comparison: Comparison) -> Self {
        Self {
            label: label.into(),
            comparison,
        }
    }
}

/// Cells in columns, shown as Markdown.
pub struct Grid {
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        let mut grid = Self { rows: Vec::new() };
        grid.row(header);
        grid
    }

    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, row) in self.rows.iter().enumerate() {
            writeln!(f, "| {} |", row.join(" | "))?;
            if number == 0 {
                writeln!(f, "|{}", " --- |".repeat(row.len()))?;
            }
        }
        Ok(())
    }
}

/// A number that a target may be about.
pub struct Finding {
    pub subject: String,
    pub versus: String,
    pub value: f64,
}

pub struct Report {
    charts: Option<PathBuf>,
    findings: Vec<Finding>,
}

impl Report {
    pub fn new(charts: Option<PathBuf>) -> Self {
        Self {
            charts,
            findings: Vec::new(),
        }
    }

    pub fn heading(&self, effort: &Effort) {
        println!("# taskshelf beside channels and pools\n");
        println!(
            "{}; {} run, {} rounds.",
            machine::describe(),
            effort.name,
            effort.rounds
        );
        println!("Medians; in brackets taskshelf's cost over the other's and its quartiles:");
        println!("less than 1 where taskshelf is faster. A bound is what is possible, no peer.");
    }

    /// Worth a line around every table, for it may change in between.
    pub fn state_of_machine(&self) {
        let nanos = brief(machine::round_trip());
        let cores = brief(machine::cores_at_work());
        self.note(&format!(
            "The machine now: a number goes from one spinning thread to another and back in \
             {nanos} ns; as many threads as there are cores get {cores} cores' worth of work done."
        ));
    }

    pub fn find(&mut self, subject: impl Into<String>, versus: impl Into<String>, value: f64) {
        self.findings.push(Finding {
            subject: subject.into(),
            versus: versus.into(),
            value,
        });
    }

    pub fn findings(&self, subject: &str, versus: &str) -> Vec<f64> {
        let about = |f: &&Finding| f.subject == subject && f.versus == versus;
        self.findings
            .iter()
            .filter(about)
            .map(|f| f.value)
            .collect()
    }

    pub fn grid(&self, title: &str, grid: &Grid) {
        print!("\n### {title}\n\n{grid}");
    }

    pub fn note(&self, text: &str) {
        println!("\n{text}");
    }

    /// Prints a table, and notes every ratio under `subject`.
    pub fn compare(&mut self, subject: &str, title: &str, corner: &str, rows: &[Row]) {
        let names = names(rows);
        let with_best = names.iter().filter(|(_, role)| *role == Role::Peer).count() > 1;
        let mut header: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        header.insert(0, corner);
        if with_best {
            header.push("best peer");
        }
        let mut grid = Grid::new(header);
        for Row { label, comparison } in rows {
            let ours = comparison.ours();
            let mut cells = vec![label.clone()];
            for (name, _) in &names {
                let Some(costs) = comparison.find(name) else {
                    cells.push(String::from("-"));
                    continue;
                };
                let median = brief(costs.spread().median);
                if costs.role == Role::Ours {
                    cells.push(median);
                } else {
                    let ratio = ours.ratio_to(costs);
                    cells.push(format!(
                        "{median} ({:.2}, {:.2}-{:.2})",
                        ratio.median, ratio.lower, ratio.upper
                    ));
                    self.find(subject, *name, ratio.median);
                }
            }
            if let Some(best) = comparison.best_peer().filter(|_| with_best) {
                let ratio = ours.ratio_to(best).median;
                cells.push(format!("{} ({ratio:.2})", best.name));
                self.find(subject, "best peer", ratio);
            }
            grid.row(cells);
        }
        self.grid(title, &grid);
        if rows.len() > 1 {
            let versus = names.iter().filter(|(_, role)| *role != Role::Ours);
            let means = versus.map(|(name, _)| {
                let mean = geometric_mean(&self.findings(subject, name));
                format!("{name} {mean:.2}")
            });
            let means: Vec<String> = means.collect();
            self.note(&format!(
                "Geometric means of the ratios: {}.",
                means.join(", ")
            ));
        }
    }

    pub fn chart(&self, file: &str, chart: &Chart<'_>) -> Result<(), Box<dyn std::error::Error>> {
        match &self.charts {
            Some(directory) => chart.draw(&directory.join(file)),
            None => Ok(()),
        }
    }
}

/// Everybody who appears in one of the rows.
pub fn names(rows: &[Row]) -> Vec<(&'static str, Role)> {
    let mut names = Vec::new();
    for costs in rows.iter().flat_map(|row| row.comparison.all()) {
        if !names.contains(&(costs.name, costs.role)) {
            names.push((costs.name, costs.role));
        }
    }
    names
}

/// Three digits or so.
pub fn brief(number: f64) -> String {
    match number.abs() {
        100.0.. => format!("{number:.0}"),
        10.0.. => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
