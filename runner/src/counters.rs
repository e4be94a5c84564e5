//! What happened to the rows, counted by input row.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use crate::reject::Tally;

/// Always: `read = loaded + filtered + rejected + skipped`, by the row of the source (a fan-out counts once).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows of the source, undecodable ones too; not blank lines.
    pub read: u64,
    /// Rows of which at least one row is in the target.
    pub loaded: u64,
    /// Rows that a module left out on purpose.
    pub filtered: u64,
    /// Rows that ended as rejects.
    pub rejected: u64,
    /// Rows whose key was there already (write mode `skip`).
    pub skipped: u64,
    /// Rows sent to COPY: more than `loaded` where a module fans out.
    pub written: u64,
}

impl Counts {
    /// Whether every row read is accounted for.
    pub fn balanced(&self) -> bool {
        self.read == self.loaded + self.filtered + self.rejected + self.skipped
    }

    /// The same, but `rows` of what counted as loaded were there already; `None` where fewer were loaded.
    pub fn with_skipped(self, rows: u64) -> Option<Counts> {
        Some(Counts { loaded: self.loaded.checked_sub(rows)?, skipped: self.skipped + rows, ..self })
    }

    /// What was counted since `before`; `None` where that is not a part of it.
    pub fn since(&self, before: &Counts) -> Option<Counts> {
        Some(Counts {
            read: self.read.checked_sub(before.read)?,
            loaded: self.loaded.checked_sub(before.loaded)?,
            filtered: self.filtered.checked_sub(before.filtered)?,
            rejected: self.rejected.checked_sub(before.rejected)?,
            skipped: self.skipped.checked_sub(before.skipped)?,
            written: self.written.checked_sub(before.written)?,
        })
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.read += other.read;
        self.loaded += other.loaded;
        self.filtered += other.filtered;
        self.rejected += other.rejected;
        self.skipped += other.skipped;
        self.written += other.written;
    }
}

/// What a source yields besides rows, all of it told of in the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asides {
    /// Blank lines of files; they are no rows.
    pub blank_lines: u64,
    /// Partitions of tables with static columns and no row that the recipe has passed over.
    pub static_only: u64,
    /// Values of zero length, of types that have none, that became NULL.
    pub empty_values: u64,
}

impl AddAssign for Asides {
    fn add_assign(&mut self, other: Asides) {
        self.blank_lines += other.blank_lines;
        self.static_only += other.static_only;
        self.empty_values += other.empty_values;
    }
}

/// Where a stream's time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reading and parsing the source.
    Read,
    /// Modules and native steps.
    Transform,
    /// Writing CSV.
    Encode,
    /// Waiting until the target took what was handed over.
    Wait,
}

impl Work {
    /// All of them, in the path's order.
    pub const ALL: [Work; 4] = [Work::Read, Work::Transform, Work::Encode, Work::Wait];

    /// The word in reports and progress.
    pub fn name(self) -> &'static str {
        match self {
            Work::Read => "read",
            Work::Transform => "transform",
            Work::Encode => "encode",
            Work::Wait => "copy",
        }
    }
}

/// What all streams of a run add to while it goes on, for progress and report.
#[derive(Debug)]
pub struct Live {
    started: Instant,
    spent_ns: [AtomicU64; Work::ALL.len()],
    counts: Mutex<Counts>,
    rejects: Mutex<Tally>,
    nodes: RwLock<Vec<Arc<NodeLive>>>,
    chunks: AtomicU64,
    source_bytes: AtomicU64,
    copy_bytes: AtomicU64,
    asides: Mutex<Asides>,
    first_copy_us: AtomicU64,
    /// When the run is given up, in ms from its start; 0: some node can be used.
    gives_up_ms: AtomicU64,
}

/// One node's part.
#[derive(Debug, Default)]
struct NodeLive {
    address: String,
    rows: AtomicU64,
    streams: AtomicU64,
    most_streams: AtomicU64,
}

/// A committed chunk, as counted.
#[derive(Clone, Copy, Debug)]
pub struct Committed {
    /// Its rows.
    pub counts: Counts,
    /// Bytes of the source it covers.
    pub source_bytes: u64,
    /// Bytes sent to COPY.
    pub copy_bytes: u64,
    /// What was no row, and what was changed.
    pub asides: Asides,
}

/// [`Live`] at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Since the run's start.
    pub elapsed: Duration,
    /// Committed rows.
    pub counts: Counts,
    /// Committed chunks.
    pub chunks: u64,
    /// Committed bytes of the source.
    pub source_bytes: u64,
    /// Committed bytes of COPY.
    pub copy_bytes: u64,
    /// What was no row, and what was changed.
    pub asides: Asides,
    /// From the process's start to the first byte of the first COPY.
    pub first_copy: Option<Duration>,
    /// Time of all streams together, in [`Work::ALL`]'s order.
    pub spent: [Duration; Work::ALL.len()],
    /// Per node.
    pub nodes: Vec<NodeSnapshot>,
    /// No node can be used: how long until the run is given up.
    pub gives_up_in: Option<Duration>,
}

/// A node's part at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSnapshot {
    /// Host and port, or a folder.
    pub address: String,
    /// Rows committed through it.
    pub rows: u64,
    /// Streams on it now.
    pub streams: u64,
    /// The most streams that were on it at once.
    pub most_streams: u64,
}

impl NodeLive {
    fn at(address: String) -> Arc<NodeLive> {
        Arc::new(NodeLive { address, ..NodeLive::default() })
    }

    fn snapshot(&self) -> NodeSnapshot {
        NodeSnapshot {
            address: self.address.clone(),
            rows: self.rows.load(Relaxed),
            streams: self.streams.load(Relaxed),
            most_streams: self.most_streams.load(Relaxed),
        }
    }
}

impl Live {
    /// Counters of a run that began at `started`, on nodes at these addresses.
    pub fn new(started: Instant, addresses: Vec<String>) -> Live {
        Live {
            started,
            spent_ns: Default::default(),
            counts: Mutex::default(),
            rejects: Mutex::default(),
            nodes: RwLock::new(addresses.into_iter().map(NodeLive::at).collect()),
            chunks: AtomicU64::new(0),
            source_bytes: AtomicU64::new(0),
            copy_bytes: AtomicU64::new(0),
            asides: Mutex::default(),
            first_copy_us: AtomicU64::new(0),
            gives_up_ms: AtomicU64::new(0),
        }
    }

    /// A stream spent time on a kind of work.
    pub fn spent(&self, work: Work, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.spent_ns[work as usize].fetch_add(ns, Relaxed);
    }

    /// The first byte of a COPY is on its way; only the first call counts.
    pub fn first_copy(&self) {
        let us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        let _ = self.first_copy_us.compare_exchange(0, us, Relaxed, Relaxed);
    }

    /// No node can be used, and the run is given up after that time; `None`: one can.
    pub fn waits_for_nodes(&self, left: Option<Duration>) {
        let at = left.map_or(0, |left| (self.started.elapsed() + left).as_millis().max(1));
        self.gives_up_ms.store(u64::try_from(at).unwrap_or(u64::MAX), Relaxed);
    }

    /// One more node, behind the others.
    pub fn add_node(&self, address: String) {
        self.nodes.write().unwrap_or_else(PoisonError::into_inner).push(NodeLive::at(address));
    }

    fn nodes(&self) -> RwLockReadGuard<'_, Vec<Arc<NodeLive>>> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream was opened on a node (+1) or closed (-1).
    pub fn stream(&self, node: usize, opened: bool) {
        let node = &self.nodes()[node];
        if opened {
            let now = node.streams.fetch_add(1, Relaxed) + 1;
            node.most_streams.fetch_max(now, Relaxed);
        } else {
            node.streams.fetch_sub(1, Relaxed);
        }
    }

    /// How many streams have a session, on whatever node.
    pub fn open_streams(&self) -> u64 {
        self.nodes().iter().map(|node| node.streams.load(Relaxed)).sum()
    }

    /// A chunk was committed through a node.
    pub fn committed(&self, node: usize, chunk: &Committed, rejects: Tally) {
        if chunk.counts.rejected > 0 {
            self.rejects.lock().unwrap_or_else(PoisonError::into_inner).merge(rejects);
        }
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) += chunk.counts;
        self.nodes()[node].rows.fetch_add(chunk.counts.written, Relaxed);
        self.chunks.fetch_add(1, Relaxed);
        self.source_bytes.fetch_add(chunk.source_bytes, Relaxed);
        self.copy_bytes.fetch_add(chunk.copy_bytes, Relaxed);
        *self.asides.lock().unwrap_or_else(PoisonError::into_inner) += chunk.asides;
    }

    /// Committed rejects by reason.
    pub fn rejects(&self) -> Tally {
        self.rejects.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All of it now.
    pub fn snapshot(&self) -> Snapshot {
        let first_copy_us = self.first_copy_us.load(Relaxed);
        let gives_up_ms = self.gives_up_ms.load(Relaxed);
        Snapshot {
            elapsed: self.started.elapsed(),
            counts: *self.counts.lock().unwrap_or_else(PoisonError::into_inner),
            chunks: self.chunks.load(Relaxed),
            source_bytes: self.source_bytes.load(Relaxed),
            copy_bytes: self.copy_bytes.load(Relaxed),
            asides: *self.asides.lock().unwrap_or_else(PoisonError::into_inner),
            first_copy: (first_copy_us > 0).then(|| Duration::from_micros(first_copy_us)),
            spent: std::array::from_fn(|i| Duration::from_nanos(self.spent_ns[i].load(Relaxed))),
            nodes: self.nodes().iter().map(|node| node.snapshot()).collect(),
            gives_up_in: (gives_up_ms > 0)
                .then(|| Duration::from_millis(gives_up_ms).saturating_sub(self.started.elapsed())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_balance_only_when_every_row_read_has_a_fate() {
        let counts = Counts { read: 4, loaded: 1, filtered: 1, rejected: 1, skipped: 1, written: 9 };
        assert!(counts.balanced());
        assert!(!Counts { loaded: 0, ..counts }.balanced());
        let skipped = counts.with_skipped(1).unwrap();
        assert!(skipped.balanced());
        assert_eq!((skipped.loaded, skipped.skipped, skipped.written), (0, 2, 9));
        assert_eq!(counts.with_skipped(2), None);
    }

    #[test]
    fn only_the_first_copy_is_remembered() {
        let live = Live::new(Instant::now(), vec!["a:1".into()]);
        assert_eq!(live.snapshot().first_copy, None);
        live.first_copy();
        let first = live.snapshot().first_copy;
        live.first_copy();
        assert!(first.is_some());
        assert_eq!(live.snapshot().first_copy, first);
    }

    #[test]
    fn a_committed_chunk_counts_for_its_node_and_the_run() {
        let live = Live::new(Instant::now(), vec!["a:1".into()]);
        live.add_node("b:1".into());
        live.stream(1, true);
        let counts = Counts { read: 3, loaded: 3, written: 5, ..Counts::default() };
        let asides = Asides { blank_lines: 1, ..Asides::default() };
        live.committed(1, &Committed { counts, source_bytes: 7, copy_bytes: 8, asides }, Tally::default());
        let now = live.snapshot();
        assert_eq!(
            (now.counts, now.chunks, now.source_bytes, now.copy_bytes, now.asides.blank_lines),
            (counts, 1, 7, 8, 1)
        );
        let first = NodeSnapshot { address: "a:1".into(), ..NodeSnapshot::default() };
        let second = NodeSnapshot { address: "b:1".into(), rows: 5, streams: 1, most_streams: 1 };
        assert_eq!(now.nodes, [first, second]);
    }
}
