//! What is tried again, by SQLSTATE: what passes, for a while; what another connection mends, on another connection;
//! everything else not at all. Each state comes from a real server, raised where it is wanted.

use std::time::Duration;

use etl_tests::bed::Bed;
use etl_tests::customers::{self, assert_same};
use etl_tests::gate::Gate;
use etl_tests::harness::Ran;
use etl_tests::server::Setup;

const ROWS: i64 = 400;

/// A table whose first `times` COPYs fail with `state`, on the nodes that `only` is true for.
async fn failing(database: &str, state: &str, times: u32, only: &str) -> Bed {
    let bed = Bed::new(database).await;
    bed.sql(&format!(
        "CREATE TABLE public.t (id int PRIMARY KEY); CREATE SEQUENCE public.tries;
         CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF {only} AND nextval('public.tries') <= {times} THEN
                 RAISE EXCEPTION 'hush-4711' USING ERRCODE = '{state}';
             END IF; RETURN NULL; END $$;
         CREATE TRIGGER fail BEFORE INSERT ON public.t FOR EACH STATEMENT EXECUTE FUNCTION public.fail()"
    ))
    .await;
    bed.folder.write("data.csv", (0..ROWS).fold("id\n".to_string(), |text, id| text + &format!("{id}\n")));
    bed
}

fn recipe(bed: &Bed, target: &str, run: &str) {
    bed.recipe(&format!(
        "{target}\n[run]\nchunk_rows = 50\n{run}\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n"
    ));
}

async fn is_whole(bed: &Bed) {
    assert_eq!(bed.is_finished().await, ROWS);
    let all = "SELECT count(*) FROM t WHERE id BETWEEN 0 AND 399";
    assert_eq!(bed.number(all).await, ROWS);
}

/// Whole chunks are in the target, and the ledger says so.
async fn is_partly_loaded(bed: &Bed) {
    let loaded = bed.number("SELECT count(*) FROM t").await;
    assert_eq!(bed.number("SELECT coalesce(sum(loaded), 0)::bigint FROM etl.ledger").await, loaded);
    assert_eq!(loaded % 50, 0);
}

#[tokio::test]
async fn what_passes_is_tried_again_and_loaded_once() {
    for state in [
        "40001", "40P01", "53100", "53200", "53300", "55P03", "55006", "57014", "58030", "57P02", "57P03",
        "57P05", "08006",
    ] {
        let bed = failing(&format!("retry_{}", state.to_lowercase()), state, 2, "true").await;
        recipe(&bed, "", "streams = 1");
        let ran = bed.run().code(0).never_says("hush-4711");
        ran.says(&["reopening the split at its committed position", state]);
        is_whole(&bed).await;
    }
}

#[tokio::test]
async fn a_commit_that_the_server_does_not_know_of_is_read_from_the_ledger() {
    for state in ["08007", "40003"] {
        let bed = failing(&format!("retry_{state}"), state, 2, "true").await;
        recipe(&bed, "", "streams = 2\nsplit_bytes = \"1 KiB\"");
        bed.run().code(0).says(&["lost before COMMIT was answered", state]);
        is_whole(&bed).await;
    }
}

/// Fails for good from the second COPY on; `words` are what to do about it.
async fn gives_up(state: &str, retries: u32, words: &str) -> (Bed, Ran) {
    let bed = failing(&format!("retry_up_{}", state.to_lowercase()), state, 0, "true").await;
    recipe(&bed, &format!("retries = {retries}"), "streams = 1");
    bed.sql("CREATE OR REPLACE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('public.tries') > 2 THEN RAISE EXCEPTION 'hush-4711' USING ERRCODE = '01000'; END IF; \
             RETURN NULL; END $$".replace("01000", state).as_str())
        .await;
    let ran = bed.run().code(5).never_says("hush-4711").says(&[state, words, "continue with: "]);
    is_partly_loaded(&bed).await;
    assert_eq!(bed.number("SELECT count(*) FROM t").await, 100);
    (bed, ran)
}

#[tokio::test]
async fn what_does_not_pass_stops_the_run_with_what_to_do_and_the_same_command_continues() {
    for (state, words) in [
        ("53100", "make room on the target's disk"),
        ("53200", "use fewer streams, or give it more"),
        ("53300", "raise the target's max_connections"),
        ("55P03", "somebody locks what is needed"),
        ("40001", "the target could not do it for a while"),
    ] {
        let (bed, _) = gives_up(state, 1, words).await;
        // Two chunks, then the one that failed and one more attempt.
        assert_eq!(bed.number("SELECT last_value FROM tries").await, 4, "{state}");
        bed.sql("DROP TRIGGER fail ON t").await;
        bed.run().code(0);
        is_whole(&bed).await;
    }
}

#[tokio::test]
async fn a_statement_that_is_cancelled_is_tried_three_times_more_at_most() {
    let (bed, _) = gives_up("57014", 1000, "somebody cancels our statements").await;
    assert_eq!(bed.number("SELECT last_value FROM tries").await, 6);
}

#[tokio::test]
async fn what_no_waiting_mends_is_not_tried_again() {
    for state in ["42501", "28000", "57P04", "XX000", "72000"] {
        let (bed, ran) = gives_up(state, 10, state).await;
        assert!(!ran.stderr.contains("reopening"), "{state}: {}", ran.stderr);
        assert_eq!(bed.number("SELECT last_value FROM tries").await, 3, "{state}");
    }
}

#[tokio::test]
async fn a_copy_that_the_server_cannot_read_is_a_mistake_of_ours_and_no_rows() {
    let bed = failing("retry_bug", "22P04", 9, "true").await;
    recipe(&bed, "", "streams = 1\nmax_rejects = 1000");
    bed.run().code(1).says(&["22P04"]).never_says("hush-4711");
    assert_eq!(bed.number("SELECT count(*) FROM etl.reject").await, 0);
}

#[tokio::test]
async fn a_node_that_takes_no_writes_is_set_aside_and_the_others_load_everything() {
    let bed = failing("retry_read_only", "25006", 1000, "host(inet_server_addr()) = '127.0.0.3'").await;
    let port = bed.server.port;
    // The only stream begins on the first of equals.
    let url = format!("postgres://etl@127.0.0.3:{port},127.0.0.1:{port}/{}", bed.database);
    let rest = "[run]\nchunk_rows = 50\nstreams = 1\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n";
    bed.recipe_to(&url, rest);
    bed.run().code(0).says(&["node set aside", "25006"]);
    is_whole(&bed).await;
}

/// As after a failover to a standby, or where the disk is full: every session that is opened from now on only reads.
#[tokio::test]
async fn a_target_that_takes_writes_on_no_node_is_given_up_and_the_same_command_continues() {
    let bed = failing("retry_read_only_all", "01000", 0, "true").await;
    let gate = Gate::close(&bed, "t").await;
    gate.open(2).await;
    let port = bed.server.port;
    let url = format!("postgres://etl@127.0.0.1:{port},127.0.0.2:{port}/{}", bed.database);
    let rest = "give_up_after = \"2 s\"\n[run]\nchunk_rows = 50\nstreams = 1\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n";
    bed.recipe_to(&url, rest);
    let mut etl = bed.start();
    gate.reached(2, &mut etl).await;
    let only_reads =
        |yes: &str| format!("ALTER DATABASE {} SET default_transaction_read_only = {yes}", bed.database);
    bed.sql(&only_reads("on")).await;
    gate.disperse().await;
    let ran = etl.finish().await.code(5);
    ran.says(&["node set aside", "read only (default_transaction_read_only)", "continue with: "]);
    is_partly_loaded(&bed).await;
    // Somebody who is still connected may.
    bed.sql(&only_reads("off")).await;
    gate.open_wide().await;
    bed.run().code(0);
    is_whole(&bed).await;
}

/// It answers every probe, and refuses every chunk.
#[tokio::test]
async fn a_node_that_refuses_every_write_is_not_tried_for_ever() {
    let (bed, _) = gives_up("25006", 3, "25006").await;
    bed.sql("DROP TRIGGER fail ON t").await;
    bed.run().code(0);
    is_whole(&bed).await;
}

/// Sessions end with 57P01 or 57P02, new ones are refused for a while; the only node is back when it is ready.
#[tokio::test]
async fn a_server_that_restarts_in_the_middle_of_a_load_costs_time_and_no_row() {
    for mode in ["fast", "immediate"] {
        let server = Setup::default().start();
        let mut bed = Bed::on(server.server(), "restart").await;
        bed.sql(customers::TABLE).await;
        let gate = Gate::close(&bed, "customers").await;
        gate.open(8).await;
        let file = customers::csv(6000);
        bed.folder.write("customers.csv", &file);
        let run = "[run]\nstreams = 3\nsplit_bytes = \"128 KiB\"\nchunk_rows = 50";
        bed.recipe(&format!("{run}\n{}", customers::recipe_table("customers.csv")));
        let mut etl = bed.start();
        gate.reached(8, &mut etl).await;
        server.restart(mode);
        bed.client = server.server().client("restart").await;
        Gate::of(&bed).open_wide().await;
        etl.finish().await.code(0).says(&["reopening the split at its committed position"]);
        assert_same(&customers::expected(&file), &customers::loaded(&bed.client).await);
        assert_eq!(bed.is_finished().await, 6000, "{mode}");
    }
}

/// Slower than a node may be without a sign of life, and there is no connection left to ask it for one.
#[tokio::test]
async fn fewer_connections_than_streams_are_enough_and_the_node_is_not_taken_for_a_dead_one() {
    let bed = failing("retry_connections", "01000", 0, "true").await;
    bed.sql(
        "DROP ROLE IF EXISTS etl_few; CREATE ROLE etl_few LOGIN; \
         ALTER DATABASE retry_connections CONNECTION LIMIT 4; \
         GRANT ALL ON SCHEMA public TO etl_few; GRANT ALL ON ALL TABLES IN SCHEMA public TO etl_few; \
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO etl_few; \
         GRANT CREATE ON DATABASE retry_connections TO etl_few; \
         CREATE OR REPLACE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM pg_sleep(2); RETURN NULL; END $$",
    )
    .await;
    // Enough bytes for a split for each stream.
    let row = |text: String, id| text + &format!("{id:020}\n");
    bed.folder.write("data.csv", (0..ROWS).fold("id\n".to_string(), row));
    let url = bed.url().replace("etl@", "etl_few@");
    let run = "[run]\nchunk_rows = 100\nstreams = 12\nsplit_bytes = \"1 KiB\"";
    let table = "[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"";
    bed.recipe_to(&url, &format!("stall_timeout = \"1 s\"\n{run}\n{table}\n"));
    let ran = bed.etl(["-v"]).run().code(0).never_says("set aside").never_says("no sign of life");
    ran.says(&["fewer streams than asked for on this node"]);
    is_whole(&bed).await;
    bed.sql("ALTER DATABASE retry_connections CONNECTION LIMIT -1; DROP OWNED BY etl_few; DROP ROLE etl_few")
        .await;
}

#[tokio::test]
async fn a_table_that_somebody_locks_is_waited_for_and_no_node_is_blamed() {
    for (database, lock_timeout) in [("retry_locked", "60 s"), ("retry_locked_short", "500 ms")] {
        let bed = failing(database, "01000", 0, "true").await;
        recipe(&bed, &format!("stall_timeout = \"1 s\"\nlock_timeout = \"{lock_timeout}\""), "streams = 3");
        let locker = bed.server.client(&bed.database).await;
        // Upserts look at the table when a stream is made ready, others when they send rows.
        locker.batch_execute("BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let etl = bed.start();
        bed.runs_that_wait(1).await;
        // Twice what a node may be silent for.
        tokio::time::sleep(Duration::from_secs(2)).await;
        locker.batch_execute("COMMIT").await.unwrap();
        etl.finish().await.code(0).never_says("set aside");
        is_whole(&bed).await;
    }
}
