//! A stream's connection to a node, made ready for one table at a time.
//!
//! Must not know: the worker, and what is done about errors.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::copy::error::{Class, Error};
use crate::copy::ledger::{Claimed, Committed, Loaded, OnCommit};
use crate::copy::message::Message;
use crate::copy::postgres::backend::{Backend, Link};
use crate::copy::postgres::claim::Claim;
use crate::copy::postgres::connect::PROBES;
use crate::copy::postgres::ledger::Statements;
use crate::copy::postgres::placement::Fault;
use crate::copy::postgres::pulse::Pulse;
use crate::copy::postgres::session::{Connection, stream_name};
use crate::copy::postgres::stream::{Failed, Stream as Sender};
use crate::copy::postgres::unanswered::Unanswered;
use crate::patience::Patience;
use crate::stream::{self, Shared, Task};
use crate::target::{Database, Target};

/// What became of a claim.
pub(crate) enum Claiming {
    Ours(Claimed),
    Done,
    /// Somebody else owns it, or did a moment ago.
    Taken,
}

/// The connection, the node that it is on, and the statements of the table that it was made ready for.
pub(crate) struct Session {
    shared: Arc<Shared>,
    node: usize,
    connection: Connection,
    backend: Backend,
    table: usize,
    statements: Statements,
}

/// How often a stream that waits for a node looks whether there is one.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Session {
    /// A session on the least loaded node that can be used, waiting for one as long as the target's `give_up_after`
    /// says. None when the run is stopped meanwhile, or nothing is left to load.
    pub(crate) async fn open(shared: &Arc<Shared>, table: usize) -> Result<Option<Session>, Error> {
        let database = database(shared)?;
        let (mut last, mut patience) = (None, Patience::default());
        // A node may answer probes, and give no session nevertheless.
        let mut in_vain_since = None::<Instant>;
        let limit = database.cluster.give_up_after();
        loop {
            if shared.stopped() {
                return Ok(None);
            }
            in_vain_since = in_vain_since.filter(|_| shared.live.open_streams() == 0);
            if in_vain_since.is_some_and(|since| since.elapsed() >= limit) {
                return Err(given_up(shared, last, limit));
            }
            if let Some(place) = Place::take(shared, database) {
                let node = place.node;
                match place.connect(table).await {
                    Ok(session) => return Ok(Some(session)),
                    Err(error) => match error.class() {
                        Class::Connection => {
                            set_aside(database, node, &error);
                            in_vain_since.get_or_insert_with(Instant::now);
                            last = Some(error);
                        }
                        // Somebody locks the table, for example.
                        Class::Passing => match patience.wait_of(error.retries(database.cluster.retries())) {
                            Some(wait) => rest(shared, wait).await,
                            None => return Err(error),
                        },
                        _ => return Err(error),
                    },
                }
                continue;
            }
            if shared.queue.is_finished() {
                return Ok(None);
            }
            let gone_for = database.placement().all_gone_for(Instant::now());
            if gone_for >= limit {
                return Err(given_up(shared, last, limit));
            }
            shared.live.waits_for_nodes((gone_for > Duration::ZERO).then(|| limit - gone_for));
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Makes the session ready for another table.
    pub(crate) async fn turn_to(&mut self, table: usize) -> Result<(), Error> {
        if table == self.table {
            return Ok(());
        }
        let database = database(&self.shared)?;
        let loading = &database.tables[table];
        let name = stream_name(database.node(self.node).name(), &database.run, &loading.plan.key.target);
        let ready = async {
            self.connection.set_application_name(&name).await?;
            Statements::prepare(self.link(), &loading.plan, loading.table, &loading.write).await
        };
        self.statements = self.watched("preparing a stream's statements", ready).await?;
        self.table = table;
        Ok(())
    }

    /// Whether another node has so many streams fewer that this one should go there.
    pub(crate) fn should_move(&self) -> bool {
        database(&self.shared).is_ok_and(|database| {
            let placement = database.placement();
            placement.is_dead(self.node) || placement.is_crowded(self.node)
        })
    }

    /// What an error of this session says of its node: one that takes no writes is set aside.
    pub(crate) fn blame_node(&self, error: &Error) {
        if let (Error::Server(server), Ok(database)) = (error, database(&self.shared))
            && server.state == "25006"
        {
            set_aside(database, self.node, error);
        }
    }

    fn link(&self) -> Link<'_> {
        Link { client: &self.connection.client, backend: &self.backend }
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    pub(crate) fn node(&self) -> usize {
        self.node
    }

    /// Claims a split, and takes note of its epoch.
    pub(crate) async fn claim(&self, task: &mut Task) -> Result<Claiming, Error> {
        let database = database(&self.shared)?;
        let plan = &database.tables[task.table].plan;
        let claim = plan.claim(self.link(), &database.owner, &task.key, task.epoch);
        match self.watched("claim", claim).await? {
            Claim::Claimed(claimed) => {
                // Nobody claimed it in between: if it stands behind what was in doubt, that was committed.
                let chunk = task.in_doubt.take().filter(|chunk| chunk.chunk.position == claimed.position);
                self.was_committed(task, chunk.and_then(|chunk| chunk.committed(&claimed.counts)));
                task.epoch = claimed.epoch;
                task.ours = true;
                Ok(Claiming::Ours(claimed))
            }
            Claim::Done(stands) => {
                self.shared.gate.holds(&plan.key.target, &task.key, &stands.counts);
                // Nobody claimed it behind us: what was in doubt is its last chunk.
                let chunk = task.in_doubt.take().filter(|_| stands.epoch == task.epoch);
                self.was_committed(task, chunk.and_then(|chunk| chunk.committed(&stands.counts)));
                Ok(Claiming::Done)
            }
            Claim::Busy => Ok(Claiming::Taken),
            Claim::Moved => {
                // Nobody else of this process has it. Whose chunk was committed cannot be told any more.
                (task.ours, task.in_doubt) = (false, None);
                let splits = self.watched("reading the ledger", plan.splits(self.link())).await?;
                if let Some(split) = splits.into_iter().find(|split| split.key == task.key) {
                    task.epoch = split.epoch;
                }
                Ok(Claiming::Taken)
            }
        }
    }

    /// A chunk in doubt is in the target after all.
    fn was_committed(&self, task: &mut Task, chunk: Option<Committed>) {
        if let Some(chunk) = chunk {
            task.patience.reset();
            task.unit.committed(&chunk.position);
            stream::count(&self.shared.live, self.node, &chunk);
        }
    }

    /// Gives a split back before it is done.
    pub(crate) async fn release(&self, task: &Task) -> Result<(), Error> {
        let database = database(&self.shared)?;
        let plan = &database.tables[task.table].plan;
        let release = plan.release(self.link(), &database.owner, &task.key, task.epoch);
        self.watched("giving a split back", release).await
    }

    /// Ends a connection that was lost, as far as it was on this server, so that its transaction holds no locks.
    pub(crate) async fn end(&self, lost: &Backend) -> Result<bool, Error> {
        self.watched("ending a lost connection", self.link().terminate_own(lost)).await
    }

    /// Commits what the worker hands over; `careful` while refusals are to be expected. Behind an error `unanswered`
    /// holds the chunk that is in doubt. Gives up when the node shows no sign of life while it is waited for.
    pub(crate) async fn load(
        &self,
        claimed: &Claimed,
        careful: &AtomicBool,
        unanswered: &Unanswered,
        receiver: &mut mpsc::Receiver<Message>,
        on_commit: OnCommit<'_>,
    ) -> Result<Loaded, Failed> {
        let pulse = Pulse::default();
        let sender = Sender {
            link: self.link(),
            control: &database(&self.shared)?.control,
            statements: &self.statements,
            gate: &self.shared.gate,
            live: &self.shared.live,
            pulse: &pulse,
            unanswered,
            careful,
        };
        tokio::select! {
            loaded = sender.load(claimed, receiver, on_commit) => loaded,
            stalled = watch(&self.shared, self.node, ("COPY", &pulse)) => Err(stalled.into()),
        }
    }

    /// A request, given up when the node shows no sign of life.
    async fn watched<T>(
        &self,
        action: &'static str,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        watched(&self.shared, self.node, action, request).await
    }
}

/// Waits, unless the run is stopped or nothing is left to load.
async fn rest(shared: &Shared, wait: Duration) {
    let end = Instant::now() + wait;
    while !shared.stopped() && !shared.queue.is_finished() && Instant::now() < end {
        tokio::time::sleep(LOOK_AGAIN.min(end.saturating_duration_since(Instant::now()))).await;
    }
}

/// A request to a node, given up when the node shows no sign of life.
async fn watched<T>(
    shared: &Shared,
    node: usize,
    action: &'static str,
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let pulse = Pulse::begun();
    tokio::select! {
        answer = request => answer,
        stalled = watch(shared, node, (action, &pulse)) => Err(stalled),
    }
}

/// Comes back when a node is not to be waited for any more.
async fn watch(shared: &Shared, number: usize, (action, pulse): (&'static str, &Pulse)) -> Error {
    let database = match database(shared) {
        Ok(database) => database,
        Err(error) => return error,
    };
    let node = &database.node(number);
    let patience = database.cluster.stall_timeout();
    loop {
        tokio::time::sleep(patience.saturating_sub(pulse.waiting_for()).max(LOOK_AGAIN)).await;
        if pulse.waiting_for() < patience {
            continue;
        }
        match database.cluster.probe(node, PROBES).await {
            // It is alive, and what we asked it for takes its time.
            Ok(()) => pulse.answered(),
            Err(error) if error.is_full() => pulse.answered(),
            Err(_) if pulse.waiting_for() < patience => {}
            Err(error) => {
                set_aside(database, number, &error);
                return Error::Lost {
                    address: node.address(),
                    action,
                    reason: format!("no sign of life for {} s", pulse.waiting_for().as_secs()),
                };
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Ok(database) = database(&self.shared) {
            self.shared.live.stream(self.node, false);
            database.placement().release(self.node);
        }
    }
}

fn database(shared: &Shared) -> Result<&Database, Error> {
    match &shared.target {
        Target::Postgres(database) => Ok(database),
        Target::Files(_) => Err(Error::Bug("a connection for files".into())),
    }
}

/// Lets streams go elsewhere until a probe succeeds.
pub(crate) fn set_aside(database: &Database, node: usize, error: &Error) {
    let fault = if error.is_full() { Fault::Full } else { Fault::Dead };
    if !database.placement().set_aside(node, fault, Instant::now()) {
        return;
    }
    let node = database.node(node);
    match fault {
        Fault::Dead => tracing::warn!(node = node.name(), %error, "node set aside, it is probed from now on"),
        Fault::Full => {
            tracing::info!(node = node.name(), %error, "fewer streams than asked for on this node")
        }
    }
}

/// What ends a run that had no session for as long as `give_up_after` says.
fn given_up(shared: &Shared, last: Option<Error>, limit: Duration) -> Error {
    shared.live.waits_for_nodes(None);
    last.unwrap_or_else(|| {
        Error::Refused(format!("no node could be used for {} s (give_up_after)", limit.as_secs()))
    })
}

/// A place on the least loaded node, given back unless a session takes it.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    database: &'a Database,
    node: usize,
    taken: bool,
}

impl<'a> Place<'a> {
    fn take(shared: &'a Arc<Shared>, database: &'a Database) -> Option<Place<'a>> {
        let node = database.placement().choose()?;
        Some(Place { shared, database, node, taken: false })
    }

    async fn connect(mut self, table: usize) -> Result<Session, Error> {
        let (database, node) = (self.database, &self.database.node(self.node));
        let loading = &database.tables[table];
        let name = stream_name(node.name(), &database.run, &loading.plan.key.target);
        let connection = database.cluster.open(node, &name).await?;
        connection.refuse_unsafe_append()?;
        let backend = connection.backend()?;
        let link = Link { client: &connection.client, backend: &backend };
        let prepare = Statements::prepare(link, &loading.plan, loading.table, &loading.write);
        // It waits for whoever locks the table.
        let statements = watched(self.shared, self.node, "preparing a stream's statements", prepare).await?;
        self.taken = true;
        // Behind a load balancer the server's own address is another one than the node's. None over a socket.
        let server = connection.server.address.as_deref().unwrap_or("local");
        tracing::info!(
            node = node.name(),
            server,
            table = loading.plan.key.target,
            pid = backend.pid,
            "stream opened"
        );
        self.shared.live.waits_for_nodes(None);
        self.shared.live.stream(self.node, true);
        let shared = Arc::clone(self.shared);
        Ok(Session { shared, node: self.node, connection, backend, table, statements })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.database.placement().release(self.node);
        }
    }
}
