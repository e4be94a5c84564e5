//! The whole path by content: what is in the table is what the file says, however the work is cut.

use std::io::Write;

use etl_tests::bed::Bed;
use etl_tests::customers::{self, assert_same, csv, expected, loaded};
use etl_tests::random::Random;

/// Loads a file with the given `[run]` and compares the table with it.
async fn loads_exactly(database: &str, file: &str, content: &[u8], plain: &[u8], run: &str) -> Bed {
    let bed = Bed::new(database).await;
    bed.sql(customers::TABLE).await;
    bed.measure_chunks("customers").await;
    bed.folder.write(file, content);
    bed.recipe(&format!("[run]\n{run}\n{}", customers::recipe_table(file)));
    bed.run().code(0);
    let expected = expected(plain);
    assert_same(&expected, &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, expected.len() as i64);
    bed
}

#[tokio::test]
async fn twenty_thousand_rows_in_many_splits_and_streams_are_the_rows_of_the_file() {
    let file = csv(20_000);
    let run = "streams = 5\nsplit_bytes = \"64 KiB\"\nchunk_rows = 777";
    let bed = loads_exactly("exact_many", "customers.csv", &file, &file, run).await;
    let progress = bed.progress().await;
    assert!(progress.splits > 40, "{progress:?}");
    // No chunk is longer than it may be, and none spans splits.
    let longest = bed.longest_chunk().await;
    assert!((1..=777).contains(&longest), "{longest} rows in a chunk");
    let gaps = "SELECT count(*) FROM (SELECT bound, lead(start) OVER (ORDER BY ord) AS next FROM etl.ledger) s \
                WHERE next IS NOT NULL AND next <> bound";
    assert_eq!(bed.number(gaps).await, 0, "splits tile the file");
}

#[tokio::test]
async fn the_rows_do_not_depend_on_how_the_work_is_cut() {
    let file = csv(3000);
    let cuts = [
        ("exact_one_chunk", "streams = 1\nchunk_rows = 10000000"),
        ("exact_odd", "streams = 3\nsplit_bytes = \"1 KiB\"\nchunk_rows = 7\nbatch_rows = 5"),
        ("exact_tiny_batches", "streams = 2\nsplit_bytes = \"200 KiB\"\nchunk_rows = 1000\nbatch_rows = 1"),
        ("exact_bytes", "streams = 2\nsplit_bytes = \"1 MiB\"\nchunk_bytes = \"64 KiB\"\nbatch_rows = 333"),
    ];
    for (database, run) in cuts {
        loads_exactly(database, "customers.csv", &file, &file, run).await;
    }
}

#[tokio::test]
async fn a_compressed_file_gives_the_rows_of_the_plain_one() {
    let plain = csv(20_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    let run = "streams = 3\nchunk_rows = 777";
    for (database, file, content) in
        [("exact_gz", "customers.csv.gz", gzip), ("exact_zst", "customers.csv.zst", zstd)]
    {
        let bed = loads_exactly(database, file, &content, &plain, run).await;
        assert_eq!(bed.progress().await.splits, 1, "a compressed file is one split");
    }
}

#[tokio::test]
async fn several_files_of_a_glob_are_one_table() {
    let bed = Bed::new("exact_glob").await;
    bed.sql(customers::TABLE).await;
    let mut all = Vec::new();
    for (file, rows) in [("a", 0..1500), ("b", 1500..1501), ("c", 1501..4000)] {
        let content = customers::csv_of(rows);
        all.extend(expected(&content));
        bed.folder.write(&format!("in/{file}.csv"), content);
    }
    all.sort();
    bed.recipe(&format!("[run]\nsplit_bytes = \"20 KiB\"\n{}", customers::recipe_table("in/*.csv")));
    bed.run().code(0);
    assert_same(&all, &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, 4000);
}

#[tokio::test]
async fn a_file_of_one_row_is_one_row_and_a_file_without_rows_is_none() {
    for (database, rows) in [("exact_one", 1), ("exact_none", 0)] {
        let file = csv(rows);
        let bed = loads_exactly(database, "customers.csv", &file, &file, "streams = 4").await;
        // Once more: a run without rows is finished too.
        bed.run().code(0).says(&["was done before, nothing to load"]);
        assert_eq!(bed.number("SELECT count(*) FROM customers").await, rows as i64);
    }
}

/// Ties of the seventh digit above all: PostgreSQL takes some of them up and some down.
#[tokio::test]
async fn a_fraction_of_a_second_is_rounded_as_the_server_rounds_the_text() {
    let bed = Bed::new("exact_fractions").await;
    let columns = "time_text time, time_typed time, at_text timestamp, at_typed timestamp";
    bed.sql(&format!("CREATE TABLE t (id int, {columns})")).await;
    let mut random = Random::new(11);
    let mut file = String::from("id,time_text,time_typed,at_text,at_typed\n");
    let fixed = ["0001255", "9999994", "9999995", "9999999", "99999949999999999999"].map(String::from);
    let ties = (0..20_000).map(|_| format!("{:06}5", random.below(1_000_000)));
    for (id, digits) in fixed.into_iter().chain(ties).enumerate() {
        let (time, at) = (format!("12:59:59.{digits}"), format!("1969-12-31 23:59:59.{digits}"));
        file += &format!("{id},{time},{time},{at},{at}\n");
    }
    bed.folder.write("t.csv", file);
    let types = "types = { time_typed = \"time\", at_typed = \"timestamp\" }";
    bed.recipe(&format!("[[tables]]\nfrom = \"t.csv\"\ninto = \"public.t\"\n{types}\n"));
    bed.run().code(0);
    let differ = "time_text IS DISTINCT FROM time_typed OR at_text IS DISTINCT FROM at_typed";
    assert_eq!(bed.number(&format!("SELECT count(*) FROM t WHERE {differ}")).await, 0);
    assert_eq!(bed.number("SELECT count(*) FROM t WHERE time_typed IS NOT NULL").await, 20_005);
}
