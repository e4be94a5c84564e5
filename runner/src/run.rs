//! `etl run`: load, or continue.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{RunArgs, Voice};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::job::Job;
use crate::job_corrected;
use crate::load::{self, Opened, Options, Outcome};
use crate::prepare::{Found, Prepared};
use crate::progress::Mode;
use crate::recipe::Target;
use crate::report::{Ending, Report};
use crate::run_ask;
use crate::target::{self, Destination};

/// More connections than this are rarely what a database wants.
const MANY_STREAMS: u32 = 100;

/// Runs the command.
pub(crate) async fn run(args: &RunArgs, voice: Voice, begun: Instant) -> Result<ExitCode, Failure> {
    let (stop, loading) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    stop_on_signals(Arc::clone(&stop), Arc::clone(&loading))?;
    let prepared = Prepared::new(&args.recipe)?;
    let recipe = &prepared.recipe;
    let mut found = prepared.find().await?;
    if let (true, Some(path)) = (found.problems.is_empty(), &args.rejects) {
        if found.jobs.iter().any(Job::reads_stdin) {
            return Err(Failure::Usage(
                "--rejects needs a source that can be looked at again, not `-`".into(),
            ));
        }
        found.problems.extend(job_corrected::add(&mut found.jobs, path, &recipe.base).err());
    }
    if !found.problems.is_empty() {
        return Err(prepared.failure(found.problems));
    }
    let notes = found.database.as_ref().map(|(connected, _)| connected.notes.clone()).unwrap_or_default();
    if !voice.quiet {
        let notes: Vec<String> = recipe.note.iter().cloned().chain(notes).collect();
        tell_notes(&notes, recipe.run.streams);
    }
    let emptyings = run_ask::ask(&found, recipe, args).await?;
    let Found { mut jobs, database, .. } = found;
    let opened_target = match (database, &recipe.target) {
        (Some((connected, destinations)), _) => {
            if !voice.quiet {
                tell_made(&jobs, &destinations);
            }
            let tables = prepared.make_tables(&connected, &mut jobs, destinations).await?;
            connected.begin(&recipe.name, &jobs, &tables, &emptyings, args.fresh, Arc::clone(&stop)).await?
        }
        (None, Target::Files(settings)) => target::files(&settings.dir, &recipe.name, &jobs, args.fresh)?,
        (None, Target::Postgres(_)) => return Err(Failure::Internal("no database".into())),
    };
    let options = Options { progress: Mode::choose(voice.quiet), begun, stop };
    let opened = Opened { name: recipe.name.clone(), jobs, begun: opened_target };
    loading.store(true, Ordering::Relaxed);
    let Outcome { report, error } = load::load(opened, &recipe.run, &options).await?;
    let shown = show(&report, args, voice);
    // What went wrong with the rows counts more than a report that cannot be written.
    match error {
        Some(error) => Err(error.into()),
        None => shown.map(|()| exit_code(&report)),
    }
}

fn exit_code(report: &Report) -> ExitCode {
    let rejected = report.tables.iter().any(|table| table.rows.rejected > 0);
    match report.ending {
        Ending::Done | Ending::AlreadyDone if rejected => ExitCode::DoneWithRejects,
        Ending::Done | Ending::AlreadyDone => ExitCode::Done,
        Ending::Stopped => ExitCode::Interrupted,
        Ending::Busy => ExitCode::Busy,
        Ending::Failed => ExitCode::Internal,
    }
}

/// The first signal ends the run soon: chunks in hand are ended or rolled back. The second one ends it at once, as the
/// first one does before there are any: the server rolls back what is open.
fn stop_on_signals(stop: Arc<AtomicBool>, loading: Arc<AtomicBool>) -> Result<(), Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::Internal(format!("cannot listen to signals: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let loads = loading.load(Ordering::Relaxed);
            if !loads {
                let _ = writeln!(io::stderr(), "stopped before anything was loaded");
            }
            if stop.swap(true, Ordering::Relaxed) || !loads {
                std::process::exit(ExitCode::Interrupted as i32);
            }
            let _ = writeln!(io::stderr(), "stopping: ending the chunks in hand (once more: stop at once)");
        }
    });
    Ok(())
}

fn tell_notes(notes: &[String], streams: u32) {
    let mut err = io::stderr();
    for note in notes {
        let _ = writeln!(err, "note: {note}");
    }
    if streams > MANY_STREAMS {
        let _ = writeln!(
            err,
            "note: {streams} streams are many connections: does the target have that many to spare?"
        );
    }
}

/// Says which tables are made.
fn tell_made(jobs: &[Job], destinations: &[Destination]) {
    let mut err = io::stderr();
    for (job, destination) in jobs.iter().zip(destinations) {
        let Destination::ToMake(creation) = destination else { continue };
        let _ = writeln!(err, "note: {} is missing and is made", job.into);
        for note in &creation.notes {
            let _ = writeln!(err, "note: {}: {note}", job.into);
        }
    }
}

fn show(report: &Report, args: &RunArgs, voice: Voice) -> Result<(), Failure> {
    let json = || serde_json::to_string_pretty(report).map_err(|error| Failure::Internal(error.to_string()));
    if let Some(path) = &args.report {
        std::fs::write(path, json()? + "\n")
            .map_err(|source| Failure::Output { what: path.display().to_string(), source })?;
    }
    if voice.json {
        let _ = writeln!(io::stdout(), "{}", json()?);
    } else if !voice.quiet {
        let _ = write!(io::stderr(), "{}", report.summary());
    }
    if matches!(report.ending, Ending::Stopped | Ending::Busy | Ending::Failed) && !voice.quiet {
        let _ = writeln!(io::stderr(), "continue with: {}", command_line());
    }
    Ok(())
}

/// The command that was typed, without `--fresh`, which would begin again.
fn command_line() -> String {
    let words = std::env::args().filter(|word| word != "--fresh").map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
