//! A table of the recipe made ready: its files found, its columns described, its chain planned and checked
//! against the target. `run`, `check` and `plan` begin here; all problems of a table are found at once.
//!
//! Must not know: the ledger, and how rows move.

use std::error::Error as _;
use std::sync::Arc;

use crate::chunk::ChunkLimits;
use crate::copy::postgres::table::{Column, Table as TargetTable};
use crate::copy::postgres::write::Mode;
use crate::job_units::{JobUnit, units};
use crate::loads::{self, Loads, is_vector, loads};
use crate::loads_changes::changes;
use crate::memory::Memory;
use crate::pipeline::TablePath;
use crate::recipe::{Create, Recipe, Truncate};
use crate::recipe_error::nearest;
use crate::recipe_lines::join;
use crate::schema::Field;
use crate::source::cassandra::{self, Cluster};
use crate::source::{self, Unit};
use crate::transform::{self, Chain, Engine, Step};
use crate::untrusted;

/// What the ledger calls standard input.
pub(crate) const STDIN: &str = "-";

/// A table that is ready to be loaded.
#[derive(Debug)]
pub(crate) struct Job {
    /// As in the recipe.
    pub(crate) from: String,
    /// As in the recipe.
    pub(crate) into: String,
    /// At least one.
    pub(crate) units: Vec<JobUnit>,
    /// What its splits have in common.
    pub(crate) path: Arc<TablePath>,
    /// What decides which rows it gets, by name, readable.
    pub(crate) shaping: Vec<(String, String)>,
    /// Columns whose values the target may round, cut or pad.
    pub(crate) round: Vec<String>,
    /// Whether the target is made where there is none.
    pub(crate) create: Option<Create>,
    /// Whether the target may be UNLOGGED.
    pub(crate) allow_unlogged: bool,
    /// What happens to rows whose key is there.
    pub(crate) write: Mode,
    /// Whether the target is emptied before its first row.
    pub(crate) truncate: Option<Truncate>,
}

/// Something that stands in the way, with the key of the recipe that it is about.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The key's path, e.g. `tables[0].from`.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) kind: ProblemKind,
}

/// What is wrong, by stage.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProblemKind {
    #[error(transparent)]
    Source(#[from] source::Error),
    #[error(transparent)]
    Transform(#[from] transform::Error),
    #[error("{file} has other columns than {first}: load it as a table of its own")]
    Columns { file: String, first: String },
    #[error("`{file}` line {line}: `{table}` names more than one table of the recipe")]
    SeveralTables { file: String, line: u64, table: String },
    #[error("{0}")]
    Target(String),
    #[error(transparent)]
    Copy(#[from] crate::copy::error::Error),
}

/// Makes the recipe's table `index` ready, but for its target. `cluster` is what the recipe's source answered, if it is
/// one, and `memory` the run's. For a thread that may block, inside a runtime.
pub(crate) fn prepare(
    recipe: &Recipe,
    index: usize,
    engine: &Engine,
    cluster: Option<&Arc<Cluster>>,
    memory: &Memory,
) -> Result<Job, Problem> {
    let table = &recipe.tables[index];
    let of_source = |kind| Problem { key: key_of(&kind, index), kind };
    let (units, fields) = units(recipe, table, cluster).map_err(of_source)?;
    let chain = Chain::plan(engine, &table.transforms, &fields).map_err(|error| {
        let transforms = format!("tables[{index}].transforms");
        let key =
            step_of(&error, &table.transforms).map_or(transforms.clone(), |at| format!("{transforms}[{at}]"));
        Problem { key, kind: error.into() }
    })?;
    units.iter().try_for_each(|unit| unit.check(chain.reads())).map_err(of_source)?;
    let unknown = |name: &&String| chain.output().iter().all(|field| field.name != **name);
    if let Some(name) = table.round.iter().find(unknown) {
        let near = nearest(name, chain.output().iter().map(|field| field.name.as_str()));
        let near =
            near.map(|near| format!(", did you mean `{}`?", untrusted::name(near))).unwrap_or_default();
        let text = format!("no column `{name}` reaches the target{near}");
        return Err(Problem::target(&format!("tables[{index}].round"), text));
    }
    let mut shaping = recipe.shaping(table);
    // Which bytes each module is, by its place: what its file is called shapes no row.
    shaping.extend(chain.identity().iter().map(|part| (part.step.clone(), part.content.clone())));
    let run = &recipe.run;
    let path = TablePath {
        fields,
        chain,
        vectors: Vec::new(),
        batch_rows: run.batch_rows as usize,
        keep: recipe.rejects.keep,
        keys: keys(&units),
        chunk: ChunkLimits { rows: run.chunk_rows, bytes: run.chunk_bytes.0, time: run.chunk_time.0 },
        memory: memory.clone(),
    };
    Ok(Job {
        from: table.from.clone(),
        into: table.into.clone(),
        units,
        path: Arc::new(path),
        shaping,
        round: table.round.clone(),
        create: table.create,
        allow_unlogged: table.allow_unlogged,
        write: table.write,
        truncate: table.truncate,
    })
}

/// The names of the columns of its primary key, if the source has one.
fn keys(units: &[JobUnit]) -> Vec<String> {
    match units.first().map(|unit| &unit.unit) {
        Some(Unit::Table(table)) => {
            let columns = table.description().columns.iter().filter(|column| column.is_key());
            columns.map(|column| column.name.clone()).collect()
        }
        Some(Unit::File(..) | Unit::Corrected(_)) | None => Vec::new(),
    }
}

/// What in the recipe a problem with the source of table `index` is about.
fn key_of(kind: &ProblemKind, index: usize) -> String {
    match kind {
        ProblemKind::Source(source::Error::Setting { key, .. }) => format!("source.csv.{key}"),
        ProblemKind::Source(source::Error::Cassandra(error)) => match error {
            cassandra::Error::NoExtra { function, .. } => format!("tables[{index}].{function}"),
            cassandra::Error::Statement { .. } => format!("tables[{index}].where"),
            _ => format!("tables[{index}].from"),
        },
        ProblemKind::Source(source::Error::NoColumn { column, .. }) => {
            join(&format!("tables[{index}].types"), column)
        }
        _ => format!("tables[{index}].from"),
    }
}

/// The step that an error is about, from 0; of several with the same module the first, which fails first.
fn step_of(error: &transform::Error, steps: &[Step]) -> Option<usize> {
    let path = match error {
        transform::Error::Step { number, .. } => return number.checked_sub(1),
        transform::Error::Read { path, .. } | transform::Error::Module { path, .. } => path,
        transform::Error::Stopped(stopped) => &stopped.module,
        _ => return None,
    };
    steps.iter().position(|step| matches!(step, Step::Module { module, .. } if module == path))
}

/// Everything that keeps the chain's output out of the target table.
pub(crate) fn match_target(job: &Job, index: usize, table: &TargetTable) -> Vec<Problem> {
    let output = job.path.chain.output();
    let mut problems = Vec::new();
    let mut problem = |key: &str, what: String| {
        problems.push(Problem { key: format!("tables[{index}].{key}"), kind: ProblemKind::Target(what) });
    };
    for field in output {
        match table.column(&field.name) {
            None => {
                let near = nearest(&field.name, table.columns.iter().map(|column| column.name.as_str()));
                let rename = near.map(|near| format!(", or rename it to `{near}`")).unwrap_or_default();
                let name = untrusted::name(&field.name);
                problem(
                    "transforms",
                    format!(
                        "table {} has no column `{name}`: add it there, drop it here with {{ drop = [\"{name}\"] }}{rename}",
                        job.into
                    ),
                );
            }
            Some(column) if column.always_generated => {
                problem(
                    "transforms",
                    format!(
                        "column `{}` of {} is generated: the database makes it itself",
                        untrusted::name(&field.name),
                        job.into
                    ),
                );
            }
            Some(column) => {
                if let Some(what) = misfit(job, field, column) {
                    problem("transforms", what);
                }
            }
        }
    }
    for column in &table.columns {
        let filled = column.has_default
            || column.always_generated
            || output.iter().any(|field| field.name == column.name);
        if column.not_null && !filled {
            problem(
                "into",
                format!(
                    "column `{}` of {} is NOT NULL, has no default, and nothing fills it",
                    column.name, job.into
                ),
            );
        }
    }
    if table.row_security {
        let to_do = "COPY cannot load it; let the table's owner load, or a role with BYPASSRLS";
        problem("into", format!("row-level security of {} applies to this user: {to_do}", job.into));
    }
    if !table.can_insert {
        problem("into", format!("no permission to insert into {}: GRANT INSERT", job.into));
    }
    problems
}

/// Why a column's values do not load into the target's, or not as they are.
fn misfit(job: &Job, field: &Field, column: &Column) -> Option<String> {
    let (name, into) = (untrusted::name(&field.name), &job.into);
    let change = changes(field.ty, &column.base_udt, column.modifier);
    match (loads(field.ty, &column.base_udt), change) {
        (_, Some(_)) if job.round.contains(&field.name) => None,
        (Loads::No { hint }, _) => Some(format!(
            "column `{name}` is {} and does not load into {} ({into}): {hint}",
            field.ty, column.type_text
        )),
        (_, Some(change)) => Some(format!(
            "column `{name}` is {} and would be {change} by {} ({into}) without a word: make the column {}, or allow it with round = [\"{name}\"]",
            field.ty,
            column.type_text,
            loads::column(field.ty)
        )),
        (_, None) => None,
    }
}

impl Job {
    /// The names of the columns that reach the target.
    pub(crate) fn columns(&self) -> Vec<String> {
        self.path.chain.output().iter().map(|field| field.name.clone()).collect()
    }

    /// Takes note of what the target's columns make of our values' text.
    pub(crate) fn aim_at(&mut self, table: &TargetTable) {
        let output = self.path.chain.output().iter().enumerate();
        let vectors = output.filter(|(_, field)| {
            table.column(&field.name).is_some_and(|column| is_vector(field.ty, &column.base_udt))
        });
        let vectors = vectors.map(|(index, _)| index).collect();
        Arc::make_mut(&mut self.path).vectors = vectors;
    }

    /// Into which table, and how if not as usual: `public.t (upsert)`.
    pub(crate) fn target_and_mode(&self) -> String {
        match self.write {
            Mode::Append => self.into.clone(),
            mode => format!("{} ({})", self.into, mode.name()),
        }
    }

    /// Whether it reads standard input, which is another source each time.
    pub(crate) fn reads_stdin(&self) -> bool {
        self.units.iter().any(|unit| unit.unit.is_stdin())
    }
}

impl Problem {
    /// What is wrong, with its causes.
    pub(crate) fn text(&self) -> String {
        let mut text = self.kind.to_string();
        let mut cause = self.kind.source();
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    }

    /// Something about the target.
    pub(crate) fn target(key: &str, text: String) -> Problem {
        Problem { key: key.into(), kind: ProblemKind::Target(text) }
    }
}
