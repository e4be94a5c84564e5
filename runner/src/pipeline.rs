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
use crate::chunk::{Accounted, Chunk, ChunkLimits};
use crate::copy::message::Message;
use crate::counters::{Counts, Live, Work};
use crate::encode::{self, Encoder};
use crate::memory::Memory;
use crate::original::columns_json;
use crate::position::Position;
use crate::reject::{Original, Reject, Stage};
use crate::schema::Field;
use crate::source::{self, Next, Unit};
use crate::transform;

/// What every split of one table has in common.
#[derive(Debug)]
pub struct TablePath {
    /// All columns of the source.
    pub fields: Vec<Field>,
    /// The planned transforms.
    pub chain: transform::Chain,
    /// How many rows a batch may hold.
    pub batch_rows: usize,
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
    /// A module failed, which is not a row's fault as far as we know.
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

/// The worker's side of a stream, for one table: it owns the modules' instances.
#[derive(Debug)]
pub struct Walker {
    path: Arc<TablePath>,
    instance: transform::Instance,
    encoder: Encoder,
    live: Arc<Live>,
    stop: Arc<AtomicBool>,
}

impl Walker {
    /// Instantiates the modules and runs their `plan`.
    pub fn new(path: Arc<TablePath>, live: Arc<Live>, stop: Arc<AtomicBool>) -> Result<Walker, Error> {
        let instance = path.chain.open()?;
        let encoder = Encoder::new(path.chain.output());
        Ok(Walker { path, instance, encoder, live, stop })
    }

    /// Walks a split from its position to its end and hands its chunks to `messages`.
    pub fn walk(&mut self, piece: &Piece, messages: &mpsc::Sender<Message>) -> Result<Ended, Error> {
        let path = Arc::clone(&self.path);
        let TablePath { fields, chain, memory, .. } = &*path;
        let extent = source::Extent { from: &piece.from, end: piece.end.as_ref(), read: piece.read };
        let mut reader = source::Reader::open(&piece.unit, (fields, chain.reads()), extent, memory)?;
        let mut chunk = Chunk::new(piece.from.clone(), path.chunk, messages);
        loop {
            let started = Instant::now();
            let next = reader.next_batch(chunk.rows_left(path.batch_rows), &self.stop)?;
            self.live.spent(Work::Read, started.elapsed());
            let batch = match next {
                Next::Batch(batch) => batch,
                Next::End => break,
                Next::Stopped => {
                    let sent = chunk.counts().read == 0 || self.end(&mut chunk, piece, false)?;
                    return Ok(if sent { Ended::Stopped } else { Ended::Abandoned });
                }
            };
            let carried = self.carry(batch, piece, &mut chunk)?;
            let stopped = self.stop.load(Ordering::Relaxed);
            let ends = stopped || chunk.is_full();
            let sent = carried && chunk.flush() && (!ends || self.end(&mut chunk, piece, false)?);
            self.live.spent(Work::Wait, chunk.take_waited());
            match (sent, stopped) {
                (false, _) => return Ok(Ended::Abandoned),
                (true, true) => return Ok(Ended::Stopped),
                (true, false) => {}
            }
        }
        let sent = self.end(&mut chunk, piece, true)?;
        Ok(if sent { Ended::Done } else { Ended::Abandoned })
    }

    /// One batch through transform and encode into the chunk. False when the sender is gone.
    fn carry(&mut self, mut batch: Batch, piece: &Piece, chunk: &mut Chunk<'_>) -> Result<bool, Error> {
        let started = Instant::now();
        let outcome = self.instance.apply(batch.rows, &batch.columns);
        self.live.spent(Work::Transform, started.elapsed());
        let outcome = outcome.map_err(|error| transform_error(piece, &batch, error))?;
        let started = Instant::now();
        let rows = self.encoder.bind(&outcome.columns)?;
        let fate = Fate::of(&outcome, &rows.refused(), batch.rows);
        let mut counts = fate.counts(&batch, &outcome);
        for row in 0..outcome.rows {
            let origin = outcome.origin.as_ref().map_or(row, |origin| origin[row] as usize);
            if !fate.is_refused(origin) {
                chunk.row(&batch.starts, origin, |buffer, first| encode_row(&rows, row, buffer, first));
                counts.written += 1;
            }
            // What a module fanned out is handed over in pieces: its CSV is never held as a whole.
            if chunk.is_large() && !chunk.flush() {
                return Ok(false);
            }
        }
        let encoding = started.elapsed().saturating_sub(chunk.waited());
        self.live.spent(Work::Encode, encoding);
        let mut rejects = self.rejects(&batch, outcome.rejects, fate);
        rejects.append(&mut batch.rejects);
        rejects.sort_by(|a, b| a.position.cmp(&b.position));
        let Batch { end, source_bytes, asides, loan, starts, .. } = batch;
        let place_bytes = starts.held_bytes();
        chunk.account(Accounted { counts, rejects, end, source_bytes, asides, place_bytes, loan });
        Ok(true)
    }

    /// Ends the chunk in hand. False when the sender is gone.
    fn end(&self, chunk: &mut Chunk<'_>, piece: &Piece, done: bool) -> Result<bool, Error> {
        if !chunk.counts().balanced() {
            let (from, counts) = (chunk.begin().clone(), *chunk.counts());
            return Err(Error::Unbalanced { source_key: piece.unit.key().into(), from, counts });
        }
        let sent = chunk.end(done);
        self.live.spent(Work::Wait, chunk.take_waited());
        Ok(sent)
    }

    /// What transform and encode refused, with the columns that were read.
    fn rejects(&self, batch: &Batch, from_modules: Vec<(u32, String)>, fate: Fate) -> Vec<Reject> {
        if from_modules.is_empty() && fate.refused.is_empty() {
            return Vec::new();
        }
        let reads = self.path.chain.reads();
        let fields: Vec<Field> = reads.iter().map(|read| self.path.fields[*read].clone()).collect();
        let reject = |row: u32, stage, code, reason: Cow<'static, str>| {
            let (json, cut) = columns_json(&fields, &batch.columns, row as usize);
            let position = batch.starts.at(row as usize);
            Reject { position, stage, code, reason, original: Original::Columns(json), cut }
        };
        let by_modules = from_modules
            .into_iter()
            .map(|(row, reason)| reject(row, Stage::Transform, "module", Cow::Owned(reason)));
        let output = self.path.chain.output();
        let by_encode = fate.refused.into_iter().map(|(row, refused)| {
            let column = &output[refused.column as usize].name;
            let reason = format!("column `{column}`: {}", refused.reason);
            reject(row, Stage::Encode, refused.code, Cow::Owned(reason))
        });
        by_modules.chain(by_encode).collect()
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

/// What became of each input row of a batch.
struct Fate {
    /// Input rows that encode refused, with the code and reason of the first of their output rows.
    refused: Vec<(u32, encode::Refused)>,
    /// Input rows with at least one output row that goes to the target.
    loaded: u64,
}

impl Fate {
    fn of(outcome: &transform::Outcome, refused: &[encode::Refused], rows: usize) -> Fate {
        let origin_of = |row: u32| outcome.origin.as_ref().map_or(row, |origin| origin[row as usize]);
        let mut by_origin: Vec<(u32, encode::Refused)> =
            refused.iter().map(|refused| (origin_of(refused.row), *refused)).collect();
        by_origin.sort_by_key(|(origin, refused)| (*origin, refused.row));
        by_origin.dedup_by_key(|(origin, _)| *origin);
        let emitted = match &outcome.origin {
            None => outcome.rows as u64,
            Some(origin) => distinct(origin, rows),
        };
        Fate { loaded: emitted - by_origin.len() as u64, refused: by_origin }
    }

    fn is_refused(&self, origin: usize) -> bool {
        !self.refused.is_empty()
            && self.refused.binary_search_by_key(&origin, |(origin, _)| *origin as usize).is_ok()
    }

    /// The batch's counts but for `written`, each counted on its own so that a loss shows.
    fn counts(&self, batch: &Batch, outcome: &transform::Outcome) -> Counts {
        let rejected = batch.rejects.len() + outcome.rejects.len() + self.refused.len();
        Counts {
            read: (batch.rows + batch.rejects.len()) as u64,
            loaded: self.loaded,
            filtered: u64::from(outcome.filtered),
            rejected: rejected as u64,
            skipped: 0,
            written: 0,
        }
    }
}

/// How many different input rows `origin` names.
fn distinct(origin: &[u32], rows: usize) -> u64 {
    if origin.is_sorted() {
        return origin.chunk_by(|a, b| a == b).count() as u64;
    }
    let mut seen = vec![false; rows];
    origin.iter().filter(|row| !std::mem::replace(&mut seen[**row as usize], true)).count() as u64
}
