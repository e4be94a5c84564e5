//! The chunk in hand of a worker: the rows that will be committed in one transaction, with all that is counted
//! and rejected among them.
//!
//! Must not know: how rows are read, transformed or encoded, and what the sender does with a chunk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::batch::RowStarts;
use crate::copy::message::{ChunkEnd, Message};
use crate::counters::{Asides, Counts};
use crate::memory::{Loan, MAX_BATCH_BYTES};
use crate::pace::Pace;
use crate::position::Position;
use crate::reject::Reject;

/// When a chunk ends: at the end of the batch that reaches one of these.
#[derive(Clone, Copy, Debug)]
pub struct ChunkLimits {
    /// Rows of the source.
    pub rows: u64,
    /// Encoded bytes, with what is held of each row until they are committed.
    pub bytes: u64,
    /// Time since its first row.
    pub time: Duration,
}

/// Twice what an ordinary batch encodes to.
const LARGE_BYTES: usize = 2 * MAX_BATCH_BYTES;

/// Rejects are held until their chunk is committed: a chunk ends early rather than hold more than this.
const MAX_REJECT_BYTES: usize = 1024 * 1024;

/// The chunk in hand. Rows leave it with each [`Chunk::flush`], the rest with [`Chunk::end`].
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    messages: &'a mpsc::Sender<Message>,
    limits: ChunkLimits,
    buffer: Vec<u8>,
    /// Size of the last buffer sent: the next one will need about as much.
    last_bytes: usize,
    /// Of the batch in hand, if that is a large row.
    loan: Option<Loan>,
    waited: Duration,
    started: Option<Instant>,
    begin: Position,
    sent_bytes: u64,
    reject_bytes: usize,
    /// Of where its rows are in the source: keys may be long.
    place_bytes: usize,
    /// Rows that may go on, undecodable ones aside: what the pace counts.
    rows: u64,
    /// The same of the whole walk.
    walked: u64,
    pace: Pace,
    /// What goes with the commit; `counts` and `end` grow with each batch.
    pending: ChunkEnd,
}

impl<'a> Chunk<'a> {
    /// The first chunk of a walk that begins at `begin`.
    pub(crate) fn new(
        begin: Position,
        limits: ChunkLimits,
        pace: Pace,
        messages: &'a mpsc::Sender<Message>,
    ) -> Self {
        Chunk {
            messages,
            limits,
            buffer: Vec::new(),
            last_bytes: 0,
            loan: None,
            waited: Duration::ZERO,
            started: None,
            sent_bytes: 0,
            reject_bytes: 0,
            place_bytes: 0,
            rows: 0,
            walked: 0,
            pace,
            pending: ChunkEnd::starting_at(begin.clone()),
            begin,
        }
    }

    /// A batch is never longer than the rows left in its chunk.
    pub(crate) fn rows_left(&self, batch_rows: usize) -> usize {
        let left = self.limits.rows.saturating_sub(self.pending.counts.read);
        let left = left.min(self.pace.rows().saturating_sub(self.rows)).max(1);
        usize::try_from(left).unwrap_or(usize::MAX).min(batch_rows)
    }

    /// Whether one of the limits is reached.
    pub(crate) fn is_full(&self) -> bool {
        // Rows that a module made of one may be short, and many: where each came from takes more than they do.
        let held_bytes = self.buffer.len() + self.place_bytes + self.pending.lines.held_bytes();
        self.pending.counts.read >= self.limits.rows
            || self.rows >= self.pace.rows()
            || self.sent_bytes + held_bytes as u64 >= self.limits.bytes
            || self.reject_bytes >= MAX_REJECT_BYTES
            || self.started.is_some_and(|started| started.elapsed() >= self.limits.time)
    }

    /// Where this chunk began.
    pub(crate) fn begin(&self) -> &Position {
        &self.begin
    }

    /// Rows that the walk read so far, undecodable ones aside.
    pub(crate) fn walked(&self) -> u64 {
        self.walked
    }

    /// What was counted in this chunk so far.
    pub(crate) fn counts(&self) -> &Counts {
        &self.pending.counts
    }

    /// Appends one encoded row that came from row `row` of the batch with `starts`; `encode` is told whether it is
    /// the chunk's first one and answers how many physical lines it wrote.
    pub(crate) fn row(
        &mut self,
        starts: &Arc<RowStarts>,
        row: usize,
        encode: impl FnOnce(&mut Vec<u8>, bool) -> u32,
    ) {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(self.last_bytes + self.last_bytes / 16);
        }
        let lines = encode(&mut self.buffer, self.pending.lines.is_empty());
        // A batch has at most as many rows as one call of a module may.
        self.pending.lines.push(lines, (starts, self.rows), row as u32);
    }

    /// Adds what a batch counted; its rows were appended before.
    pub(crate) fn account(&mut self, batch: Accounted) {
        self.started.get_or_insert_with(Instant::now);
        self.rows += batch.rows;
        self.walked += batch.rows;
        self.pending.counts += batch.counts;
        self.pending.end = batch.end;
        self.pending.source_bytes += batch.source_bytes;
        self.pending.asides += batch.asides;
        self.place_bytes += batch.place_bytes;
        self.reject_bytes += batch.rejects.iter().map(held_bytes).sum::<usize>();
        self.pending.rejects.extend(batch.rejects);
    }

    /// Takes the loan of the batch whose rows come next: what is encoded of it holds it until it is written.
    pub(crate) fn hold(&mut self, loan: Option<Loan>) {
        self.loan = loan;
    }

    /// Hands the encoded rows on, at the end of a batch. Waits while the target is slow. False when the sender is gone.
    pub(crate) fn flush(&mut self) -> bool {
        let loan = self.loan.take();
        self.hand_on(loan)
    }

    /// The same in the middle of a batch.
    pub(crate) fn flush_part(&mut self) -> bool {
        self.hand_on(self.loan.clone())
    }

    fn hand_on(&mut self, loan: Option<Loan>) -> bool {
        if self.buffer.is_empty() {
            return true;
        }
        let bytes = std::mem::take(&mut self.buffer);
        self.last_bytes = bytes.len();
        self.sent_bytes += bytes.len() as u64;
        let rows = match loan {
            Some(loan) => Bytes::from_owner(Lent { bytes, _loan: loan }),
            None => Bytes::from(bytes),
        };
        self.send(Message::Rows(rows))
    }

    /// Ends the chunk where the last batch ended and begins the next one there. False when the sender is gone.
    pub(crate) fn end(&mut self, done: bool) -> bool {
        let flushed = self.flush();
        self.begin = self.pending.end.clone();
        let mut end = std::mem::replace(&mut self.pending, ChunkEnd::starting_at(self.begin.clone()));
        end.done = done;
        end.rows = self.rows;
        self.pace.ended(self.rows);
        self.rows = 0;
        self.started = None;
        self.sent_bytes = 0;
        self.reject_bytes = 0;
        self.place_bytes = 0;
        flushed && self.send(Message::End(Box::new(end)))
    }

    /// Whether the encoded rows should be handed on before their batch ends.
    pub(crate) fn is_large(&self) -> bool {
        self.buffer.len() >= LARGE_BYTES
    }

    /// How long it waited for the target since that was last taken.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// How long it waited for the target since this was last asked.
    pub(crate) fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    fn send(&mut self, message: Message) -> bool {
        let started = Instant::now();
        let sent = self.messages.blocking_send(message).is_ok();
        self.waited += started.elapsed();
        sent
    }
}

/// Encoded rows that give a loan back when nobody needs them any more.
struct Lent {
    bytes: Vec<u8>,
    _loan: Loan,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a batch adds to its chunk besides encoded rows.
#[derive(Debug)]
pub(crate) struct Accounted {
    /// Rows of the batch, undecodable ones aside.
    pub(crate) rows: u64,
    pub(crate) counts: Counts,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) end: Position,
    pub(crate) source_bytes: u64,
    pub(crate) asides: Asides,
    /// Held for the places of its rows until the chunk is committed.
    pub(crate) place_bytes: usize,
}

fn held_bytes(reject: &Reject) -> usize {
    size_of::<Reject>() + reject.reason.len() + reject.original.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    const START: Position = Position::FILE_START;

    fn limits(rows: u64, bytes: u64) -> ChunkLimits {
        ChunkLimits { rows, bytes, time: Duration::from_secs(60) }
    }

    fn rows(read: u64, end: u64) -> Accounted {
        let counts = Counts { read, loaded: read, written: read, ..Counts::default() };
        let place_bytes = 8 * read as usize;
        let (source_bytes, end) = (end, Position::File { byte: end, line: 1 + read });
        Accounted {
            rows: read,
            counts,
            rejects: Vec::new(),
            end,
            source_bytes,
            asides: Asides::default(),
            place_bytes,
        }
    }

    #[test]
    fn a_batch_is_never_longer_than_the_rows_left_in_its_chunk() {
        let (sender, _receiver) = mpsc::channel(8);
        let mut chunk = Chunk::new(START, limits(1500, u64::MAX), Pace::new(1500), &sender);
        assert_eq!(chunk.rows_left(1024), 1024);
        chunk.account(rows(1024, 10));
        assert_eq!(chunk.rows_left(1024), 476);
        assert!(!chunk.is_full());
        chunk.account(rows(476, 20));
        assert!(chunk.is_full());
    }

    #[test]
    fn a_chunk_of_many_short_rows_ends_by_what_is_held_of_where_each_came_from() {
        let (sender, mut receiver) = mpsc::channel(1024);
        let limit = 16 << 20;
        let mut chunk = Chunk::new(START, limits(u64::MAX, limit), Pace::new(u64::MAX), &sender);
        let mut starts = RowStarts::in_file(0, 1);
        assert!(starts.push_start(0, 1));
        let starts = Arc::new(starts);
        let mut made = 0_u64;
        while !chunk.is_full() {
            for _ in 0..1024 {
                chunk.row(&starts, 0, |buffer, _| {
                    buffer.extend_from_slice(b"123456789\n");
                    1
                });
            }
            made += 1024;
            assert!(chunk.flush());
            assert!(matches!(receiver.try_recv(), Ok(Message::Rows(..))));
        }
        // A number for each row three times over.
        assert!(made * (10 + 12) <= limit + 1024 * 22, "{made} rows");
        assert!(chunk.end(false) && !chunk.is_full(), "the next one begins with nothing");
    }

    #[test]
    fn a_loan_is_held_until_all_that_was_encoded_of_its_row_is_written() {
        let (sender, mut receiver) = mpsc::channel(8);
        let memory = Memory::new(1 << 20, 1);
        let mut chunk = Chunk::new(START, limits(10, 1 << 30), Pace::new(10), &sender);
        let starts = Arc::new(RowStarts::in_file(0, 1));
        let append = |chunk: &mut Chunk<'_>| {
            chunk.row(&starts, 0, |buffer, _| {
                buffer.resize(LARGE_BYTES, b'x');
                1
            });
        };
        chunk.hold(memory.borrow_pool());
        append(&mut chunk);
        assert!(chunk.is_large() && chunk.flush_part());
        let first = receiver.try_recv().unwrap();
        append(&mut chunk);
        chunk.account(rows(1, 10));
        assert!(chunk.flush());
        drop(first);
        assert!(memory.is_lent(), "the rest is not written");
        drop(receiver.try_recv().unwrap());
        assert!(!memory.is_lent());
        // Nothing was encoded of it.
        chunk.hold(memory.borrow_pool());
        assert!(chunk.flush() && !memory.is_lent());
    }

    #[test]
    fn the_next_chunk_begins_where_the_last_one_ended_with_nothing_counted() {
        let (sender, mut receiver) = mpsc::channel(8);
        let mut chunk = Chunk::new(START, limits(10, 1000), Pace::new(10), &sender);
        let mut starts = RowStarts::in_file(0, 1);
        assert!(starts.push_start(0, 1));
        chunk.row(&Arc::new(starts), 0, |buffer, first| {
            assert!(first);
            buffer.extend_from_slice(b"a\n");
            1
        });
        chunk.account(rows(1, 2));
        assert!(chunk.end(false));
        assert!(matches!(receiver.try_recv(), Ok(Message::Rows(bytes)) if &bytes[..] == b"a\n"));
        let Ok(Message::End(end)) = receiver.try_recv() else { panic!("no end") };
        assert_eq!((end.counts.read, end.end.byte(), end.done), (1, 2, false));
        assert_eq!(end.lines.position(1), Some(START));
        assert_eq!((chunk.begin().byte(), *chunk.counts()), (2, Counts::default()));
        assert!(chunk.end(true));
        assert!(matches!(receiver.try_recv(), Ok(Message::End(end)) if end.done && end.end.byte() == 2));
    }

    #[test]
    fn a_sender_that_is_gone_is_noticed() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let mut chunk = Chunk::new(START, limits(10, 1000), Pace::new(10), &sender);
        assert!(chunk.flush(), "nothing to send, nothing to notice");
        assert!(!chunk.end(true));
    }
}
