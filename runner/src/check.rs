//! `etl check`: finds every problem before a row moves.

use std::io::{self, Write};

use serde_json::json;

use crate::cli::{RecipeArgs, Voice};
use crate::copy::postgres::create_table::Creation;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::job::Job;
use crate::job_units::JobUnit;
use crate::output::print;
use crate::prepare::{Found, Prepared};
use crate::recipe::{self, Origin, Source};
use crate::source::Unit;
use crate::target::Destination;

/// Runs the command.
pub(crate) async fn check(args: &RecipeArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let prepared = match Prepared::new(args) {
        Err(Failure::Recipe(recipe::Error::Invalid(problems))) if voice.json => {
            print_unread(&problems)?;
            return Err(recipe::Error::Invalid(problems).into());
        }
        prepared => prepared?,
    };
    let found = prepared.find().await?;
    if voice.json {
        let lines = &prepared.recipe.lines;
        let problems: Vec<_> = found
            .problems
            .iter()
            .map(|problem| {
                json!({"key": problem.key, "line": lines.line_of(&problem.key), "problem": problem.text()})
            })
            .collect();
        let makes: Vec<_> = made(&found)
            .map(|(job, creation)| {
                json!({"into": job.into, "statement": creation.statement, "notes": creation.notes})
            })
            .collect();
        let json = json!({"name": prepared.recipe.name, "problems": problems, "makes": makes});
        print(&format!("{json}\n"))?;
    }
    if !found.problems.is_empty() {
        let failure = prepared.failure(found.problems);
        if !voice.json {
            let _ = writeln!(io::stderr(), "{}", failure.text());
        }
        return Ok(ExitCode::Problems);
    }
    if !voice.json && !voice.quiet {
        if let Source::Cassandra(settings) = &prepared.recipe.source
            && let Some(note) = settings.note()
        {
            let _ = writeln!(io::stderr(), "note: {note}");
        }
        if let Some(note) = &prepared.recipe.note {
            let _ = writeln!(io::stderr(), "note: {note}");
        }
        for note in found.database.iter().flat_map(|(connected, _)| &connected.notes) {
            let _ = writeln!(io::stderr(), "note: {note}");
        }
        for (job, creation) in made(&found) {
            let _ = writeln!(io::stderr(), "note: {} is missing: a run makes it, see `etl ddl`", job.into);
            for note in &creation.notes {
                let _ = writeln!(io::stderr(), "note: {}: {note}", job.into);
            }
        }
        print(&found.jobs.iter().map(told).collect::<String>())?;
    }
    Ok(ExitCode::Done)
}

/// A line about a table without problems.
fn told(job: &Job) -> String {
    let (reads, all) = (job.path.chain.reads().len(), job.path.fields.len());
    let makes = job.path.chain.output().len();
    format!(
        "{} -> {}: {}, {reads} of {all} columns read, {makes} columns loaded: no problem found\n",
        job.from,
        job.target_and_mode(),
        counted(&job.units)
    )
}

/// `1 file`, `3 files`, `1 table of a cluster`.
fn counted(units: &[JobUnit]) -> String {
    match units {
        [JobUnit { unit: Unit::Table(_), .. }] => "a table of a cluster".into(),
        [_] => "1 file".into(),
        more => format!("{} files", more.len()),
    }
}

/// The tables that a run would make; complete where there is no problem.
fn made(found: &Found) -> impl Iterator<Item = (&Job, &Creation)> {
    let complete = found.problems.is_empty();
    let destinations = found.database.iter().flat_map(|(_, destinations)| destinations);
    found.jobs.iter().zip(destinations).filter(move |_| complete).filter_map(|(job, destination)| {
        match destination {
            Destination::There(_) => None,
            Destination::ToMake(creation) => Some((job, creation)),
        }
    })
}

/// What is wrong with a recipe that could not be read, in the form of the other problems.
fn print_unread(problems: &[recipe::Problem]) -> Result<(), Failure> {
    let line = |origin: &Origin| match origin {
        Origin::File { place, .. } => place.map(|place| place.line),
        Origin::Variable(_) | Origin::Flag(_) | Origin::Nobody => None,
    };
    let problems: Vec<_> = problems
        .iter()
        .map(|problem| json!({"key": problem.key, "line": line(&problem.origin), "problem": problem.what}))
        .collect();
    print(&format!("{}\n", json!({"name": null, "problems": problems, "makes": []})))
}
