//! Feeds the queue of splits: what the ledger holds already is adopted, files that are new to it are cut now, and
//! a file that is no longer what the ledger was made from is refused before a row moves.
//!
//! Must not know: how splits are loaded.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::copy;
use crate::copy::ledger::{Gate, Ledger, NewSplit, Source, Split, SplitKey};
use crate::job::{Job, JobFile};
use crate::position::Position;
use crate::queue::Queue;
use crate::source::{self, Fingerprint};
use crate::split::split_bytes;
use crate::stream::Task;
use crate::tiling::{Cut, Found, tile};

/// Why files cannot be loaded as planned.
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

/// A file with what the ledger says about it.
#[derive(Debug)]
pub(crate) struct Adopted {
    table: usize,
    file: JobFile,
    /// Bytes of the file.
    size: u64,
    source: Source,
    /// Splits that the ledger held when it was adopted, done ones too.
    splits: Vec<Split>,
}

impl Adopted {
    /// Whether nothing is left to load of it.
    pub(crate) fn is_done(&self) -> bool {
        self.source.tiled && self.splits.iter().all(|split| split.done)
    }

    /// Bytes of it that are still to be read, where its size counts.
    pub(crate) fn bytes_left(&self) -> Option<u64> {
        self.file.path_to_cut()?;
        let done: u64 = self.splits.iter().map(|split| split.position.byte() - split.key.start.byte()).sum();
        Some(self.size.saturating_sub(self.file.body.byte()).saturating_sub(done))
    }

    /// How many splits are left of it at most: more streams than that have nothing to do.
    pub(crate) fn most_splits(&self) -> u64 {
        let known = self.splits.iter().filter(|split| !split.done).count() as u64;
        let new = match (self.source.tiled, self.file.path_to_cut()) {
            (true, _) => 0,
            (false, None) => 1,
            // Cuts lie at multiples of the size, so one part more at either end.
            (false, Some(_)) => {
                let left = self.size.saturating_sub(self.source.tiled_to.byte());
                left / self.source.split_bytes.max(1) + 2
            }
        };
        known + new
    }
}

/// Adds the table's new files to the ledger and compares the others with what they were.
pub(crate) async fn adopt(
    table: usize,
    job: &Job,
    ledger: &Ledger,
    gate: &Gate,
    wanted_split_bytes: Option<u64>,
    streams: usize,
) -> Result<Vec<Adopted>, Error> {
    let stored = ledger.sources().await?;
    let splits = ledger.splits().await?;
    // Rejects of a file count on when it is done and gone.
    splits.iter().for_each(|split| gate.holds(ledger.target(), &split.key, &split.counts));
    let of = |key: &str| splits.iter().filter(|split| split.key.source == key).cloned().collect::<Vec<_>>();
    for source in &stored {
        let unfinished = !source.tiled || of(&source.source).iter().any(|split| !split.done);
        if unfinished && !job.files.iter().any(|file| file.file.key == source.source) {
            return Err(vanished(job, &source.source));
        }
    }
    let mut adopted = Vec::new();
    for file in &job.files {
        let now = source::fingerprint(&file.file)?;
        let known = stored.iter().find(|source| source.source == file.file.key).cloned();
        let source = match known {
            Some(source) => source,
            None => {
                let wanted = wanted_split_bytes.unwrap_or_else(|| split_bytes(now.size, streams));
                add(ledger, file, &now, wanted).await?
            }
        };
        compare(ledger, &source, &now).await?;
        let splits = of(&source.source);
        adopted.push(Adopted { table, file: file.clone(), size: now.size, splits, source });
    }
    Ok(adopted)
}

async fn add(ledger: &Ledger, file: &JobFile, now: &Fingerprint, split_bytes: u64) -> Result<Source, Error> {
    let source = Source {
        source: file.file.key.clone(),
        fingerprint: json(now),
        split_bytes,
        tiled_to: file.body,
        tiled: false,
    };
    Ok(ledger.add_source(&source).await?.0)
}

fn vanished(job: &Job, key: &str) -> Error {
    let text = format!(
        "{key} was begun and is not among the files of `{}` any more: put it back, or load everything again with --fresh",
        job.from
    );
    copy::error::Error::Drift(text).into()
}

/// A struct of numbers and texts always has a JSON form.
fn json(fingerprint: &Fingerprint) -> String {
    serde_json::to_string(fingerprint).unwrap_or_default()
}

/// Refuses a file with another content; another time of modification alone is taken note of.
async fn compare(ledger: &Ledger, source: &Source, now: &Fingerprint) -> Result<(), Error> {
    let then: Option<Fingerprint> = serde_json::from_str(&source.fingerprint).ok();
    if then.as_ref().is_some_and(|then| then == now) {
        return Ok(());
    }
    if then.as_ref().is_some_and(|then| then.same_content(now)) {
        return Ok(ledger.renew_fingerprint(&source.source, &json(now)).await?);
    }
    let how = match then {
        Some(then) if then.size != now.size => format!("had {} bytes and has {} now", then.size, now.size),
        _ => "has another content now".into(),
    };
    let text = format!(
        "{} changed since it was begun: it {how}; put it back as it was, give the new rows a file of their own, or load everything again with --fresh",
        source.source
    );
    Err(copy::error::Error::Drift(text).into())
}

/// What cutting needs besides the files.
pub(crate) struct Feeder<'a> {
    /// One for each table.
    pub(crate) ledgers: &'a [Arc<Ledger>],
    pub(crate) queue: &'a Queue<Task>,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) handle: &'a Handle,
}

impl Feeder<'_> {
    /// Hands out the splits that are left, cuts what is not cut yet, and closes the queue. For a thread of its own.
    pub(crate) fn feed(&self, files: Vec<Adopted>) -> Result<(), Error> {
        let result = files.into_iter().try_for_each(|file| self.feed_file(file));
        match &result {
            Ok(()) => self.queue.close(),
            Err(_) => {
                self.stop.store(true, Ordering::Relaxed);
                self.queue.clear();
            }
        }
        result
    }

    fn feed_file(&self, adopted: Adopted) -> Result<(), Error> {
        let (file, splits) = (&adopted.source.source, adopted.splits.len());
        tracing::info!(file, splits, tiled = adopted.source.tiled, "file taken up");
        let Adopted { table, file, mut source, splits, .. } = adopted;
        let mut handed_to = None;
        self.hand_out(table, &file, &splits, &mut handed_to);
        while !source.tiled && !self.stopped() {
            let complete = match file.path_to_cut() {
                Some(path) => self.cut(table, &file, path, &mut source, &mut handed_to)?,
                None => self.whole(table, &file, &source, &mut handed_to)?,
            };
            if complete {
                return Ok(());
            }
            // Another process cuts the same file: its splits are ours too.
            source = self.follow(table, &file, source, &mut handed_to)?;
        }
        Ok(())
    }

    /// Cuts a file from where it is cut up to. False when another process was faster.
    fn cut(
        &self,
        table: usize,
        file: &JobFile,
        path: &Path,
        source: &mut Source,
        handed_to: &mut Option<Position>,
    ) -> Result<bool, Error> {
        let dialect = file.dialect;
        let cut = Cut { dialect, split_bytes: source.split_bytes, from: source.tiled_to };
        let mut complete = false;
        let found = |found: Found| -> Result<bool, CutError> {
            let new: Vec<NewSplit> =
                found.splits.iter().map(|s| NewSplit { start: s.start, end: Some(s.end.byte()) }).collect();
            if !self.append(table, source, &new, found.tiled_to, found.complete)? {
                return Ok(false);
            }
            self.push_new(table, file, &new, handed_to);
            complete = found.complete;
            Ok(!self.stopped())
        };
        tile(path, cut, found).map_err(|error| match error {
            CutError::Io(error) => Error::Scan { file: file.file.key.clone(), error },
            CutError::Copy(error) => error.into(),
        })?;
        Ok(complete || self.stopped())
    }

    /// A source that can only be read from its beginning is one split.
    fn whole(
        &self,
        table: usize,
        file: &JobFile,
        source: &Source,
        handed_to: &mut Option<Position>,
    ) -> Result<bool, Error> {
        let new = [NewSplit { start: file.body, end: None }];
        let mut source = source.clone();
        let ours = self.append(table, &mut source, &new, file.body, true)?;
        if ours {
            self.push_new(table, file, &new, handed_to);
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
        let append = ledger.append_splits(&source.source, source.tiled_to, new, to, complete);
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
        file: &JobFile,
        before: Source,
        handed_to: &mut Option<Position>,
    ) -> Result<Source, Error> {
        let ledger = &self.ledgers[table];
        let (mut seen, mut since) = (before.tiled_to, Instant::now());
        loop {
            let sources = self.handle.block_on(ledger.sources())?;
            let splits = self.handle.block_on(ledger.splits())?;
            let Some(now) = sources.into_iter().find(|source| source.source == before.source) else {
                let text = format!("another process made the ledger forget {}", before.source);
                return Err(copy::error::Error::Busy(text).into());
            };
            let its: Vec<Split> = splits.into_iter().filter(|split| split.key.source == now.source).collect();
            self.hand_out(table, file, &its, handed_to);
            if now.tiled_to != seen {
                (seen, since) = (now.tiled_to, Instant::now());
            }
            if now.tiled || since.elapsed() >= PATIENCE || self.stopped() {
                return Ok(now);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Queues the ledger's splits behind those that were queued before, but for those that are done.
    fn hand_out(&self, table: usize, file: &JobFile, splits: &[Split], handed_to: &mut Option<Position>) {
        let new = splits.iter().filter(|split| handed_to.is_none_or(|to| split.key.start > to));
        let tasks: Vec<Task> = new
            .clone()
            .filter(|split| !split.done)
            .map(|split| Task {
                table,
                file: Arc::clone(&file.file),
                key: split.key.clone(),
                end: split.end,
                epoch: split.epoch,
            })
            .collect();
        *handed_to = new.map(|split| split.key.start).max().or(*handed_to);
        self.queue.push(tasks);
    }

    /// Queues splits that were just added to the ledger.
    fn push_new(&self, table: usize, file: &JobFile, new: &[NewSplit], handed_to: &mut Option<Position>) {
        *handed_to = new.last().map(|split| split.start).or(*handed_to);
        self.queue.push(new.iter().map(|split| Task {
            table,
            file: Arc::clone(&file.file),
            key: SplitKey { source: file.file.key.clone(), start: split.start },
            end: split.end,
            epoch: 0,
        }));
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// What can end a scan.
enum CutError {
    Io(io::Error),
    Copy(copy::error::Error),
}

impl From<io::Error> for CutError {
    fn from(error: io::Error) -> Self {
        CutError::Io(error)
    }
}

impl From<copy::error::Error> for CutError {
    fn from(error: copy::error::Error) -> Self {
        CutError::Copy(error)
    }
}
