//! Which table a corrected row goes into: the one that it names, and no other of a like name.

use etl_tests::bed::Bed;
use etl_tests::harness::Folder;

const ROWS: &str = "id,name\n1,Ada\n";

/// The tables of a recipe, each from `rows.csv`.
fn tables(intos: &[&str]) -> String {
    let table = |into: &&str| format!("[[tables]]\nfrom = \"rows.csv\"\ninto = \"{into}\"\n");
    intos.iter().map(table).collect()
}

fn line(table: &str) -> String {
    format!("{{\"table\":\"{table}\",\"original\":{{\"id\":2,\"name\":\"Bob\"}}}}\n")
}

#[test]
fn a_row_for_a_folder_goes_into_the_one_that_it_names() {
    let folder = Folder::new();
    folder.write("rows.csv", ROWS);
    folder.write("recipe.toml", format!("name = \"n\"\n{}", tables(&["people", "other.people"])));
    folder.etl(["run"]).run().code(0);
    folder.write("other.jsonl", line("other.people"));
    folder.etl(["run", "--rejects", "other.jsonl"]).run().code(0).says(&["1 rows read: 1 loaded"]);
    assert!(folder.path("etl-out/n/other.people/000002.csv").exists());
    assert!(!folder.path("etl-out/n/people/000002.csv").exists());
    for table in ["zzz.people", "public.people", "PEOPLE"] {
        folder.write("none.jsonl", line(table));
        let says = format!("line 1: the recipe loads no table `{table}`");
        folder.etl(["run", "--rejects", "none.jsonl"]).run().code(3).says(&[&says]);
    }
}

#[tokio::test]
async fn a_row_for_a_database_goes_into_the_table_that_the_ledger_or_the_recipe_names() {
    let bed = Bed::new("rejects_named").await;
    let columns = "(id int, name text)";
    bed.sql(&format!(
        "CREATE SCHEMA other; CREATE SCHEMA \"a.b\"; CREATE TABLE people {columns};
         CREATE TABLE other.people {columns}; CREATE TABLE \"a.b\".people {columns}"
    ))
    .await;
    bed.folder.write("rows.csv", ROWS);
    bed.recipe(
        &tables(&["people", "other.people", "\\\"a.b\\\".people"]).replace("\"rows.csv\"", "'rows.csv'"),
    );
    // No row of the tables themselves: what is counted below was corrected.
    bed.folder.write("rows.csv", ROWS.replace("1,Ada\n", ""));
    bed.etl(["--quiet"]).run().code(0);
    let counts = async || {
        let count = |table: &str| format!("(SELECT count(*) FROM {table})");
        let counts = ["people", "other.people", "\"a.b\".people"].map(count);
        let row = bed.client.query_one(&format!("SELECT {}", counts.join(", ")), &[]).await.unwrap();
        [row.get::<_, i64>(0), row.get(1), row.get(2)]
    };
    for (file, table, expected) in [
        ("1.jsonl", "other.people", [0, 1, 0]),
        ("2.jsonl", "people", [1, 1, 0]),
        ("3.jsonl", "public.people", [2, 1, 0]),
        ("4.jsonl", "a.b.people", [2, 1, 1]),
    ] {
        bed.folder.write(file, line(table));
        bed.etl(["--rejects", file]).run().code(0).says(&["1 rows read: 1 loaded"]);
        assert_eq!(counts().await, expected, "{table}");
    }
    for table in ["archive.people", "b.people"] {
        bed.folder.write("none.jsonl", line(table));
        let says = format!("line 1: the recipe loads no table `{table}`");
        bed.etl(["--rejects", "none.jsonl"]).run().code(3).says(&[&says]);
    }
    assert_eq!(counts().await, [2, 1, 1]);
}
