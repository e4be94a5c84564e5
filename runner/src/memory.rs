//! The bound on bytes in flight: one setting for all streams, a share for each, and a pool for rows larger
//! than a share that lends to one stream at a time.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A batch is never asked to be larger than this: more gains nothing and costs cache.
pub const MAX_BATCH_BYTES: usize = 256 * 1024;

/// How long to wait for the pool before somebody is told: who has it may be slow, or silent, and that must not keep
/// another stream's chunk open, nor a run that is being stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// The run's budget for host buffers. Cheap to clone; all clones share the pool.
#[derive(Clone, Debug)]
pub struct Memory {
    batch_bytes: usize,
    pool: Arc<Pool>,
}

#[derive(Debug, Default)]
struct Pool {
    lent: Mutex<bool>,
    back: Condvar,
}

impl Memory {
    /// Buffers of a stream that may hold a batch's bytes at one time: the source's block, its columns, a
    /// module's input and output, the encoded rows, the channel's slot, the connection's.
    const BUFFERS: usize = 8;

    /// `total_bytes` shared by `streams`.
    pub fn new(total_bytes: u64, streams: usize) -> Self {
        let share = usize::try_from(total_bytes).unwrap_or(usize::MAX) / streams.max(1) / Self::BUFFERS;
        Memory { batch_bytes: share.clamp(16 * 1024, MAX_BATCH_BYTES), pool: Arc::default() }
    }

    /// How many bytes of rows a batch should hold.
    pub fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    /// Waits until no other stream has a row larger than its share in flight; `None` when one still has after a second.
    /// Call it on a worker's thread, never on one that drives connections, and only after the own batch was handed on.
    pub fn borrow_pool(&self) -> Option<Loan> {
        let lent = self.pool.lent.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.pool.back.wait_timeout_while(lent, PATIENCE, |lent| *lent);
        let (mut lent, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *lent {
            return None;
        }
        *lent = true;
        Some(Loan { _lent: Arc::new(Lent { pool: Arc::clone(&self.pool) }) })
    }
}

/// The right to have one large row in flight; given back when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Loan {
    _lent: Arc<Lent>,
}

#[derive(Debug)]
struct Lent {
    pool: Arc<Pool>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.pool.lent.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.pool.back.notify_one();
    }
}

#[cfg(test)]
impl Memory {
    /// Whether a row larger than a share is in flight.
    pub(crate) fn is_lent(&self) -> bool {
        *self.pool.lent.lock().unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_part_of_the_setting_within_bounds() {
        assert_eq!(Memory::new(64 << 20, 32).batch_bytes(), 256 * 1024);
        assert_eq!(Memory::new(64 << 20, 64).batch_bytes(), 128 * 1024);
        assert_eq!(Memory::new(1, 64).batch_bytes(), 16 * 1024);
        assert_eq!(Memory::new(u64::MAX, 0).batch_bytes(), 256 * 1024);
    }

    #[test]
    fn the_pool_lends_to_one_stream_at_a_time() {
        let memory = Memory::new(64 << 20, 2);
        let loan = memory.borrow_pool().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let other = memory.clone();
        let thread = std::thread::spawn(move || {
            let loan = loop {
                if let Some(loan) = other.borrow_pool() {
                    break loan;
                }
            };
            sender.send(()).unwrap();
            drop(loan);
        });
        assert!(receiver.try_recv().is_err());
        drop(loan);
        receiver.recv().unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn a_pool_that_stays_lent_is_not_waited_for_without_end() {
        let memory = Memory::new(64 << 20, 2);
        let loan = memory.borrow_pool();
        assert!(memory.borrow_pool().is_none() && memory.is_lent());
        drop(loan);
        assert!(memory.borrow_pool().is_some());
    }
}
