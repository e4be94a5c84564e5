//! `truncate = "first-run"`: once, when it was asked for, in one piece with the ledger's beginning.

use etl_tests::bed::{Bed, Process, until};

use super::bed::{bed, counts, forget, recipe, rows};

const TABLE: &str =
    "CREATE TABLE public.t (id int, v text); INSERT INTO public.t VALUES (7, 'old'), (8, 'old')";
const CSV: &str = "id,v\n1,a\n2,b\n";
const FIRST: &str = "truncate = \"first-run\"";

async fn there(bed: &Bed) -> i64 {
    bed.number("SELECT count(*) FROM public.t WHERE v = 'old'").await
}

#[tokio::test]
async fn a_first_run_asks_and_empties_once() {
    let bed = bed("empty_first", TABLE, CSV).await;
    recipe(&bed, "append", "", FIRST);
    let ran = bed.run().code(2);
    ran.says(&["every row of \"public\".\"t\" goes away before the first one is loaded", "add --yes"]);
    assert_eq!(there(&bed).await, 2);
    // Who did not answer has no ledger made either.
    assert_eq!(bed.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'etl'").await, 0);
    bed.etl(["--yes"]).run().code(0);
    assert_eq!(rows(&bed, "*").await, ["1 a", "2 b"]);
    // Neither asked again nor emptied, and the ledger knows the table's new file.
    bed.sql("INSERT INTO public.t VALUES (9, 'old')").await;
    bed.run().code(0).says(&["was done before"]);
    bed.etl(["--yes"]).run().code(0).says(&["was done before"]);
    assert_eq!(there(&bed).await, 1);
    bed.etl(["--fresh"]).run().code(2).says(&["every row of", "--fresh asks"]);
    assert_eq!((there(&bed).await, counts(&bed).await[0]), (1, 2));
    bed.etl(["--fresh", "--yes"]).run().code(0);
    assert_eq!(rows(&bed, "*").await, ["1 a", "2 b"]);
    bed.run().code(0).says(&["was done before"]);
    // Behind our back it is drift as ever.
    bed.sql("TRUNCATE public.t").await;
    bed.etl(["--yes"]).run().code(9).says(&["was truncated, restored or rewritten"]);
}

#[tokio::test]
async fn rejects_that_go_away_are_asked_about_even_where_no_row_was_loaded() {
    let bed = bed("empty_rejects", TABLE, "id,v\nragged\nragged\n").await;
    recipe(&bed, "append", "max_rejects = 2", "");
    bed.run().code(8).says(&["0 loaded, 2 rejected"]);
    let says =
        ["2 rejects of `test` into \"public\".\"t\" go away", "`etl rejects --export FILE` keeps them"];
    bed.etl(["--fresh"]).run().code(2).says(&says);
    assert_eq!(bed.number("SELECT count(*) FROM etl.reject").await, 2);
    bed.etl(["--fresh", "--yes"]).run().code(8);
    assert_eq!(bed.number("SELECT count(*) FROM etl.reject").await, 2);
}

#[tokio::test]
async fn a_person_at_a_terminal_is_asked_and_only_a_yes_goes_on() {
    const ASKED: &str = "Empty what is named above and load? [y/N] ";
    let bed = bed("empty_asked", TABLE, CSV).await;
    recipe(&bed, "append", "", FIRST);
    for (typed, code) in [("n\n", 2), ("\n", 2), ("yes please\n", 2), ("\u{4}", 2), ("\u{3}", 130)] {
        let ran = bed.etl(["--report", "r.json"]).on_a_terminal(ASKED, typed).code(code);
        assert!(!bed.folder.path("r.json").exists());
        let ended = if code == 2 {
            "not confirmed: nothing was touched"
        } else {
            "stopped before anything was loaded"
        };
        assert!(ran.stdout.contains(ended), "{ran:?}");
        assert_eq!(there(&bed).await, 2, "{typed:?}");
    }
    bed.etl([""; 0]).on_a_terminal(ASKED, "y\n").code(0);
    assert_eq!(rows(&bed, "*").await, ["1 a", "2 b"]);
    let asked = "Forget what the ledger knows, empty what is named above and load everything again? [y/N] ";
    bed.etl(["--fresh"]).on_a_terminal(asked, "yes\n").code(0);
    assert_eq!(rows(&bed, "*").await, ["1 a", "2 b"]);
}

#[tokio::test]
async fn a_load_that_was_begun_is_never_emptied() {
    let csv = (0..12_000).fold("id,v\n".to_string(), |text, id| text + &format!("{id},x\n"));
    let bed = bed("empty_resume", TABLE, csv).await;
    bed.slow_down_table("t", 150).await;
    recipe(&bed, "append", "streams = 2\nchunk_rows = 100", FIRST);
    for yes in [&["--yes"][..], &[], &["--yes"]] {
        let before = bed.progress().await;
        let etl = Process::of(bed.etl(yes));
        until("the next chunks", async || (bed.progress().await.chunks > before.chunks + 1).then_some(()))
            .await;
        assert_eq!(etl.kill().code, None);
    }
    bed.sql("DROP TRIGGER pause ON t").await;
    bed.run().code(0);
    assert_eq!((there(&bed).await, counts(&bed).await[0]), (0, 12_000));
    assert_eq!(bed.number("SELECT count(DISTINCT id) FROM public.t").await, 12_000);
    assert_eq!(bed.number("SELECT count(*) FROM public.t").await, 12_000);
}

/// The row of the run is written, and TRUNCATE waits for a lock.
#[tokio::test]
async fn a_kill_in_the_middle_of_it_leaves_table_and_ledger_as_they_were() {
    let bed = bed("empty_kill", TABLE, CSV).await;
    recipe(&bed, "append", "", FIRST);
    let locker = bed.server.client(&bed.database).await;
    locker.batch_execute("BEGIN; LOCK TABLE public.t IN ROW EXCLUSIVE MODE").await.unwrap();
    let etl = Process::of(bed.etl(["--yes"]));
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'TRUNCATE%' AND wait_event_type = 'Lock'
                 AND datname = current_database()";
    until("TRUNCATE to wait", async || (bed.number(waits).await == 1).then_some(())).await;
    etl.kill();
    // The server notices when it has something to say; its transaction is rolled back then.
    bed.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'TRUNCATE%'
             AND datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
    locker.batch_execute("COMMIT").await.unwrap();
    until("its end", async || (bed.number(waits).await == 0).then_some(())).await;
    assert_eq!(there(&bed).await, 2);
    assert_eq!(bed.number("SELECT count(*) FROM etl.run").await, 0);
    bed.run().code(2).says(&["add --yes"]);
    bed.etl(["--yes"]).run().code(0);
    assert_eq!(rows(&bed, "*").await, ["1 a", "2 b"]);
}

#[tokio::test]
async fn a_death_at_any_step_of_the_beginning_empties_with_the_ledger_or_not_at_all() {
    let bed = bed("empty_steps", TABLE, CSV).await;
    recipe(&bed, "append", "", FIRST);
    for step in ["tables-making", "run-opening", "run-opened", "source-adding", "claimed", "committing"] {
        forget(&bed).await;
        bed.sql("TRUNCATE public.t; INSERT INTO public.t VALUES (7, 'old'), (8, 'old')").await;
        let ran = bed.etl(["--yes"]).env("ETL_FAILPOINT", step).run();
        assert_eq!(ran.code, None, "{step}: {ran:?}");
        let begun = bed.number("SELECT (to_regclass('etl.run') IS NOT NULL)::int::bigint").await == 1
            && bed.number("SELECT count(*) FROM etl.run").await == 1;
        assert_eq!(begun, ["source-adding", "claimed", "committing"].contains(&step), "{step}");
        assert_eq!(there(&bed).await, if begun { 0 } else { 2 }, "{step}");
        // What was emptied is continued without a question, and what was not is asked about again.
        bed.run().code(if begun { 0 } else { 2 });
        bed.etl(["--yes"]).run().code(0);
        assert_eq!(rows(&bed, "*").await, ["1 a", "2 b"], "{step}");
    }
}

#[tokio::test]
async fn of_two_first_runs_one_empties_and_no_row_of_the_other_is_lost() {
    let csv = (0..6000).fold("id,v\n".to_string(), |text, id| text + &format!("{id},x\n"));
    let bed = bed("empty_two", TABLE, csv).await;
    recipe(&bed, "append", "streams = 2\nchunk_rows = 100\nsplit_bytes = \"4 KiB\"", FIRST);
    for _ in 0..3 {
        forget(&bed).await;
        let running: Vec<Process> = (0..3).map(|_| Process::of(bed.etl(["--yes"]))).collect();
        let mut codes = Vec::new();
        for process in running {
            codes.push(process.finish().await.code);
        }
        assert!(
            codes.contains(&Some(0)) && codes.iter().all(|code| matches!(code, Some(0 | 10))),
            "{codes:?}"
        );
        assert_eq!((counts(&bed).await[0], there(&bed).await), (6000, 0));
        assert_eq!(bed.number("SELECT count(*) - count(DISTINCT id) FROM public.t").await, 0);
        assert_eq!(bed.number("SELECT count(*) FROM public.t").await, 6000);
    }
}

#[tokio::test]
async fn partitions_are_emptied_and_heirs_are_not() {
    let ddl = "CREATE TABLE public.t (id int, v text) PARTITION BY LIST (id);
        CREATE TABLE public.one PARTITION OF public.t FOR VALUES IN (1);
        CREATE TABLE public.rest PARTITION OF public.t DEFAULT;
        INSERT INTO public.t VALUES (1, 'old'), (2, 'old')";
    let parted = bed("empty_parts", ddl, CSV).await;
    recipe(&parted, "append", "", FIRST);
    parted.etl(["--yes"]).run().code(0);
    assert_eq!(rows(&parted, "*").await, ["1 a", "2 b"]);

    let heirs = bed(
        "empty_heirs",
        &format!(
            "{TABLE}; CREATE TABLE public.heir () INHERITS (public.t); INSERT INTO heir VALUES (1, 'heir')"
        ),
        CSV,
    )
    .await;
    recipe(&heirs, "append", "", FIRST);
    heirs.etl(["--yes"]).run().code(0);
    assert_eq!(rows(&heirs, "*").await, ["1 a", "1 heir", "2 b"]);
}

#[tokio::test]
async fn a_table_that_others_refer_to_is_refused_by_name() {
    let ddl = "CREATE TABLE public.t (id int PRIMARY KEY, v text, up int REFERENCES public.t);
        CREATE TABLE public.\"Orders\" (t int CONSTRAINT to_t REFERENCES public.t)";
    let bed = bed("empty_refused", ddl, CSV).await;
    recipe(&bed, "append", "", FIRST);
    let says = [
        "recipe.toml:10: public.t cannot be emptied: rows of \"Orders\" may refer to its rows (foreign key `to_t`)",
    ];
    bed.folder.etl(["check", "recipe.toml"]).run().code(11).says(&says);
    bed.etl(["--yes"]).run().code(5).says(&says);
    // Its own rows go with it.
    bed.sql("DROP TABLE public.\"Orders\"; INSERT INTO public.t VALUES (1, 'old', NULL), (2, 'old', 1)")
        .await;
    bed.etl(["--yes"]).run().code(0);
    assert_eq!(rows(&bed, "id, v").await, ["1 a", "2 b"]);
}

#[tokio::test]
async fn standard_input_has_no_first_run() {
    let bed = bed("empty_stdin", TABLE, CSV).await;
    bed.recipe("[[tables]]\nfrom = \"-\"\ninto = \"public.t\"\ntruncate = \"first-run\"\n");
    bed.etl(["--yes"])
        .run()
        .code(2)
        .says(&["recipe.toml:7:1: `tables[0].truncate`: not with standard input"]);
    assert_eq!(there(&bed).await, 2);
}

#[tokio::test]
async fn a_table_that_the_run_makes_needs_no_question() {
    let bed = bed("empty_made", "SELECT", CSV).await;
    recipe(&bed, "append", "", &format!("{FIRST}\ncreate = \"if-missing\""));
    bed.run().code(0);
    assert_eq!(rows(&bed, "*").await, ["1 a", "2 b"]);
    bed.run().code(0).says(&["was done before"]);
}

/// The second table is no longer what its load began with.
#[tokio::test]
async fn no_table_is_emptied_where_another_of_the_recipe_is_refused() {
    let bed = bed("empty_others", TABLE, CSV).await;
    bed.sql("CREATE TABLE public.other (id int, v text)").await;
    let table = |into: &str, more: &str| {
        format!("[[tables]]\nfrom = \"data.csv\"\ninto = \"public.{into}\"\n{more}\n")
    };
    bed.recipe(&table("other", ""));
    bed.run().code(0);
    bed.sql("TRUNCATE public.other").await;
    bed.recipe(&(table("t", FIRST) + &table("other", "")));
    bed.etl(["--yes"]).run().code(9).says(&["public.other was truncated"]);
    assert_eq!((there(&bed).await, bed.number("SELECT count(*) FROM etl.run").await), (2, 1));
    bed.etl(["--fresh", "--yes"]).run().code(0);
    assert_eq!(rows(&bed, "*").await, ["1 a", "2 b"]);
}
