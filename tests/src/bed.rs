//! A database, a folder with a recipe, and `etl` between them: what most end-to-end tests stand on.

use std::ffi::OsStr;
use std::future::Future;
use std::process::ChildStdin;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::harness::{Etl, Folder, LONGEST_RUN, Ran, Running};
use crate::postgres::Server;

/// How long anything is waited for: far longer than it takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A database of the test's own and a folder for recipe and files.
pub struct Bed {
    /// Where the database is.
    pub server: Server,
    /// The database's name.
    pub database: String,
    /// A connection to it, as superuser.
    pub client: Client,
    /// Where `etl` runs.
    pub folder: Folder,
}

/// What the ledger says of all splits together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Chunks committed.
    pub chunks: i64,
    /// Rows read in them.
    pub read: i64,
    /// Of those, rows that are rejects.
    pub rejected: i64,
    /// Splits known.
    pub splits: i64,
    /// Splits done.
    pub done: i64,
    /// Every file is cut to its end.
    pub tiled: bool,
}

impl Progress {
    /// Something is committed, and something is left.
    pub fn is_midway(&self) -> bool {
        self.chunks > 0 && (!self.tiled || self.done < self.splits)
    }
}

impl Bed {
    /// A new database and an empty folder.
    pub async fn new(database: &str) -> Bed {
        Bed::on(Server::of_the_test_run(), database).await
    }

    /// The same on another server.
    pub async fn on(server: Server, database: &str) -> Bed {
        let client = server.database(database).await;
        Bed { server, database: database.into(), client, folder: Folder::new() }
    }

    /// The database through one host.
    pub fn url(&self) -> String {
        self.server.url("127.0.0.1", &self.database)
    }

    /// Writes `recipe.toml`: name and target, then `rest`.
    pub fn recipe(&self, rest: &str) {
        self.recipe_to(&self.url(), rest);
    }

    /// The same with another target.
    pub fn recipe_to(&self, url: &str, rest: &str) {
        let text = format!("name = \"test\"\n[target.postgres]\nurl = \"{url}\"\n{rest}");
        self.folder.write("recipe.toml", text);
    }

    /// `etl run recipe.toml` with more arguments.
    pub fn etl<S: AsRef<OsStr>>(&self, more: impl IntoIterator<Item = S>) -> Etl {
        let more = more.into_iter().map(|word| word.as_ref().to_owned());
        self.folder.etl(["run".into(), "recipe.toml".into()].into_iter().chain(more))
    }

    /// `etl run recipe.toml` to its end.
    pub fn run(&self) -> Ran {
        self.etl([""; 0]).run()
    }

    /// Starts `etl run recipe.toml`.
    pub fn start(&self) -> Process {
        Process::of(self.etl([""; 0]))
    }

    /// How far the load is.
    pub async fn progress(&self) -> Progress {
        let there = self.client.query_one("SELECT to_regclass('etl.ledger') IS NOT NULL", &[]).await;
        if !there.expect("the server answers").get::<_, bool>(0) {
            return Progress::default();
        }
        let sql = "SELECT coalesce(sum(chunks), 0)::bigint, coalesce(sum(read), 0)::bigint, count(*), \
                   count(*) FILTER (WHERE done), coalesce(sum(rejected), 0)::bigint, \
                   coalesce((SELECT bool_and(tiled) FROM etl.source), false) FROM etl.ledger";
        let row = self.client.query_one(sql, &[]).await.expect("the ledger can be read");
        Progress {
            chunks: row.get(0),
            read: row.get(1),
            splits: row.get(2),
            done: row.get(3),
            rejected: row.get(4),
            tiled: row.get(5),
        }
    }

    /// Checks that nothing is left, and that the rows of every split add up; answers how many were read.
    #[track_caller]
    pub fn is_finished(&self) -> impl Future<Output = i64> + '_ {
        let place = std::panic::Location::caller();
        async move {
            let sql = "SELECT count(*) FILTER (WHERE NOT done), \
                       count(*) FILTER (WHERE read <> loaded + filtered + rejected + skipped), \
                       coalesce(sum(read), 0)::bigint FROM etl.ledger";
            let row = self.client.query_one(sql, &[]).await.expect("the ledger can be read");
            assert_eq!(row.get::<_, i64>(0), 0, "splits are left, {place}");
            assert_eq!(row.get::<_, i64>(1), 0, "splits do not add up, {place}");
            let run = self.client.query_one("SELECT count(*), count(finished) FROM etl.run", &[]).await;
            let run = run.expect("the run can be read");
            assert_eq!((run.get::<_, i64>(0), run.get::<_, i64>(1)), (1, 1), "one run, finished, {place}");
            row.get(2)
        }
    }

    /// Makes every COPY into `customers` take a while, so that a test on a busy machine meets it half way.
    pub async fn slow_down(&self, milliseconds: u32) {
        self.slow_down_table("customers", milliseconds).await;
    }

    /// The same of another table.
    pub async fn slow_down_table(&self, table: &str, milliseconds: u32) {
        let seconds = f64::from(milliseconds) / 1000.0;
        self.sql(&format!(
            "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$; \
             CREATE TRIGGER pause AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION pause()"
        ))
        .await;
    }

    /// Remembers the longest chunk that is committed into a table: see [`Bed::longest_chunk`].
    pub async fn measure_chunks(&self, table: &str) {
        self.sql(&format!(
            "CREATE TABLE public.longest (rows bigint); \
             CREATE FUNCTION public.measure() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN INSERT INTO public.longest SELECT count(*) FROM sent; RETURN NULL; END $$; \
             CREATE TRIGGER measure AFTER INSERT ON {table} REFERENCING NEW TABLE AS sent \
             FOR EACH STATEMENT EXECUTE FUNCTION public.measure()"
        ))
        .await;
    }

    /// Its rows: each COPY is one chunk.
    pub async fn longest_chunk(&self) -> i64 {
        self.number("SELECT coalesce(max(rows), 0) FROM public.longest").await
    }

    /// Waits until no backend of `etl` is left: those of lost connections may still commit or roll back.
    pub async fn quiet(&self) {
        until("the sessions' end", async || {
            let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND application_name LIKE 'etl/%'";
            (self.number(left).await == 0).then_some(())
        })
        .await;
    }

    /// Waits until streams of so many runs at once wait for a lock.
    pub async fn runs_that_wait(&self, runs: i64) {
        let waiting = "SELECT count(DISTINCT split_part(application_name, '/', 3)) FROM pg_stat_activity \
                       WHERE datname = current_database() AND application_name LIKE 'etl/%' \
                       AND application_name NOT LIKE 'etl/control/%' AND wait_event_type = 'Lock'";
        until("runs that wait", async || (self.number(waiting).await == runs).then_some(())).await;
    }

    /// Empties the table and forgets every load, as if this database had never seen one.
    pub async fn forget(&self, table: &str) {
        self.quiet().await;
        self.sql(&format!("DROP SCHEMA IF EXISTS etl CASCADE; TRUNCATE {table}")).await;
    }

    /// The number that a query answers with.
    pub async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
    }

    /// Runs statements.
    pub async fn sql(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
}

/// Asks again until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "waited too long for: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// An `etl` that runs beside the test. It does not outlive it, and never waits for it.
pub struct Process(Option<Running>);

impl Process {
    /// Starts it.
    pub fn of(etl: Etl) -> Process {
        Process(Some(Running::of(etl)))
    }

    /// Where to write its standard input, which ends when this is dropped; once, if it is piped.
    pub fn input(&mut self) -> ChildStdin {
        self.0.as_mut().expect("a process").child.stdin.take().expect("piped")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running().child.id()
    }

    /// Sends it a signal, e.g. `libc::SIGINT`; one that ended needs none.
    pub fn signal(&self, signal: i32) {
        let id = i32::try_from(self.id()).expect("a process id");
        let name = format!("-{signal}");
        // `kill` of the shell's tools: the library call would need unsafe code.
        let status = std::process::Command::new("kill").args([name, id.to_string()]).status();
        assert!(status.expect("kill can be started").success(), "process {id} is gone");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.0.as_mut().expect("a process").has_ended()
    }

    /// Ends it as a crash would (`kill -9`), and waits until it is gone.
    pub fn kill(mut self) -> Ran {
        self.0.as_mut().expect("a process").kill();
        self.collect()
    }

    /// What it said on standard error so far.
    pub fn stderr(&self) -> String {
        self.running().stderr()
    }

    /// Waits until it has said something on standard error, and is still there.
    pub async fn says(&mut self, words: &str) {
        until(words, async || {
            let said = self.stderr().contains(words);
            assert!(said || !self.has_ended(), "it ended without {words:?}:\n{}", self.stderr());
            said.then_some(())
        })
        .await;
    }

    /// Its memory that is resident, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line VmRSS");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
    }

    /// Waits for its end.
    pub async fn finish(mut self) -> Ran {
        let started = Instant::now();
        while !self.has_ended() {
            if started.elapsed() > LONGEST_RUN {
                panic!("etl does not end: {:?}", self.kill());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.collect()
    }

    fn running(&self) -> &Running {
        self.0.as_ref().expect("a process")
    }

    fn collect(&mut self) -> Ran {
        self.0.take().expect("a process").collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut running) = self.0.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}
