//! The splits that are still to be loaded, handed to idle streams one by one, while tiling may still add some.
//!
//! Must not know: what a split is, or how it is loaded.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long splits that another process owns are asked for again when nothing else is left. A process that was
/// killed leaves connections that the server needs a moment to notice.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Splits of type `T`, first in, first out.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<T> {
    ready: VecDeque<T>,
    /// Owned by somebody else when last asked, and when to ask again.
    busy: VecDeque<(Instant, T)>,
    /// Ours, to be tried again from a time on.
    later: Vec<(Instant, T)>,
    /// Tiling goes on: more will come.
    open: bool,
    /// Since when only busy splits are left.
    waiting_since: Option<Instant>,
}

/// What a stream does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<T> {
    /// Load this.
    Split(T),
    /// Nothing is left for this process; so many splits belong to somebody else.
    Finished {
        /// Splits that are owned by another live process.
        busy: usize,
    },
}

impl<T> Queue<T> {
    /// An empty queue that more may come into.
    pub(crate) fn new() -> Self {
        let state = State {
            ready: VecDeque::new(),
            busy: VecDeque::new(),
            later: Vec::new(),
            open: true,
            waiting_since: None,
        };
        Queue { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Adds splits behind the others.
    pub(crate) fn push(&self, splits: impl IntoIterator<Item = T>) {
        self.lock().ready.extend(splits);
        self.changed.notify_waiters();
    }

    /// Puts a split back that somebody else owns now: it is asked for again a little later.
    pub(crate) fn busy(&self, split: T) {
        self.lock().busy.push_back((Instant::now() + ASK_AGAIN, split));
        self.changed.notify_waiters();
    }

    /// Puts a split back that is ours: the next stream takes it, after `wait`.
    pub(crate) fn later(&self, split: T, wait: Duration) {
        self.lock().later.push((Instant::now() + wait, split));
        self.changed.notify_waiters();
    }

    /// Whether nothing is left that a stream could take, now or later.
    pub(crate) fn is_finished(&self) -> bool {
        let state = self.lock();
        !state.open && state.ready.is_empty() && state.busy.is_empty() && state.later.is_empty()
    }

    /// A split was loaded or taken over: those that wait for busy ones may hope again.
    pub(crate) fn progress(&self) {
        self.lock().waiting_since = None;
    }

    /// No more will come.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.changed.notify_waiters();
    }

    /// Nothing more is handed out, e.g. because the run is being stopped.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.ready.clear();
        state.busy.clear();
        state.later.clear();
        state.open = false;
        drop(state);
        self.changed.notify_waiters();
    }

    /// The next split, waiting for one while more may come.
    pub(crate) async fn next(&self) -> Next<T> {
        loop {
            let changed = self.changed.notified();
            let pause = match self.lock().take() {
                Taken::Now(next) => return next,
                Taken::AskAgain(pause) => pause,
            };
            match pause {
                Some(pause) => {
                    let _ = tokio::time::timeout(pause, changed).await;
                }
                None => changed.await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Taken<T> {
    Now(Next<T>),
    AskAgain(Option<Duration>),
}

impl<T> State<T> {
    fn take(&mut self) -> Taken<T> {
        let now = Instant::now();
        if let Some(due) = self.later.iter().position(|(at, _)| *at <= now) {
            self.waiting_since = None;
            return Taken::Now(Next::Split(self.later.swap_remove(due).1));
        }
        if let Some(split) = self.ready.pop_front() {
            self.waiting_since = None;
            return Taken::Now(Next::Split(split));
        }
        if let Some(at) = self.later.iter().map(|(at, _)| *at).min() {
            // As long as there is something of ours, others are not waited for.
            self.waiting_since = None;
            return Taken::AskAgain(Some(at - now));
        }
        if self.busy.is_empty() {
            return if self.open { Taken::AskAgain(None) } else { Taken::Now(Next::Finished { busy: 0 }) };
        }
        let since = *self.waiting_since.get_or_insert(now);
        if !self.open && now.duration_since(since) >= PATIENCE {
            return Taken::Now(Next::Finished { busy: self.busy.len() });
        }
        match self.busy.pop_front_if(|(at, _)| *at <= now) {
            Some((_, split)) => Taken::Now(Next::Split(split)),
            None => Taken::AskAgain(Some(ASK_AGAIN)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_waits_while_tiling_may_add_splits() {
        let queue = Queue::new();
        let (next, ()) = tokio::join!(queue.next(), async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            queue.push([7]);
        });
        assert_eq!(next, Next::Split(7));
        queue.close();
        assert_eq!(queue.next().await, Next::Finished { busy: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_split_is_asked_for_again_until_patience_ends() {
        let queue = Queue::new();
        queue.push([7]);
        queue.close();
        let started = Instant::now();
        let mut asked = 0;
        let busy = loop {
            match queue.next().await {
                Next::Split(split) => {
                    asked += 1;
                    queue.busy(split);
                }
                Next::Finished { busy } => break busy,
            }
        };
        assert_eq!(busy, 1);
        assert!(asked > 10, "asked {asked} times");
        assert!(started.elapsed() >= PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_split_that_is_put_off_comes_back_when_it_is_time_and_is_not_forgotten() {
        let queue = Queue::new();
        queue.later(7, Duration::from_secs(60));
        queue.push([1]);
        queue.busy(2);
        queue.close();
        let started = Instant::now();
        assert_eq!(queue.next().await, Next::Split(1));
        assert!(!queue.is_finished());
        assert_eq!(queue.next().await, Next::Split(7));
        assert!(started.elapsed() >= Duration::from_secs(60));
        assert_eq!(queue.next().await, Next::Split(2));
        assert!(queue.is_finished());
        assert_eq!(queue.next().await, Next::Finished { busy: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_cleared_queue_ends_every_waiting_stream() {
        let queue = Queue::<u8>::new();
        let (a, b, ()) = tokio::join!(queue.next(), queue.next(), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            queue.clear();
        });
        assert_eq!((a, b), (Next::Finished { busy: 0 }, Next::Finished { busy: 0 }));
    }
}
