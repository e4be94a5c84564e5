//! Counts by input row where a module makes several rows of one, against a model that writes row by row.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use etl_tests::harness::guest;
use etl_tests::random::Random;

use super::bed::{CHUNKS, bed, counts, forget, recipe, rows};

const TABLE: &str = "CREATE TABLE public.t (id int, tag text, PRIMARY KEY (tag, id))";

fn fan_out(mode: &str, bed: &etl_tests::bed::Bed, run: &str) {
    let module = guest("rust", "fan-out");
    let table =
        format!("types = {{ id = \"int32\" }}\ntransforms = [{{ module = \"{}\" }}]", module.display());
    recipe(bed, mode, run, &table);
}

#[tokio::test]
async fn an_input_row_is_skipped_only_if_none_of_its_rows_was_inserted() {
    let csv = "id,tags\n1,red|blue\n2,red|red\n3,red\n4,\n1,blue\n3,red|red\n5,a|b|c\n";
    let bed = bed("write_fan_out", TABLE, csv).await;
    for chunk_rows in CHUNKS {
        forget(&bed).await;
        bed.sql("TRUNCATE public.t; INSERT INTO public.t VALUES (1, 'red'), (3, 'red')").await;
        fan_out("skip", &bed, &format!("streams = 1\nchunk_rows = {chunk_rows}"));
        bed.run().code(0).says(&["7 rows read: 3 loaded, 1 filtered, 3 skipped, 11 written"]);
        let expected = ["1 blue", "1 red", "2 red", "3 red", "5 a", "5 b", "5 c"];
        assert_eq!(rows(&bed, "id, tag").await, expected, "chunks of {chunk_rows}");
        assert_eq!(counts(&bed).await, [7, 3, 1, 0, 3, 11], "chunks of {chunk_rows}");
    }
}

/// 3,000 input rows with up to four rows each, of which most meet one of their key, there or in the file.
#[tokio::test]
async fn counts_are_those_of_a_model_that_writes_row_by_row() {
    let mut random = Random::of_the_test_run();
    let tags = ["a", "b", "c", "d", "e"];
    let mut there: BTreeSet<(u64, &str)> =
        (0..200).map(|_| (random.below(300), random.pick(&tags))).collect();
    let values: Vec<String> = there.iter().map(|(id, tag)| format!("({id}, '{tag}')")).collect();
    let (mut csv, mut expected) = ("id,tags\n".to_string(), [3000, 0, 0, 0, 0, 0]);
    for _ in 0..3000 {
        let id = random.below(300);
        let own: Vec<&str> = (0..random.below(5)).map(|_| random.pick(&tags)).collect();
        writeln!(csv, "{id},{}", own.join("|")).unwrap();
        let inserted = own.iter().filter(|tag| there.insert((id, **tag))).count();
        let fate = match (own.is_empty(), inserted) {
            (true, _) => 2,
            (false, 0) => 4,
            (false, _) => 1,
        };
        expected[fate] += 1;
        expected[5] += i64::try_from(own.len()).unwrap();
    }
    let bed = bed("write_model", TABLE, csv).await;
    let mut model: Vec<String> = there.iter().map(|(id, tag)| format!("{id} {tag}")).collect();
    for run in ["chunk_rows = 1", "chunk_rows = 13\nbatch_rows = 5", "chunk_rows = 10000\nbatch_rows = 64"] {
        forget(&bed).await;
        bed.sql(&format!("TRUNCATE public.t; INSERT INTO public.t VALUES {}", values.join(", "))).await;
        fan_out("skip", &bed, &format!("streams = 1\n{run}"));
        bed.run().code(0);
        assert_eq!(counts(&bed).await, expected, "{run}");
        let mut loaded = rows(&bed, "id, tag").await;
        loaded.sort();
        model.sort();
        assert_eq!(loaded, model, "{run}");
    }
    // Nothing but keys: upsert leaves what is there, and all that was sent counts as loaded.
    forget(&bed).await;
    fan_out("upsert", &bed, "streams = 2\nchunk_rows = 100");
    bed.run().code(0);
    let [read, _, filtered, _, _, written] = expected;
    assert_eq!(counts(&bed).await, [read, read - filtered, filtered, 0, 0, written]);
    assert_eq!(rows(&bed, "id, tag").await.len(), model.len());
}
