//! How long a task waits before its next attempt. Pure: the source of chance is
//! an argument.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

/// The delay between a failed attempt and the next.
///
/// [`Backoff::default`] is exponential: 0.1 s * 2^n after the n-th failed
/// attempt (0.2 s, 0.4 s, 0.8 s, ...), at most 60 s, without jitter.
///
/// Every delay is finite and at most the cap, for every attempt number and
/// every setting: the arithmetic saturates. A delay too long for an
/// [`Instant`](std::time::Instant) ends only when the queue is cancelled; an exponential
/// backoff with the default cap has none.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use taskshelf::{Backoff, Jitter};
///
/// let backoff = Backoff::exponential(Duration::from_millis(10))
///     .factor(3.0)
///     .cap(Duration::from_secs(1));
/// let delays: Vec<_> = (1..=6).map(|n| backoff.delay(n).as_millis()).collect();
/// assert_eq!(delays, [30, 90, 270, 810, 1000, 1000]);
///
/// let jittered = backoff.jitter(Jitter::Full);
/// assert!(jittered.delay(2) <= Duration::from_millis(90));
/// ```
#[derive(Clone)]
pub struct Backoff {
    curve: Curve,
    cap: Duration,
    jitter: Jitter,
    /// `None` until the user sets one, or the queue draws one.
    seed: Option<u64>,
}

#[derive(Clone)]
enum Curve {
    Constant(Duration),
    Exponential { base: Duration, factor: f64 },
    Custom(Arc<dyn Fn(u32) -> Duration + Send + Sync>),
}

/// Randomisation of a delay, so that tasks that failed together do not all come
/// back together. Names and formulas are those of Marc Brooker,
/// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
///
/// Jitter only ever shortens: no delay exceeds the one without jitter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// The delay as computed.
    #[default]
    None,
    /// Between half the delay and the delay.
    Equal,
    /// Between nothing and the delay.
    Full,
}

impl Backoff {
    const DEFAULT_BASE: Duration = Duration::from_millis(100);
    const DEFAULT_FACTOR: f64 = 2.0;
    const DEFAULT_CAP: Duration = Duration::from_secs(60);

    fn new(curve: Curve, cap: Duration) -> Self {
        Self {
            curve,
            cap,
            jitter: Jitter::None,
            seed: None,
        }
    }

    /// No delay: a failed task goes straight to the back of its line, or, with
    /// [`HoldWorker`](crate::RetryWaits::HoldWorker), is tried again at once.
    pub fn none() -> Self {
        Self::constant(Duration::ZERO)
    }

    /// The same delay every time. There is no cap unless one is set.
    pub fn constant(delay: Duration) -> Self {
        Self::new(Curve::Constant(delay), Duration::MAX)
    }

    /// `base * factor^n` after the n-th failed attempt, so `base * factor` after the first,
    /// with a factor of 2 and a cap of 60 s unless they are set. (The base itself is a delay
    /// only if the factor is 1.)
    pub fn exponential(base: Duration) -> Self {
        let factor = Self::DEFAULT_FACTOR;
        Self::new(Curve::Exponential { base, factor }, Self::DEFAULT_CAP)
    }

    /// Whatever `delay` returns for n, which is 1 after the first failed
    /// attempt. There is no cap unless one is set.
    ///
    /// It is called on the worker, outside the queue's lock. If it panics, the
    /// task is settled as panicked, with that message in place of the handler's error.
    pub fn custom(delay: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        Self::new(Curve::Custom(Arc::new(delay)), Duration::MAX)
    }

    /// The factor by which an exponential backoff grows from one failed attempt to
    /// the next; 2 by default. A factor below 1, or NaN, counts as 1. No effect on
    /// other kinds.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        if let Curve::Exponential { factor: old, .. } = &mut self.curve {
            *old = factor.max(1.0);
        }
        self
    }

    /// Sets the longest delay. It does not apply to
    /// [`Attempt::retry_after`](crate::Attempt::retry_after).
    #[must_use]
    pub fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// Sets the jitter; none by default.
    #[must_use]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Seeds the jitter: the n-th delay of the task that is accepted as the i-th is then
    /// the same in every run. Without a seed each queue draws its own.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The delay after the n-th failed attempt, `n` from 1, to see what a backoff does. With
    /// jitter it is one example, the same at every call; each task of a queue has delays of
    /// its own.
    ///
    /// # Panics
    ///
    /// If a custom backoff does.
    pub fn delay(&self, n: u32) -> Duration {
        self.delay_for(0, n)
    }

    pub(crate) fn seeded(mut self, random: u64) -> Self {
        self.seed.get_or_insert(random);
        self
    }

    /// The same for one of many tasks, each with a chance of its own: `task` is its number
    /// in the order accepted, for names need not be different.
    pub(crate) fn delay_for(&self, task: u64, n: u32) -> Duration {
        let delay = match &self.curve {
            Curve::Constant(delay) => *delay,
            Curve::Exponential { base, factor } => grow(*base, *factor, n),
            Curve::Custom(delay) => delay(n),
        };
        let delay = delay.min(self.cap);
        let chance = || {
            let seed = self.seed.unwrap_or_default();
            unit_interval(mix(seed ^ mix(task) ^ u64::from(n)))
        };
        match self.jitter {
            Jitter::None => delay,
            Jitter::Equal => scale(delay, 0.5 + 0.5 * chance()).min(delay),
            Jitter::Full => scale(delay, chance()).min(delay),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Self::DEFAULT_BASE)
    }
}

// A function of the user's that panics leaves nothing of ours half-changed.
impl UnwindSafe for Backoff {}
impl RefUnwindSafe for Backoff {}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut backoff = f.debug_struct("Backoff");
        match &self.curve {
            Curve::Constant(delay) => backoff.field("constant", delay),
            Curve::Exponential { base, factor } => {
                backoff.field("base", base).field("factor", factor)
            }
            Curve::Custom(_) => backoff.field("custom", &format_args!("..")),
        };
        backoff
            .field("cap", &self.cap)
            .field("jitter", &self.jitter)
            .finish_non_exhaustive()
    }
}

fn grow(base: Duration, factor: f64, n: u32) -> Duration {
    // A power beyond i32::MAX is taken for that one: no delay is shorter than the
    // one before it.
    let exponent = i32::try_from(n).unwrap_or(i32::MAX);
    scale(base, factor.powi(exponent))
}

/// `duration * by` for any non-negative `by`; what is too large, or infinite,
/// becomes `Duration::MAX`.
fn scale(duration: Duration, by: f64) -> Duration {
    if duration.is_zero() {
        return duration; // zero times infinity is not a number
    }
    // Whole nanoseconds: exact below 2^53 of them (104 days) for powers of 2. Rounded, for
    // the last bits of a power are not the same everywhere.
    let nanos = (duration.as_nanos() as f64 * by).round();
    let (nanos, per_second) = (nanos as u128, 1_000_000_000); // `as` saturates
    match u64::try_from(nanos / per_second) {
        Ok(seconds) => Duration::new(seconds, (nanos % per_second) as u32),
        Err(_) => Duration::MAX,
    }
}

/// The output function of SplitMix64: Steele, Lea and Flood, "Fast Splittable
/// Pseudorandom Number Generators", OOPSLA 2014.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number from 0 up to but not including 1, from the upper 53 bits.
fn unit_interval(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_power_that_is_off_in_its_last_bit_makes_no_difference() {
        let delay = scale(Duration::from_millis(200), 2.0 - f64::EPSILON);
        assert_eq!(delay, Duration::from_millis(400));
    }

    #[test]
    fn the_default_doubles_from_a_fifth_of_a_second_to_a_minute() {
        let backoff = Backoff::default();
        let delays: Vec<Duration> = (1..=11).map(|n| backoff.delay(n)).collect();
        let expected = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0];
        assert_eq!(delays, expected.map(secs));
    }

    #[test]
    fn every_kind_keeps_inside_its_cap_at_every_attempt() {
        let plain = [
            Backoff::default(),
            Backoff::none(),
            Backoff::exponential(Duration::MAX),
            Backoff::exponential(Duration::from_nanos(1)).factor(1.000_1),
            Backoff::constant(secs(3.0)),
            Backoff::constant(Duration::MAX),
            Backoff::custom(|n| Duration::from_nanos(u64::from(n))),
            Backoff::custom(|_| Duration::MAX),
        ];
        let caps = [Duration::ZERO, secs(1.0), secs(3600.0), Duration::MAX];
        for (backoff, cap) in plain.iter().flat_map(|b| caps.iter().map(move |c| (b, *c))) {
            let plain = backoff.clone().cap(cap);
            let jittered = [Jitter::Equal, Jitter::Full].map(|j| plain.clone().jitter(j).seed(5));
            let mut last = Duration::ZERO;
            for n in (0..=10_000).chain([1 << 30, i32::MAX as u32, 1 << 31, u32::MAX - 1, u32::MAX])
            {
                let delay = plain.delay(n);
                assert!(last <= delay && delay <= cap, "{plain:?} {n}: {delay:?}");
                for jittered in &jittered {
                    assert!(jittered.delay(n) <= delay, "{jittered:?} {n}");
                }
                last = delay;
            }
        }
    }

    #[test]
    fn a_senseless_factor_counts_as_one() {
        for factor in [0.0, -2.0, f64::NAN, f64::NEG_INFINITY] {
            let backoff = Backoff::exponential(secs(1.0)).factor(factor);
            assert_eq!(backoff.delay(u32::MAX), secs(1.0));
        }
    }

    #[test]
    fn zero_stays_zero_at_every_factor() {
        let backoff = Backoff::exponential(Duration::ZERO).factor(f64::INFINITY);
        assert_eq!(backoff.delay(9), Duration::ZERO);
        assert_eq!(Backoff::none().delay(1), Duration::ZERO);
    }

    #[test]
    fn custom_counts_from_one_and_is_capped() {
        let backoff = Backoff::custom(|n| secs(f64::from(n))).cap(secs(2.0));
        let delays = [1, 2, 3].map(|n| backoff.delay(n));
        assert_eq!(delays, [secs(1.0), secs(2.0), secs(2.0)]);
    }

    #[test]
    fn jitter_differs_between_tasks_and_repeats_with_the_seed() {
        let backoff = Backoff::constant(secs(1.0)).jitter(Jitter::Full).seed(7);
        let draw = |backoff: &Backoff| -> Vec<Duration> {
            (0..100).map(|task| backoff.delay_for(task, 1)).collect()
        };
        let delays = draw(&backoff);
        assert_eq!(delays, draw(&backoff.clone().seeded(99)));
        assert_ne!(delays, draw(&backoff.seed(8)));
        let mean = delays.iter().sum::<Duration>() / 100;
        assert!(secs(0.35) < mean && mean < secs(0.65), "{mean:?}");
    }

    #[test]
    fn jitter_differs_between_the_attempts_of_a_task() {
        let backoff = Backoff::constant(secs(1.0)).jitter(Jitter::Full);
        let mut delays: Vec<Duration> = (0..256).map(|n| backoff.delay(n)).collect();
        delays.sort();
        delays.dedup();
        assert_eq!(delays.len(), 256);
    }

    #[test]
    fn every_task_has_a_chance_of_its_own() {
        for seed in [0, 7, u64::MAX] {
            let backoff = Backoff::constant(secs(1.0)).jitter(Jitter::Full).seed(seed);
            let mut delays = [1, 2, 3, u64::MAX].map(|task| backoff.delay_for(task, 1));
            delays.sort();
            assert!(delays.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn equal_jitter_spreads_over_the_upper_half() {
        let backoff = Backoff::constant(secs(1.0)).jitter(Jitter::Equal).seed(7);
        let sum: Duration = (0..100).map(|task| backoff.delay_for(task, 1)).sum();
        let mean = sum / 100;
        assert!(secs(0.65) < mean && mean < secs(0.85), "{mean:?}");
    }

    #[test]
    fn chance_is_splitmix64() {
        // The first outputs of the published generator from state 0.
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let outputs = [0, 1, 2].map(|n| mix(step.wrapping_mul(n)));
        let published = [
            0xe220_a839_7b1d_cdaf,
            0x6e78_9e6a_a1b9_65f4,
            0x06c4_5d18_8009_454f,
        ];
        assert_eq!(outputs, published);
    }

    #[test]
    fn debug_shows_the_settings_and_hides_the_seed() {
        let shown = [
            Backoff::default().seed(7),
            Backoff::constant(secs(1.0)).jitter(Jitter::Full),
            Backoff::custom(|_| Duration::ZERO).cap(secs(2.0)),
        ]
        .map(|backoff| format!("{backoff:?}"));
        let expected = [
            "Backoff { base: 100ms, factor: 2.0, cap: 60s, jitter: None, .. }",
            "Backoff { constant: 1s, cap: 18446744073709551615.999999999s, jitter: Full, .. }",
            "Backoff { custom: .., cap: 2s, jitter: None, .. }",
        ];
        assert_eq!(shown, expected);
    }

    proptest! {
        #[test]
        fn no_setting_overflows_shrinks_or_exceeds_the_cap(
            base in any::<Duration>(), cap in any::<Duration>(), bits in any::<u64>(),
            near in 0.9..3.0_f64, is_near in any::<bool>(), mut attempts in any::<[u32; 8]>(),
        ) {
            let factor = if is_near { near } else { f64::from_bits(bits) };
            let backoff = Backoff::exponential(base).factor(factor).cap(cap);
            attempts[0] %= 100;
            attempts[1] %= 100;
            attempts.sort();
            let delays = attempts.map(|n| backoff.delay(n));
            prop_assert!(delays.is_sorted(), "{:?}", delays);
            prop_assert!(delays[7] <= cap);
            prop_assert!(base.min(cap).as_secs_f64() <= delays[0].as_secs_f64() * 1.000_001);
        }

        #[test]
        fn jitter_only_shortens(
            nanos in any::<u64>(), cap in any::<u64>(), seed in any::<u64>(),
            task in any::<u64>(), n in any::<u32>(),
        ) {
            let plain = Backoff::exponential(Duration::from_nanos(nanos))
                .cap(Duration::from_nanos(cap))
                .seed(seed);
            let longest = plain.delay_for(task, n);
            let equal = plain.clone().jitter(Jitter::Equal).delay_for(task, n);
            let full = plain.jitter(Jitter::Full).delay_for(task, n);
            prop_assert!(full <= longest && equal <= longest);
            // Half of it, but for the rounding of a product of floats.
            prop_assert!(equal.as_nanos() as f64 >= longest.as_nanos() as f64 * 0.499_999 - 1.0);
        }
    }
}
