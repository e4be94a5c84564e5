//! The pages of one token range, one behind the other: the half that runs where connections are driven, behind a
//! channel with one slot. Whatever goes wrong with a request, the walk goes on behind the last row that came.
//! Must not know what becomes of rows.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use scylla::client::session::Session;
use scylla::deserialize::row::ColumnIterator;
use scylla::frame::response::result::ColumnSpec;
use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::AbortHandle;

use super::Error;
use super::bound::Bound;
use super::cluster::Prepared;
use super::key;
use super::nodes::{Turn, candidates, only};
use super::page::Page;
use super::page_size::PageSize;
use super::reason::Reason;
use super::retry::{ATTEMPTS, ATTEMPTS_FOR_ALL, Failure};
use super::statement::Statement;
use super::table::{Selection, Table};
use super::walk::{Step, Walk};
use crate::patience::Patience;
use crate::position::Position;

/// Pages as they come; the fetching ends when this is dropped.
#[derive(Debug)]
pub(super) struct Pages {
    receiver: mpsc::Receiver<Said>,
    runtime: Handle,
    task: AbortHandle,
}

/// A page, or `None`: all have come. A channel that is closed says nothing: whoever fetches may have died.
type Said = Result<Option<Page>, Error>;

/// What came next.
pub(super) enum Came {
    Page(Page),
    /// All have come.
    End,
    /// The run is being stopped, and there is no page yet.
    Stopped,
    /// Nothing for a while; there may be a page later.
    Idle,
}

/// How long a page is waited for before somebody looks whether the run is being stopped.
const LOOK_UP: Duration = Duration::from_millis(100);

/// So many times, before somebody is told: a limit of speed, or a cluster that does not answer, must not keep what came
/// before from being committed.
const LOOKS: usize = 10;

impl Pages {
    /// Begins to fetch the rows behind `from` up to the token `end`; `rows_left` of them at most.
    pub(super) fn start(
        table: Arc<Table>,
        selection: Arc<Selection>,
        (from, end): (&Position, i64),
        rows_left: Option<u64>,
    ) -> Result<Pages, Error> {
        let cluster = Arc::clone(&table.cluster);
        let walk = walk(&selection, from, end).ok_or(Error::Internal("a position of another kind"))??;
        let state = cluster.client.session.get_cluster_state();
        let candidates = candidates(&state, &table.name, cluster.datacenter(), end);
        let (sender, receiver) = mpsc::channel(1);
        let fetch = Fetch {
            size: PageSize::new(table.row_bytes()),
            turn: Turn::take(&cluster.readers, candidates, &cluster.client.datacenter),
            patience: Patience::default(),
            last: None,
            end,
            table,
            selection,
            walk,
            rows_left,
            sender,
        };
        let runtime = cluster.runtime.clone();
        let task = runtime.spawn(fetch.run()).abort_handle();
        Ok(Pages { receiver, runtime, task })
    }

    /// The next page, with at least one row. For a thread that may block.
    pub(super) fn next(&mut self, stop: &AtomicBool) -> Result<Came, Error> {
        for _ in 0..LOOKS {
            let receiver = &mut self.receiver;
            let soon = self.runtime.block_on(async { tokio::time::timeout(LOOK_UP, receiver.recv()).await });
            match soon {
                Ok(Some(said)) => return said.map(|page| page.map_or(Came::End, Came::Page)),
                Ok(None) => {
                    return Err(Error::Internal("the reading of a table ended in the middle of a split"));
                }
                Err(_) if stop.load(Ordering::Relaxed) => return Ok(Came::Stopped),
                Err(_) => {}
            }
        }
        Ok(Came::Idle)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The way from a position to the end of its split; `None` for a position in a file.
fn walk(selection: &Selection, from: &Position, end: i64) -> Option<Result<Walk, Error>> {
    let (partition, clustering) = (selection.partition, selection.key - selection.partition);
    match from {
        Position::File { .. } => None,
        Position::Token(start) => Some(Ok(Walk::new(partition, clustering, *start, end))),
        Position::Key { token, cells } => {
            let mut walk = Walk::new(partition, clustering, token.saturating_sub(1), end);
            let moved = walk.behind_key(*token, cells);
            Some(moved.map(|()| walk).map_err(|source| Error::Position { source }))
        }
    }
}

struct Fetch {
    table: Arc<Table>,
    selection: Arc<Selection>,
    walk: Walk,
    size: PageSize,
    turn: Turn,
    patience: Patience,
    /// The key of the last row that came, with its token, unless the walk knows it.
    last: Option<(i64, Vec<u8>)>,
    /// The split's last token.
    end: i64,
    rows_left: Option<u64>,
    sender: mpsc::Sender<Said>,
}

/// What a page was followed by.
enum Then {
    /// Nothing: the step is done.
    Done,
    More(PagingState),
    /// Nobody wants more.
    Stop,
}

impl Fetch {
    async fn run(mut self) {
        let end = match self.walk_on().await {
            Ok(()) => self.same_table().await,
            Err(error @ Error::Refused { .. }) => {
                Err(self.table.became(&self.selection).await.unwrap_or(error))
            }
            Err(error) => Err(error),
        };
        // Whoever does not listen any more has a reason.
        let _ = self.sender.send(end.map(|()| None)).await;
    }

    async fn walk_on(&mut self) -> Result<(), Error> {
        // A trial may be continued behind its last row: a page has one row at least.
        if self.rows_left == Some(0) {
            return Ok(());
        }
        while let Some(step) = self.walk.step() {
            match self.step(&step).await {
                Ok(true) => {
                    self.last = None;
                    self.walk.exhausted();
                    self.patience.reset();
                }
                Ok(false) => return Ok(()),
                Err(failure) => self.recover(failure, (step.start, step.end)).await?,
            }
        }
        Ok(())
    }

    /// An error if the table is not the one that was planned: one that was dropped and made again between two pages may
    /// have the same columns, and has other rows.
    async fn same_table(&mut self) -> Result<(), Error> {
        loop {
            match self.table.is_there().await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(Error::Remade { table: self.table.key().into() }),
                Err(failure) => self.recover(failure, (self.end, self.end)).await?,
            }
        }
    }

    /// All pages of a step. False when no more are wanted.
    async fn step(&mut self, step: &Step) -> Result<bool, Failure> {
        let mut prepared = self.prepared(step.statement).await?;
        let values: Vec<Bound> = step.values.iter().map(|value| Bound(value.clone())).collect();
        let mut state = PagingState::start();
        loop {
            prepared.statement.set_page_size(self.size.rows(self.rows_left));
            prepared.statement.set_load_balancing_policy(self.turn.node().map(only));
            match self.page(&prepared, &values, state, step.statement).await? {
                Then::Done => return Ok(true),
                Then::More(next) => state = next,
                Then::Stop => return Ok(false),
            }
        }
    }

    async fn page(
        &mut self,
        prepared: &Prepared,
        values: &[Bound],
        state: PagingState,
        kind: Statement,
    ) -> Result<Then, Failure> {
        let permit = self.permit().await;
        let session: &Session = &self.table.cluster.client.session;
        let (answer, next) = session.execute_single_page(&prepared.statement, values, state).await?;
        let rows = answer.into_rows_result().map_err(|_| Error::BrokenPage)?;
        if !same_columns(&prepared.columns, &rows) {
            return Err(Error::Changed { table: self.table.key().into() }.into());
        }
        // Of the node that answered, and behind its answer: it tells of a change before it reads by it.
        if rows.rows_num() > 0 && self.table.has_lost_columns(&self.selection, self.turn.node()).await? {
            return Err(Error::Changed { table: self.table.key().into() }.into());
        }
        let wanted = match kind {
            Statement::Keys => self.take_keys(&rows)?,
            _ => self.hand_over(&rows, permit).await?,
        };
        Ok(match next.into_paging_control_flow() {
            _ if !wanted => Then::Stop,
            ControlFlow::Break(()) => Then::Done,
            ControlFlow::Continue(state) => {
                if rows.rows_num() == 0 {
                    tracing::debug!(
                        table = self.table.key(),
                        "an empty page with more behind it is not the end"
                    );
                }
                Then::More(state)
            }
        })
    }

    async fn prepared(&self, statement: Statement) -> Result<Prepared, Failure> {
        let text = self.selection.select.text(statement);
        Ok(self.table.cluster.prepared(&text).await?)
    }

    /// Large pages are had one at a time by all readers together.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if !self.size.is_large() {
            return None;
        }
        Arc::clone(&self.table.cluster.large_pages).acquire_owned().await.ok()
    }

    /// Gives a page to the reader. False when it wants no more.
    async fn hand_over(
        &mut self,
        rows: &QueryRowsResult,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<bool, Failure> {
        let Some(page) = page_of(rows, self.selection.width)? else { return Ok(true) };
        let (count, bytes) = (page.rows() as u64, page.len() as u64);
        self.size.learn(count, bytes);
        self.table.learn(bytes / count.max(1));
        let cells = page.head(page.rows() - 1, self.selection.key).to_vec();
        let partition = page.head(page.rows() - 1, self.selection.partition);
        let token = key::token(partition, self.selection.partition).map_err(Error::key)?;
        self.table.cluster.rate.take(count, bytes).await;
        if self.sender.send(Ok(Some(page.with_permit(permit)))).await.is_err() {
            return Ok(false);
        }
        self.last = Some((token, cells));
        // Not for a page without rows, nor for one of keys: what failed behind it begins anew.
        self.patience.reset();
        self.rows_left = self.rows_left.map(|left| left.saturating_sub(count));
        Ok(self.rows_left != Some(0))
    }

    fn take_keys(&mut self, rows: &QueryRowsResult) -> Result<bool, Failure> {
        if let Some(page) = page_of(rows, self.selection.partition)? {
            for row in 0..page.rows() {
                self.walk.key(page.head(row, self.selection.partition)).map_err(Error::key)?;
            }
        }
        Ok(true)
    }

    /// Makes ready for another attempt to read a range, after a while and with another node, or gives up.
    async fn recover(&mut self, failure: Failure, (start, end): (i64, i64)) -> Result<(), Error> {
        let table = self.table.key();
        match failure {
            Failure::Fatal(error) => return Err(error),
            Failure::TooMuch(reason) => {
                if !self.size.shrink() && !self.walk.halve() {
                    return Err(Error::Unreadable { table: table.into(), start, end, reason });
                }
                tracing::info!(table, start, end, %reason, "reading less at once");
            }
            Failure::Again(reason) => self.wait(start, reason).await?,
            Failure::Late(reason) => {
                self.wait(start, reason).await?;
                if self.patience.failed() >= ATTEMPTS_FOR_ALL && (self.size.shrink() | self.walk.halve_all())
                {
                    tracing::info!(table = self.table.key(), start, end, "reading less at once");
                }
            }
        }
        if let Some((token, cells)) = self.last.take() {
            self.walk.behind_key(token, &cells).map_err(Error::key)?;
        }
        Ok(())
    }

    /// Until a range that starts at this token is worth another attempt, by the next node; an error after too many.
    async fn wait(&mut self, start: i64, reason: Reason) -> Result<(), Error> {
        let table = self.table.key();
        let Some(wait) = self.patience.wait_of(ATTEMPTS) else {
            return Err(Error::GaveUp { table: table.into(), token: start, reason });
        };
        tracing::warn!(table, start, %reason, wait_ms = wait.as_millis() as u64, "reading again");
        tokio::time::sleep(wait).await;
        self.turn.go_on();
        Ok(())
    }
}

/// Whether a page has the columns that were asked for: protocol v4 does not say when a table was altered.
fn same_columns(asked: &[ColumnSpec<'_>], rows: &QueryRowsResult) -> bool {
    let came = rows.column_specs();
    asked.len() == came.len()
        && asked.iter().zip(came.iter()).all(|(a, b)| a.name() == b.name() && a.typ() == b.typ())
}

/// The bytes of all rows; `None` where there is no row.
fn page_of(rows: &QueryRowsResult, width: usize) -> Result<Option<Page>, Error> {
    if rows.rows_num() == 0 {
        return Ok(None);
    }
    let broken = |_| Error::BrokenPage;
    // Any cell knows the bytes that it is in: those of all rows. The key is never null.
    let mut first = rows.rows::<ColumnIterator<'_, '_>>().map_err(|_| Error::BrokenPage)?;
    let first = first.next().and_then(Result::ok).and_then(|mut row| row.next()).and_then(Result::ok);
    let cell = first.and_then(|cell| cell.slice).ok_or(Error::BrokenPage)?;
    let bytes = cell.as_original_frame_bytes().clone();
    Page::new(bytes, rows.rows_num(), width).map(Some).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader hears from a task that does this.
    fn hear<F: Future<Output = ()> + Send + 'static>(
        task: impl FnOnce(mpsc::Sender<Said>) -> F,
    ) -> Result<Came, Error> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (sender, receiver) = mpsc::channel(1);
        let task = runtime.spawn(task(sender)).abort_handle();
        let mut pages = Pages { receiver, runtime: runtime.handle().clone(), task };
        loop {
            match pages.next(&AtomicBool::new(false))? {
                Came::Idle => {}
                came => return Ok(came),
            }
        }
    }

    #[test]
    fn a_task_that_dies_is_not_the_end_of_a_split() {
        let died = hear(|sender| async move {
            let _sender = sender;
            panic!("a mistake of the driver");
        });
        assert!(matches!(died, Err(Error::Internal(_))));
        let ended = hear(|sender| async move { drop(sender.send(Ok(None)).await) });
        assert!(matches!(ended, Ok(Came::End)));
    }
}
