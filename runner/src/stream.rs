//! A stream: loads splits, one after the other, with a worker thread that feeds it. Whatever goes wrong with a
//! split, it is claimed again and reopened at its committed position.
//!
//! Must not know: where splits come from, and what the run makes of an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::care::Care;
use crate::copy;
use crate::copy::error::Class;
use crate::copy::files::{Destination, Folder};
use crate::copy::ledger::{Committed, Gate, Loaded, SplitKey};
use crate::copy::message::Message;
use crate::copy::postgres::backend::Backend;
use crate::copy::postgres::unanswered::{InDoubt, Unanswered};
use crate::counters::{self, Live};
use crate::failpoint::{self, Point};
use crate::pace::Pace;
use crate::patience::Patience;
use crate::pipeline::{self, Ended, Piece, TablePath};
use crate::position::Position;
use crate::queue::{Next, Queue};
use crate::source::Unit;
use crate::stream_session::{Claiming, Session};
use crate::target::Target;
use crate::worker::{Order, Worker};

/// What ended a stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Path(#[from] pipeline::Error),
    #[error(transparent)]
    Copy(#[from] copy::error::Error),
    #[error("cannot start a worker thread")]
    Thread(#[source] std::io::Error),
    #[error("internal error: a worker thread ended in the middle of split {0}")]
    Worker(SplitKey),
}

/// A split of one of the run's tables, as it was last seen in the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Index into the run's tables.
    pub(crate) table: usize,
    pub(crate) unit: Unit,
    pub(crate) key: SplitKey,
    pub(crate) end: Option<Position>,
    pub(crate) epoch: i64,
    /// It was claimed by this process last: who holds it now is one of its own lost connections.
    pub(crate) ours: bool,
    /// The connection that it was lost with.
    pub(crate) lost: Option<Backend>,
    /// The chunk that may have been committed by it.
    pub(crate) in_doubt: Option<InDoubt>,
    /// Attempts since it moved last.
    pub(crate) patience: Patience,
}

impl Task {
    /// A split that was not tried yet.
    pub(crate) fn new(table: usize, unit: &Unit, key: SplitKey, end: Option<Position>, epoch: i64) -> Task {
        let (unit, patience) = (unit.clone(), Patience::default());
        Task { table, unit, key, end, epoch, ours: false, lost: None, in_doubt: None, patience }
    }
}

/// How often a stream that waits for a split looks whether the run is being stopped.
const LOOK_AT_STOP_EVERY: Duration = Duration::from_millis(200);

/// What all streams of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) target: Target,
    /// One for each table.
    pub(crate) paths: Vec<Arc<TablePath>>,
    pub(crate) gate: Gate,
    pub(crate) queue: Queue<Task>,
    pub(crate) live: Arc<Live>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Shared {
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The same for all tables of a run.
    fn chunk_rows(&self) -> u64 {
        self.paths.first().map_or(1, |path| path.chunk.rows)
    }
}

/// Loads splits until none is left. The first error ends the whole run: the other streams end their chunks in hand.
pub(crate) async fn run(shared: Arc<Shared>, number: usize) -> Result<(), Error> {
    let result = load_all(&shared, number).await;
    if result.is_err() {
        shared.stop.store(true, Ordering::Relaxed);
        shared.queue.clear();
    }
    result
}

async fn load_all(shared: &Arc<Shared>, number: usize) -> Result<(), Error> {
    let mut session: Option<Session> = None;
    let mut worker: Option<Worker> = None;
    let mut care = Care::new(shared.chunk_rows());
    loop {
        // Before there is anything to load: all streams at once are spread evenly, whoever gets the first split.
        if let (Target::Postgres(_), None) = (&shared.target, &session) {
            session = Session::open(shared, 0).await?;
            if session.is_none() {
                return Ok(());
            }
        }
        let Some(task) = next_split(shared).await else { return Ok(()) };
        let worker = match &mut worker {
            Some(worker) => worker,
            none => none.insert(
                Worker::start(number, Arc::clone(&shared.live), Arc::clone(&shared.stop))
                    .map_err(Error::Thread)?,
            ),
        };
        load(shared, &mut session, worker, &mut care, task).await?;
        // A node that came back gets its share.
        session.take_if(|session| session.should_move());
    }
}

/// The next split; none when nothing is left, or the run is being stopped.
async fn next_split(shared: &Shared) -> Option<Task> {
    while !shared.stopped() {
        match timeout(LOOK_AT_STOP_EVERY, shared.queue.next()).await {
            Ok(Next::Split(task)) => return Some(task),
            Ok(Next::Finished { .. }) => return None,
            Err(_) => {}
        }
    }
    None
}

/// What became of an attempt to load a split.
enum Fate {
    Done,
    /// The run is being stopped.
    Stopped,
    /// Somebody else owns it, or did a moment ago.
    Taken,
}

/// One split: to its end, or until it is put back for a better time.
async fn load(
    shared: &Arc<Shared>,
    session: &mut Option<Session>,
    worker: &Worker,
    care: &mut Care,
    mut task: Task,
) -> Result<(), Error> {
    care.begin();
    loop {
        let mut moved = false;
        let attempt = match (&shared.target, &mut *session) {
            (Target::Postgres(_), Some(session)) => {
                copy(shared, session, worker, &mut task, Attempt { care, moved: &mut moved }).await
            }
            (Target::Postgres(_), None) => return put_back(shared, task, None),
            (Target::Files(output), _) => {
                write(shared, worker, &task, &output.folders[task.table]).await.map_err(Failed::from)
            }
        };
        if moved {
            task.patience.reset();
        }
        let Failed { error, usable } = match attempt {
            Ok(Fate::Done) => {
                failpoint::hit(Point::SplitDone);
                shared.queue.progress();
                return Ok(());
            }
            Ok(Fate::Stopped) => return Ok(()),
            Ok(Fate::Taken) if task.ours => return put_back(shared, task, None),
            Ok(Fate::Taken) => {
                shared.queue.busy(task);
                return Ok(());
            }
            Err(failed) => failed,
        };
        let Error::Copy(cause) = error else { return Err(error) };
        if let Some(session) = &session {
            session.blame_node(&cause);
        }
        if !usable {
            task.lost = session.take().map(|session| session.backend().clone());
        }
        match &cause {
            // Whoever continues searches for the row.
            copy::error::Error::RefusedRow(_) if shared.stopped() && task.unit.can_be_reopened() => {
                give_back(session, &task).await;
                return Ok(());
            }
            copy::error::Error::RefusedRow(refused)
                if task.unit.can_be_reopened() && care.refused(refused) =>
            {
                tracing::debug!(split = %task.key, error = %cause, "searching for the refused row");
                if !usable {
                    *session = Session::open(shared, task.table).await?;
                }
            }
            _ => match cause.class() {
                Class::Clash => {
                    shared.queue.busy(task);
                    return Ok(());
                }
                class if class.may_pass() && task.unit.can_be_reopened() => {
                    return put_back(shared, task, Some(cause));
                }
                _ => return Err(cause.into()),
            },
        }
    }
}

/// Gives a split back that is not done, if there is still a connection to say so.
async fn give_back(session: &Option<Session>, task: &Task) {
    if let Some(session) = session {
        let _ = session.release(task).await;
    }
}

/// Has a split tried again later, at its committed position, unless that was done too often for too long. Without an
/// error the split is ours and held by a transaction that ends soon, or there was no connection.
fn put_back(shared: &Shared, mut task: Task, error: Option<copy::error::Error>) -> Result<(), Error> {
    let Target::Postgres(database) = &shared.target else {
        return error.map_or(Ok(()), |error| Err(error.into()));
    };
    if shared.stopped() {
        return Ok(());
    }
    let retries = error.as_ref().map_or(u32::MAX, |error| error.retries(database.cluster.retries()));
    let give_up = task.patience.lasts() >= database.cluster.give_up_after();
    let wait = if give_up { None } else { task.patience.wait_of(retries) };
    match (wait, error) {
        (Some(wait), error) => {
            if let Some(error) = error {
                tracing::warn!(split = %task.key, %error, "reopening the split at its committed position");
            }
            shared.queue.later(task, wait);
            Ok(())
        }
        (None, Some(error)) => Err(error.into()),
        (None, None) => {
            let text = format!("split {} is held by another transaction for too long", task.key);
            Err(copy::error::Error::Busy(text).into())
        }
    }
}

/// What ended an attempt to load a split.
struct Failed {
    error: Error,
    /// Whether the stream's connection can be used again: else its answers may not match what is asked.
    usable: bool,
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed { error: error.into(), usable: false }
    }
}

/// What an attempt is told, and tells.
struct Attempt<'a> {
    care: &'a mut Care,
    /// Set when a chunk was committed.
    moved: &'a mut bool,
}

/// One attempt to write a split into its folder, which is locked for this process.
async fn write(shared: &Shared, worker: &Worker, task: &Task, folder: &Folder) -> Result<Fate, Error> {
    let destination = Destination { folder, gate: &shared.gate, live: &shared.live };
    let mut on_commit = |chunk: &Committed| count(&shared.live, 0, chunk);
    let (messages, mut receiver) = mpsc::channel(1);
    let pace = Pace::new(shared.chunk_rows());
    let (unit, from, end) = (task.unit.clone(), task.key.start.clone(), task.end.clone());
    let piece = Piece { unit, from, end, read: 0, pace, condemned: Vec::new() };
    let answer = order(shared, worker, task.table, piece, messages);
    shared.live.stream(0, true);
    let loaded = destination.load(&task.key, &mut receiver, &mut on_commit).await;
    shared.live.stream(0, false);
    drop(receiver);
    fate(task, answer, loaded).await
}

/// One attempt to load a split into the database.
async fn copy(
    shared: &Arc<Shared>,
    session: &mut Session,
    worker: &Worker,
    task: &mut Task,
    attempt: Attempt<'_>,
) -> Result<Fate, Failed> {
    let Attempt { care, moved } = attempt;
    session.turn_to(task.table).await?;
    if let Some(lost) = task.lost.take() {
        // Ends its transaction now instead of when the server notices; another server's is left alone.
        let _ = session.end(&lost).await;
    }
    let claimed = match session.claim(task).await? {
        Claiming::Ours(claimed) => claimed,
        Claiming::Done => return Ok(Fate::Done),
        Claiming::Taken => return Ok(Fate::Taken),
    };
    let piece = Piece {
        unit: task.unit.clone(),
        from: claimed.position.clone(),
        end: claimed.end.clone(),
        read: claimed.counts.read,
        pace: care.pace(),
        condemned: care.condemned(),
    };
    let (node, unit) = (session.node(), task.unit.clone());
    let careful = AtomicBool::new(care.is_careful());
    let mut on_commit = |chunk: &Committed| {
        *moved = true;
        unit.committed(&chunk.position);
        care.committed(chunk.rows);
        careful.store(care.is_careful(), Ordering::Relaxed);
        count(&shared.live, node, chunk);
    };
    let (messages, mut receiver) = mpsc::channel(1);
    let answer = order(shared, worker, task.table, piece, messages);
    let unanswered = Unanswered::default();
    let loaded = session.load(&claimed, &careful, &unanswered, &mut receiver, &mut on_commit).await;
    drop(receiver);
    task.in_doubt = unanswered.take();
    let (loaded, usable) = match loaded {
        Ok(loaded) => (Ok(loaded), false),
        Err(failed) => (Err(failed.error), failed.usable),
    };
    let fate = fate(task, answer, loaded).await.map_err(|error| Failed { error, usable })?;
    if let Fate::Stopped = fate {
        session.release(task).await?;
    }
    Ok(fate)
}

type Answer = oneshot::Receiver<Result<Ended, pipeline::Error>>;

/// Has the worker walk a split of a table.
fn order(
    shared: &Shared,
    worker: &Worker,
    table: usize,
    piece: Piece,
    messages: mpsc::Sender<Message>,
) -> Answer {
    let (ended, answer) = oneshot::channel();
    worker.walk(Order { path: Arc::clone(&shared.paths[table]), piece, messages, ended });
    answer
}

/// What worker and sender say together.
async fn fate(
    task: &Task,
    answer: Answer,
    loaded: Result<Loaded, copy::error::Error>,
) -> Result<Fate, Error> {
    let walked = answer.await.map_err(|_| Error::Worker(task.key.clone()))?;
    // What failed in the worker is the cause of what the sender saw.
    let ended = walked?;
    let loaded = loaded?;
    match (ended, loaded.done) {
        (Ended::Done, true) => Ok(Fate::Done),
        (Ended::Stopped, false) => Ok(Fate::Stopped),
        _ => Err(Error::Worker(task.key.clone())),
    }
}

/// Adds a committed chunk to what the run did.
pub(crate) fn count(live: &Live, node: usize, chunk: &Committed) {
    let counted = counters::Committed {
        counts: chunk.counts,
        source_bytes: chunk.source_bytes,
        copy_bytes: chunk.bytes,
        asides: chunk.asides,
    };
    live.committed(node, &counted, chunk.rejects.clone());
}
