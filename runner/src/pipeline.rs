//! The path of a row, whole: source → split → transform → encode → copy.
//!
//! This file is the left half as one worker thread walks it: it opens a split at a position, reads batches, runs
//! the modules, encodes the rows and hands them to its stream's sender, chunk by chunk. The right half, the sender,
//! is [`crate::copy`]; `stream` joins the two, `tiling` cuts files into splits, `job` checks everything beforehand.
//!
//! Must not know: SQL, connections, the recipe's text.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;

use crate::batch::Batch;
use crate::bisect::{Bisect, MAX_OUT_OF_TIME};
use crate::chunk::{Accounted, Chunk, ChunkLimits};
use crate::copy::message::Message;
use crate::counters::{Counts, Live, Work};
use crate::encode::{self, Encoder};
use crate::fate::{Fate, condemned_in};
use crate::memory::Memory;
use crate::original::{columns_json, keep_only};
use crate::pace::Pace;
use crate::position::Position;
use crate::reject::{Keep, Original, Reject, Stage};
use crate::schema::Field;
use crate::source::{self, Next, Unit};
use crate::transform;

/// What every split of one table has in common.
#[derive(Clone, Debug)]
pub struct TablePath {
    /// All columns of the source.
    pub fields: Vec<Field>,
    /// The planned transforms.
    pub chain: transform::Chain,
    /// Columns that they make, by number, whose arrays the target has as pgvector's.
    pub vectors: Vec<usize>,
    /// How many rows a batch may hold.
    pub batch_rows: usize,
    /// What a reject keeps of its row.
    pub keep: Keep,
    /// The columns of the source's primary key, if it has one.
    pub keys: Vec<String>,
    /// When a chunk ends.
    pub chunk: ChunkLimits,
    /// The budget for buffers.
    pub memory: Memory,
}

/// A piece of one file or table, to be loaded from `from` on.
#[derive(Debug)]
pub struct Piece {
    /// The file or table.
    pub unit: Unit,
    /// Up to where the ledger says it is done.
    pub from: Position,
    /// Where the next split starts; `None`: to the end of the source.
    pub end: Option<Position>,
    /// Rows of the split that were read before, of which the ledger knows.
    pub read: u64,
    /// How large its chunks shall be.
    pub(crate) pace: Pace,
    /// Rows that the server refused, in their order: they become rejects.
    pub condemned: Vec<Condemned>,
}

/// A row that the server refused when it was sent alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condemned {
    /// How many rows are read before it, from the place where the walk begins.
    pub number: u64,
    /// Where it is. A table's rows may have changed: then another row is at its number, and is tried like any other.
    pub position: Position,
    /// The condition's name.
    pub code: &'static str,
    /// What the server said, without values.
    pub reason: String,
}

/// How a worker's walk over a split ended when nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All of it was handed over.
    Done,
    /// The run is being stopped: the chunk in hand was ended and handed over.
    Stopped,
    /// The sender is gone (connection lost, refused, clash): it knows why.
    Abandoned,
}

/// What failed on the way, with the place where it did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source cannot be read on.
    #[error("read failed")]
    Read(#[from] source::Error),
    /// A module failed, which is no row's fault.
    #[error("transform failed on {source_key}, {}", Position::span(first, last))]
    Transform {
        /// The source's key.
        source_key: String,
        /// The batch's first row.
        first: Position,
        /// The batch's last row.
        last: Position,
        /// What the sandbox says.
        source: Box<transform::Error>,
    },
    /// Row after row of a batch ran into the time limit.
    #[error(
        "transform failed on {source_key}, {place}: more than {MAX_OUT_OF_TIME} rows of one batch took too long, each alone"
    )]
    Slow {
        /// The source's key.
        source_key: String,
        /// The last of them.
        place: Position,
        /// What the sandbox says of that row.
        source: Box<transform::Error>,
    },
    /// A new instance of a module could not be made.
    #[error("transform failed")]
    Open(#[from] transform::Error),
    /// A column is not what the plan says.
    #[error("encode failed")]
    Encode(#[from] encode::Error),
    /// Rows that are unaccounted for.
    #[error("internal error: {source_key} from {from} on: {counts:?} does not add up")]
    Unbalanced {
        /// The source's key.
        source_key: String,
        /// Where the chunk began.
        from: Position,
        /// What was counted.
        counts: Counts,
    },
}

/// So many batches that a module could not take are warned of; the others are told to those who ask.
const MAX_WARNINGS: u64 = 3;

/// The worker's side of a stream, for one table: it owns the modules' instances.
#[derive(Debug)]
pub struct Walker {
    path: Arc<TablePath>,
    instance: transform::Instance,
    encoder: Encoder,
    /// The columns of a batch.
    fields: Vec<Field>,
    bisect: Bisect,
    /// The instance has taken rows already: what it makes of others may be its own doing.
    is_used: bool,
    /// Batches that a module could not take whole.
    stops: u64,
    live: Arc<Live>,
    stop: Arc<AtomicBool>,
}

impl Walker {
    /// Instantiates the modules and runs their `plan`.
    pub fn new(path: Arc<TablePath>, live: Arc<Live>, stop: Arc<AtomicBool>) -> Result<Walker, Error> {
        let instance = path.chain.open()?;
        let encoder = Encoder::new(path.chain.output()).with_vectors(&path.vectors);
        let fields = path.chain.reads().iter().map(|read| path.fields[*read].clone()).collect();
        let bisect = Bisect::default();
        Ok(Walker { path, instance, encoder, fields, bisect, is_used: false, stops: 0, live, stop })
    }

    /// Walks a split from its position to its end and hands its chunks to `messages`.
    pub fn walk(&mut self, piece: &Piece, messages: &mpsc::Sender<Message>) -> Result<Ended, Error> {
        let ended = self.walk_on(piece, messages);
        // What is left of a batch holds memory, and a worker may wait long for its next split.
        self.bisect = Bisect::default();
        ended
    }

    fn walk_on(&mut self, piece: &Piece, messages: &mpsc::Sender<Message>) -> Result<Ended, Error> {
        let path = Arc::clone(&self.path);
        let TablePath { fields, chain, memory, .. } = &*path;
        let extent = source::Extent { from: &piece.from, end: piece.end.as_ref(), read: piece.read };
        let mut reader = source::Reader::open(&piece.unit, (fields, chain.reads()), extent, memory)?;
        let mut chunk = Chunk::new(piece.from.clone(), path.chunk, piece.pace.clone(), messages);
        loop {
            let batch = match self.next(&mut reader, chunk.rows_left(path.batch_rows))? {
                Next::Batch(batch) => Some(batch),
                // A chunk ends in time nevertheless, and so does a run that is being stopped.
                Next::Idle => None,
                Next::End => break,
                Next::Stopped => {
                    let sent = chunk.counts().read == 0 || self.end(&mut chunk, &mut reader, piece, false)?;
                    return Ok(if sent { Ended::Stopped } else { Ended::Abandoned });
                }
            };
            let carried = match batch {
                Some(batch) => self.carry(batch, piece, &mut chunk)?,
                None => !messages.is_closed(),
            };
            let stopped = self.stop.load(Ordering::Relaxed);
            let full = self.bisect.ends_chunk() || stopped || chunk.is_full();
            let ends = full && chunk.counts().read > 0;
            let sent =
                carried && chunk.flush() && (!ends || self.end(&mut chunk, &mut reader, piece, false)?);
            self.live.spent(Work::Wait, chunk.take_waited());
            match (sent, stopped) {
                (false, _) => return Ok(Ended::Abandoned),
                (true, true) => return Ok(Ended::Stopped),
                (true, false) => {}
            }
        }
        let sent = self.end(&mut chunk, &mut reader, piece, true)?;
        Ok(if sent { Ended::Done } else { Ended::Abandoned })
    }

    /// The rest of the last batch, if a module could not take it whole, or the source's next.
    fn next(&mut self, reader: &mut source::Reader, max_rows: usize) -> Result<Next, Error> {
        if let Some(part) = self.bisect.next(max_rows) {
            return Ok(Next::Batch(part));
        }
        let started = Instant::now();
        let next = reader.next_batch(max_rows, &self.stop)?;
        self.live.spent(Work::Read, started.elapsed());
        Ok(next)
    }

    /// One batch through transform and encode into the chunk. False when the sender is gone.
    fn carry(&mut self, mut batch: Batch, piece: &Piece, chunk: &mut Chunk<'_>) -> Result<bool, Error> {
        let started = Instant::now();
        let outcome = self.instance.apply(batch.rows, &batch.columns);
        self.live.spent(Work::Transform, started.elapsed());
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return self.contain(error, batch, piece, chunk),
        };
        self.is_used = true;
        chunk.hold(batch.loan.take());
        let started = Instant::now();
        let rows = self.encoder.bind(&outcome.columns)?;
        let condemned = condemned_in(&batch, chunk.walked(), &piece.condemned);
        let fate = Fate::of(&outcome, &rows.refused(), &condemned, batch.rows);
        let mut counts = fate.counts(&batch, &outcome);
        for row in 0..outcome.rows {
            let origin = outcome.origin.as_ref().map_or(row, |origin| origin[row] as usize);
            if !fate.is_refused(origin) {
                chunk.row(&batch.starts, origin, |buffer, first| encode_row(&rows, row, buffer, first));
                counts.written += 1;
            }
            // What a module fanned out is handed over in pieces: its CSV is never held as a whole.
            if chunk.is_large() && !chunk.flush_part() {
                return Ok(false);
            }
        }
        let encoding = started.elapsed().saturating_sub(chunk.waited());
        self.live.spent(Work::Encode, encoding);
        let rejects = self.rejects(&batch, outcome.rejects, fate);
        self.account(chunk, batch, counts, rejects);
        Ok(true)
    }

    /// A module was stopped on this batch: its halves are tried by new instances, and a row that a new instance cannot take
    /// alone is a reject.
    fn contain(
        &mut self,
        error: transform::Error,
        mut batch: Batch,
        piece: &Piece,
        chunk: &mut Chunk<'_>,
    ) -> Result<bool, Error> {
        let Some(stopped) = error.of_rows() else { return Err(transform_error(piece, &batch, error)) };
        if self.bisect.is_whole() {
            self.stops += 1;
            let (source, rows, at) = (piece.unit.key(), batch.rows, batch.starts.at(0));
            let more = if self.stops == MAX_WARNINGS { "; -v tells of others" } else { "" };
            if self.stops <= MAX_WARNINGS {
                tracing::warn!(source, rows, %at, "{stopped}; its rows are tried apart{more}");
            } else {
                tracing::info!(source, rows, %at, "{stopped}; its rows are tried apart");
            }
        }
        self.instance.reopen()?;
        let was_used = std::mem::replace(&mut self.is_used, false);
        if batch.rows > 1 {
            self.bisect.halve(batch);
            return Ok(true);
        }
        if was_used {
            self.bisect.again(batch);
            return Ok(true);
        }
        if !self.bisect.failed_alone(matches!(stopped.why, transform::Why::Time(_))) {
            let (source_key, place) = (piece.unit.key().into(), batch.starts.at(0));
            return Err(Error::Slow { source_key, place, source: Box::new(error) });
        }
        let (code, reason) = (stopped.why.code().unwrap_or_default(), stopped.reason());
        let reject = self.reject(&batch, 0, (Stage::Transform, code), reason.into());
        batch.rejects.push(reject);
        let rejected = batch.rejects.len() as u64;
        let counts = Counts { read: rejected, rejected, ..Counts::default() };
        self.account(chunk, batch, counts, Vec::new());
        Ok(true)
    }

    /// Ends the chunk in hand, if its rows are of the source that was found. False when the sender is gone.
    fn end(
        &self,
        chunk: &mut Chunk<'_>,
        reader: &mut source::Reader,
        piece: &Piece,
        done: bool,
    ) -> Result<bool, Error> {
        reader.check()?;
        if !chunk.counts().balanced() {
            let (from, counts) = (chunk.begin().clone(), *chunk.counts());
            return Err(Error::Unbalanced { source_key: piece.unit.key().into(), from, counts });
        }
        let sent = chunk.end(done);
        self.live.spent(Work::Wait, chunk.take_waited());
        Ok(sent)
    }

    /// What transform, encode and server refused, with the columns that were read.
    fn rejects(&self, batch: &Batch, from_modules: Vec<(u32, String)>, fate: Fate<'_>) -> Vec<Reject> {
        let output = self.path.chain.output();
        let by_modules = from_modules
            .into_iter()
            .map(|(row, reason)| self.reject(batch, row, (Stage::Transform, "module"), Cow::Owned(reason)));
        let by_encode = fate.refused.into_iter().map(|(row, refused)| {
            let column = &output[refused.column as usize].name;
            let reason = format!("column `{column}`: {}", refused.reason);
            self.reject(batch, row, (Stage::Encode, refused.code), Cow::Owned(reason))
        });
        let by_server = fate.condemned.into_iter().map(|(row, condemned)| {
            self.reject(batch, row, (Stage::Server, condemned.code), Cow::Owned(condemned.reason.clone()))
        });
        by_modules.chain(by_encode).chain(by_server).collect()
    }

    /// A row of the batch as a reject, with the columns that were read.
    fn reject(
        &self,
        batch: &Batch,
        row: u32,
        (stage, code): (Stage, &'static str),
        reason: Cow<'static, str>,
    ) -> Reject {
        let (json, cut) = columns_json(&self.fields, &batch.columns, row as usize);
        let position = batch.starts.at(row as usize);
        Reject { position, stage, code, reason, original: Original::Columns(json), cut }
    }

    /// Adds what became of a batch to the chunk that holds its rows.
    fn account(&self, chunk: &mut Chunk<'_>, batch: Batch, counts: Counts, mut rejects: Vec<Reject>) {
        let Batch { rows, end, source_bytes, asides, starts, rejects: mut undecoded, .. } = batch;
        rejects.append(&mut undecoded);
        rejects.sort_by(|a, b| a.position.cmp(&b.position));
        rejects.iter_mut().for_each(|reject| keep_only(reject, self.path.keep, &self.path.keys));
        let (rows, place_bytes) = (rows as u64, starts.held_bytes());
        chunk.account(Accounted { rows, counts, rejects, end, source_bytes, asides, place_bytes });
    }
}

/// Encodes a row; answers its physical lines as the server counts them, which it does otherwise in a COPY's first row.
fn encode_row(rows: &encode::Rows<'_>, row: usize, buffer: &mut Vec<u8>, first: bool) -> u32 {
    let start = buffer.len();
    let lines = rows.encode_row(row, buffer);
    if first { encode::first_record_lines(&buffer[start..]) } else { lines }
}

fn transform_error(piece: &Piece, batch: &Batch, error: transform::Error) -> Error {
    let at = |row: usize| if batch.starts.is_empty() { batch.end.clone() } else { batch.starts.at(row) };
    Error::Transform {
        source_key: piece.unit.key().into(),
        first: at(0),
        last: at(batch.starts.len().saturating_sub(1)),
        source: Box::new(error),
    }
}
