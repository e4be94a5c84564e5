//! Whether a sender waits for its server, and since when: what a watcher looks at. Must not know what is waited for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shared by a sender and who watches it.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<Option<Instant>>);

impl Pulse {
    /// The server is waited for already.
    pub fn begun() -> Pulse {
        Pulse(Mutex::new(Some(Instant::now())))
    }

    /// The server is waited for from now on, unless it is already.
    pub(super) fn waits(&self) {
        self.since().get_or_insert_with(Instant::now);
    }

    /// It is not waited for any more.
    pub(super) fn moved(&self) {
        *self.since() = None;
    }

    /// It is still waited for, but showed that it lives.
    pub fn answered(&self) {
        if let Some(since) = &mut *self.since() {
            *since = Instant::now();
        }
    }

    /// How long it has been waited for; zero if it is not.
    pub fn waiting_for(&self) -> Duration {
        self.since().map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_begins_once_and_ends_when_something_moves() {
        let pulse = Pulse::default();
        assert_eq!(pulse.waiting_for(), Duration::ZERO);
        pulse.waits();
        std::thread::sleep(Duration::from_millis(20));
        pulse.waits();
        let waited = pulse.waiting_for();
        assert!(waited >= Duration::from_millis(20));
        let answered = Instant::now();
        pulse.answered();
        // It begins anew with the answer, whenever that is looked at.
        assert!(pulse.waiting_for() <= answered.elapsed());
        pulse.moved();
        pulse.answered();
        assert_eq!(pulse.waiting_for(), Duration::ZERO);
    }
}
