//! One chunk's transaction on the wire: what is sent in which order, and what its answers mean.
//!
//! The driver queues a request's messages when its future is polled first, so futures that are polled one after the
//! other before any is awaited go out in that order, in one round trip. They are joined, never `try_join`ed: each
//! answer has to be taken. "Committed" means every answer, for after an error `COMMIT` answers ok to a rollback.
//!
//! Must not know: where rows come from, when a chunk begins and ends.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::{MaybeDone, maybe_done};
use futures_util::join;
use tokio_postgres::CopyInSink;

use super::backend::Link;
use super::ledger::Statements;
use super::plan::Param;
use super::rejects::{Group, groups};
use super::sources::signed;
use crate::copy::error::Error;
use crate::copy::state::SplitKey;
use crate::counters::Counts;
use crate::failpoint::{self, Point};
use crate::position::Position;
use crate::reject::Reject;

/// A request whose messages are in the connection's queue.
pub(super) type Queued<'a, T> = MaybeDone<Request<'a, T>>;

type Request<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The driver's error, and which part of the transaction it answers.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) step: Step,
    pub(super) error: tokio_postgres::Error,
}

/// The parts of a chunk's transaction, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Begin,
    Check,
    Copy,
    Store,
    Rejects,
    Constraints,
    Advance,
    Commit,
}

impl Step {
    /// For messages.
    pub(super) fn action(self) -> &'static str {
        match self {
            Step::Begin => "BEGIN",
            Step::Check => "checking the ledger",
            Step::Copy => "COPY",
            Step::Store => "INSERT",
            Step::Rejects => "keeping the rejects",
            Step::Constraints => "SET CONSTRAINTS",
            Step::Advance => "moving the ledger",
            Step::Commit => "COMMIT",
        }
    }

    fn failed(self, error: tokio_postgres::Error) -> Failed {
        Failed { step: self, error }
    }
}

/// A COPY that takes rows.
pub(super) type Sink = Pin<Box<CopyInSink<Bytes>>>;

/// The place in the ledger from which a chunk is loaded.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) split: SplitKey,
    pub(super) epoch: i64,
    pub(super) from: Position,
    pub(super) owner: String,
}

/// What is committed with a chunk.
#[derive(Debug)]
pub(super) struct End {
    pub(super) to: Position,
    pub(super) counts: Counts,
    /// See [`Statements::origins`].
    pub(super) origins: Vec<i32>,
    pub(super) rejects: Vec<Reject>,
    pub(super) done: bool,
}

/// Why a chunk was not committed.
#[derive(Debug)]
pub(super) enum Refusal {
    /// An answer is an error.
    Failed(Failed),
    /// The answers do not say what they should.
    Wrong(Error),
}

impl From<Failed> for Refusal {
    fn from(failed: Failed) -> Self {
        Refusal::Failed(failed)
    }
}

/// Polls a request once, which queues its messages behind those of earlier ones.
pub(super) async fn queued<'a, T>(request: impl Future<Output = T> + Send + 'a) -> Queued<'a, T> {
    let mut queued = maybe_done(Box::pin(request) as Request<'a, T>);
    std::future::poll_fn(|context| {
        let _ = Pin::new(&mut queued).poll(context);
        Poll::Ready(())
    })
    .await;
    queued
}

/// Begins a chunk that has rows: `BEGIN` · lock and check the ledger row · `COPY`.
pub(super) async fn open(link: Link<'_>, statements: &Statements, place: Place) -> Result<Sink, Failed> {
    let (begun, copy) = join!(begin(link, statements, &place), link.client.copy_in(&statements.copy));
    begun?;
    failpoint::hit(Point::Checked);
    copy.map(Box::pin).map_err(|error| Step::Copy.failed(error))
}

/// Ends a chunk: end of `COPY` · `INSERT` from the temporary table, if it went there · rejects · constraints · ledger row
/// · `COMMIT`. A chunk without rows has no `sink`, and begins here too. Deferred constraints are checked before the
/// ledger row: at `COMMIT` they would be too late. Answers how many input rows of those that count as loaded were
/// skipped.
pub(super) async fn close(
    link: Link<'_>,
    statements: &Statements,
    place: Place,
    mut sink: Option<Sink>,
    end: End,
) -> Result<u64, Refusal> {
    failpoint::hit(Point::ChunkEnding);
    let rows = end.counts.written;
    let skipped = match &mut sink {
        Some(sink) if statements.counts_first => store(link, statements, sink, &end).await?,
        _ => 0,
    };
    let counts = end.counts.with_skipped(skipped).ok_or_else(|| {
        Refusal::Wrong(Error::Bug(format!("{skipped} rows were skipped, of {:?}", end.counts)))
    })?;
    let (to, counts) = (end.to.stored(), signed_counts(&counts)?);
    let rejected = end.rejects.len() as u64;
    let without_rows = sink.is_none();
    let begun = async { if without_rows { begin(link, statements, &place).await } else { Ok(()) } };
    let finished = async {
        match &mut sink {
            Some(sink) if !statements.counts_first => sink.as_mut().finish().await.map(Some),
            _ => Ok(None),
        }
    };
    let (begun, copied, inserted, constraints, moved, committed) = join!(
        begun,
        finished,
        insert(link, statements, &place.split, groups(end.rejects, link.backend.every_character)),
        link.client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE"),
        advance(link, statements, &place, &to, &counts, end.done),
        commit(link),
    );
    begun?;
    let copied = copied.map_err(|error| Step::Copy.failed(error))?;
    let inserted = inserted.map_err(|error| Step::Rejects.failed(error))?;
    constraints.map_err(|error| Step::Constraints.failed(error))?;
    moved.map_err(|error| Step::Advance.failed(error))?;
    committed.map_err(|error| Step::Commit.failed(error))?;
    if inserted != rejected {
        return Err(Refusal::Wrong(Error::Bug(format!("{inserted} of {rejected} rejects were kept"))));
    }
    as_sent(copied.unwrap_or(rows), rows, "the chunk was committed")?;
    Ok(skipped)
}

/// Ends a `COPY`, and has its rows stored if it went into a temporary table. Answers how many input rows were skipped.
async fn store(link: Link<'_>, statements: &Statements, sink: &mut Sink, end: &End) -> Result<u64, Refusal> {
    const OUTCOME: &str = "the chunk was rolled back";
    let stored = async {
        let Some(store) = &statements.store else { return Ok(None) };
        let origins: [Param<'_>; 1] = [&end.origins];
        let params = if store.counts_origins { &origins[..] } else { &[] };
        link.client.query_one(&store.statement, params).await.map(Some)
    };
    let (copied, stored) = join!(sink.as_mut().finish(), stored);
    as_sent(copied.map_err(|error| Step::Copy.failed(error))?, end.counts.written, OUTCOME)?;
    let Some(row) = stored.map_err(|error| Step::Store.failed(error))? else { return Ok(0) };
    as_sent(count(link, &row, "stored")?, count(link, &row, "keys")?, OUTCOME)?;
    let loaded: Option<i64> = link.get(&row, "loaded").map_err(Refusal::Wrong)?;
    let Some(loaded) = loaded.map(u64::try_from) else { return Ok(0) };
    let skipped = loaded.ok().and_then(|loaded| end.counts.loaded.checked_sub(loaded));
    skipped.ok_or_else(|| Refusal::Wrong(Error::Bug("more input rows were inserted than sent".into())))
}

fn count(link: Link<'_>, row: &tokio_postgres::Row, column: &str) -> Result<u64, Refusal> {
    super::plan::count(link, row, column).map_err(Refusal::Wrong)
}

/// `BEGIN` · lock and check the ledger row.
async fn begin(link: Link<'_>, statements: &Statements, place: &Place) -> Result<(), Failed> {
    failpoint::hit(Point::Beginning);
    let (plan, split) = (&statements.plan, &place.split);
    let (start, from) = (split.start.stored(), place.from.stored());
    let params: [Param<'_>; 7] =
        [&plan.key.name, &plan.key.target, &split.source, &start, &from, &place.epoch, &place.owner];
    let (begun, checked) = join!(
        // Whatever the session's default is: the check has to see what the row is once its lock is granted.
        link.client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
        link.client.query_one(&statements.check, &params),
    );
    begun.map_err(|error| Step::Begin.failed(error))?;
    checked.map(|_| ()).map_err(|error| Step::Check.failed(error))
}

/// Inserts rejects, and says how many.
async fn insert(
    link: Link<'_>,
    statements: &Statements,
    split: &SplitKey,
    groups: Vec<Group>,
) -> Result<u64, tokio_postgres::Error> {
    let (key, start) = (&statements.plan.key, split.start.stored());
    let mut requests = Vec::with_capacity(groups.len());
    for group in &groups {
        failpoint::hit(Point::RejectsKeeping);
        let params: Vec<Param<'_>> = [&key.name as Param<'_>, &key.target, &split.source, &start]
            .into_iter()
            .chain(group.params())
            .collect();
        let request = async move { link.client.execute(&statements.rejects, &params).await };
        requests.push(queued(request).await);
    }
    let mut inserted = 0;
    for mut request in requests {
        (&mut request).await;
        inserted += Pin::new(&mut request).take_output().unwrap_or(Ok(0))?;
        failpoint::hit(Point::RejectsKept);
    }
    Ok(inserted)
}

/// Moves the ledger row.
async fn advance(
    link: Link<'_>,
    statements: &Statements,
    place: &Place,
    to: &String,
    counts: &[i64; 6],
    done: bool,
) -> Result<(), tokio_postgres::Error> {
    failpoint::hit(Point::Advancing);
    let (plan, split) = (&statements.plan, &place.split);
    let (start, from) = (split.start.stored(), place.from.stored());
    let mut params: Vec<Param<'_>> =
        vec![&plan.key.name, &plan.key.target, &split.source, &start, &from, &place.epoch, &place.owner, to];
    params.extend(counts.iter().map(|count| count as Param<'_>));
    params.push(&done);
    link.client.query_one(&statements.advance, &params).await.map(|_| ())
}

async fn commit(link: Link<'_>) -> Result<(), tokio_postgres::Error> {
    failpoint::hit(Point::Committing);
    // Dies a moment later, while this is on its way.
    failpoint::hit(Point::CommitSent);
    link.client.batch_execute("COMMIT").await
}

/// Whether the target took as many rows as it was sent.
fn as_sent(copied: u64, sent: u64, outcome: &str) -> Result<(), Refusal> {
    if copied == sent {
        return Ok(());
    }
    Err(Refusal::Wrong(if copied < sent {
        Error::Refused(format!(
            "the target table kept {copied} of {sent} rows: a trigger leaves rows out, which the ledger cannot account for ({outcome})"
        ))
    } else {
        Error::Bug(format!("the target took {copied} rows where {sent} were counted ({outcome})"))
    }))
}

/// In the order of the statement's parameters.
fn signed_counts(counts: &Counts) -> Result<[i64; 6], Refusal> {
    let Counts { read, loaded, filtered, rejected, skipped, written } = *counts;
    let mut numbers = [0; 6];
    for (number, count) in numbers.iter_mut().zip([read, loaded, filtered, rejected, skipped, written]) {
        *number = signed(count).map_err(Refusal::Wrong)?;
    }
    Ok(numbers)
}
