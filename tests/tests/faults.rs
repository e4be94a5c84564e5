//! A network that breaks on purpose: answers to `COMMIT` that are lost, connections that end at any byte, zombies
//! whose `COMMIT` is still under way. The same command again, until it is done; the table is compared by content.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use etl_tests::bed::{Bed, Process, until};
use etl_tests::customers::{self, WithRejects, csv_with_rejects, loaded};
use etl_tests::faults::{Breaks, Cut, Direction, Fate, FaultProxy, Zombie};
use etl_tests::harness::Ran;
use etl_tests::proxy::Proxy;
use etl_tests::random::Random;

/// A database behind a proxy, and what the table must hold in the end.
struct Broken {
    bed: Bed,
    proxy: FaultProxy,
    customers: WithRejects,
}

impl Broken {
    async fn new(database: &str, customers: WithRejects, run: &str) -> Broken {
        let bed = Bed::new(database).await;
        bed.sql(customers::TABLE).await;
        bed.sql(&customers.constraint).await;
        bed.folder.write("customers.csv", &customers.file);
        let proxy = proxy(&bed).await;
        let broken = Broken { bed, proxy, customers };
        broken.recipe(broken.proxy.address, run);
        broken
    }

    fn recipe(&self, through: SocketAddr, run: &str) {
        let url = format!("postgres://{}@{through}/{}", self.bed.server.user, self.bed.database);
        self.bed.recipe_to(
            &url,
            &format!("[run]\nmax_rejects = 10000\n{run}\n{}", customers::recipe_table("customers.csv")),
        );
    }

    /// What an ended process left: whole chunks, and none but the file's rows.
    async fn is_consistent(&self) {
        self.bed.quiet().await;
        let written = "SELECT coalesce(sum(written), 0)::bigint FROM etl.ledger";
        let begun = "SELECT (to_regclass('etl.ledger') IS NOT NULL)::int::bigint";
        let written = if self.bed.number(begun).await == 1 { self.bed.number(written).await } else { 0 };
        let rows = loaded(&self.bed.client).await;
        assert_eq!(rows.len() as i64, written, "rows, and rows that the ledger knows");
        let mut all = self.customers.loaded.iter();
        assert!(
            rows.iter().all(|row| all.any(|other| other == row)),
            "a row that is not the file's, or twice"
        );
    }

    /// The same command until it is done, at most so often; looks after each what is there.
    async fn run_until_done(&self, most: usize) {
        for _ in 0..most {
            let ran = self.bed.start().finish().await;
            self.is_consistent().await;
            if self.ended(&ran) {
                return;
            }
        }
        panic!("not done after {most} runs");
    }

    async fn is_exact(&self) {
        self.customers.is_loaded_by(&self.bed.client).await;
        assert_eq!(self.bed.is_finished().await, self.customers.rows() as i64);
    }

    /// Whether a run is done. If not, it was the network, or somebody else is at work, and it says so; nothing else.
    fn ended(&self, ran: &Ran) -> bool {
        assert!(!ran.stderr.contains("panicked"), "{ran:?}");
        let done = ran.code == Some(self.customers.code());
        assert!(done || matches!(ran.code, Some(5 | 10)), "{ran:?}");
        done
    }
}

async fn proxy(bed: &Bed) -> FaultProxy {
    FaultProxy::start("127.0.0.1", SocketAddr::from(([127, 0, 0, 1], bed.server.port))).await
}

#[tokio::test]
async fn hundreds_of_commits_whose_answer_is_lost_are_neither_repeated_nor_skipped() {
    let run = "streams = 3\nsplit_bytes = \"200 KiB\"\nchunk_rows = 20";
    let broken = Broken::new("faults_answers", WithRejects::none(8000), run).await;
    broken.proxy.break_commits(Breaks::Every(2, Fate::AnswerLost));
    broken.run_until_done(100).await;
    broken.is_exact().await;
    let seen = broken.proxy.seen();
    assert!(seen.broken >= 200, "{seen:?}");
    // Each of them was committed: not one chunk was sent a second time.
    assert_eq!(broken.bed.progress().await.chunks, seen.commits as i64, "{seen:?}");
}

/// Two files of one chunk each, of which no `COMMIT` is answered.
async fn all_in_doubt(database: &str, max_rejects: u32) -> (Bed, FaultProxy, Ran) {
    let bed = Bed::new(database).await;
    bed.sql("CREATE TABLE t (id int)").await;
    bed.folder.write("a.csv", "id\n1\nx\nx\n2\nx\nx\n");
    bed.folder.write("b.csv", "id\n3\nx\nx\n4\nx\nx\nx\n5\n");
    let proxy = proxy(&bed).await;
    proxy.break_commits(Breaks::Every(1, Fate::AnswerLost));
    let url = format!("postgres://{}@{}/{database}", bed.server.user, proxy.address);
    bed.recipe_to(
        &url,
        &format!(
            "[run]\nstreams = 1\nmax_rejects = {max_rejects}\n[[tables]]\nfrom = \"*.csv\"\n\
             into = \"public.t\"\ntypes = {{ id = \"int32\" }}\n"
        ),
    );
    let ran = bed.start().finish().await;
    (bed, proxy, ran)
}

#[tokio::test]
async fn rejects_of_a_chunk_in_doubt_count_for_the_limit_of_the_whole_load() {
    let (bed, proxy, ran) = all_in_doubt("faults_limit", 5).await;
    ran.code(7).says(&["rows rejected, more than max_rejects = 5 allows"]);
    assert!(proxy.seen().broken > 0);
    // Also for whoever comes later: what the ledger holds is judged.
    proxy.break_commits(Breaks::Never);
    bed.start().finish().await.code(7);
}

#[tokio::test]
async fn the_report_counts_chunks_in_doubt_that_turn_out_to_be_committed() {
    let (bed, proxy, ran) = all_in_doubt("faults_report", 9).await;
    ran.code(8).says(&[
        "this run  14 rows read: 5 loaded, 9 rejected",
        "rejects   9 read/bad_cell",
        "in 2 chunks",
    ]);
    assert_eq!((bed.progress().await.chunks, proxy.seen().broken), (2, 2));
}

#[tokio::test]
async fn commits_that_are_lost_overtaken_or_unanswered_at_random_leave_exactly_the_rows_of_the_file() {
    let run = "streams = 3\nsplit_bytes = \"200 KiB\"\nchunk_rows = 20";
    let broken = Broken::new("faults_random", csv_with_rejects(6000, 10, 500), run).await;
    broken.proxy.break_commits(Breaks::AtRandom(3, Random::of_the_test_run()));
    broken.run_until_done(100).await;
    broken.is_exact().await;
    let seen = broken.proxy.seen();
    // One in three of 300: less than this happens once in a million times.
    assert!(seen.broken >= 60, "{seen:?}");
}

/// What is under way when the network breaks is more where every answer takes long.
#[tokio::test]
async fn commits_that_are_broken_on_the_way_to_a_far_server_leave_exactly_the_rows_of_the_file() {
    let run = "streams = 3\nsplit_bytes = \"64 KiB\"\nchunk_rows = 50";
    let mut broken = Broken::new("faults_far", csv_with_rejects(3000, 10, 1000), run).await;
    let server = SocketAddr::from(([127, 0, 0, 1], broken.bed.server.port));
    let far = Proxy::start(server, Duration::from_millis(5)).await;
    broken.proxy = FaultProxy::start("127.0.0.1", SocketAddr::from(([127, 0, 0, 1], far.port))).await;
    broken.recipe(broken.proxy.address, run);
    broken.proxy.break_commits(Breaks::AtRandom(3, Random::of_the_test_run()));
    broken.run_until_done(100).await;
    broken.is_exact().await;
    let seen = broken.proxy.seen();
    assert!(seen.broken > 2, "{seen:?}");
}

#[tokio::test]
async fn a_connection_may_end_at_any_byte() {
    let mut random = Random::of_the_test_run();
    let broken =
        Broken::new("faults_bytes", csv_with_rejects(3000, 10, 1000), "streams = 2\nchunk_rows = 50").await;
    let mut rounds = 0;
    for cut in 0..40 {
        let direction = if cut % 2 == 0 { Direction::ToServer } else { Direction::ToClient };
        // The handshake, the questions at the start, the rows.
        let most = match (cut / 2 % 4, direction) {
            (0, _) => 300,
            (1, _) => 10_000,
            (_, Direction::ToServer) => 500_000,
            (_, Direction::ToClient) => 40_000,
        };
        let how = if random.below(2) == 0 { Cut::Fin } else { Cut::Rst };
        broken.proxy.cut_after(direction, random.below(most), how);
        let ran = broken.bed.start().finish().await;
        broken.is_consistent().await;
        if broken.ended(&ran) {
            broken.is_exact().await;
            broken.bed.forget("customers").await;
            rounds += 1;
        }
    }
    let seen = broken.proxy.seen();
    assert!(seen.cut_at_byte >= 30 && rounds >= 3, "{rounds} loads, {seen:?}");
    broken.run_until_done(5).await;
    broken.is_exact().await;
}

#[tokio::test]
async fn a_run_ends_its_own_zombies_and_whatever_they_still_send_commits_nothing() {
    let broken =
        Broken::new("faults_own_zombies", WithRejects::none(3000), "streams = 2\nchunk_rows = 50").await;
    broken.proxy.break_commits(Breaks::Every(3, Fate::Withheld));
    let mut ended_by_the_run = 0;
    for _ in 0..100 {
        let ran = broken.bed.start().finish().await;
        let done = broken.ended(&ran);
        for zombie in broken.proxy.zombies() {
            let committed = zombie.commit().await;
            assert!(!(done && committed), "its split was claimed again long ago");
            // One that nobody came back for is like any other.
            ended_by_the_run += usize::from(!committed);
        }
        broken.is_consistent().await;
        if done {
            broken.is_exact().await;
            assert!(ended_by_the_run >= 15, "{ended_by_the_run} zombies were ended");
            return;
        }
    }
    panic!("not done after 100 runs");
}

/// A killed run's only chunk in hand: its `COMMIT` is held back, its backend lives on with the transaction open.
async fn zombie_of_a_killed_run(database: &str) -> (Broken, Zombie) {
    let run = "streams = 1\nsplit_bytes = \"64 KiB\"\nchunk_rows = 50";
    let mut broken = Broken::new(database, WithRejects::none(3000), run).await;
    broken.bed.slow_down(20).await;
    let etl = broken.bed.start();
    until("a chunk", async || (broken.bed.progress().await.chunks > 0).then_some(())).await;
    // Without another connection it cannot end what it lost.
    broken.proxy.refuse().await;
    broken.proxy.break_commits(Breaks::Every(1, Fate::Withheld));
    until("a zombie", async || (broken.proxy.zombie_count() > 0).then_some(())).await;
    etl.kill();
    broken.recipe(SocketAddr::from(([127, 0, 0, 1], broken.bed.server.port)), run);
    let zombie = broken.proxy.zombies().remove(0);
    (broken, zombie)
}

/// Another run while the zombie lives: it leaves that split alone, and loads all the others.
async fn loads_the_other_splits(broken: &Broken) {
    broken.bed.start().finish().await.code(10).says(&["another run is at work on the rest"]);
    let left = "SELECT count(*) FROM etl.ledger WHERE NOT done";
    assert_eq!(broken.bed.number(left).await, 1);
}

#[tokio::test]
async fn a_zombie_that_commits_after_all_is_waited_for_and_believed() {
    let (broken, zombie) = zombie_of_a_killed_run("faults_zombie_commits").await;
    loads_the_other_splits(&broken).await;
    let before = broken.bed.progress().await;
    assert!(zombie.commit().await, "nobody took its split");
    // One chunk, which may be the short one at its split's end.
    let read = broken.bed.progress().await.read;
    assert!(before.read < read && read <= before.read + 50, "{} and {read}", before.read);
    broken.run_until_done(3).await;
    broken.is_exact().await;
}

#[tokio::test]
async fn a_zombie_that_ends_without_its_commit_leaves_a_split_that_is_loaded_again() {
    let (broken, zombie) = zombie_of_a_killed_run("faults_zombie_ends").await;
    loads_the_other_splits(&broken).await;
    let before = broken.bed.progress().await;
    drop(zombie);
    broken.bed.quiet().await;
    assert_eq!(broken.bed.progress().await, before);
    broken.run_until_done(3).await;
    broken.is_exact().await;
}

/// One of two: the same command through a proxy of its own until it is done. How many chunks it committed.
async fn until_done_through(broken: &Broken, proxy: &FaultProxy) -> u64 {
    let url = format!("postgres://{}@{}/{}", broken.bed.server.user, proxy.address, broken.bed.database);
    let mut chunks = 0;
    for _ in 0..100 {
        let etl = broken.bed.etl(["--json"]).env("ETL_TARGET__POSTGRES__URL", &url);
        let ran = Process::of(etl).finish().await;
        if !ran.stdout.is_empty() {
            chunks += ran.json()["chunks"].as_u64().unwrap();
        }
        if broken.ended(&ran) {
            return chunks;
        }
    }
    panic!("not done after 100 runs");
}

#[tokio::test]
async fn two_runs_at_once_over_bad_networks_share_the_work_and_each_chunk_has_one_winner() {
    let run = "streams = 2\nsplit_bytes = \"32 KiB\"\nchunk_rows = 50";
    let broken = Broken::new("faults_two", csv_with_rejects(6000, 10, 1000), run).await;
    broken.bed.slow_down(5).await;
    let other = proxy(&broken.bed).await;
    let mut random = Random::of_the_test_run();
    for proxy in [&broken.proxy, &other] {
        proxy.break_commits(Breaks::AtRandom(5, Random::new(random.number())));
    }
    // Both own splits before either loads one, however long they take to start.
    let locker = broken.bed.server.client(&broken.bed.database).await;
    locker.batch_execute("BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let unlock = async {
        broken.bed.runs_that_wait(2).await;
        locker.batch_execute("COMMIT").await.unwrap();
    };
    let (one, two, ()) =
        tokio::join!(until_done_through(&broken, &broken.proxy), until_done_through(&broken, &other), unlock);
    broken.is_exact().await;
    let (seen, other) = (broken.proxy.seen(), other.seen());
    assert!(one > 0 && two > 0, "{one} and {two} chunks");
    // One in five of more than a hundred, however the two share them.
    assert!(seen.broken + other.broken > 5, "{seen:?} {other:?}");
}
