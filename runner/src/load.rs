//! A run into a database, from the checked recipe to the report: connect, check, open the ledger, cut files into
//! splits, let streams load them, say what happened.
//!
//! Must not know: the command line, and how its result is shown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::copy;
use crate::copy::ledger::{Ledger, Standing, Started};
use crate::counters::Live;
use crate::feed::{self, Adopted, Feeder};
use crate::job::{self, Job, Problem};
use crate::progress::{Mode, Progress};
use crate::queue::Queue;
use crate::recipe::Recipe;
use crate::report::{self, Ending, Report};
use crate::stream::{self, Shared};
use crate::target::{self, Opened};
use crate::transform::Engine;

/// What a run is asked to do besides its recipe.
#[derive(Debug)]
pub(crate) struct Options {
    /// Forget what the ledger knows first.
    pub(crate) fresh: bool,
    /// How to show progress.
    pub(crate) progress: Mode,
    /// When the process started.
    pub(crate) started: Instant,
    /// Set from outside to end the run soon.
    pub(crate) stop: Arc<AtomicBool>,
}

/// What kept a run from its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Problems that `check` finds too.
    #[error("the recipe does not fit its source or target")]
    Problems(Vec<Problem>),
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

/// Loads what is left of the recipe's tables.
pub(crate) async fn load(recipe: &Recipe, engine: &Engine, opened: Opened, options: &Options) -> Result<Outcome, Error> {
    let streams = recipe.run.streams as usize;
    let Opened { jobs, target, ledgers, started } = opened;
    let mut files = Vec::new();
    for (table, (job, ledger)) in jobs.iter().zip(&ledgers).enumerate() {
        let wanted = recipe.run.split_bytes.map(|size| size.0);
        files.push(feed::adopt(table, job, ledger, wanted, streams).await?);
    }
    let live = Arc::new(Live::new(options.started, target.nodes().len()));
    let nothing_left = files.iter().flatten().all(Adopted::is_done);
    let before = started.iter().all(|started| matches!(started, Started::Finished(_)));
    let shared = Arc::new(Shared {
        run: target.run().into(),
        gate: target.gate(recipe.run.max_rejects(), &ledgers, &files),
        tables: target.loadings(&jobs, &ledgers),
        queue: Queue::new(),
        live: Arc::clone(&live),
        stop: Arc::clone(&options.stop),
        target,
    });
    let progress = Progress::start(options.progress, Arc::clone(&live), shared.target.nodes(), total_bytes(&files));
    let result = if nothing_left { Ok(()) } else { load_splits(&shared, &ledgers, files, streams).await };
    drop(progress);
    finish(recipe, &shared, &jobs, &ledgers, result, before && nothing_left).await
}
