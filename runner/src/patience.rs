//! How often something is tried again, and after which waits: growing ones, with jitter, and not without end.
//!
//! Must not know: what failed.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Attempts without success between them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patience {
    failed: u32,
    since: Option<Instant>,
}

impl Patience {
    /// How long to wait before the next attempt. With jitter: those that failed together do not come back together.
    pub(crate) fn wait(&mut self) -> Duration {
        self.since.get_or_insert_with(Instant::now);
        let wait = FIRST_WAIT.saturating_mul(1 << self.failed.min(16)).min(LONGEST_WAIT);
        self.failed = self.failed.saturating_add(1);
        wait / 2 + wait.mul_f64(jitter() / 2.0)
    }

    /// The same, unless it was tried `attempts` times.
    pub(crate) fn wait_of(&mut self, attempts: u32) -> Option<Duration> {
        (self.failed < attempts).then(|| self.wait())
    }

    /// How often it was tried in vain.
    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }

    /// How long nothing succeeded.
    pub(crate) fn lasts(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Something succeeded.
    pub(crate) fn reset(&mut self) {
        *self = Patience::default();
    }
}

/// Between 0 and 1, from the system's randomness.
fn jitter() -> f64 {
    f64::from(RandomState::new().hash_one(0u8) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_and_those_that_failed_together_do_not_come_back_together() {
        let waits = || {
            let mut patience = Patience::default();
            std::iter::from_fn(|| patience.wait_of(12)).collect::<Vec<Duration>>()
        };
        let (one, other) = (waits(), waits());
        assert_eq!(one.len(), 12);
        assert!(one.iter().sum::<Duration>() > Duration::from_secs(30));
        for (failed, wait) in (0..).zip(&one) {
            let most = (FIRST_WAIT * (1 << failed)).min(LONGEST_WAIT);
            assert!(most / 2 <= *wait && *wait <= most, "{wait:?} after {failed} failures");
        }
        assert_ne!(one, other);
    }

    #[test]
    fn success_begins_the_waits_anew() {
        let mut patience = Patience::default();
        assert_eq!(patience.lasts(), Duration::ZERO);
        while patience.wait_of(12).is_some() {}
        patience.reset();
        assert!(patience.wait_of(1).is_some());
        assert!(patience.wait_of(1).is_none());
    }
}
