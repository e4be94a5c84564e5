//! What all commands on a recipe begin with: read it, start the engine, make its tables ready, connect.
//!
//! Must not know: what is done with it then.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::RecipeArgs;
use crate::copy::postgres::environment::Environment;
use crate::copy::postgres::table::Table;
use crate::failure::Failure;
use crate::folders;
use crate::job::{self, Job, Problem};
use crate::memory::Memory;
use crate::recipe::{Flags, Recipe, Source, Target};
use crate::source;
use crate::source::cassandra::Cluster;
use crate::target::{Connected, Destination};
use crate::transform::Engine;

/// A recipe that was read, with its engine.
pub(crate) struct Prepared {
    pub(crate) recipe: Recipe,
    /// The key of the recipe's file that names the target; empty where a flag or a variable does.
    target_key: &'static str,
    pub(crate) engine: Engine,
}

/// What was found out about its tables; `jobs` and `tables` are complete only if there is no problem.
pub(crate) struct Found {
    pub(crate) jobs: Vec<Job>,
    /// Without files as the target, `None`.
    pub(crate) database: Option<(Connected, Vec<Destination>)>,
    pub(crate) problems: Vec<Problem>,
}

impl Prepared {
    /// Reads the recipe that the command line names, with environment and flags laid over it.
    pub(crate) fn new(args: &RecipeArgs) -> Result<Prepared, Failure> {
        let folder = std::env::current_dir()
            .map_err(|error| Failure::Usage(format!("there is no working directory: {error}")))?;
        let flags = flags(args, folder);
        let recipe = match (&args.recipe, &args.from) {
            (Some(path), _) => Recipe::load(path, std::env::vars_os(), &flags)?,
            (None, Some(_)) => Recipe::from_flags(std::env::vars_os(), &flags)?,
            (None, None) => Recipe::load(&PathBuf::from("recipe.toml"), std::env::vars_os(), &flags)?,
        };
        let engine = Engine::new(&recipe.transform, cache_folder())?;
        let elsewhere = args.to.is_some() || std::env::var_os("ETL_TARGET__POSTGRES__URL").is_some();
        let target_key = if elsewhere { "" } else { "target.postgres.url" };
        Ok(Prepared { recipe, engine, target_key })
    }

    /// Makes the tables ready while the target is connected to, and matches both.
    pub(crate) async fn find(&self) -> Result<Found, Failure> {
        let jobs = self.jobs();
        let connected = async {
            match &self.recipe.target {
                Target::Postgres(settings) => {
                    Connected::open(settings, &Environment::of_the_process()).await.map(Some)
                }
                Target::Files(_) => Ok(None),
            }
        };
        let (jobs, connected) = tokio::join!(jobs, connected);
        let (mut ready, mut problems) = (Vec::new(), Vec::new());
        for job in jobs? {
            match job {
                Ok(job) => ready.push(Some(job)),
                Err(problem) => {
                    ready.push(None);
                    problems.push(problem);
                }
            }
        }
        let connected = match connected {
            Ok(connected) => connected,
            // Without a target the recipe's own problems are still worth knowing.
            Err(error) => {
                problems.push(Problem { key: self.target_key.into(), kind: error.into() });
                None
            }
        };
        let database = match connected {
            Some(connected) => Some(match_tables(connected, &ready, &mut problems).await?),
            None => None,
        };
        if let Target::Files(settings) = &self.recipe.target {
            problems.extend(folders::problems(&settings.dir, &self.recipe.name, &ready));
        }
        Ok(Found { jobs: ready.into_iter().flatten().collect(), database, problems })
    }

    /// Each table made ready, or what is wrong with it; a cluster that does not answer is one problem.
    pub(crate) async fn jobs(&self) -> Result<Vec<Result<Job, Problem>>, Failure> {
        let cluster = match &self.recipe.source {
            Source::Csv(_) => None,
            Source::Cassandra(settings) => match Cluster::open(settings).await {
                Ok(cluster) => Some(Arc::new(cluster)),
                Err(error) => {
                    let kind = source::Error::from(error).into();
                    return Ok(vec![Err(Problem { key: "source.cassandra".into(), kind })]);
                }
            },
        };
        let (recipe, engine) = (self.recipe.clone(), self.engine.clone());
        let memory = Memory::new(recipe.run.memory.0, recipe.run.streams as usize);
        let prepare = move || {
            let tables = 0..recipe.tables.len();
            tables
                .map(|index| job::prepare(&recipe, index, &engine, cluster.as_ref(), &memory))
                .collect::<Vec<_>>()
        };
        let prepared = tokio::task::spawn_blocking(prepare).await;
        // The hook has told where; what else a panic says may hold values of rows.
        prepared.map_err(|_panic| Failure::Internal("a table's preparation ended unexpectedly".into()))
    }

    /// The target tables that `jobs` are aimed at, of which those that are missing are made now.
    pub(crate) async fn make_tables(
        &self,
        connected: &Connected,
        jobs: &mut [Job],
        destinations: Vec<Destination>,
    ) -> Result<Vec<Table>, Failure> {
        let (mut tables, mut problems): (Vec<Table>, Vec<Problem>) = (Vec::new(), Vec::new());
        for (index, (job, destination)) in jobs.iter_mut().zip(destinations).enumerate() {
            let table = match destination {
                Destination::There(table) => *table,
                Destination::ToMake(creation) => connected.make(index, job, &creation, &mut problems).await?,
            };
            refuse_twice(index, job, &table, &tables, &mut problems);
            job.aim_at(&table);
            tables.push(table);
        }
        if problems.is_empty() { Ok(tables) } else { Err(self.failure(problems)) }
    }

    /// The problems as a failure, with their lines in the recipe.
    pub(crate) fn failure(&self, problems: Vec<Problem>) -> Failure {
        let file = self.recipe.file.as_ref().map(|file| file.display().to_string());
        Failure::Problems { problems, lines: self.recipe.lines.clone(), file }
    }
}

async fn match_tables(
    connected: Connected,
    jobs: &[Option<Job>],
    problems: &mut Vec<Problem>,
) -> Result<(Connected, Vec<Destination>), Failure> {
    let mut destinations = Vec::new();
    let mut tables: Vec<Table> = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        let Some(job) = job else { continue };
        let Some(destination) = connected.table(index, job, problems).await? else { continue };
        if let Destination::There(table) = &destination {
            refuse_twice(index, job, table, &tables, problems);
            tables.push(Table::clone(table));
        }
        destinations.push(destination);
    }
    Ok((connected, destinations))
}

/// Two names can mean one table.
fn refuse_twice(index: usize, job: &Job, table: &Table, others: &[Table], problems: &mut Vec<Problem>) {
    if others.iter().any(|other| other.oid == table.oid) {
        let text = format!("{} is the target of another table of this recipe too", job.into);
        problems.push(Problem::target(&format!("tables[{index}].into"), text));
    }
}

fn flags(args: &RecipeArgs, folder: PathBuf) -> Flags {
    let mut set = Vec::new();
    let mut push = |flag: &str, key: &str, value: Option<String>| {
        set.extend(value.map(|value| (flag.to_string(), key.to_string(), value)));
    };
    push("--streams", "run.streams", args.streams.map(|streams| streams.to_string()));
    push("--memory", "run.memory", args.memory.map(|memory| memory.to_string()));
    push("--max-rejects", "run.max_rejects", args.max_rejects.map(|rows| rows.to_string()));
    push(
        "--max-rejects-percent",
        "run.max_rejects_percent",
        args.max_rejects_percent.map(|p| format!("{p:?}")),
    );
    Flags {
        folder,
        name: args.name.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        into: args.into.clone(),
        transforms: args.transform.clone(),
        set,
    }
}

/// Where compiled modules are kept: the user's cache folder.
fn cache_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("etl").join("modules"))
}

/// How long the tokio runtime may take to end what is still open.
pub(crate) const SHUTDOWN_LIMIT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_tables_of_a_run_share_one_pool_for_large_rows() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.csv"), "a\n1\n").unwrap();
        let table = |into: &str| format!("[[tables]]\nfrom = 'a.csv'\ninto = '{into}'\n");
        let text = format!("name = 'n'\n{}{}", table("one"), table("two"));
        let path = folder.path().join("r.toml");
        let recipe = Recipe::parse(text.as_bytes(), &path, folder.path(), [], &Flags::default()).unwrap();
        let engine = Engine::new(&recipe.transform, None).unwrap();
        let jobs = Prepared { recipe, target_key: "", engine }.jobs().await.unwrap_or_default();
        let [Ok(one), Ok(two)] = &jobs[..] else { panic!("{jobs:?}") };
        let loan = one.path.memory.borrow_pool().unwrap();
        assert!(two.path.memory.is_lent());
        drop(loan);
        assert!(!two.path.memory.is_lent());
    }
}
