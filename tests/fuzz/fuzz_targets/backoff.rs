//! Whatever the settings, a delay is never above the cap, never shrinks from
//! one attempt to the next unless chance says so, and chance only shortens.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use taskshelf::{Backoff, Jitter};

#[derive(Debug, Arbitrary)]
struct Settings {
    curve: Curve,
    cap: Option<Duration>,
    seed: u64,
    attempts: [u32; 4],
}

#[derive(Debug, Arbitrary)]
enum Curve {
    Default,
    None,
    Constant(Duration),
    Exponential {
        base: Duration,
        factor: f64,
    },
    /// A delay of so many nanoseconds for each attempt.
    Custom(u64),
}

impl Settings {
    fn backoff(&self) -> Backoff {
        let backoff = match self.curve {
            Curve::Default => Backoff::default(),
            Curve::None => Backoff::none(),
            Curve::Constant(delay) => Backoff::constant(delay),
            Curve::Exponential { base, factor } => Backoff::exponential(base).factor(factor),
            Curve::Custom(nanos) => {
                Backoff::custom(move |n| Duration::from_nanos(nanos).saturating_mul(n))
            }
        };
        match self.cap {
            Some(cap) => backoff.cap(cap),
            None => backoff,
        }
        .seed(self.seed)
    }

    fn cap(&self) -> Duration {
        let default = match self.curve {
            Curve::Default | Curve::Exponential { .. } => Duration::from_secs(60),
            Curve::None | Curve::Constant(_) | Curve::Custom(_) => Duration::MAX,
        };
        self.cap.unwrap_or(default)
    }
}

fuzz_target!(|settings: Settings| {
    let (plain, cap) = (settings.backoff(), settings.cap());
    let equal = plain.clone().jitter(Jitter::Equal);
    let full = plain.clone().jitter(Jitter::Full);
    let mut attempts = settings.attempts;
    // Small numbers are where a delay still grows.
    attempts[0] %= 64;
    attempts[1] %= 64;
    attempts.sort();
    let mut last = Duration::ZERO;
    for n in attempts {
        let delay = plain.delay(n);
        assert!(delay <= cap, "{delay:?} is above the cap");
        assert!(last <= delay, "{delay:?} is shorter than {last:?}");
        match settings.curve {
            Curve::None => assert_eq!(delay, Duration::ZERO),
            Curve::Constant(constant) => assert_eq!(delay, constant.min(cap)),
            Curve::Exponential { base, .. } => {
                // But for the rounding of a product of floats.
                let least = base.min(cap).as_secs_f64() * 0.999_999;
                assert!(delay.as_secs_f64() >= least, "{delay:?} is below the base");
            }
            Curve::Default | Curve::Custom(_) => {}
        }
        for jittered in [&equal, &full] {
            assert!(jittered.delay(n) <= delay, "chance may only shorten");
            assert_eq!(
                jittered.delay(n),
                jittered.clone().delay(n),
                "one seed, one delay"
            );
        }
        let half = delay.as_nanos() as f64 * 0.499_999 - 1.0;
        assert!(equal.delay(n).as_nanos() as f64 >= half, "less than half");
        last = delay;
    }
});
