//! Which row stays: the one that is there, the first, or the last.

use super::bed::{CHUNKS, bed, counts, forget, recipe, rows};

const TABLE: &str = "CREATE TABLE public.t (id int PRIMARY KEY, v text, other text DEFAULT 'made')";
const THERE: &str = "TRUNCATE public.t; INSERT INTO public.t VALUES (2, 'old', 'kept'), (9, 'far', 'kept')";
const CSV: &str = "id,v\n1,a\n2,b\n3,c\n1,again\n2,again\n1,last\n4,d\n";

#[tokio::test]
async fn skip_keeps_what_is_there_and_the_first_of_each_key_whatever_the_chunks() {
    let bed = bed("write_skip", TABLE, CSV).await;
    for chunk_rows in CHUNKS {
        forget(&bed).await;
        bed.sql(THERE).await;
        recipe(&bed, "skip", &format!("streams = 1\nchunk_rows = {chunk_rows}"), "");
        let ran = bed.run().code(0);
        ran.says(&["(skip): 1 of 1 splits, 7 rows read: 3 loaded, 4 skipped\n"]);
        let expected = ["1 a made", "2 old kept", "3 c made", "4 d made", "9 far kept"];
        assert_eq!(rows(&bed, "id, v, other").await, expected, "chunks of {chunk_rows}");
        assert_eq!(counts(&bed).await, [7, 3, 0, 0, 4, 7], "chunks of {chunk_rows}");
    }
}

#[tokio::test]
async fn upsert_overwrites_the_columns_it_fills_and_the_last_of_each_key_wins_whatever_the_chunks() {
    let bed = bed("write_upsert", TABLE, CSV).await;
    for chunk_rows in CHUNKS {
        forget(&bed).await;
        bed.sql(THERE).await;
        recipe(&bed, "upsert", &format!("streams = 1\nchunk_rows = {chunk_rows}"), "");
        bed.run().code(0).says(&["(upsert): 1 of 1 splits, 7 rows read: 7 loaded\n"]);
        let expected = ["1 last made", "2 again kept", "3 c made", "4 d made", "9 far kept"];
        assert_eq!(rows(&bed, "id, v, other").await, expected, "chunks of {chunk_rows}");
        assert_eq!(counts(&bed).await, [7, 7, 0, 0, 0, 7], "chunks of {chunk_rows}");
    }
}

#[tokio::test]
async fn the_same_file_twice_changes_nothing() {
    let csv = (0..5000).fold("id,v\n".to_string(), |text, id| text + &format!("{id},v{id}\n"));
    let bed = bed("write_twice", TABLE, csv).await;
    for (mode, again) in [("upsert", [5000, 5000, 0, 0, 0, 5000]), ("skip", [5000, 0, 0, 0, 5000, 5000])] {
        forget(&bed).await;
        bed.sql("TRUNCATE public.t").await;
        recipe(&bed, mode, "streams = 3\nchunk_rows = 300\nsplit_bytes = \"8 KiB\"", "");
        bed.run().code(0);
        let first = rows(&bed, "*").await;
        assert_eq!((first.len(), counts(&bed).await), (5000, [5000, 5000, 0, 0, 0, 5000]));
        bed.run().code(0).says(&["was done before, nothing to load"]);
        // Who is asked hears what becomes of the rows that stay.
        let then = if mode == "skip" { "will be skipped" } else { "will overwrite them" };
        bed.etl(["--fresh"]).run().code(2).says(&[
            "5,000 rows that `test` loaded stay in",
            then,
            "add --yes",
        ]);
        bed.etl(["--fresh", "--yes"]).run().code(0);
        assert_eq!(rows(&bed, "*").await, first);
        assert_eq!(counts(&bed).await, again);
    }
}

#[tokio::test]
async fn append_refuses_what_the_other_modes_are_for() {
    let bed = bed("write_append", TABLE, CSV).await;
    bed.sql(THERE).await;
    recipe(&bed, "append", "streams = 1\nmax_rejects = 9", "");
    bed.run().code(8).says(&["4 server/unique_violation"]);
    assert_eq!(counts(&bed).await, [7, 3, 0, 4, 0, 3]);
}

#[tokio::test]
async fn the_mode_belongs_to_what_a_load_is_continued_with() {
    let bed = bed("write_drift", TABLE, CSV).await;
    recipe(&bed, "upsert", "streams = 1", "");
    bed.run().code(0);
    recipe(&bed, "skip", "streams = 1", "");
    bed.run().code(9).says(&["write changed (upsert → skip)"]);
    recipe(&bed, "append", "streams = 1", "");
    bed.run().code(9).says(&["write removed (was upsert)"]);
    recipe(&bed, "upsert", "streams = 2\nchunk_rows = 5", "truncate = \"first-run\"");
    bed.run().code(0).says(&["was done before"]);
    assert_eq!(rows(&bed, "id, v").await, ["1 last", "2 again", "3 c", "4 d"]);
}

#[tokio::test]
async fn reports_and_plans_tell_the_mode_and_what_was_skipped() {
    let bed = bed("write_report", TABLE, CSV).await;
    bed.sql(THERE).await;
    recipe(&bed, "skip", "streams = 1", "");
    let plan = bed.folder.etl(["plan", "recipe.toml"]).run().code(0);
    assert!(plan.stdout.contains("data.csv -> public.t (skip): 1 split\n"), "{plan:?}");
    let plan = bed.folder.etl(["plan", "recipe.toml", "--json"]).run().code(0).json();
    assert_eq!(plan["files"][0]["write"], "skip");
    let check = bed.folder.etl(["check", "recipe.toml"]).run().code(0);
    assert!(check.stdout.contains("data.csv -> public.t (skip): 1 file"), "{check:?}");
    let report = bed.etl(["--json"]).run().code(0).json();
    assert_eq!(report["tables"][0]["write"], "skip");
    for rows in [&report["rows"], &report["tables"][0]["rows"]] {
        assert_eq!((&rows["read"], &rows["loaded"], &rows["skipped"]), (&7.into(), &3.into(), &4.into()));
    }
}
