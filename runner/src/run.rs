//! `etl run`: load, or continue.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{RunArgs, Voice};
use crate::exit_code::ExitCode;
use crate::failure::{Broken, Failure};
use crate::job::Job;
use crate::load::{self, Opened, Options, Outcome};
use crate::prepare::{Found, Prepared};
use crate::progress::Mode;
use crate::recipe::{Recipe, Target};
use crate::report::{Ending, Report};
use crate::run_report::ReportFile;
use crate::target::{self, Destination};
use crate::transform::Step;
use crate::uncontinued::Uncontinued;
use crate::{job_corrected, output, run_ask};

/// More connections than this are rarely what a database wants.
const MANY_STREAMS: u32 = 100;

/// Runs the command.
pub(crate) async fn run(args: &RunArgs, voice: Voice, begun: Instant) -> Result<ExitCode, Failure> {
    let (stop, loading) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    stop_on_signals(Arc::clone(&stop), Arc::clone(&loading))?;
    let prepared = Prepared::new(&args.recipe)?;
    let recipe = &prepared.recipe;
    refuse_two_on_stdout(recipe, voice)?;
    let mut found = prepared.find().await?;
    if found.problems.is_empty() {
        add_corrected(&mut found, recipe, args)?;
    }
    if !found.problems.is_empty() {
        return Err(prepared.failure(found.problems));
    }
    let report_file = report_file(args, recipe, &found.jobs)?;
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
    let uncontinued = uncontinued(&jobs, &recipe.target);
    let (name, base) = (recipe.name.clone(), recipe.base.clone());
    let opened = Opened { name, base, jobs, begun: opened_target, uncontinued };
    let failure = |error| Failure::Load(Broken { error, uncontinued });
    loading.store(true, Ordering::Relaxed);
    let Outcome { report, error } = load::load(opened, &recipe.run, &options).await.map_err(failure)?;
    match (error, show(&report, report_file, voice)) {
        // What went wrong with the rows counts more than a report that cannot be written.
        (Some(error), shown) => {
            if let Err(more) = shown {
                let _ = writeln!(io::stderr(), "{}", more.text());
            }
            Err(failure(error))
        }
        (None, shown) => shown.map(|()| exit_code(&report)),
    }
}

/// Rows and a report in one stream are neither.
fn refuse_two_on_stdout(recipe: &Recipe, voice: Voice) -> Result<(), Failure> {
    match &recipe.target {
        Target::Files(settings) if voice.json && settings.is_stdout() => Err(Failure::Usage(
            "--json prints the report where the rows go: write it into a file with --report".into(),
        )),
        _ => Ok(()),
    }
}

/// Adds the file of `--rejects` to the tables that it is for.
fn add_corrected(found: &mut Found, recipe: &Recipe, args: &RunArgs) -> Result<(), Failure> {
    let Some(path) = &args.rejects else { return Ok(()) };
    if found.jobs.iter().any(Job::reads_stdin) {
        let text = "--rejects needs a source that can be looked at again, not `-`";
        return Err(Failure::Usage(text.into()));
    }
    let destinations = found.database.as_ref().map_or(&[][..], |(_, destinations)| destinations);
    found.problems.extend(job_corrected::add(&mut found.jobs, destinations, path, &recipe.base).err());
    Ok(())
}

/// Opens what `--report` names, unless it is a file that is read.
fn report_file(args: &RunArgs, recipe: &Recipe, jobs: &[Job]) -> Result<Option<ReportFile>, Failure> {
    let Some(path) = &args.report else { return Ok(None) };
    let modules = recipe.tables.iter().flat_map(|table| &table.transforms).filter_map(|step| match step {
        Step::Module { module, .. } => Some(module.as_path()),
        _ => None,
    });
    let sources = jobs.iter().flat_map(|job| &job.units).filter_map(|unit| unit.unit.path());
    let used = recipe.file.as_deref().into_iter().chain(modules).chain(sources);
    ReportFile::open(path, used).map(Some)
}

/// Why the same command would not continue this load, if so.
fn uncontinued(jobs: &[Job], target: &Target) -> Option<Uncontinued> {
    match target {
        _ if jobs.iter().any(Job::reads_stdin) => Some(Uncontinued::Stdin),
        Target::Files(settings) if settings.is_stdout() => Some(Uncontinued::Stdout),
        _ => None,
    }
}

fn exit_code(report: &Report) -> ExitCode {
    let rejected = report.tables.iter().any(|table| table.rows.rejected > 0);
    match report.ending {
        Ending::Done | Ending::AlreadyDone if rejected => ExitCode::DoneWithRejects,
        Ending::Done | Ending::AlreadyDone | Ending::Unread => ExitCode::Done,
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

/// Says everything, whatever of it cannot be written.
fn show(report: &Report, file: Option<ReportFile>, voice: Voice) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(report).map_err(|error| Failure::Internal(error.to_string()))?;
    let json = json + "\n";
    let written = file.map_or(Ok(()), |file| file.write(&json));
    let mut printed = Ok(());
    if voice.json {
        printed = output::print(&json);
    } else if !voice.quiet {
        let _ = write!(io::stderr(), "{}", report.summary());
    }
    if matches!(report.ending, Ending::Stopped | Ending::Busy | Ending::Failed) && !voice.quiet {
        let _ = match report.uncontinued {
            Some(why) => writeln!(io::stderr(), "{}", why.told()),
            None => writeln!(io::stderr(), "continue with: {}", command_line()),
        };
    }
    written.and(printed)
}

/// The command that was typed, without `--fresh`, which would begin again.
fn command_line() -> String {
    // Whatever bytes a shell hands over: such a word is shown, if not as it was.
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let words = words.filter(|word| word != "--fresh").map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
