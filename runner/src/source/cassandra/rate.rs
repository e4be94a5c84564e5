//! How fast the whole run may read: a bound on rows and on bytes in a second. Must not know who reads.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The bound. Pages are let through one behind the other, each after the time that those before it take.
#[derive(Debug)]
pub(super) struct Rate {
    rows_per_second: Option<u64>,
    bytes_per_second: Option<u64>,
    /// Until then what was let through takes.
    taken_until: Mutex<Option<Instant>>,
}

impl Rate {
    /// `None` is no bound.
    pub(super) fn new(rows_per_second: Option<u64>, bytes_per_second: Option<u64>) -> Rate {
        Rate { rows_per_second, bytes_per_second, taken_until: Mutex::new(None) }
    }

    /// Waits until what was let through before has had its time, and takes the time for so much more.
    pub(super) async fn take(&self, rows: u64, bytes: u64) {
        let takes = seconds(rows, self.rows_per_second).max(seconds(bytes, self.bytes_per_second));
        if takes.is_zero() {
            return;
        }
        let begin = {
            let mut taken_until = self.taken_until.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let begin = taken_until.map_or(now, |until| until.max(now));
            *taken_until = Some(begin + takes);
            begin
        };
        tokio::time::sleep_until(begin).await;
    }
}

fn seconds(amount: u64, per_second: Option<u64>) -> Duration {
    per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(amount as f64 / rate.max(1) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readers_together_are_as_slow_as_the_slower_bound() {
        let rate = Rate::new(Some(1000), Some(50_000));
        let started = Instant::now();
        let reader = || async {
            for _ in 0..10 {
                rate.take(100, 1_000).await;
            }
        };
        tokio::join!(reader(), reader());
        // The first one is let through at once.
        assert_eq!(started.elapsed().as_millis(), 1_900);
        rate.take(1, 100_000).await;
        rate.take(1, 1).await;
        assert_eq!(started.elapsed().as_millis(), 4_000);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_bound_nobody_waits() {
        let started = Instant::now();
        Rate::new(None, None).take(u64::MAX, u64::MAX).await;
        assert!(started.elapsed().is_zero());
    }
}
