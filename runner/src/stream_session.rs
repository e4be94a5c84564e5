//! A stream's connection to a node, made ready for one table at a time.
//!
//! Must not know: the worker, and what is done about errors.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::copy::error::Error;
use crate::copy::ledger::{Claimed, Loaded, OnCommit};
use crate::copy::message::Message;
use crate::copy::postgres::backend::{Backend, Link};
use crate::copy::postgres::claim::Claim;
use crate::copy::postgres::ledger::Statements;
use crate::copy::postgres::session::{Connection, stream_name};
use crate::copy::postgres::stream::{Failed, Stream as Sender};
use crate::stream::{Shared, Task};
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

impl Session {
    /// The stream's session: opened on the least loaded node, or turned to another table, if need be.
    pub(crate) async fn open<'s>(
        shared: &Arc<Shared>,
        session: &'s mut Option<Session>,
        table: usize,
    ) -> Result<&'s Session, Error> {
        let mut new = match session.take() {
            Some(session) => session,
            None => Session::connect(shared, table).await?,
        };
        if new.table != table {
            new.turn_to(table).await?;
        }
        Ok(session.insert(new))
    }

    async fn connect(shared: &Arc<Shared>, table: usize) -> Result<Session, Error> {
        let database = database(shared)?;
        let mut tried = Tried { database, nodes: Vec::new() };
        loop {
            let place = Place::take(shared, database)?;
            let node = place.node;
            match place.connect(table).await {
                Ok(session) => return Ok(session),
                Err(error) if tried.nodes.len() + 1 >= database.nodes.len() => return Err(error),
                Err(error) => {
                    tracing::warn!(node = database.nodes[node].name(), %error, "trying another node");
                    tried.set_aside(node);
                }
            }
        }
    }

    pub(crate) fn link(&self) -> Link<'_> {
        Link { client: &self.connection.client, backend: &self.backend }
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    pub(crate) fn node(&self) -> usize {
        self.node
    }

    async fn turn_to(&mut self, table: usize) -> Result<(), Error> {
        let database = database(&self.shared)?;
        let loading = &database.tables[table];
        let name = stream_name(database.nodes[self.node].name(), &database.run, &loading.plan.key.target);
        self.connection.set_application_name(&name).await?;
        self.statements =
            Statements::prepare(self.link(), &loading.plan, loading.table, &loading.copy_sql).await?;
        self.table = table;
        Ok(())
    }

    /// Claims a split, and takes note of its epoch.
    pub(crate) async fn claim(&self, task: &mut Task) -> Result<Claiming, Error> {
        let database = database(&self.shared)?;
        let plan = &database.tables[task.table].plan;
        match plan.claim(self.link(), &database.owner, &task.key, task.epoch).await? {
            Claim::Claimed(claimed) => {
                task.epoch = claimed.epoch;
                Ok(Claiming::Ours(claimed))
            }
            Claim::Done => Ok(Claiming::Done),
            Claim::Busy => Ok(Claiming::Taken),
            Claim::Moved => {
                let splits = plan.splits(database.control()).await?;
                if let Some(split) = splits.into_iter().find(|split| split.key == task.key) {
                    task.epoch = split.epoch;
                }
                Ok(Claiming::Taken)
            }
        }
    }

    /// Gives a split back before it is done.
    pub(crate) async fn release(&self, claimed: &Claimed) -> Result<(), Error> {
        database(&self.shared)?.tables[self.table].plan.release(self.link(), claimed).await
    }

    /// Commits what the worker hands over; `careful` where refusals are to be expected.
    pub(crate) async fn load(
        &self,
        claimed: &Claimed,
        careful: bool,
        receiver: &mut mpsc::Receiver<Message>,
        on_commit: OnCommit<'_>,
    ) -> Result<Loaded, Failed> {
        let sender = Sender {
            link: self.link(),
            control: database(&self.shared)?.control(),
            statements: &self.statements,
            gate: &self.shared.gate,
            live: &self.shared.live,
            careful,
        };
        sender.load(claimed, receiver, on_commit).await
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

/// Nodes that a stream could not connect to just now: set aside until it found another one.
struct Tried<'a> {
    database: &'a Database,
    nodes: Vec<usize>,
}

impl Tried<'_> {
    fn set_aside(&mut self, node: usize) {
        self.database.placement().set_aside(node);
        self.nodes.push(node);
    }
}

impl Drop for Tried<'_> {
    fn drop(&mut self) {
        let mut placement = self.database.placement();
        self.nodes.iter().for_each(|node| placement.restore(*node));
    }
}

/// A place on the least loaded node, given back unless a session takes it.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    database: &'a Database,
    node: usize,
    taken: bool,
}

impl<'a> Place<'a> {
    fn take(shared: &'a Arc<Shared>, database: &'a Database) -> Result<Place<'a>, Error> {
        let node = database.placement().choose().ok_or_else(|| Error::Bug("no node".into()))?;
        Ok(Place { shared, database, node, taken: false })
    }

    async fn connect(mut self, table: usize) -> Result<Session, Error> {
        let (database, node) = (self.database, &self.database.nodes[self.node]);
        let loading = &database.tables[table];
        let name = stream_name(node.name(), &database.run, &loading.plan.key.target);
        let connection = database.cluster.open(node, &name).await?;
        connection.refuse_unsafe_append()?;
        let backend = connection.backend()?;
        let link = Link { client: &connection.client, backend: &backend };
        let statements = Statements::prepare(link, &loading.plan, loading.table, &loading.copy_sql).await?;
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
