//! A stream: one connection that loads splits, one after the other, with a worker thread that feeds it. Whatever
//! goes wrong with a split, it is claimed again and reopened at its committed position.
//!
//! Must not know: where splits come from, and what the run makes of an error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::copy;
use crate::copy::error::Class;
use crate::copy::postgres::backend::{Backend, Link};
use crate::copy::postgres::claim::{Claim, Claimed, Owner, SplitKey};
use crate::copy::postgres::connect::Cluster;
use crate::copy::postgres::gate::Gate;
use crate::copy::postgres::ledger::Statements;
use crate::copy::postgres::nodes::Node;
use crate::copy::postgres::placement::Placement;
use crate::copy::postgres::plan::{Plan, TableId};
use crate::copy::postgres::session::{Connection, stream_name};
use crate::copy::postgres::stream::{Committed, Loaded, Stream as Sender};
use crate::counters::{self, Live};
use crate::pipeline::{self, Ended, Piece, TablePath};
use crate::queue::{Next, Queue};
use crate::source::SourceFile;
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
    pub(crate) file: Arc<SourceFile>,
    pub(crate) key: SplitKey,
    pub(crate) epoch: i64,
}

/// A table that is being loaded.
#[derive(Debug)]
pub(crate) struct Loading {
    pub(crate) path: Arc<TablePath>,
    pub(crate) plan: Plan,
    pub(crate) table: TableId,
    /// `COPY … FROM STDIN …`.
    pub(crate) copy_sql: String,
}

/// What all streams of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Short, for `application_name`.
    pub(crate) run: String,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) control: Backend,
    pub(crate) nodes: Vec<Node>,
    pub(crate) placement: Mutex<Placement>,
    pub(crate) owner: Owner,
    pub(crate) gate: Gate,
    pub(crate) tables: Vec<Loading>,
    pub(crate) queue: Queue<Task>,
    pub(crate) live: Arc<Live>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Shared {
    pub(crate) fn control(&self) -> Link<'_> {
        Link { client: &self.cluster.control.client, backend: &self.control }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
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
    while let Next::Split(task) = shared.queue.next().await {
        if shared.stopped() {
            break;
        }
        let worker = match &mut worker {
            Some(worker) => worker,
            none => none.insert(
                Worker::start(number, Arc::clone(&shared.live), Arc::clone(&shared.stop))
                    .map_err(Error::Thread)?,
            ),
        };
        load(shared, &mut session, worker, task).await?;
    }
    Ok(())
}

/// One split, reopened once after a lost connection as long as it does not move.
async fn load(
    shared: &Arc<Shared>,
    session: &mut Option<Session>,
    worker: &Worker,
    mut task: Task,
) -> Result<(), Error> {
    let mut reopened = false;
    loop {
        let mut moved = false;
        let result = match open(shared, session, task.table).await {
            Ok(session) => session.load(shared, worker, &mut task, &mut moved).await,
            Err(error) => Err(error.into()),
        };
        let error = match result {
            Ok(Fate::Done) => {
                shared.queue.progress();
                return Ok(());
            }
            Ok(Fate::Stopped) => return Ok(()),
            Ok(Fate::Taken) => {
                shared.queue.busy(task);
                return Ok(());
            }
            Err(error) => error,
        };
        // The connection is not trusted after an error: its answers may not match what is asked.
        let lost = session.take().map(|session| session.backend.clone());
        match &error {
            Error::Copy(error) if error.class() == Class::Clash => {
                shared.queue.busy(task);
                return Ok(());
            }
            Error::Copy(copy) if copy.class() == Class::Connection && !shared.stopped() && (moved || !reopened) => {
                tracing::warn!(split = %task.key, error = %copy, "reopening the split at its committed position");
                reopened = true;
                if let (Some(lost), Ok(session)) = (lost, open(shared, session, task.table).await) {
                    // Ends its transaction now instead of when the server notices; another server's is left alone.
                    let _ = session.link().terminate_own(&lost).await;
                }
            }
            _ => return Err(error),
        }
    }
}

/// What became of an attempt to load a split.
enum Fate {
    Done,
    /// The run is being stopped.
    Stopped,
    /// Somebody else owns it, or did a moment ago.
    Taken,
}

/// The stream's connection, made for one table at a time.
struct Session {
    shared: Arc<Shared>,
    node: usize,
    connection: Connection,
    backend: Backend,
    table: usize,
    statements: Statements,
}

/// The stream's connection, opened on the least loaded node or turned to another table if need be.
async fn open<'s>(
    shared: &Arc<Shared>,
    session: &'s mut Option<Session>,
    table: usize,
) -> Result<&'s mut Session, copy::error::Error> {
    let mut new = match session.take() {
        Some(session) => session,
        None => Session::connect(shared, table).await?,
    };
    if new.table != table {
        new.turn_to(table).await?;
    }
    Ok(session.insert(new))
}

impl Session {
    async fn connect(shared: &Arc<Shared>, table: usize) -> Result<Session, copy::error::Error> {
        let mut tried = Tried { shared, nodes: Vec::new() };
        loop {
            let place = Place::take(shared)?;
            let node = place.node;
            match place.connect(table).await {
                Ok(session) => return Ok(session),
                Err(error) if tried.nodes.len() + 1 == shared.nodes.len() => return Err(error),
                Err(error) => {
                    tracing::warn!(node = shared.nodes[node].name(), %error, "trying another node");
                    tried.set_aside(node);
                }
            }
        }
    }

    fn link(&self) -> Link<'_> {
        Link { client: &self.connection.client, backend: &self.backend }
    }

    async fn turn_to(&mut self, table: usize) -> Result<(), copy::error::Error> {
        let loading = &self.shared.tables[table];
        let name = stream_name(self.shared.nodes[self.node].name(), &self.shared.run, &loading.plan.key.target);
        self.connection.set_application_name(&name).await?;
        self.statements = Statements::prepare(self.link(), &loading.plan, loading.table, &loading.copy_sql).await?;
        self.table = table;
        Ok(())
    }

    async fn load(&self, shared: &Shared, worker: &Worker, task: &mut Task, moved: &mut bool) -> Result<Fate, Error> {
        let Loading { plan, path, .. } = &shared.tables[task.table];
        let claimed = match plan.claim(self.link(), &shared.owner, &task.key, task.epoch).await? {
            Claim::Claimed(claimed) => claimed,
            Claim::Done => return Ok(Fate::Done),
            Claim::Busy => return Ok(Fate::Taken),
            Claim::Moved => {
                let splits = plan.splits(shared.control()).await?;
                if let Some(split) = splits.into_iter().find(|split| split.key == task.key) {
                    task.epoch = split.epoch;
                }
                return Ok(Fate::Taken);
            }
        };
        task.epoch = claimed.epoch;
        let (messages, receiver) = mpsc::channel(1);
        let (ended, answer) = oneshot::channel();
        let piece = Piece { file: Arc::clone(&task.file), from: claimed.position, end: claimed.end };
        worker.walk(Order { path: Arc::clone(path), piece, messages, ended });
        let loaded = self.send(shared, &claimed, receiver, moved).await;
        let walked = answer.await.map_err(|_| Error::Worker(task.key.clone()))?;
        // What failed in the worker is the cause of what the sender saw.
        let ended = walked?;
        let loaded = loaded?;
        match (ended, loaded.done) {
            (Ended::Done, true) => Ok(Fate::Done),
            (Ended::Stopped, _) => {
                plan.release(self.link(), &claimed).await?;
                Ok(Fate::Stopped)
            }
            _ => Err(Error::Worker(task.key.clone())),
        }
    }

    /// Commits what the worker hands over; drops the channel at the end, which ends the worker's walk.
    async fn send(
        &self,
        shared: &Shared,
        claimed: &Claimed,
        mut receiver: mpsc::Receiver<copy::message::Message>,
        moved: &mut bool,
    ) -> Result<Loaded, copy::error::Error> {
        let sender = Sender {
            link: self.link(),
            control: shared.control(),
            statements: &self.statements,
            gate: &shared.gate,
            live: &shared.live,
        };
        let mut on_commit = |chunk: &Committed| {
            *moved = true;
            let counted = counters::Committed {
                counts: chunk.counts,
                source_bytes: chunk.source_bytes,
                copy_bytes: chunk.bytes,
                blank: chunk.blank,
            };
            shared.live.committed(self.node, &counted, &chunk.rejects);
        };
        sender.load(claimed, &mut receiver, &mut on_commit).await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.live.stream(self.node, false);
        lock(&self.shared.placement).release(self.node);
    }
}

/// Nodes that a stream could not connect to just now: set aside until it found another one.
struct Tried<'a> {
    shared: &'a Shared,
    nodes: Vec<usize>,
}

impl Tried<'_> {
    fn set_aside(&mut self, node: usize) {
        lock(&self.shared.placement).set_aside(node);
        self.nodes.push(node);
    }
}

impl Drop for Tried<'_> {
    fn drop(&mut self) {
        let mut placement = lock(&self.shared.placement);
        self.nodes.iter().for_each(|node| placement.restore(*node));
    }
}

/// A place on the least loaded node, given back unless a connection takes it.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    node: usize,
    taken: bool,
}

impl<'a> Place<'a> {
    fn take(shared: &'a Arc<Shared>) -> Result<Place<'a>, copy::error::Error> {
        let node = lock(&shared.placement).choose();
        let node = node.ok_or_else(|| copy::error::Error::Bug("no node".into()))?;
        Ok(Place { shared, node, taken: false })
    }

    async fn connect(mut self, table: usize) -> Result<Session, copy::error::Error> {
        let (shared, node) = (self.shared, &self.shared.nodes[self.node]);
        let loading = &shared.tables[table];
        let name = stream_name(node.name(), &shared.run, &loading.plan.key.target);
        let connection = shared.cluster.open(node, &name).await?;
        connection.refuse_unsafe_append()?;
        let backend = connection.backend().await?;
        let link = Link { client: &connection.client, backend: &backend };
        let statements = Statements::prepare(link, &loading.plan, loading.table, &loading.copy_sql).await?;
        self.taken = true;
        shared.live.stream(self.node, true);
        Ok(Session { shared: Arc::clone(shared), node: self.node, connection, backend, table, statements })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.taken {
            lock(&self.shared.placement).release(self.node);
        }
    }
}

fn lock(placement: &Mutex<Placement>) -> std::sync::MutexGuard<'_, Placement> {
    placement.lock().unwrap_or_else(PoisonError::into_inner)
}
