//! Where a process comes in and its exit code goes out.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use tracing_subscriber::EnvFilter;

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
    if let Command::Inspect(args) = &cli.command {
        return inspect(args, cli.voice);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::Internal(format!("cannot start threads: {error}")))?;
    let result = match &cli.command {
        Command::Run(args) => runtime.block_on(run(args, cli.voice, begun)),
        Command::Check(args) => runtime.block_on(check(args, cli.voice)),
        Command::Plan(args) => runtime.block_on(plan(args, cli.voice)),
        Command::Rejects(args) => runtime.block_on(rejects(args, cli.voice)),
        Command::Init(args) => runtime.block_on(init(args, cli.voice)),
        Command::Ddl(args) => runtime.block_on(ddl(args, cli.voice)),
        Command::Inspect(args) => inspect(args, cli.voice),
    };
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    result
}

/// Warnings always, more with -v; `ETL_LOG` takes a filter of the `tracing` crates. Drivers' logs are left out:
/// they may hold values of rows.
fn log_to_stderr(voice: Voice) {
    let level = match (voice.quiet, voice.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_new(std::env::var("ETL_LOG").unwrap_or_else(|_| format!("etl={level}")));
    // Colours are for terminals, and for those who like them (no-color.org).
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new("etl=warn")))
        .with_writer(io::stderr)
        .with_ansi(colours)
        .with_target(false)
        .without_time()
        .finish();
    // Only the first subscriber of a process counts; there is no other.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
