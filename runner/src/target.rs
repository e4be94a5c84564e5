//! The target of a run, opened: connected, its tables matched with what the modules make, its ledgers opened.
//!
//! Must not know: how rows are sent.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::copy::error::Error;
use crate::copy::files::Folder;
use crate::copy::ledger::{Ledger, Part, Plan, RunKey, Standing, Started};
use crate::copy::postgres::backend::{Backend, Link};
use crate::copy::postgres::claim::Owner;
use crate::copy::postgres::connect::Cluster;
use crate::copy::postgres::control::Control;
use crate::copy::postgres::create;
use crate::copy::postgres::create_table::{Creation, Flavor, Names, Style};
use crate::copy::postgres::environment::Environment;
use crate::copy::postgres::nodes::Node;
use crate::copy::postgres::placement::Placement;
use crate::copy::postgres::plan::{Opening, TableId};
use crate::copy::postgres::schema::Tables;
use crate::copy::postgres::table::{Table, describe, find};
use crate::copy::postgres::write::{Mode, Write};
use crate::copy::postgres::{Settings, empty, table};
use crate::job::{Job, Problem, ProblemKind, match_target};
use crate::job_create::creation;
use crate::recipe::Create;
use crate::target_write::{self, Emptying};

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
    pub(crate) control: Arc<Control>,
    nodes: RwLock<Vec<Node>>,
    placement: Mutex<Placement>,
    pub(crate) owner: Owner,
    pub(crate) tables: Vec<Loading>,
}

/// A table that is being loaded.
#[derive(Debug)]
pub(crate) struct Loading {
    pub(crate) plan: Plan,
    pub(crate) table: TableId,
    /// How rows get into it.
    pub(crate) write: Write,
}

/// The target table of a job, before a run.
#[derive(Debug)]
pub(crate) enum Destination {
    /// It is there.
    There(Box<Table>),
    /// A run makes it.
    ToMake(Creation),
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

/// What the ledger of a database holds of a table's run.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) standing: Option<Standing>,
    pub(crate) sources: Vec<String>,
    /// Of all its loads: those of standard input before stay when it is read again.
    pub(crate) rejects: u64,
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
    ) -> Result<Option<Destination>, Error> {
        let control = &self.cluster.control;
        let found = match (find(control, &job.into).await, job.create) {
            (Ok(None), Some(Create::IfMissing)) => return self.to_make(index, job, problems).await,
            (Ok(None), None) => describe(control, &job.into).await,
            (Ok(Some(table)), _) => Ok(table),
            (Err(error), _) => Err(error),
        };
        let Some(table) = told(found, &format!("tables[{index}].into"), problems)? else { return Ok(None) };
        self.check(index, job, &table, problems).await?;
        Ok(Some(Destination::There(Box::new(table))))
    }

    /// Everything that keeps a job's rows out of a table.
    async fn check(
        &self,
        index: usize,
        job: &Job,
        table: &Table,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Error> {
        problems.extend(match_target(job, index, table));
        let is_unlogged = table.persistence == table::Persistence::Unlogged;
        if is_unlogged && !job.allow_unlogged {
            problems.push(Problem::target(&format!("tables[{index}].into"), unlogged(job)));
        }
        let backend = self.cluster.control.backend()?;
        problems.extend(target_write::problems(self.link(&backend), index, job, table).await?);
        self.check_ledger(is_unlogged, problems).await
    }

    /// What makes the target table of a job; what is in its way goes to `problems`.
    async fn to_make(
        &self,
        index: usize,
        job: &Job,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<Destination>, Error> {
        let control = &self.cluster.control;
        // Rows are copied into columns by their names as they are.
        let style = Style { flavor: Flavor::of(control), names: Names::Kept, tablets: None };
        let creation = match creation(job, index, style) {
            Ok(creation) => creation,
            Err(found) => {
                problems.extend(found);
                return Ok(None);
            }
        };
        if job.write != Mode::Append && !creation.has_key {
            problems.push(target_write::no_key(index, job));
        }
        let may = create::check(control, &job.into).await;
        if told(may, &format!("tables[{index}].create"), problems)?.is_none() {
            return Ok(None);
        }
        self.check_ledger(false, problems).await?;
        Ok(Some(Destination::ToMake(creation)))
    }

    /// Makes the target table of a job; another process may have been faster, with whatever table.
    pub(crate) async fn make(
        &self,
        index: usize,
        job: &Job,
        creation: &Creation,
        problems: &mut Vec<Problem>,
    ) -> Result<Table, Error> {
        let table = create::ensure(&self.cluster.control, &job.into, &creation.statement).await?;
        self.check(index, job, &table, problems).await?;
        Ok(table)
    }

    /// Whether a run could keep its ledger, without making anything.
    async fn check_ledger(&self, unlogged: bool, problems: &mut Vec<Problem>) -> Result<(), Error> {
        let backend = self.cluster.control.backend()?;
        let checked = Tables::check(self.link(&backend), self.cluster.schema(), unlogged).await;
        if problems.iter().any(|other| other.key == LEDGER_KEY) && matches!(checked, Err(Error::Refused(_))) {
            return Ok(());
        }
        told(checked, LEDGER_KEY, problems).map(drop)
    }

    fn link<'a>(&'a self, backend: &'a Backend) -> Link<'a> {
        Link { client: &self.cluster.control.client, backend }
    }

    /// A table's run in the ledger, whose tables are made.
    async fn plan(&self, name: &str, table: &Table) -> Result<(Arc<Backend>, Plan), Error> {
        let backend = Arc::new(self.cluster.control.backend()?);
        let unlogged = table.persistence == table::Persistence::Unlogged;
        let tables = Tables::ensure(self.link(&backend), self.cluster.schema(), unlogged).await?;
        Ok((backend, plan_of(name, table, tables)))
    }

    /// What the ledger holds of a table's run, without making anything: for the question before it is forgotten.
    pub(crate) async fn held(&self, name: &str, table: &Table) -> Result<Option<Held>, Error> {
        let backend = self.cluster.control.backend()?;
        let unlogged = table.persistence == table::Persistence::Unlogged;
        let link = self.link(&backend);
        let Some(tables) = Tables::find(link, self.cluster.schema(), unlogged).await? else {
            return Ok(None);
        };
        let plan = plan_of(name, table, tables);
        let standing = plan.standing(link).await?;
        let sources = plan.sources(link).await?.into_iter().map(|source| source.source).collect();
        Ok(Some(Held { standing, sources, rejects: plan.rejects(link).await? }))
    }

    /// Opens the ledgers of all tables.
    pub(crate) async fn begin(
        self,
        name: &str,
        jobs: &[Job],
        tables: &[Table],
        emptyings: &[Emptying],
        fresh: bool,
        stop: Arc<AtomicBool>,
    ) -> Result<Begun, Error> {
        let control = Arc::new(Control::new(&self.cluster, self.nodes.clone(), stop)?);
        let mut found = Vec::new();
        // Nothing is begun, forgotten or emptied before all tables may be.
        let owner = &self.owner;
        for (job, table) in jobs.iter().zip(tables) {
            let (backend, plan) = self.plan(name, table).await?;
            let link = self.link(&backend);
            let id = TableId::read(link, &table.qualified(), job.allow_unlogged).await?;
            let parts: Vec<Part> = parts(job).into_iter().chain(columns(job, table)).collect();
            let fresh = fresh || job.reads_stdin();
            plan.refuse(link, Opening { owner, parts: &parts, table: id, fresh }).await?;
            found.push((plan, backend, id, parts));
        }
        let (mut loadings, mut ledgers, mut all_started) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (plan, backend, id, parts)) in found.into_iter().enumerate() {
            let (job, table, link) = (&jobs[index], &tables[index], self.link(&backend));
            if job.reads_stdin() && !fresh {
                // It is another source each time: what it was before is no part of this run, and nowhere else.
                plan.forget_but_rejects(link, owner).await?;
            }
            let opening = Opening { owner, parts: &parts, table: id, fresh };
            let (started, id) = match emptyings[index].of(&empty::truncate(table)) {
                None => (plan.open(link, opening).await?, id),
                Some(how) => plan.open_emptied(link, opening, how).await?,
            };
            let plan = plan.of_load(&started);
            all_started.push(started);
            let control = Arc::clone(&control);
            ledgers.push(Arc::new(Ledger::Postgres { control, plan: plan.clone() }));
            loadings.push(Loading { plan, table: id, write: Write::new(job.write, table, &job.columns()) });
        }
        let placement = Mutex::new(Placement::new(self.nodes.len()));
        let Connected { run, cluster, nodes, owner, .. } = self;
        let nodes = RwLock::new(nodes);
        let database = Database { run, cluster, control, nodes, placement, owner, tables: loadings };
        Ok(Begun { target: Target::Postgres(Box::new(database)), ledgers, started: all_started })
    }
}

/// A table's run, whichever load of it the ledger holds.
fn plan_of(name: &str, table: &Table, tables: Tables) -> Plan {
    let key = RunKey { name: name.into(), target: table.name_in_ledger() };
    Plan { tables, key, load: None }
}

impl Database {
    /// The nodes known by now: more may come behind them.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One of them, by its number.
    pub(crate) fn node(&self, number: usize) -> Node {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner)[number].clone()
    }

    /// One more node, for streams to move to.
    pub(crate) fn add_node(&self, node: Node) {
        self.nodes.write().unwrap_or_else(PoisonError::into_inner).push(node);
        self.placement().add();
    }

    pub(crate) fn placement(&self) -> MutexGuard<'_, Placement> {
        self.placement.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    /// Host and port of each node, or the folder.
    pub(crate) fn addresses(&self) -> Vec<String> {
        match self {
            Target::Postgres(database) => database.nodes().iter().map(Node::address).collect(),
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
        let columns = job.columns();
        let (folder, started) = if stdout {
            Folder::stdout(key, &columns)
        } else {
            let fresh = fresh || job.reads_stdin();
            Folder::open(&folder(dir, &job.into), key, &parts(job), &columns, fresh)?
        };
        folders.push(Arc::new(folder));
        all_started.push(started);
    }
    let ledgers = folders.iter().map(|folder| Arc::new(Ledger::Files(Arc::clone(folder)))).collect();
    Ok(Begun { target: Target::Files(Output { folders }), ledgers, started: all_started })
}

/// A table's own folder.
pub(crate) fn folder(dir: &Path, into: &str) -> PathBuf {
    dir.join(into.replace('/', "_"))
}

/// What the server refuses, told as a problem with a key of the recipe.
fn told<T>(result: Result<T, Error>, key: &str, problems: &mut Vec<Problem>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Refused(text)) => {
            problems.push(Problem { key: key.into(), kind: ProblemKind::Target(text) });
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The columns that rows fill, each with its type: what the server makes of a value depends on it.
fn columns(job: &Job, table: &Table) -> Vec<Part> {
    let columns = job.columns();
    let found = columns.iter().filter_map(|name| table.column(name));
    found.map(|column| Part::column(&column.name, column.shape())).collect()
}

fn parts(job: &Job) -> Vec<Part> {
    job.shaping.iter().map(|(name, value)| Part { name: name.clone(), value: value.clone() }).collect()
}

fn unlogged(job: &Job) -> String {
    format!(
        "{} is UNLOGGED: a crash of the server empties it while the rows count as loaded; make it LOGGED, or write allow_unlogged = true",
        job.into
    )
}
