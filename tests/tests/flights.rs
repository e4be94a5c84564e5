//! The story of `examples/flights`, as its README tells it: the totals in the table are those that were computed
//! another way, the rejects have their reasons, and a second run loads nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use etl_tests::bed::Bed;
use etl_tests::customers::{Row, records, rows_of};
use etl_tests::harness::{Ran, guest};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/flights").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(example(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The example in a folder of its own, with the module that was built from its source.
async fn bed(database: &str, recipe: &str) -> Bed {
    let bed = Bed::new(database).await;
    bed.sql(&read("create.sql")).await;
    bed.folder.write("recipe.toml", recipe);
    for data in ["data/flights-2013-01.csv", "data/flights-clock-changes.csv"] {
        bed.folder.write(data, read(data));
    }
    bed.folder.write("flights.wasm", std::fs::read(guest("rust", "flights")).expect("a module"));
    bed
}

/// The recipe as it is; only where the server listens is told beside it.
fn run(bed: &Bed) -> Ran {
    let url = bed.server.url("127.0.0.1,127.0.0.2,127.0.0.3", &bed.database);
    bed.etl(["--report", "report.json"]).env("ETL_TARGET__POSTGRES__URL", url).run()
}

/// (measure, value) of one file and one way with cancelled flights, without the reasons that no row has.
fn expected(file: &str, cancelled: &str) -> Vec<Row> {
    let rows = records(read("expected.csv").as_bytes()).into_iter().filter(|row| {
        let cells: Vec<&str> = row.iter().flatten().map(String::as_str).collect();
        cells[..2] == [file, cancelled] && !(cells[2].starts_with("rejected") && cells[3] == "0")
    });
    let mut rows: Vec<Row> = rows.map(|row| row[2..].to_vec()).collect();
    rows.sort();
    assert!(rows.len() > 10, "{file} {cancelled} is in expected.csv");
    rows
}

/// The same from the target: the example's own query, the ledger and the rejects.
async fn measured(bed: &Bed) -> Vec<Row> {
    let mut rows = rows_of(&bed.client, &read("totals.sql")).await;
    let ledger = "SELECT m, v FROM (SELECT sum(read), sum(filtered) FROM etl.ledger) s (r, f), \
                  LATERAL (VALUES ('read', r), ('filtered', f)) t (m, v)";
    rows.extend(rows_of(&bed.client, ledger).await);
    let rejects = "SELECT 'rejected: ' || reason, count(*) FROM etl.reject GROUP BY 1";
    rows.extend(rows_of(&bed.client, rejects).await);
    rows.sort();
    rows
}

#[tokio::test]
async fn january_is_loaded_as_it_was_computed_elsewhere_and_a_second_run_loads_nothing() {
    let bed = bed("flights_january", &read("recipe.toml")).await;
    run(&bed).code(8).says(&["flights: done, with rejects", "no time zone known for the airport"]);
    let wanted = expected("flights-2013-01.csv", "flag");
    assert_eq!(measured(&bed).await, wanted);
    assert_eq!(bed.is_finished().await, 27_004);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bed.folder.path("report.json")).unwrap()).unwrap();
    assert_eq!((&report["rows"]["read"], &report["rows"]["rejected"]), (&27_004.into(), &680.into()));
    assert_eq!(report["rejects"][0]["reason"], "no time zone known for the airport");
    assert_eq!(report["nodes"].as_array().map(Vec::len), Some(3));
    // Every reject has its row, as it was read.
    let originals = "SELECT count(*) FROM etl.reject WHERE original->>'dest' IN ('SJU', 'BQN', 'PSE', 'STT')";
    assert_eq!(bed.number(originals).await, 680);

    run(&bed).code(8).says(&["flights: was done before, nothing to load"]);
    assert_eq!(measured(&bed).await, wanted);
}

#[tokio::test]
async fn cancelled_flights_are_filtered_where_the_option_says_so() {
    let recipe = read("recipe.toml").replace("cancelled = \"flag\"", "cancelled = \"filter\"");
    let bed = bed("flights_filter", &recipe).await;
    run(&bed).code(8);
    assert_eq!(measured(&bed).await, expected("flights-2013-01.csv", "filter"));
    // Another option would make other rows: refused by name.
    bed.folder.write("recipe.toml", read("recipe.toml"));
    run(&bed).code(9).says(&["transforms[1]", "cancelled", "filter", "flag", "--fresh"]);
    assert_eq!(measured(&bed).await, expected("flights-2013-01.csv", "filter"));
}

#[tokio::test]
async fn the_nights_when_clocks_change_come_out_right() {
    let recipe = read("recipe.toml").replace("flights-2013-01", "flights-clock-changes");
    let bed = bed("flights_clocks", &recipe).await;
    // Of so few rows 18 are more than 5 %: all that can be loaded is loaded, and it is not called a success.
    for _ in 0..2 {
        run(&bed).code(7).says(&["18 of 301 rows rejected, more than max_rejects_percent = 5 allows"]);
    }
    bed.folder.write("recipe.toml", recipe.replace("max_rejects_percent = 5", "max_rejects_percent = 6"));
    run(&bed).code(8).says(&["flights: was done before, nothing to load"]);
    assert_eq!(measured(&bed).await, expected("flights-clock-changes.csv", "flag"));
}
