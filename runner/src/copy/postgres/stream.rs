//! A stream's sender: takes a worker's messages and commits them as chunks of one split, the next chunk's beginning
//! sent behind the `COMMIT` before its answer is there.
//!
//! Must not know: where rows come from, and what is done about a split that could not be finished.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, join};
use tokio::sync::mpsc::Receiver;

use super::backend::Link;
use super::chunk::{self, End, Place, Queued, Refusal, Sink, Step, queued};
use super::control::Control;
use super::identifier::literal;
use super::ledger::Statements;
use super::pulse::Pulse;
use super::unanswered::{InDoubt, Unanswered};
use crate::copy::error::Error;
use crate::copy::gate::{Admitted, Gate};
use crate::copy::message::{ChunkEnd, LineMap, Message};
use crate::copy::state::{Claimed, Committed, Loaded, OnCommit, Waited};
use crate::counters::{Counts, Live};
use crate::failpoint::{self, Point};
use crate::reject::Tally;

/// How long a roll-back may take before the connection is given up.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(5);

/// One connection that loads splits of one table.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    /// The stream's own connection.
    pub link: Link<'a>,
    /// Reads the ledger again when a chunk was refused.
    pub control: &'a Control,
    /// Prepared on `link`.
    pub statements: &'a Statements,
    /// The run's limit of rejects.
    pub gate: &'a Gate,
    /// Told of the first byte of a COPY.
    pub live: &'a Live,
    /// Told when the server is waited for.
    pub pulse: &'a Pulse,
    /// Holds the chunk whose `COMMIT` is not answered, also behind the end.
    pub unanswered: &'a Unanswered,
    /// While a refusal is to be expected: nothing is sent behind a chunk that is not answered, which would cost the
    /// connection.
    pub careful: &'a AtomicBool,
}

/// What ended the loading of a split before its end.
#[derive(Debug)]
pub struct Failed {
    /// What happened.
    pub error: Error,
    /// Whether the connection can be used again. Else it must only be dropped: its answers may not match what is asked
    /// any more.
    pub usable: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed { error, usable: false }
    }
}

impl Stream<'_> {
    /// Loads a split from where it stands until its worker says that it is done, or stops: a worker that drops its end
    /// of the channel has what it did not end rolled back.
    ///
    /// After an error nothing of the chunk in hand is committed, except in doubt ([`Error::InDoubt`]): claim the split
    /// again on another connection, its position says what happened.
    pub async fn load(
        &self,
        split: &Claimed,
        receiver: &mut Receiver<Message>,
        on_commit: OnCommit<'_>,
    ) -> Result<Loaded, Failed> {
        self.gate.holds(&self.statements.plan.key.target, &split.key, &split.counts);
        let mut load = Load::new(self, split, on_commit);
        let error = match load.run(receiver).await {
            Ok(loaded) => return Ok(loaded),
            Err(error) => error,
        };
        // Ends the server's part of it soon. An opened COPY that failed is answered once more than the driver knows.
        let in_step = load.open.is_none() && load.closing.is_none() && !load.opening_failed;
        drop((load.open.take(), load.closing.take()));
        let rolled_back = self.roll_back(&format!("refused at {}", load.place.from)).await;
        let answered = matches!(error, Error::RefusedRow(_) | Error::Server(_));
        Err(Failed { error, usable: in_step && answered && rolled_back.is_ok() })
    }

    /// Rolls back what is open, and makes sure that the connection's answers match what is asked; `probe` is unlike
    /// any other answer.
    async fn roll_back(&self, probe: &str) -> Result<(), Error> {
        let link = self.link;
        let rolled_back = async {
            link.client.batch_execute("ROLLBACK").await?;
            link.client.simple_query(&format!("SELECT {}", literal(probe))).await
        };
        let lost = |reason: &str| Error::Lost {
            address: link.backend.address.clone(),
            action: "ROLLBACK",
            reason: reason.into(),
        };
        let answers =
            tokio::time::timeout(ROLLBACK_LIMIT, rolled_back).await.map_err(|_| lost("no answer in time"))?;
        let answers = answers.map_err(|error| link.failure("ROLLBACK", &error))?;
        let found = answers.iter().any(|answer| {
            matches!(answer, tokio_postgres::SimpleQueryMessage::Row(row) if row.get(0) == Some(probe))
        });
        if found { Ok(()) } else { Err(lost("an answer to something else")) }
    }
}

/// One split being loaded.
struct Load<'s> {
    stream: &'s Stream<'s>,
    /// The next chunk's place.
    place: Place,
    /// What is committed of the split.
    total: Counts,
    open: Option<Open>,
    closing: Option<Closing<'s>>,
    /// A chunk was sent behind one that failed.
    opening_failed: bool,
    /// Since the last committed chunk.
    waited: Waited,
    loaded: Loaded,
    on_commit: OnCommit<'s>,
}

/// A chunk that takes rows.
struct Open {
    sink: Sink,
    bytes: u64,
}

/// A chunk whose `COMMIT` was sent.
struct Closing<'s> {
    answer: Queued<'s, Result<u64, Refusal>>,
    admitted: Admitted<'s>,
    place: Place,
    lines: LineMap,
    done: bool,
}

impl<'s> Load<'s> {
    fn new(stream: &'s Stream<'s>, split: &Claimed, on_commit: OnCommit<'s>) -> Load<'s> {
        let position = split.position.clone();
        Load {
            stream,
            place: Place {
                split: split.key.clone(),
                epoch: split.epoch,
                from: position.clone(),
                owner: split.owner.clone(),
            },
            total: split.counts,
            open: None,
            closing: None,
            opening_failed: false,
            waited: Waited::default(),
            loaded: Loaded {
                position,
                done: false,
                chunks: 0,
                counts: Counts::default(),
                bytes: 0,
                waited: Waited::default(),
            },
            on_commit,
        }
    }

    async fn run(&mut self, receiver: &mut Receiver<Message>) -> Result<Loaded, Error> {
        loop {
            match self.next(receiver).await? {
                Some(Message::Rows(rows)) => self.rows(rows).await?,
                Some(Message::End(end)) => self.end(*end).await?,
                None => {
                    self.settle().await?;
                    self.roll_back().await?;
                    return Ok(self.loaded.clone());
                }
            }
            if self.closing.as_ref().is_some_and(|closing| closing.done) {
                self.settle().await?;
                return Ok(self.loaded.clone());
            }
        }
    }

    /// The worker's next message; meanwhile the answers about the last chunk are taken.
    async fn next(&mut self, receiver: &mut Receiver<Message>) -> Result<Option<Message>, Error> {
        if let Some(closing) = &mut self.closing {
            tokio::select! {
                biased;
                message = receiver.recv() => return Ok(message),
                () = &mut closing.answer => {}
            }
            self.settle().await?;
        }
        Ok(receiver.recv().await)
    }

    async fn rows(&mut self, rows: bytes::Bytes) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        if self.open.is_none() {
            self.begin().await?;
        }
        let Some(open) = &mut self.open else { return Err(Error::Bug("no chunk is open".into())) };
        open.bytes += rows.len() as u64;
        self.stream.live.first_copy();
        let sending = Instant::now();
        self.stream.pulse.waits();
        let sent = open.sink.send(rows).await;
        self.stream.pulse.moved();
        self.waited.send += sending.elapsed();
        failpoint::hit(Point::Copying);
        sent.map_err(|error| self.stream.link.failure(Step::Copy.action(), &error))
    }

    /// Opens a chunk, behind the last one's `COMMIT` if that is under way.
    async fn begin(&mut self) -> Result<(), Error> {
        let stream = self.stream;
        let (link, statements) = (stream.link, stream.statements);
        if statements.counts_first || stream.careful.load(Ordering::Relaxed) {
            self.settle().await?;
        }
        let mut opening = queued(chunk::open(link, statements, self.place.clone())).await;
        let waiting = Instant::now();
        stream.pulse.waits();
        if let Some(closing) = &mut self.closing {
            join!(&mut closing.answer, &mut opening);
        } else {
            (&mut opening).await;
        }
        stream.pulse.moved();
        self.waited.answers += waiting.elapsed();
        self.opening_failed = true;
        // The chunk before comes first: if it failed, this one was bound to.
        self.settle().await?;
        match std::pin::Pin::new(&mut opening).take_output() {
            Some(Ok(sink)) => {
                self.opening_failed = false;
                self.open = Some(Open { sink, bytes: 0 });
                Ok(())
            }
            Some(Err(failed)) => Err(stream.explain(Refusal::Failed(failed), &self.place, None).await),
            None => Err(Error::Bug("a request was answered twice".into())),
        }
    }

    /// Ends the chunk in hand and sends its `COMMIT`.
    async fn end(&mut self, end: ChunkEnd) -> Result<(), Error> {
        // Only a chunk without rows finds the one before under way.
        self.settle().await?;
        let (stream, open) = (self.stream, self.open.take());
        check_counts(&end, open.is_some())?;
        let admitted = stream.gate.admit(&self.place.split.source, &end.counts, &end.rejects)?;
        let committed = Committed {
            position: end.end.clone(),
            counts: end.counts,
            rows: end.rows,
            bytes: open.as_ref().map_or(0, |open| open.bytes),
            source_bytes: end.source_bytes,
            asides: end.asides,
            rejects: Tally::of(&end.rejects),
            waited: Waited::default(),
        };
        let place = self.place.clone();
        let sink = open.map(|open| open.sink);
        let origins = stream.statements.origins(&end.counts, &end.lines);
        let last =
            End { to: end.end.clone(), counts: end.counts, origins, rejects: end.rejects, done: end.done };
        let answer =
            queued(chunk::close(stream.link, stream.statements, self.place.clone(), sink, last)).await;
        stream.pulse.waits();
        stream.unanswered.sent(InDoubt { before: self.total, chunk: committed });
        self.place.from = end.end;
        self.closing = Some(Closing { answer, admitted, place, lines: end.lines, done: end.done });
        Ok(())
    }

    /// Waits for the answers about the last chunk, if there is one under way, and takes them.
    async fn settle(&mut self) -> Result<(), Error> {
        let Some(mut closing) = self.closing.take() else { return Ok(()) };
        let stream = self.stream;
        let waiting = Instant::now();
        stream.pulse.waits();
        (&mut closing.answer).await;
        stream.pulse.moved();
        self.waited.answers += waiting.elapsed();
        let skipped = match std::pin::Pin::new(&mut closing.answer).take_output() {
            Some(Ok(skipped)) => {
                failpoint::hit(Point::Committed);
                skipped
            }
            Some(Err(refusal)) => {
                let error = stream.explain(refusal, &closing.place, Some(&closing.lines)).await;
                if !matches!(error, Error::InDoubt { .. }) {
                    stream.unanswered.take();
                }
                return Err(error);
            }
            None => return Err(Error::Bug("a request was answered twice".into())),
        };
        let chunk = stream.unanswered.take().ok_or_else(|| Error::Bug("no chunk was sent".into()))?;
        let mut committed = chunk.chunk;
        committed.counts = committed.counts.with_skipped(skipped).unwrap_or(committed.counts);
        committed.waited = std::mem::take(&mut self.waited);
        closing.admitted.committed(&self.stream.statements.plan.key.target, &self.place.split);
        self.total += committed.counts;
        self.loaded.position = committed.position.clone();
        self.loaded.done = closing.done;
        self.loaded.chunks += 1;
        self.loaded.counts += committed.counts;
        self.loaded.bytes += committed.bytes;
        self.loaded.waited.send += committed.waited.send;
        self.loaded.waited.answers += committed.waited.answers;
        (self.on_commit)(&committed);
        if self.total.balanced() {
            return Ok(());
        }
        Err(Error::Bug(format!("the rows of split {} do not add up: {:?}", self.place.split, self.total)))
    }

    /// Rolls the open chunk back.
    async fn roll_back(&mut self) -> Result<(), Error> {
        let Some(open) = self.open.take() else { return Ok(()) };
        drop(open);
        self.stream.roll_back(&format!("rolled back at {}", self.place.from)).await
    }
}

/// Whether a chunk's numbers fit together.
fn check_counts(end: &ChunkEnd, has_rows: bool) -> Result<(), Error> {
    let counts = &end.counts;
    let fits = counts.balanced()
        && counts.rejected == end.rejects.len() as u64
        && (counts.written > 0) == has_rows
        && counts.written >= counts.loaded;
    if fits {
        return Ok(());
    }
    let rejects = end.rejects.len();
    Err(Error::Bug(format!(
        "a chunk's rows do not add up: {counts:?}, {rejects} rejects, rows sent: {has_rows}"
    )))
}
