//! The target of a run, opened: connected, its tables matched with what the modules make, its ledgers opened.
//!
//! Must not know: how rows are sent.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::copy::error::Error;
use crate::copy::files::Folder;
use crate::copy::ledger::{Ledger, Part, Plan, RunKey, Standing, Started};
use crate::copy::postgres::backend::{Backend, Link};
use crate::copy::postgres::claim::Owner;
use crate::copy::postgres::connect::Cluster;
use crate::copy::postgres::environment::Environment;
use crate::copy::postgres::identifier::quoted;
use crate::copy::postgres::nodes::Node;
use crate::copy::postgres::placement::Placement;
use crate::copy::postgres::plan::TableId;
use crate::copy::postgres::schema::Tables;
use crate::copy::postgres::table::{Table, describe};
use crate::copy::postgres::{Settings, table};
use crate::job::{Job, Problem, ProblemKind, match_target};

/// The key of the recipe that problems with the ledger are about.
const LEDGER_KEY: &str = "target.postgres.schema";

/// Where the rows go.
#[derive(Debug)]
pub(crate) enum Target {
    Postgres(Box<Database>),
    Files(Output),
}

/// A database with the tables that are loaded.
#[derive(Debug)]
pub(crate) struct Database {
    /// Short, for `application_name`.
    pub(crate) run: String,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) control: Arc<Backend>,
    pub(crate) nodes: Vec<Node>,
    placement: Mutex<Placement>,
    pub(crate) owner: Owner,
    pub(crate) tables: Vec<Loading>,
}

/// A table that is being loaded.
#[derive(Debug)]
pub(crate) struct Loading {
    pub(crate) plan: Plan,
    pub(crate) table: TableId,
    /// `COPY … FROM STDIN …`.
    pub(crate) copy_sql: String,
}

/// Folders of files, one for each table, or standard output.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) folders: Vec<Arc<Folder>>,
}

/// The target with its ledgers open, one for each table.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) target: Target,
    pub(crate) ledgers: Vec<Arc<Ledger>>,
    pub(crate) started: Vec<Started>,
}

/// A database that answered, before anything was written into it.
#[derive(Debug)]
pub(crate) struct Connected {
    run: String,
    cluster: Arc<Cluster>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) notes: Vec<String>,
    owner: Owner,
}

impl Connected {
    /// Connects and finds the nodes, which must be one cluster.
    pub(crate) async fn open(settings: &Settings, environment: &Environment) -> Result<Connected, Error> {
        let owner = Owner::new();
        let run = owner.id.chars().take(6).collect::<String>();
        let cluster = Cluster::connect(settings, environment, &run).await?;
        cluster.control.refuse_unsafe_append()?;
        let found = cluster.nodes().await?;
        cluster.verify_one_cluster(&found).await?;
        let notes = cluster.notes.iter().chain(&found.notes).cloned().collect();
        Ok(Connected { run, cluster: Arc::new(cluster), nodes: found.nodes, notes, owner })
    }

    /// The target table of a job; what is wrong with it goes to `problems`.
    pub(crate) async fn table(
        &self,
        index: usize,
        job: &Job,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<Table>, Error> {
        let key = format!("tables[{index}].into");
        match describe(&self.cluster.control, &job.into).await {
            Ok(table) => {
                problems.extend(match_target(job, index, &table));
                if table.persistence == table::Persistence::Unlogged && !job.allow_unlogged {
                    problems.push(Problem::target(&key, unlogged(job)));
                }
                if let Err(error) = self.ledger_is_usable(&table).await {
                    let twice = problems.iter().any(|other| other.key == LEDGER_KEY);
                    match error {
                        Error::Refused(_) if twice => {}
                        Error::Refused(text) => problems.push(Problem::target(LEDGER_KEY, text)),
                        error => return Err(error),
                    }
                }
                Ok(Some(table))
            }
            Err(Error::Refused(text)) => {
                problems.push(Problem { key, kind: ProblemKind::Target(text) });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a run could keep its ledger, without making anything.
    async fn ledger_is_usable(&self, table: &Table) -> Result<(), Error> {
        let backend = self.cluster.control.backend()?;
        let unlogged = table.persistence == table::Persistence::Unlogged;
        Tables::check(self.link(&backend), self.cluster.schema(), unlogged).await
    }

    fn link<'a>(&'a self, backend: &'a Backend) -> Link<'a> {
        Link { client: &self.cluster.control.client, backend }
    }

    /// What the ledger knows of a table's run, without making anything.
    pub(crate) async fn plan(&self, name: &str, table: &Table) -> Result<(Arc<Backend>, Plan), Error> {
        let backend = Arc::new(self.cluster.control.backend()?);
        let unlogged = table.persistence == table::Persistence::Unlogged;
        let tables = Tables::ensure(self.link(&backend), self.cluster.schema(), unlogged).await?;
        let key = RunKey { name: name.into(), target: format!("{}.{}", table.schema, table.name) };
        Ok((backend, Plan { tables, key }))
    }

    /// What would be forgotten by starting over: for the question before it is done.
    pub(crate) async fn standing(&self, name: &str, table: &Table) -> Result<Option<Standing>, Error> {
        let (backend, plan) = self.plan(name, table).await?;
        plan.standing(self.link(&backend)).await
    }

    /// Opens the ledgers of all tables.
    pub(crate) async fn begin(
        self,
        name: &str,
        jobs: &[Job],
        tables: &[Table],
        fresh: bool,
    ) -> Result<Begun, Error> {
        let (mut loadings, mut ledgers, mut all_started) = (Vec::new(), Vec::new(), Vec::new());
        let mut control = Arc::new(self.cluster.control.backend()?);
        for (job, table) in jobs.iter().zip(tables) {
            let (backend, plan) = self.plan(name, table).await?;
            let link = self.link(&backend);
            let id = TableId::read(link, &table.qualified(), job.allow_unlogged).await?;
            // Standard input is another source each time: what it was before is no part of this run.
            let fresh = fresh || job.reads_stdin();
            all_started.push(plan.open(link, &self.owner, &parts(job), id, fresh).await?);
            let cluster = Arc::clone(&self.cluster);
            ledgers.push(Arc::new(Ledger::Postgres {
                cluster,
                backend: Arc::clone(&backend),
                plan: plan.clone(),
            }));
            loadings.push(Loading { plan, table: id, copy_sql: copy_sql(job, table) });
            control = backend;
        }
        let placement = Mutex::new(Placement::new(self.nodes.len()));
        let Connected { run, cluster, nodes, owner, .. } = self;
        let database = Database { run, cluster, control, nodes, placement, owner, tables: loadings };
        Ok(Begun { target: Target::Postgres(Box::new(database)), ledgers, started: all_started })
    }
}

impl Database {
    pub(crate) fn control(&self) -> Link<'_> {
        Link { client: &self.cluster.control.client, backend: &self.control }
    }

    pub(crate) fn placement(&self) -> MutexGuard<'_, Placement> {
        self.placement.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    /// Host and port of each node, or the folder.
    pub(crate) fn addresses(&self) -> Vec<String> {
        match self {
            Target::Postgres(database) => database.nodes.iter().map(Node::address).collect(),
            Target::Files(output) => {
                let folder = output.folders.first().and_then(|folder| folder.dir()).and_then(Path::parent);
                vec![folder.map_or("standard output".into(), |folder| folder.display().to_string())]
            }
        }
    }
}

/// Opens a folder for each table below `dir`, or standard output for `-`.
pub(crate) fn files(dir: &Path, name: &str, jobs: &[Job], fresh: bool) -> Result<Begun, Error> {
    let stdout = dir == Path::new("-");
    let (mut folders, mut all_started) = (Vec::new(), Vec::new());
    for job in jobs {
        let key = RunKey { name: name.into(), target: job.into.clone() };
        let columns: Vec<String> = job.path.chain.output().iter().map(|field| field.name.clone()).collect();
        let (folder, started) = if stdout {
            Folder::stdout(key, &columns)
        } else {
            let fresh = fresh || job.reads_stdin();
            Folder::open(&folder(dir, job), key, &parts(job), &columns, fresh)?
        };
        folders.push(Arc::new(folder));
        all_started.push(started);
    }
    if stdout && jobs.len() > 1 {
        return Err(Error::Refused("standard output takes one table, and the recipe has several".into()));
    }
    let ledgers = folders.iter().map(|folder| Arc::new(Ledger::Files(Arc::clone(folder)))).collect();
    Ok(Begun { target: Target::Files(Output { folders }), ledgers, started: all_started })
}

/// A table's own folder.
pub(crate) fn folder(dir: &Path, job: &Job) -> PathBuf {
    dir.join(job.into.replace('/', "_"))
}

fn parts(job: &Job) -> Vec<Part> {
    job.shaping.iter().map(|(name, value)| Part { name: name.clone(), value: value.clone() }).collect()
}

fn copy_sql(job: &Job, table: &Table) -> String {
    let columns: Vec<String> = job.path.chain.output().iter().map(|field| quoted(&field.name)).collect();
    format!("COPY {} ({}) FROM STDIN (FORMAT csv)", table.qualified(), columns.join(", "))
}

fn unlogged(job: &Job) -> String {
    format!(
        "{} is UNLOGGED: a crash of the server empties it while the rows count as loaded; make it LOGGED, or write allow_unlogged = true",
        job.into
    )
}
