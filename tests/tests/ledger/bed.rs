//! A database with a target table, a run with one source and one split, and the worker's side of the channel.

#![expect(clippy::unwrap_used, reason = "what the tests stand on: a failure here is the test's")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use etl::batch::RowStarts;
use etl::copy::drift::Part;
use etl::copy::error::Error;
use etl::copy::gate::{Gate, Limit};
use etl::copy::message::{ChunkEnd, LineMap, Message};
use etl::copy::postgres::Settings;
use etl::copy::postgres::backend::{Backend, Link};
use etl::copy::postgres::claim::{Claim, Owner};
use etl::copy::postgres::connect::Cluster;
use etl::copy::postgres::control::Control;
use etl::copy::postgres::environment::Environment;
use etl::copy::postgres::ledger::Statements;
use etl::copy::postgres::plan::{Opening, Plan, TableId};
use etl::copy::postgres::schema::Tables;
use etl::copy::postgres::stream::Stream;
use etl::copy::postgres::write::Write;
use etl::copy::state::{Claimed, Committed, Loaded, NewSplit, RunKey, Source, Started};
use etl::counters::{Asides, Counts};
use etl::position::Position;
use etl::reject::{Original, Reject, Stage};
use etl_tests::postgres::Server;
use tokio::sync::mpsc;
use tokio_postgres::{Client, NoTls};

pub(crate) const COPY: &str = "COPY public.t (id, name) FROM STDIN (FORMAT csv)";

/// A connection, and who it is at the server.
pub(crate) struct Session {
    pub client: Client,
    pub backend: Backend,
}

impl Session {
    pub(crate) async fn connect(url: &str) -> Session {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("SET lock_timeout = '60s'").await.unwrap();
        let backend = Backend::read(&client, "test").await.unwrap();
        Session { client, backend }
    }

    /// For one that is to find something locked; every other one waits until it is free.
    pub(crate) async fn impatient(self) -> Session {
        self.client.batch_execute("SET lock_timeout = '300ms'").await.unwrap();
        self
    }

    pub(crate) fn link(&self) -> Link<'_> {
        Link { client: &self.client, backend: &self.backend }
    }
}

/// One database, one run into `public.t`.
pub(crate) struct Bed {
    pub server: Server,
    pub database: String,
    /// For looking at the tables.
    pub control: Session,
    /// For reading the ledger again.
    pub asks: Control,
    pub plan: Plan,
    pub table: TableId,
    pub owner: Owner,
    pub gate: Gate,
    /// So many chunks are loaded as if a refusal were to be expected.
    pub careful_for: u64,
}

pub(crate) fn at(row: u64) -> Position {
    Position::File { byte: row * 10, line: row + 1 }
}

pub(crate) fn key() -> RunKey {
    RunKey { name: "run".into(), target: "public.t".into() }
}

pub(crate) fn parts() -> Vec<Part> {
    vec![Part { name: "types".into(), value: "{}".into() }]
}

pub(crate) fn source() -> Source {
    Source {
        source: "a.csv".into(),
        fingerprint: "{}".into(),
        split_bytes: 100,
        tiled_to: at(0),
        tiled: false,
    }
}

impl Bed {
    /// A new database with `public.t` and the run's plan: one source, one split.
    pub(crate) async fn new(database: &str) -> Bed {
        Bed::with(database, "CREATE TABLE public.t (id integer PRIMARY KEY, name text)").await
    }

    /// The same with another `public.t`.
    pub(crate) async fn with(database: &str, ddl: &str) -> Bed {
        let server = Server::of_the_test_run();
        let admin = server.database(database).await;
        admin.batch_execute(ddl).await.unwrap();
        let control = Session::connect(&server.url("127.0.0.1", database)).await;
        let tables = Tables::ensure(control.link(), "etl", false).await.unwrap();
        let table = TableId::read(control.link(), "public.t", false).await.unwrap();
        let plan = Plan { tables, key: key(), load: None };
        let owner = Owner::new();
        let parts = parts();
        let opening = Opening { owner: &owner, parts: &parts, table, fresh: false };
        let started = plan.open(control.link(), opening).await.unwrap();
        assert!(matches!(started, Started::New(_)));
        let plan = plan.of_load(&started);
        assert!(plan.add_source(control.link(), &source()).await.unwrap().1);
        let split = NewSplit { start: at(0), end: None };
        assert!(plan.append_splits(control.link(), "a.csv", &at(0), &[split], &at(0), true).await.unwrap());
        let gate = Gate::new(Limit::Rows(1_000_000));
        let settings = Settings::of_url(&server.url("127.0.0.1", database));
        let environment = Environment::from_iter([("USER", "nobody")]);
        let cluster = Arc::new(Cluster::connect(&settings, &environment, "test").await.unwrap());
        let asks = Control::new(&cluster, Vec::new(), Arc::default()).unwrap();
        Bed { server, database: database.into(), control, asks, plan, table, owner, gate, careful_for: 0 }
    }

    /// Of its table.
    pub(crate) fn opening<'a>(&self, owner: &'a Owner, parts: &'a [Part], fresh: bool) -> Opening<'a> {
        Opening { owner, parts, table: self.table, fresh }
    }

    pub(crate) async fn session(&self) -> Session {
        Session::connect(&self.server.url("127.0.0.1", &self.database)).await
    }

    /// Claims the split at the epoch that it has.
    pub(crate) async fn try_claim(&self, session: &Session, owner: &Owner) -> Result<Claim, Error> {
        let splits = self.plan.splits(self.control.link()).await.unwrap();
        self.plan.claim(session.link(), owner, &splits[0].key, splits[0].epoch).await
    }

    pub(crate) async fn claim(&self, session: &Session) -> Claimed {
        match self.try_claim(session, &self.owner).await.unwrap() {
            Claim::Claimed(claimed) => claimed,
            other => panic!("{other:?}"),
        }
    }

    /// Loads what comes through the channel.
    pub(crate) async fn receive(
        &self,
        session: &Session,
        claimed: &Claimed,
        mut receiver: mpsc::Receiver<Message>,
    ) -> Result<Loaded, Error> {
        let write = Write { copy: COPY.into(), into: "t".into(), through: None };
        let statements = Statements::prepare(session.link(), &self.plan, self.table, &write).await.unwrap();
        let careful = AtomicBool::new(self.careful_for > 0);
        let stream = Stream {
            link: session.link(),
            control: &self.asks,
            statements: &statements,
            gate: &self.gate,
            live: &etl::counters::Live::new(std::time::Instant::now(), vec!["a:1".into()]),
            pulse: &etl::copy::postgres::pulse::Pulse::default(),
            unanswered: &etl::copy::postgres::unanswered::Unanswered::default(),
            careful: &careful,
        };
        let mut chunks = 0;
        let mut on_commit = |_: &Committed| {
            chunks += 1;
            careful.store(chunks < self.careful_for, Ordering::Relaxed);
        };
        let loaded = on_any_thread(stream.load(claimed, &mut receiver, &mut on_commit)).await;
        if let Ok(loaded) = &loaded {
            assert_eq!(loaded.chunks, chunks);
        }
        loaded.map_err(|failed| failed.error)
    }

    /// Loads these messages; the worker stops behind the last one.
    pub(crate) async fn load(
        &self,
        session: &Session,
        claimed: &Claimed,
        messages: Vec<Message>,
    ) -> Result<Loaded, Error> {
        let (sender, receiver) = mpsc::channel(1);
        let worker = tokio::spawn(async move {
            for message in messages {
                if sender.send(message).await.is_err() {
                    break;
                }
            }
        });
        let loaded = self.receive(session, claimed, receiver).await;
        worker.await.unwrap();
        loaded
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.control.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Rows in the target, and how many of them are different.
    pub(crate) async fn rows(&self) -> (i64, i64) {
        (
            self.number("SELECT count(*) FROM public.t").await,
            self.number("SELECT count(DISTINCT id) FROM public.t").await,
        )
    }

    /// Position, rows written and chunks in the ledger.
    pub(crate) async fn ledger(&self) -> (Position, u64, u64) {
        let splits = self.plan.splits(self.control.link()).await.unwrap();
        (splits[0].position.clone(), splits[0].counts.written, splits[0].chunks)
    }
}

/// Compiles for futures that a runtime with many threads can run.
fn on_any_thread<F: Future + Send>(future: F) -> F {
    future
}

/// The chunk of these CSV records, of which the first is row `from` of the source; `name` is what follows the id.
pub(crate) fn chunk_of(from: u64, records: &[String], done: bool) -> Vec<Message> {
    let mut lines = LineMap::default();
    let mut starts = RowStarts::in_file(0, 1);
    (from..).zip(records).for_each(|(row, _)| assert!(starts.push_start(row * 10, row + 1)));
    let starts = Arc::new(starts);
    for (row, record) in (0..).zip(records) {
        lines.push(record.matches('\n').count() as u32, (&starts, 0), row);
    }
    let rows = records.len() as u64;
    let end = ChunkEnd {
        rows: 0,
        end: at(from + rows),
        counts: Counts { read: rows, loaded: rows, written: rows, ..Counts::default() },
        rejects: Vec::new(),
        lines,
        source_bytes: rows * 10,
        asides: Asides::default(),
        done,
    };
    vec![Message::Rows(Bytes::from(records.concat())), Message::End(Box::new(end))]
}

/// A chunk of good rows.
pub(crate) fn chunk(from: u64, to: u64, done: bool) -> Vec<Message> {
    chunk_of(from, &(from..to).map(|row| format!("{row},row {row}\n")).collect::<Vec<_>>(), done)
}

/// The end of a chunk without rows: every row of it was rejected.
pub(crate) fn only_rejects(from: u64, originals: Vec<Original>, done: bool) -> Message {
    let rows = originals.len() as u64;
    let reject = |(row, original)| Reject {
        position: at(row),
        stage: Stage::Transform,
        code: "module",
        reason: "no such\0zone".into(),
        original,
        cut: false,
    };
    Message::End(Box::new(ChunkEnd {
        rows: 0,
        end: at(from + rows),
        counts: Counts { read: rows, rejected: rows, ..Counts::default() },
        rejects: (from..).zip(originals).map(reject).collect(),
        lines: LineMap::default(),
        source_bytes: rows * 10,
        asides: Asides::default(),
        done,
    }))
}
