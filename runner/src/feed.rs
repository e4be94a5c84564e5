//! Feeds the queue of splits: what the ledger holds already is handed out, what is new to it is cut now.
//!
//! Must not know: how splits are loaded.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::copy;
use crate::copy::ledger::{Ledger, NewSplit, Source, Split, SplitKey};
use crate::feed_adopt::Adopted;
use crate::job_units::{Cutting, JobUnit};
use crate::position::Position;
use crate::queue::Queue;
use crate::source::{self, Opened, SourceFile};
use crate::stream::Task;
use crate::tiling::{Cut, Found, tile};
use crate::tiling_ring;

/// Why sources cannot be loaded as planned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Source(#[from] source::Error),
    #[error("cannot cut {file} into splits")]
    Scan {
        file: String,
        #[source]
        error: io::Error,
    },
    #[error(transparent)]
    Copy(#[from] copy::error::Error),
}

/// How long another process that cuts the same file may seem to do nothing.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What cutting needs besides the files.
pub(crate) struct Feeder<'a> {
    /// One for each table.
    pub(crate) ledgers: &'a [Arc<Ledger>],
    pub(crate) queue: &'a Queue<Task>,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) handle: &'a Handle,
    /// How many there are: a table is cut into enough splits for all.
    pub(crate) streams: usize,
}

impl Feeder<'_> {
    /// Hands out the splits that are left, cuts what is not cut yet, and closes the queue. For a thread of its own.
    pub(crate) fn feed(&self, units: Vec<Adopted>) -> Result<(), Error> {
        let result = units.into_iter().try_for_each(|unit| self.feed_unit(unit));
        let result = match result {
            // Who stops the run knows, and what is not cut yet is cut by the next one.
            Err(Error::Copy(error)) if self.stopped() && error.class().may_pass() => Ok(()),
            other => other,
        };
        match &result {
            Ok(()) => self.queue.close(),
            Err(_) => {
                self.stop.store(true, Ordering::Relaxed);
                self.queue.clear();
            }
        }
        result
    }

    fn feed_unit(&self, adopted: Adopted) -> Result<(), Error> {
        let (source, splits) = (&adopted.source.source, adopted.splits.len());
        tracing::info!(source, splits, tiled = adopted.source.tiled, "source taken up");
        let Adopted { table, unit, mut source, splits, .. } = adopted;
        let mut handed = 0;
        self.hand_out(table, &unit, &splits, &mut handed);
        while !source.tiled && !self.stopped() {
            let complete = match &unit.cutting {
                Cutting::Records { file, dialect } => {
                    let from = source.tiled_to.clone();
                    let cut = Cut { dialect: *dialect, split_bytes: source.split_bytes, from };
                    self.cut(table, &unit, (file, cut), &mut source, &mut handed)?
                }
                Cutting::Never => {
                    let whole = vec![NewSplit { start: unit.body.clone(), end: None }];
                    self.add_all(table, &unit, (whole, unit.body.clone()), &mut source, &mut handed)?
                }
                Cutting::Ring(of) => {
                    let tiled = self.handle.block_on(tiling_ring::tile(of, source.split_bytes, self.streams));
                    let (_, end) = of.token_range();
                    self.add_all(table, &unit, (tiled, Position::Token(end)), &mut source, &mut handed)?
                }
            };
            if complete {
                return Ok(());
            }
            // Another process cuts the same source: its splits are ours too.
            source = self.follow(table, &unit, source, &mut handed)?;
        }
        Ok(())
    }

    /// Cuts a file from where it is cut up to. False when another process was faster.
    fn cut(
        &self,
        table: usize,
        unit: &JobUnit,
        (file, cut): (&SourceFile, Cut),
        source: &mut Source,
        handed: &mut usize,
    ) -> Result<bool, Error> {
        let mut opened = Opened::open(file)?;
        let bytes = opened.file();
        let mut complete = false;
        let found = |found: Found| -> Result<bool, CutError> {
            opened.check()?;
            let new = found.splits.into_iter().map(|s| NewSplit { start: s.start, end: Some(s.end) });
            let new: Vec<NewSplit> = new.collect();
            if !self.append(table, source, &new, found.tiled_to, found.complete)? {
                return Ok(false);
            }
            self.push_new(table, unit, new, handed);
            complete = found.complete;
            Ok(true)
        };
        tile(&bytes, cut, self.stop, found).map_err(|error| match error {
            CutError::Io(error) => Error::Scan { file: unit.unit.key().into(), error },
            CutError::Source(error) => error.into(),
            CutError::Copy(error) => error.into(),
        })?;
        Ok(complete || self.stopped())
    }

    /// Adds all splits of a source at once. False when another process was faster.
    fn add_all(
        &self,
        table: usize,
        unit: &JobUnit,
        (splits, tiled_to): (Vec<NewSplit>, Position),
        source: &mut Source,
        handed: &mut usize,
    ) -> Result<bool, Error> {
        let ours = self.append(table, source, &splits, tiled_to, true)?;
        if ours {
            self.push_new(table, unit, splits, handed);
        }
        Ok(ours)
    }

    fn append(
        &self,
        table: usize,
        source: &mut Source,
        new: &[NewSplit],
        to: Position,
        complete: bool,
    ) -> Result<bool, copy::error::Error> {
        let ledger = &self.ledgers[table];
        let append = ledger.append_splits(&source.source, &source.tiled_to, new, &to, complete);
        let ours = self.handle.block_on(append)?;
        if ours {
            source.tiled_to = to;
        }
        Ok(ours)
    }

    /// Adopts what another process cuts, until it is done or seems to be gone.
    fn follow(
        &self,
        table: usize,
        unit: &JobUnit,
        before: Source,
        handed: &mut usize,
    ) -> Result<Source, Error> {
        let ledger = &self.ledgers[table];
        let (mut seen, mut since) = (before.tiled_to.clone(), Instant::now());
        loop {
            let sources = self.handle.block_on(ledger.sources())?;
            let splits = self.handle.block_on(ledger.splits())?;
            let Some(now) = sources.into_iter().find(|source| source.source == before.source) else {
                let text = format!("another process made the ledger forget {}", before.source);
                return Err(copy::error::Error::Busy(text).into());
            };
            let its: Vec<Split> = splits.into_iter().filter(|split| split.key.source == now.source).collect();
            self.hand_out(table, unit, &its, handed);
            if now.tiled_to != seen {
                (seen, since) = (now.tiled_to.clone(), Instant::now());
            }
            if now.tiled || since.elapsed() >= PATIENCE || self.stopped() {
                return Ok(now);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Queues the ledger's splits behind the `handed` that were queued before, but for those that are done.
    fn hand_out(&self, table: usize, unit: &JobUnit, splits: &[Split], handed: &mut usize) {
        let new = splits.get(*handed..).unwrap_or_default();
        *handed += new.len();
        self.queue.push(
            new.iter()
                .filter(|split| !split.done)
                .map(|split| Task::new(table, &unit.unit, split.key.clone(), split.end.clone(), split.epoch)),
        );
    }

    /// Queues splits that were just added to the ledger.
    fn push_new(&self, table: usize, unit: &JobUnit, new: Vec<NewSplit>, handed: &mut usize) {
        *handed += new.len();
        self.queue.push(new.into_iter().map(|split| {
            let key = SplitKey { source: unit.unit.key().into(), start: split.start };
            Task::new(table, &unit.unit, key, split.end, 0)
        }));
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// What can end a scan.
enum CutError {
    Io(io::Error),
    Source(source::Error),
    Copy(copy::error::Error),
}

impl From<io::Error> for CutError {
    fn from(error: io::Error) -> Self {
        CutError::Io(error)
    }
}

impl From<source::Error> for CutError {
    fn from(error: source::Error) -> Self {
        CutError::Source(error)
    }
}

impl From<copy::error::Error> for CutError {
    fn from(error: copy::error::Error) -> Self {
        CutError::Copy(error)
    }
}
