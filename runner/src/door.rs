//! Where a process comes in and its exit code goes out.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::panic::{self, AssertUnwindSafe, Location};
use std::time::Instant;

use tokio::runtime::Runtime;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::check::check;
use crate::cli::{Cli, Command, Voice};
use crate::ddl::ddl;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::init::init;
use crate::inspect::inspect;
use crate::plan::plan;
use crate::prepare::SHUTDOWN_LIMIT;
use crate::rejects::rejects;
use crate::run::run;

/// Threads that drive connections, timers and signals; workers have threads of their own.
const RUNTIME_THREADS: usize = 2;

/// Runs the command line; `begun` is when the process started.
pub fn main(begun: Instant) -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        let mut err = io::stderr();
        // Its message may hold values of rows: what was cut, parsed or compared when it went wrong.
        let _ = writeln!(err, "{}", told(panic.location()));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            let _ = writeln!(err, "{backtrace}");
        }
    }));
    panic::catch_unwind(|| answer(begun)).unwrap_or(ExitCode::Internal)
}

/// What is said of a panic.
fn told(place: Option<&Location<'_>>) -> String {
    let place = place.map_or("an unknown place".into(), Location::to_string);
    format!("error: internal error: etl panicked at {place}: this is a mistake of etl, please report it")
}

fn answer(begun: Instant) -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    log_to_stderr(cli.voice);
    match command(&cli, begun) {
        Ok(code) => code,
        Err(failure) => {
            let mut err = io::stderr();
            // A closed standard error must not turn into another exit code.
            let _ = writeln!(err, "{}", failure.text());
            if let Some(hint) = failure.hint() {
                let _ = writeln!(err, "hint: {hint}");
            }
            failure.exit_code()
        }
    }
}

fn command(cli: &Cli, begun: Instant) -> Result<ExitCode, Failure> {
    let runtime = || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build();
        runtime.map_err(|error| Failure::Internal(format!("cannot start threads: {error}")))
    };
    let voice = cli.voice;
    match &cli.command {
        Command::Run(args) => wait(runtime()?, run(args, voice, begun)),
        Command::Check(args) => wait(runtime()?, check(args, voice)),
        Command::Plan(args) => wait(runtime()?, plan(args, voice)),
        Command::Rejects(args) => wait(runtime()?, rejects(args, voice)),
        Command::Init(args) => wait(runtime()?, init(args, voice)),
        Command::Ddl(args) => wait(runtime()?, ddl(args, voice)),
        Command::Inspect(args) => inspect(args, voice),
    }
}

fn wait(
    runtime: Runtime,
    command: impl Future<Output = Result<ExitCode, Failure>>,
) -> Result<ExitCode, Failure> {
    let result = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(command)));
    // Also after a panic: a runtime that is dropped waits for its threads for ever.
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    result.unwrap_or_else(|panic| panic::resume_unwind(panic))
}

/// Warnings always, more with -v; `ETL_LOG` takes a filter of the `tracing` crates.
fn log_to_stderr(voice: Voice) {
    let level = match (voice.quiet, voice.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    let filter = std::env::var("ETL_LOG").unwrap_or_else(|_| format!("etl={level}"));
    // Colours are for terminals, and for those who like them (no-color.org).
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    // Only the first subscriber of a process counts; there is no other.
    let _ = tracing::subscriber::set_global_default(log(&filter, colours, io::stderr));
}

/// What `filter` lets through of our own words. Those of drivers are left out, whatever it says: they may hold values of
/// rows, their spans too.
fn log<W>(filter: &str, colours: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("etl=warn"));
    let ours = filter_fn(|metadata| metadata.target().split("::").next() == Some("etl"));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colours)
        .with_target(false)
        .without_time()
        .with_filter(filter.and(ours));
    tracing_subscriber::registry().with(layer)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn drivers_say_nothing_in_the_log_whatever_the_filter_lets_through() {
        for filter in ["trace", "scylla=trace,etl=trace", "[{key}]=trace,etl=info"] {
            let paper = Paper::default();
            let writer = paper.clone();
            let log = log(filter, false, move || writer.clone());
            tracing::subscriber::with_default(log, || {
                let span = tracing::trace_span!(target: "scylla::session", "query", key = "hush");
                let _in = span.enter();
                tracing::error!(target: "scylla::connection", "hush");
                tracing::info!(target: "etl_other", "hush");
                tracing::info!(target: "etl::stream", "ours");
            });
            let said = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
            assert!(said.contains("ours") && !said.contains("hush"), "{filter}: {said}");
        }
    }
}
