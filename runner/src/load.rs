//! A run, from the opened target to the report: adopt or cut files into splits, let streams load them, say what
//! happened.
//!
//! Must not know: the command line, and how its result is shown.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::copy;
use crate::copy::ledger::{Gate, Ledger, Standing, Started};
use crate::counters::{Counts, Live};
use crate::feed::{self, Feeder};
use crate::feed_adopt::{self, Adopted, Adopting};
use crate::job::Job;
use crate::progress::{Mode, Progress};
use crate::queue::Queue;
use crate::recipe::RunSettings;
use crate::report::{Ending, Report, Table};
use crate::stream::{self, Shared};
use crate::stream_session::set_aside;
use crate::target::{Begun, Target};
use crate::uncontinued::Uncontinued;
use crate::usage::Usage;

/// Well below the 30 seconds after which an owner that cannot be seen counts as dead.
const ALIVE_EVERY: Duration = Duration::from_secs(8);

/// How long a run that failed asks the ledger how it stands.
const LAST_WORDS: Duration = Duration::from_secs(10);

const LOOK_AT_NODES_EVERY: Duration = Duration::from_millis(200);
const LOOK_FOR_NODES_EVERY: Duration = Duration::from_secs(3);

/// What is to be loaded where.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The recipe's name.
    pub(crate) name: String,
    /// The recipe's folder.
    pub(crate) base: PathBuf,
    pub(crate) jobs: Vec<Job>,
    pub(crate) begun: Begun,
    /// Why the same command does not continue it, if so.
    pub(crate) uncontinued: Option<Uncontinued>,
}

/// What a run is asked to do besides its recipe.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) progress: Mode,
    /// When the process started.
    pub(crate) begun: Instant,
    /// Set from outside to end the run soon.
    pub(crate) stop: Arc<AtomicBool>,
}

/// What kept a run from its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Feed(#[from] feed::Error),
    #[error(transparent)]
    Stream(#[from] stream::Error),
    #[error(transparent)]
    Copy(#[from] copy::error::Error),
    #[error("internal error: {0}")]
    Internal(String),
}

/// How a run ended: the report always, and what failed if something did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) report: Report,
    pub(crate) error: Option<Error>,
}

/// Loads what is left of the tables.
pub(crate) async fn load(opened: Opened, run: &RunSettings, options: &Options) -> Result<Outcome, Error> {
    let Opened { name, base, jobs, begun: Begun { target, ledgers, started }, uncontinued } = opened;
    let streams = streams(run, &target);
    let gate = Gate::new(run.max_rejects());
    let mut files: Vec<Adopted> = Vec::new();
    let split_bytes = run.split_bytes.map(|size| size.0);
    let with = Adopting { gate: &gate, split_bytes, streams, base: &base, stop: &options.stop };
    for (table, (job, ledger)) in jobs.iter().zip(&ledgers).enumerate() {
        files.extend(feed_adopt::adopt(table, job, ledger, with).await?);
    }
    let before = started.iter().all(|started| matches!(started, Started::Finished(_)));
    // Who stopped it meanwhile left some of them out, which nobody looked at.
    let stopped = options.stop.load(Ordering::Relaxed);
    let nothing_left = !stopped && files.iter().all(Adopted::is_done);
    let live = Arc::new(Live::new(options.begun, target.addresses()));
    let shared = Arc::new(Shared {
        target,
        paths: jobs.iter().map(|job| Arc::clone(&job.path)).collect(),
        gate,
        queue: Queue::new(),
        live: Arc::clone(&live),
        stop: Arc::clone(&options.stop),
    });
    let progress = Progress::start(options.progress, Arc::clone(&live), total_bytes(&files));
    let result =
        if nothing_left || stopped { Ok(()) } else { load_files(&shared, &ledgers, files, streams).await };
    drop(progress);
    // A reader that went away has seen what it wanted.
    let (result, unread) = match result {
        Err(Error::Stream(stream::Error::Copy(copy::error::Error::ReaderGone))) => (Ok(()), true),
        result => (result, false),
    };
    let (standings, result) = if let Err(error) = result {
        // What went wrong first is the cause, and nobody waits long for more.
        let standings = timeout(LAST_WORDS, finish(&ledgers)).await;
        (standings.ok().and_then(Result::ok).unwrap_or_default(), Err(error))
    } else {
        match finish(&ledgers).await {
            Ok(standings) => {
                let verdict = judge(&shared.gate, &standings);
                (standings, verdict)
            }
            // Whoever continues hears how it stands.
            Err(Error::Copy(error)) if shared.stopped() && error.class().may_pass() => (Vec::new(), Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        }
    };
    let ending = match ending(&shared, &result, &standings, before && nothing_left) {
        _ if unread => Ending::Unread,
        Ending::Done if stopped => Ending::Stopped,
        ending => ending,
    };
    let mut report = Report::new(&name, ending, &live.snapshot(), live.rejects().groups());
    report.uncontinued = uncontinued;
    report.streams = streams as u64;
    let used = Usage::now();
    (report.cpu_seconds, report.peak_memory_bytes) = (used.cpu_seconds, used.peak_memory_bytes);
    report.tables = jobs.iter().zip(&standings).map(|(job, standing)| table(job, standing)).collect();
    Ok(Outcome { report, error: result.err() })
}

/// Rows on standard output come from one stream, or they would mix.
fn streams(run: &RunSettings, target: &Target) -> usize {
    match target {
        Target::Files(output) if output.folders.iter().any(|folder| folder.dir().is_none()) => 1,
        _ => run.streams as usize,
    }
}

/// How much there is to read, where all sizes are known and nothing was read before.
fn total_bytes(files: &[Adopted]) -> Option<u64> {
    files.iter().map(Adopted::bytes_left).sum()
}

/// Streams, and the thread that cuts files for them.
async fn load_files(
    shared: &Arc<Shared>,
    ledgers: &[Arc<Ledger>],
    files: Vec<Adopted>,
    streams: usize,
) -> Result<(), Error> {
    let most_splits = files.iter().map(Adopted::most_splits).fold(0, u64::saturating_add);
    let feeder = {
        let (shared, ledgers, handle) = (Arc::clone(shared), ledgers.to_vec(), Handle::current());
        let feed = move || {
            let (queue, stop) = (&shared.queue, &*shared.stop);
            let _ends = EndsWithMe(&shared);
            Feeder { ledgers: &ledgers, queue, stop, handle: &handle, streams }.feed(files)
        };
        thread::Builder::new().name("etl-tiling".into()).spawn(feed)
    };
    let feeder = feeder.map_err(|error| Error::Internal(format!("no thread for tiling: {error}")))?;
    let mut beside = JoinSet::new();
    beside.spawn(say_alive(Arc::clone(shared)));
    beside.spawn(probe_nodes(Arc::clone(shared)));
    beside.spawn(find_nodes(Arc::clone(shared)));
    let mut running = JoinSet::new();
    for number in 0..streams.min(usize::try_from(most_splits).unwrap_or(usize::MAX)) {
        running.spawn(stream::run(Arc::clone(shared), number));
    }
    let mut result = Ok(());
    while let Some(ended) = running.join_next().await {
        let ended = match ended {
            Ok(ended) => ended.map_err(Error::from),
            // The hook has told where; what else a panic says may hold values of rows.
            Err(_panic) => Err(Error::Internal("a stream ended unexpectedly".into())),
        };
        if ended.is_err() {
            shared.stop.store(true, Ordering::Relaxed);
            shared.queue.clear();
        }
        // The first error is the cause of the others.
        result = result.and(ended);
    }
    drop(beside);
    let fed = tokio::task::spawn_blocking(move || feeder.join()).await;
    match fed {
        Ok(Ok(fed)) => fed.map_err(Error::from).and(result),
        _ => result.and(Err(Error::Internal("the tiling thread ended unexpectedly".into()))),
    }
}

/// Ends the run when the thread that holds it panics: streams must not wait for splits that nobody cuts.
struct EndsWithMe<'a>(&'a Shared);

impl Drop for EndsWithMe<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop.store(true, Ordering::Relaxed);
            self.0.queue.clear();
        }
    }
}

/// Tells other processes now and then that this one lives; those on other servers cannot see its connections.
async fn say_alive(shared: Arc<Shared>) {
    let Target::Postgres(database) = &shared.target else { return };
    loop {
        tokio::time::sleep(ALIVE_EVERY).await;
        let held = database.control.current();
        for table in &database.tables {
            let touched = timeout(ALIVE_EVERY, table.plan.touch(held.link(), &database.owner)).await;
            if touched.is_ok_and(|touched| touched.is_ok()) {
                continue;
            }
            tracing::warn!(
                "cannot tell other processes that this one lives: opening another control connection"
            );
            if let Err(error) = database.control.renew(&held).await {
                tracing::warn!(%error, "no control connection");
            }
            break;
        }
    }
}

/// Looks for nodes that the cluster has by now.
async fn find_nodes(shared: Arc<Shared>) {
    let Target::Postgres(database) = &shared.target else { return };
    loop {
        tokio::time::sleep(LOOK_FOR_NODES_EVERY).await;
        // What cannot be asked now is asked next time.
        let known = database.nodes();
        let Ok(found) = database.control.new_nodes(&known).await else { continue };
        // A server that lists no nodes never will.
        let Some(found) = found else { return };
        for node in found {
            tracing::info!(node = node.name(), "a new node");
            shared.live.add_node(node.address());
            database.add_node(node);
        }
    }
}

/// Probes the nodes that were set aside, and lets streams go to those that are back.
async fn probe_nodes(shared: Arc<Shared>) {
    let mut probes = JoinSet::new();
    loop {
        tokio::time::sleep(LOOK_AT_NODES_EVERY).await;
        while probes.try_join_next().is_some() {}
        let Target::Postgres(database) = &shared.target else { return };
        let due = database.placement().due(Instant::now());
        for node in due {
            probes.spawn(probe_node(Arc::clone(&shared), node));
        }
    }
}

async fn probe_node(shared: Arc<Shared>, node: usize) {
    let Target::Postgres(database) = &shared.target else { return };
    match database.cluster.probe(&database.node(node), 1).await {
        Ok(()) => {
            tracing::info!(node = database.node(node).name(), "node is back");
            database.placement().restore(node);
        }
        Err(error) => set_aside(database, node, &error),
    }
}

/// Marks finished tables as such, and answers how each one stands.
async fn finish(ledgers: &[Arc<Ledger>]) -> Result<Vec<Standing>, Error> {
    let mut standings = Vec::new();
    for ledger in ledgers {
        standings.push(ledger.finish().await?);
    }
    Ok(standings)
}

/// Judges the rejects of a load of which nothing is left, those of other processes too.
fn judge(gate: &Gate, standings: &[Standing]) -> Result<(), Error> {
    if standings.iter().any(|standing| standing.finished.is_none()) {
        return Ok(());
    }
    let rows = |count: fn(&Counts) -> u64| standings.iter().map(|standing| count(&standing.counts)).sum();
    Ok(gate.judge(rows(|counts| counts.read), rows(|counts| counts.rejected))?)
}

fn ending(shared: &Shared, result: &Result<(), Error>, standings: &[Standing], before: bool) -> Ending {
    let all_done = !standings.is_empty() && standings.iter().all(|standing| standing.finished.is_some());
    match result {
        Err(_) => Ending::Failed,
        Ok(()) if before => Ending::AlreadyDone,
        Ok(()) if all_done => Ending::Done,
        Ok(()) if shared.stop.load(Ordering::Relaxed) => Ending::Stopped,
        Ok(()) => Ending::Busy,
    }
}

fn table(job: &Job, standing: &Standing) -> Table {
    Table {
        from: job.from.clone(),
        into: job.into.clone(),
        write: job.write.name(),
        splits: standing.splits.0,
        splits_done: standing.splits.1,
        rows: standing.counts.into(),
        shaped_by: job.shaping.clone(),
    }
}
