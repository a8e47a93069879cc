//! Contenders that take turns, and what comes of comparing them.

use std::time::Instant;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What is compared with all others.
    Ours,
    /// What one might use instead.
    Peer,
    /// Shown beside them, and no peer: a bound, say.
    Aside,
}

/// Does a fixed amount of work when it is called, and measures it.
pub struct Contender<'a, M> {
    name: &'static str,
    role: Role,
    run: Box<dyn FnMut() -> M + 'a>,
}

impl<'a, M> Contender<'a, M> {
    pub fn ours(name: &'static str, run: impl FnMut() -> M + 'a) -> Self {
        Self::new(name, Role::Ours, run)
    }

    pub fn peer(name: &'static str, run: impl FnMut() -> M + 'a) -> Self {
        Self::new(name, Role::Peer, run)
    }

    pub fn aside(name: &'static str, run: impl FnMut() -> M + 'a) -> Self {
        Self::new(name, Role::Aside, run)
    }

    fn new(name: &'static str, role: Role, run: impl FnMut() -> M + 'a) -> Self {
        Self {
            name,
            role,
            run: Box::new(run),
        }
    }
}

/// What one contender measured, round by round.
pub struct Turns<M> {
    pub name: &'static str,
    pub role: Role,
    pub rounds: Vec<M>,
}

/// Runs every contender once to warm up and then once in every round, each
/// round in another order.
pub fn take_turns<M>(mut contenders: Vec<Contender<'_, M>>, rounds: usize) -> Vec<Turns<M>> {
    let mut turns: Vec<Turns<M>> = contenders
        .iter_mut()
        .map(|contender| {
            (contender.run)();
            Turns {
                name: contender.name,
                role: contender.role,
                rounds: Vec::with_capacity(rounds),
            }
        })
        .collect();
    let count = contenders.len();
    for round in 0..rounds {
        for turn in 0..count {
            let who = (round + turn) % count;
            turns[who].rounds.push((contenders[who].run)());
        }
    }
    turns
}

/// Nanoseconds for each of `items`.
pub fn nanos_each(items: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / items as f64
}

/// The middle of a sample, and the quartiles around it.
#[derive(Clone, Copy)]
pub struct Spread {
    pub lower: f64,
    pub median: f64,
    pub upper: f64,
}

impl Spread {
    pub fn of(mut sample: Vec<f64>) -> Self {
        sample.sort_by(f64::total_cmp);
        let at = |share: f64| sample[((sample.len() - 1) as f64 * share).round() as usize];
        Self {
            lower: at(0.25),
            median: at(0.5),
            upper: at(0.75),
        }
    }
}

/// One contender's costs: less is better.
pub struct Costs {
    pub name: &'static str,
    pub role: Role,
    rounds: Vec<f64>,
}

impl Costs {
    pub fn spread(&self) -> Spread {
        Spread::of(self.rounds.clone())
    }

    /// This one's cost over the other's, round by round.
    pub fn ratio_to(&self, other: &Self) -> Spread {
        let pairs = self.rounds.iter().zip(&other.rounds);
        Spread::of(pairs.map(|(mine, theirs)| mine / theirs).collect())
    }
}

/// Contenders that did the same.
pub struct Comparison(Vec<Costs>);

impl Comparison {
    pub fn run(contenders: Vec<Contender<'_, f64>>, rounds: usize) -> Self {
        Self::of(&take_turns(contenders, rounds), |cost| *cost)
    }

    pub fn of<M>(turns: &[Turns<M>], cost: impl Fn(&M) -> f64) -> Self {
        let costs = turns.iter().map(|turns| Costs {
            name: turns.name,
            role: turns.role,
            rounds: turns.rounds.iter().map(&cost).collect(),
        });
        Self(costs.collect())
    }

    pub fn all(&self) -> &[Costs] {
        &self.0
    }

    pub fn find(&self, name: &str) -> Option<&Costs> {
        self.0.iter().find(|costs| costs.name == name)
    }

    pub fn ours(&self) -> &Costs {
        let ours = self.0.iter().find(|costs| costs.role == Role::Ours);
        ours.expect("somebody is compared with the others")
    }

    /// The peer that costs least.
    pub fn best_peer(&self) -> Option<&Costs> {
        let peers = self.0.iter().filter(|costs| costs.role == Role::Peer);
        peers.min_by(|a, b| a.spread().median.total_cmp(&b.spread().median))
    }
}

/// The mean of ratios.
pub fn geometric_mean(ratios: &[f64]) -> f64 {
    let sum: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
    (sum / ratios.len() as f64).exp()
}
