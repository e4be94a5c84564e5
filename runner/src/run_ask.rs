//! What a run takes away before it loads a row, and the question about it: what `--fresh` and standard input forget, and
//! which tables are emptied.
//!
//! Must not know: how it is done.

use std::io::{self, IsTerminal, Write};

use crate::cli::RunArgs;
use crate::copy::ledger::Standing;
use crate::copy::postgres::table::Table;
use crate::copy::postgres::write::Mode;
use crate::failure::Failure;
use crate::folders::{self, Kept};
use crate::job::{Job, STDIN};
use crate::prepare::Found;
use crate::recipe::{Recipe, Target};
use crate::target::{Destination, Held};
use crate::target_write::Emptying;
use crate::units::grouped;

/// Says what would be gone, and asks, unless `--yes` answers. Tells for each table of a database whether it is emptied.
pub(crate) async fn ask(found: &Found, recipe: &Recipe, args: &RunArgs) -> Result<Vec<Emptying>, Failure> {
    let stdin = found.jobs.iter().any(Job::reads_stdin);
    let mut question = Question { fresh: args.fresh, stdin, losses: Vec::new(), empties: false };
    let emptyings = question.about_tables(found, recipe).await?;
    if let Target::Files(settings) = &recipe.target {
        for job in &found.jobs {
            let kept = folders::kept(&settings.dir, &recipe.name, job)?;
            question.losses.extend(kept.and_then(|kept| files_go(&kept, job, args.fresh)));
        }
    }
    if !args.yes {
        return question.ask().map(|()| emptyings);
    }
    let confirmed = emptyings.into_iter().map(|emptying| match emptying {
        Emptying::AtFirst { .. } => Emptying::AtFirst { confirmed: true },
        other => other,
    });
    Ok(confirmed.collect())
}

/// What is asked about.
struct Question {
    fresh: bool,
    /// Standard input is a source: it answers nothing.
    stdin: bool,
    /// A line each.
    losses: Vec<String>,
    /// Whether a table is emptied.
    empties: bool,
}

impl Question {
    /// What a run means for each table of a database.
    async fn about_tables(&mut self, found: &Found, recipe: &Recipe) -> Result<Vec<Emptying>, Failure> {
        let Some((connected, destinations)) = &found.database else { return Ok(Vec::new()) };
        let mut emptyings = Vec::new();
        for (job, destination) in found.jobs.iter().zip(destinations) {
            let truncate = job.truncate.is_some();
            emptyings.push(match destination {
                Destination::ToMake(_) if truncate => Emptying::Made,
                Destination::There(table) if truncate || self.fresh || job.reads_stdin() => {
                    let held = connected.held(&recipe.name, table).await?;
                    self.about_table(job, table, &recipe.name, held)
                }
                _ => Emptying::Never,
            });
        }
        Ok(emptyings)
    }

    fn about_table(&mut self, job: &Job, table: &Table, name: &str, held: Option<Held>) -> Emptying {
        let (standing, sources, rejects) = match held {
            Some(Held { standing, sources, rejects }) => (standing, sources, rejects),
            None => (None, Vec::new(), 0),
        };
        if self.fresh && rejects > 0 {
            let rejects = counted(rejects, "reject");
            self.losses.push(format!(
                "{rejects} of `{name}` into {} go away: `etl rejects --export FILE` keeps them",
                table.qualified()
            ));
        }
        if job.truncate.is_none() {
            self.losses.extend(match self.fresh {
                true => standing.and_then(|standing| stays(job, table, name, &standing)),
                false => forgets_others(&sources, name, table),
            });
            return Emptying::Never;
        }
        let confirmed = self.fresh || standing.is_none();
        if confirmed {
            self.empties = true;
            self.losses.push(format!(
                "every row of {} goes away before the first one is loaded: truncate = \"first-run\"",
                table.qualified()
            ));
        }
        Emptying::AtFirst { confirmed }
    }

    fn ask(&self) -> Result<(), Failure> {
        if self.losses.is_empty() {
            return Ok(());
        }
        let mut err = io::stderr();
        for loss in &self.losses {
            let _ = writeln!(err, "{loss}");
        }
        if self.stdin || !io::stdin().is_terminal() {
            let what = match (self.fresh, self.stdin) {
                (true, _) => "--fresh asks",
                (false, true) => "standard input asks before it takes their place",
                (false, false) => "truncate = \"first-run\" asks",
            };
            let text = format!("{what}, and there is no terminal to answer: add --yes");
            return Err(Failure::Usage(text));
        }
        let question = match (self.fresh, self.empties) {
            (true, false) => "Forget what the ledger knows and load everything again?",
            (true, true) => {
                "Forget what the ledger knows, empty what is named above and load everything again?"
            }
            (false, _) => "Empty what is named above and load?",
        };
        let _ = write!(err, "{question} [y/N] ");
        let _ = err.flush();
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        match (read, answer.trim()) {
            (Ok(_), "y" | "Y" | "yes") => Ok(()),
            _ => Err(Failure::Usage("not confirmed: nothing was touched".into())),
        }
    }
}

/// What starting over means for a table that was begun, and is not emptied.
fn stays(job: &Job, table: &Table, name: &str, standing: &Standing) -> Option<String> {
    // What was skipped is not ours.
    let rows = standing.counts.written.checked_sub(standing.counts.skipped).filter(|rows| *rows > 0)?;
    let then = match job.write {
        Mode::Append => "they will be there twice, unless you delete them",
        Mode::Skip => "rows with their keys will be skipped",
        Mode::Upsert => "rows with their keys will overwrite them",
    };
    Some(format!("{} rows that `{name}` loaded stay in {}: {then}", grouped(rows), table.qualified()))
}

/// Standard input in place of files: what the ledger knows of those is forgotten with the load before.
fn forgets_others(sources: &[String], name: &str, table: &Table) -> Option<String> {
    let others = sources.iter().filter(|source| *source != STDIN).count() as u64;
    (others > 0).then(|| {
        let (others, table) = (counted(others, "source"), table.qualified());
        format!(
            "the ledger forgets what `{name}` loaded of {others} into {table}: they would be loaded again"
        )
    })
}

/// What goes away of a folder: with `--fresh` whatever a load before began there; with standard input, which is another
/// source each time, what it finished.
fn files_go(kept: &Kept, job: &Job, fresh: bool) -> Option<String> {
    let Kept { folder, held } = kept;
    let rejected = held.standing.counts.rejected;
    let finished = held.standing.splits.1 > 0 || held.sources.iter().any(|source| source != STDIN);
    let rejects =
        if rejected > 0 { format!(", with {}", counted(rejected, "reject")) } else { String::new() };
    (fresh || job.reads_stdin() && finished)
        .then(|| format!("the files of the load before in {} go away{rejects}", folder.display()))
}

/// `1 reject`, `2,000 rejects`.
fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}
