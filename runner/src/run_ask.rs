//! What a run takes away before it loads a row, and the question about it: what `--fresh` forgets, and which tables are
//! emptied.
//!
//! Must not know: how it is done.

use std::io::{self, IsTerminal, Write};

use crate::cli::RunArgs;
use crate::copy::ledger::Standing;
use crate::copy::postgres::table::Table;
use crate::copy::postgres::write::Mode;
use crate::failure::Failure;
use crate::job::Job;
use crate::prepare::Found;
use crate::recipe::{Recipe, Target};
use crate::target::{self, Destination};
use crate::target_write::Emptying;
use crate::units::grouped;

/// Says what would be gone, and asks, unless `--yes` answers. Tells for each table of a database whether it is emptied.
pub(crate) async fn ask(found: &Found, recipe: &Recipe, args: &RunArgs) -> Result<Vec<Emptying>, Failure> {
    let mut question = Question { fresh: args.fresh, losses: Vec::new(), empties: false };
    let emptyings = question.about_tables(found, recipe).await?;
    if let (true, Target::Files(settings)) = (args.fresh, &recipe.target) {
        let folders = found.jobs.iter().map(|job| target::folder(&settings.dir, &job.into));
        let begun = folders.filter(|folder| folder.join("etl.json").exists());
        question.losses.extend(
            begun.map(|folder| format!("the files of the load before in {} go away", folder.display())),
        );
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
                Destination::There(table) if truncate || self.fresh => {
                    let standing = connected.standing(&recipe.name, table).await?;
                    self.about_table(job, table, &recipe.name, standing)
                }
                _ => Emptying::Never,
            });
        }
        Ok(emptyings)
    }

    fn about_table(&mut self, job: &Job, table: &Table, name: &str, standing: Option<Standing>) -> Emptying {
        if job.truncate.is_none() {
            self.losses.extend(standing.and_then(|standing| stays(job, table, name, &standing)));
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
        if !io::stdin().is_terminal() {
            let what = if self.fresh { "--fresh" } else { "truncate = \"first-run\"" };
            let text = format!("{what} asks, and there is no terminal to answer: add --yes");
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
