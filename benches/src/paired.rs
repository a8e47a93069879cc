//! Contenders that take turns.

use std::time::{Duration, Instant};

/// Something that does a fixed amount of work when it is called.
pub struct Contender<'a> {
    pub name: &'static str,
    pub run: Box<dyn Fn() + 'a>,
}

impl<'a> Contender<'a> {
    pub fn new(name: &'static str, run: impl Fn() + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }
}

/// The middle of a sample, and the quartiles around it.
#[derive(Clone, Copy)]
pub struct Spread {
    pub lower: f64,
    pub median: f64,
    pub upper: f64,
}

impl Spread {
    fn of(mut sample: Vec<f64>) -> Self {
        sample.sort_by(f64::total_cmp);
        let at = |share: f64| sample[((sample.len() - 1) as f64 * share).round() as usize];
        Self {
            lower: at(0.25),
            median: at(0.5),
            upper: at(0.75),
        }
    }
}

pub struct Measured {
    pub name: &'static str,
    /// Nanoseconds for one item.
    pub nanos: Spread,
    /// The first contender's time over this one's, round by round.
    pub ratio: Spread,
}

/// Runs every contender once in every round, each round in another order, and
/// compares the first with all of them.
pub fn compare(contenders: &[Contender<'_>], rounds: usize, items: u64) -> Vec<Measured> {
    let count = contenders.len();
    let mut times = vec![Vec::with_capacity(rounds); count];
    for contender in contenders {
        (contender.run)(); // to warm up
    }
    for round in 0..rounds {
        for turn in 0..count {
            let who = (round + turn) % count;
            times[who].push(time(&contenders[who].run));
        }
    }
    let nanos = |time: &Duration| time.as_nanos() as f64 / items as f64;
    (0..count)
        .map(|who| Measured {
            name: contenders[who].name,
            nanos: Spread::of(times[who].iter().map(nanos).collect()),
            ratio: Spread::of(
                times[0]
                    .iter()
                    .zip(&times[who])
                    .map(|(first, other)| first.as_secs_f64() / other.as_secs_f64())
                    .collect(),
            ),
        })
        .collect()
}

fn time(run: &dyn Fn()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// The mean of ratios.
pub fn geometric_mean(ratios: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = ratios.fold((0.0, 0), |(sum, count), r| (sum + r.ln(), count + 1));
    (sum / f64::from(count)).exp()
}
