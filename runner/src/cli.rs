//! The command line: what can be typed. What it means is decided by each command's own file.

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

use crate::exit_code::ExitCode;
use crate::recipe_secret::is_misplaced;
use crate::units::ByteSize;

/// Moves tables into PostgreSQL-compatible databases as parallel COPY streams, through WebAssembly modules.
///
/// Every key of the recipe's sections run, target, source, transform and rejects can be set by the environment,
/// e.g. ETL_RUN__STREAMS=4. Exit codes: 0 done, 8 done with rejects, others in docs/exit-codes.md.
#[derive(Debug, Parser)]
#[command(name = "etl", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How much to say.
    #[command(flatten)]
    pub voice: Voice,
}

impl Cli {
    /// Reads the process's arguments. Help, version and mistakes are printed here; then the answer is the exit code.
    pub fn read() -> Result<Cli, ExitCode> {
        Cli::try_parse().map_err(|mut error| {
            hide_addresses(&mut error);
            // A closed output must not turn into another exit code.
            let _ = error.print();
            if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done }
        })
    }
}

/// An argument too many is shown by clap as it was typed, and an address among them may hold a password.
fn hide_addresses(error: &mut clap::Error) {
    let of_address = |(kind, value): (ContextKind, &ContextValue)| match value {
        ContextValue::String(text) if is_misplaced(text) => Some(kind),
        _ => None,
    };
    for kind in error.context().filter_map(of_address).collect::<Vec<_>>() {
        error.insert(kind, ContextValue::String("(an address)".into()));
    }
}

/// How much is said, and in which form.
#[derive(Clone, Copy, Debug, Args)]
pub struct Voice {
    /// Print the result as JSON on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress and no summary: only errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Say more: -v what is done, -vv why, -vvv everything. Never a row's values.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load, or continue what was begun: the same command again is always safe.
    Run(RunArgs),
    /// Find every problem before a row moves.
    Check(RecipeArgs),
    /// Show splits, streams and nodes without loading anything.
    Plan(RecipeArgs),
    /// Show what could not be loaded, by reason, or write all of it into a file.
    Rejects(RejectsArgs),
    /// Write a starting recipe for every table of a keyspace.
    Init(InitArgs),
    /// Print the statements that make the target's tables.
    Ddl(DdlArgs),
    /// Show what a module is, needs and makes.
    Inspect(InspectArgs),
}

/// Which migration: a recipe, or flags alone.
#[derive(Debug, Args)]
pub struct RecipeArgs {
    /// The recipe. Without it and without --from: recipe.toml in the current folder.
    pub recipe: Option<PathBuf>,
    /// Source: a CSV file, a glob, or `-` for standard input.
    #[arg(long, conflicts_with = "recipe", value_name = "PATH")]
    pub from: Option<String>,
    /// Target: postgres://…, a folder, or `-` for standard output. With a recipe: instead of its target.
    #[arg(long, value_name = "TARGET")]
    pub to: Option<String>,
    /// Table of the target, e.g. public.customers.
    #[arg(long, conflicts_with = "recipe", requires = "from", value_name = "TABLE")]
    pub into: Option<String>,
    /// A module for the rows to pass through; more than one in order. With a recipe: instead of its one table's
    /// transforms.
    #[arg(long, value_name = "MODULE")]
    pub transform: Vec<PathBuf>,
    /// The ledger's key of this migration. Default without a recipe: table and source.
    #[arg(long, conflicts_with = "recipe", requires = "from")]
    pub name: Option<String>,
    /// Target connections at once.
    #[arg(long, value_name = "N")]
    pub streams: Option<u32>,
    /// Bytes for the buffers of all streams, e.g. "64 MiB".
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// How many rows may be rejected.
    #[arg(long, value_name = "N", conflicts_with = "max_rejects_percent")]
    pub max_rejects: Option<u64>,
    /// How many per cent of the rows may be rejected.
    #[arg(long, value_name = "P")]
    pub max_rejects_percent: Option<f64>,
}

/// `etl run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which migration.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Forget what the ledger knows about this migration and load everything again. Deletes no row of a
    /// database (says how many stay there) unless the table's `truncate` says so, but its rejects, and the files that the load
    /// left in a folder; asks first.
    #[arg(long)]
    pub fresh: bool,
    /// Also load rows that were rejected and corrected: a file as `etl rejects --export` writes it. Each file once.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fresh", "from"])]
    pub rejects: Option<PathBuf>,
    /// Answer yes to every question.
    #[arg(long, short)]
    pub yes: bool,
    /// Write a report of the load as JSON. A file that is there is written over, unless it is one that is read.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// `etl rejects`.
#[derive(Debug, Args)]
pub struct RejectsArgs {
    /// Which migration.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Only this target table, as the recipe names it.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// How many rows are shown of each reason.
    #[arg(long, value_name = "N", default_value = "3", value_parser = value_parser!(u32).range(0..=100))]
    pub samples: u32,
    /// Write all rejects, whole, into this new file; `-` for standard output.
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// How they are written. Without it the file's ending says it; JSON Lines on standard output.
    #[arg(long, value_name = "HOW", requires = "export")]
    pub format: Option<ExportFormat>,
}

/// How rejects are written into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// An object on each line.
    Jsonl,
    /// One record each, with a header.
    Csv,
}

/// `etl ddl`.
#[derive(Debug, Args)]
pub struct DdlArgs {
    /// Which migration.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Columns' names: folded to lower case and quoted where they must be, or all in quotes as they are.
    #[arg(long, value_name = "HOW", default_value = "fold")]
    pub names: ColumnNames,
    /// Whose SQL. Without it: that of the target, if it can be reached, else PostgreSQL's.
    #[arg(long = "for", value_name = "TARGET")]
    pub target: Option<TargetKind>,
    /// Only for YugabyteDB: how many tablets each table begins with.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
    pub tablets: Option<u32>,
}

/// How columns are named.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ColumnNames {
    /// In lower case, quoted where they must be.
    Fold,
    /// As they are, in quotes.
    Quote,
}

/// Whose SQL is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TargetKind {
    /// PostgreSQL's.
    Postgresql,
    /// YugabyteDB's.
    Yugabytedb,
}

/// `etl init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The cluster and the keyspace: `cassandra://[user@]host[:port]/keyspace`. The password comes from the environment:
    /// ETL_SOURCE__CASSANDRA__PASSWORD.
    #[arg(value_name = "ADDRESS")]
    pub source: String,
    /// The file to write, which must not be there yet; `-` for standard output.
    #[arg(long, value_name = "FILE", default_value = "recipe.toml")]
    pub output: PathBuf,
}

/// `etl inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A .wasm file: a component or a plain core module.
    pub module: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
