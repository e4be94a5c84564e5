//! Loads that are stopped: by a person, by a lost connection, by a row that the server refuses. What was committed
//! stays, nothing of a chunk is left half, and the same command continues.

use std::io::Write;

use etl_tests::bed::{Bed, Process, until};
use etl_tests::customers::{self, assert_same, csv, csv_with_rejects, expected, loaded};
use etl_tests::gate::Gate;

const ROWS: u64 = 6000;
const STREAMS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE datname = current_database() AND application_name LIKE 'etl/127%'";

/// A load with three streams and some chunks committed, in front of a gate that lets a few more through.
async fn half_way(database: &str) -> (Bed, Process) {
    let bed = Bed::new(database).await;
    bed.sql(customers::TABLE).await;
    bed.slow_down(30).await;
    let gate = Gate::close(&bed, "customers").await;
    gate.open(12).await;
    bed.folder.write("customers.csv", csv(ROWS));
    let table = customers::recipe_table("customers.csv");
    // Whoever locks something has all the time that a test may take.
    let run = "lock_timeout = \"1 h\"\n[run]\nstreams = 3\nsplit_bytes = \"128 KiB\"\nchunk_rows = 50";
    bed.recipe(&format!("{run}\n{table}"));
    let mut etl = bed.start();
    gate.reached(5, &mut etl).await;
    let streams = STREAMS.replace("pg_terminate_backend(pid)", "count(*)");
    until("three streams", async || (bed.number(&streams).await == 3).then_some(())).await;
    (bed, etl)
}

/// The table holds what the ledger says, no row more or less.
async fn is_whole_chunks(bed: &Bed) {
    // Backends of a connection that is gone may still be rolling back.
    bed.quiet().await;
    let written = "SELECT coalesce(sum(written), 0)::bigint FROM etl.ledger";
    assert_eq!(bed.number("SELECT count(*) FROM customers").await, bed.number(written).await);
}

/// The same command again, to the exact end.
async fn continues(bed: &Bed) {
    bed.sql("DROP TRIGGER pause ON customers; DROP TRIGGER pass ON customers").await;
    bed.run().code(0);
    assert_same(&expected(&csv(ROWS)), &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, ROWS as i64);
}

#[tokio::test]
async fn a_signal_ends_the_chunks_in_hand_and_the_same_command_continues() {
    for (database, signal) in [("stop_interrupt", libc::SIGINT), ("stop_terminate", libc::SIGTERM)] {
        let (bed, mut etl) = half_way(database).await;
        etl.signal(signal);
        etl.says("stopping: ending the chunks in hand").await;
        Gate::of(&bed).open_wide().await;
        let ran = etl.finish().await.code(130);
        let ran = ran.says(&["stopped; the same command continues"]);
        let command = ran.stderr.lines().find_map(|line| line.strip_prefix("continue with: "));
        assert!(command.is_some_and(|command| command.ends_with("etl run recipe.toml")), "{ran:?}");
        assert!(bed.progress().await.is_midway());
        is_whole_chunks(&bed).await;
        // Given back: nobody has to wait until the owner looks dead.
        let owned = "SELECT count(*) FROM etl.ledger WHERE owner IS NOT NULL AND NOT done";
        assert_eq!(bed.number(owned).await, 0);
        continues(&bed).await;
    }
}

/// Every tenth row is refused: sooner or later each stream searches for one.
#[tokio::test]
async fn a_signal_in_the_middle_of_a_search_for_refused_rows_is_a_stop_like_any_other() {
    let bed = Bed::new("stop_careful").await;
    let customers = csv_with_rejects(3000, 10, 10);
    bed.sql(&format!("{}; {}", customers::TABLE, customers.constraint)).await;
    bed.slow_down(5).await;
    bed.folder.write("customers.csv", &customers.file);
    let table = customers::recipe_table("customers.csv");
    bed.recipe(&format!("[run]\nstreams = 3\nchunk_rows = 100\nmax_rejects = 1000\n{table}"));
    for _ in 0..5 {
        let before = bed.progress().await.chunks;
        let etl = bed.start();
        until("chunks", async || (bed.progress().await.chunks > before + 10).then_some(())).await;
        etl.signal(libc::SIGINT);
        etl.finish().await.code(130).says(&["stopped; the same command continues"]);
        is_whole_chunks(&bed).await;
    }
    bed.sql("DROP TRIGGER pause ON customers").await;
    bed.run().code(8);
    customers.is_loaded_by(&bed.client).await;
}

/// A terabyte behind a quote that somebody forgot to close: no split begins in it.
#[tokio::test]
async fn a_signal_is_heeded_while_a_file_is_cut_that_has_no_further_record() {
    let bed = Bed::new("stop_unclosed").await;
    bed.sql("CREATE TABLE t (id int)").await;
    let rows: String = (0..30_000).map(|id| format!("{id}\n")).collect();
    let path = bed.folder.write("t.csv", format!("id\n{rows}\""));
    std::fs::File::options().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
    bed.recipe("[run]\nsplit_bytes = \"64 KiB\"\n[[tables]]\nfrom = \"t.csv\"\ninto = \"public.t\"\n");
    let etl = bed.start();
    until("rows", async || (bed.number("SELECT count(*) FROM t").await > 0).then_some(())).await;
    etl.signal(libc::SIGTERM);
    etl.finish().await.code(130).says(&["stopped; the same command continues"]);
}

/// The same, read from standard input: it is one record that is passed over.
#[tokio::test]
async fn a_record_without_end_keeps_neither_the_rows_before_it_nor_a_signal_waiting() {
    let bed = Bed::new("stop_endless").await;
    bed.sql("CREATE TABLE t (id int)").await;
    bed.recipe("[run]\nchunk_time = \"1 s\"\n[[tables]]\nfrom = \"-\"\ninto = \"public.t\"\n");
    let mut etl = Process::of(bed.etl([""; 0]).stdin_piped());
    let mut input = etl.input();
    let writer = std::thread::spawn(move || {
        let mut written = input.write_all(b"id\n1\n2\n\"");
        while written.is_ok() {
            written = input.write_all(&[b'x'; 1 << 16]);
        }
    });
    until("the rows", async || (bed.number("SELECT count(*) FROM t").await == 2).then_some(())).await;
    etl.signal(libc::SIGTERM);
    etl.finish().await.code(130);
    writer.join().unwrap();
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let (bed, mut etl) = half_way("stop_twice").await;
    let locker = bed.server.client(&bed.database).await;
    let lock = locker.batch_execute("BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE");
    let let_through = async {
        // What stands at the gate has to end first, and nothing may come in behind it.
        let asked = "SELECT count(*) FROM pg_locks WHERE relation = 'customers'::regclass AND mode = 'AccessExclusiveLock'";
        until("the lock to be asked for", async || (bed.number(asked).await > 0).then_some(())).await;
        Gate::of(&bed).open_wide().await;
    };
    tokio::join!(lock, let_through).0.unwrap();
    bed.runs_that_wait(1).await;
    // The chunks in hand cannot end while the table is locked: only a second signal ends the process.
    etl.signal(libc::SIGINT);
    etl.says("stopping: ending the chunks in hand").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!etl.has_ended(), "the first signal ended it");
    etl.signal(libc::SIGINT);
    etl.finish().await.code(130);
    locker.batch_execute("COMMIT").await.unwrap();
    is_whole_chunks(&bed).await;
    assert!(bed.progress().await.is_midway());
    continues(&bed).await;
}

#[tokio::test]
async fn streams_whose_connections_are_lost_reopen_and_lose_nothing() {
    let (bed, mut etl) = half_way("stop_lost").await;
    let mut lost = 0;
    let open = "SELECT start, position FROM etl.ledger WHERE owner IS NOT NULL AND NOT done";
    for _ in 0..3 {
        // All three the first time: nothing is near its end while the gate is closed.
        lost += bed.client.query(STREAMS, &[]).await.unwrap().len();
        Gate::of(&bed).open_wide().await;
        // A split may be reopened again once it has moved.
        let before = customers::rows_of(&bed.client, open).await;
        until("every split that was lost to move", async || {
            let now = customers::rows_of(&bed.client, open).await;
            (etl.has_ended() || before.iter().all(|split| !now.contains(split))).then_some(())
        })
        .await;
    }
    assert!(lost >= 3, "{lost} connections were lost");
    etl.finish().await.code(0).says(&["reopening the split at its committed position"]).never_says("\u{1b}");
    assert_same(&expected(&csv(ROWS)), &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, ROWS as i64);
}

#[tokio::test]
async fn a_run_that_loses_every_connection_says_so_and_the_same_command_continues() {
    let (bed, etl) = half_way("stop_all").await;
    bed.sql(&STREAMS.replace("etl/127%", "etl/%")).await;
    Gate::of(&bed).open_wide().await;
    let ran = etl.finish().await.says(&["reopening the split at its committed position"]);
    // Whether it needs the control connection again is its own affair.
    if ran.code != Some(0) {
        ran.code(5).says(&["lost during", "continue with: "]);
    }
    is_whole_chunks(&bed).await;
    continues(&bed).await;
}

/// A hundred rows; each takes two lines of the file. `bad` is row 57, on lines 116 and 117.
fn rows_with(bad: &str) -> String {
    let row = |number: u32| if number == 57 { bad.into() } else { format!("{number},{number},\"a\nb\"\n") };
    "id,qty,note\n".to_string() + &(0..100).map(row).collect::<String>()
}

#[tokio::test]
async fn a_row_that_the_server_refuses_is_told_without_its_values() {
    let cases = [
        ("stop_unique", "5,4711,\"hush\nhush\"\n", "23505", "unique_violation", "constraint `t_pkey`"),
        ("stop_check", "57,-4711,\"hush\nhush\"\n", "23514", "check_violation", "constraint `t_qty_check`"),
        ("stop_text", "57,hush4711,\"hush\nhush\"\n", "22P02", "invalid_text_representation", "column `qty`"),
        ("stop_null", "57,,\"hush\nhush\"\n", "23502", "not_null_violation", "column `qty`"),
    ];
    for (database, bad, state, condition, what) in cases {
        let bed = Bed::new(database).await;
        bed.sql("CREATE TABLE public.t (id int PRIMARY KEY, qty int NOT NULL CHECK (qty >= 0), note text)")
            .await;
        bed.folder.write("data.csv", rows_with(bad));
        bed.recipe(
            "[run]\nstreams = 1\nchunk_rows = 10\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n",
        );
        let ran = bed.run().code(7).says(&[state, condition, what, "data.csv line 116: server: "]);
        ran.says(&["hint: raise max_rejects to keep such rows"]).never_says("hush").never_says("4711");
        // All rows before it are loaded, none behind it.
        assert_eq!(bed.number("SELECT count(*) FROM t").await, 57);
        assert_eq!(bed.number("SELECT max(id)::bigint FROM t").await, 56);
        assert_eq!(bed.progress().await.read, 57);
        // It stays refused, and is not loaded behind anybody's back.
        bed.run().code(7);
        assert_eq!(bed.number("SELECT count(*) FROM t").await, 57);
    }
}

#[tokio::test]
async fn once_the_table_takes_the_row_the_same_command_loads_the_rest() {
    let bed = Bed::new("stop_mended").await;
    bed.sql("CREATE TABLE public.t (id int PRIMARY KEY, qty int CHECK (qty >= 0), note text)").await;
    bed.folder.write("data.csv", rows_with("57,-1,x\n"));
    bed.recipe("[run]\nchunk_rows = 10\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n");
    bed.run().code(7);
    bed.sql("ALTER TABLE t DROP CONSTRAINT t_qty_check").await;
    bed.run().code(0);
    let rows = customers::rows_of(&bed.client, "SELECT id, qty, note FROM t").await;
    let cell = |number: i64| Some(number.to_string());
    let mut all: Vec<customers::Row> = (0..100)
        .map(|id| match id {
            57 => vec![cell(57), cell(-1), Some("x".into())],
            id => vec![cell(id), cell(id), Some("a\nb".into())],
        })
        .collect();
    all.sort();
    assert_same(&all, &rows);
    assert_eq!(bed.is_finished().await, 100);
}
