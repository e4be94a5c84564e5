//! Columns that would round, cut or pad without a word are found before a row moves; what the recipe allows is loaded.

use etl_tests::bed::Bed;

/// A value of each type for a column that has no room for all of it, and what is there afterwards.
const COLUMNS: [(&str, &str, &str, &str, &str); 11] = [
    ("n", "numeric", "numeric(5,1)", "1.25", "1.3"),
    ("d", "numeric", "cents", "2.345", "2.35"),
    ("f", "float64", "numeric(5,1)", "0.15625", "0.2"),
    ("r", "float64", "real", "0.1234567891234", "0.12345679"),
    ("e", "numeric", "double precision", "1.00000000000000000001", "1"),
    ("ts", "timestamp", "timestamptz(0)", "2024-02-29 10:00:00.7", "2024-02-29 10:00:01+00"),
    ("t", "time", "time(3)", "10:00:00.123456", "10:00:00.123"),
    ("i", "interval", "interval(0)", "1 day 00:00:01.7", "1 day 00:00:02"),
    ("y", "interval", "interval year to month", "1 year 2 mons 3 days", "1 year 2 mons"),
    ("c", "text", "char(4)", "ab", "ab  "),
    ("v", "text", "varchar(2)", "ab  ", "ab"),
];

/// Columns that look like those, and change nothing that is a value of its type.
const GOOD: [(&str, &str, &str, &str, &str); 6] = [
    ("g_int", "int32", "numeric(5,0)", "7", "7"),
    ("g_ts", "timestamp", "timestamp(6)", "2024-02-29 10:00:00.123456", "2024-02-29 10:00:00.123456"),
    ("g_i", "interval", "interval(6)", "1 day 00:00:01.7", "1 day 00:00:01.7"),
    (
        "g_id",
        "uuid",
        "char(36)",
        "00010203-0405-0607-0809-0a0b0c0d0e0f",
        "00010203-0405-0607-0809-0a0b0c0d0e0f",
    ),
    ("g_v", "int64", "varchar(3)", "123", "123"),
    // The server's own reading of a text.
    ("g_text", "text", "numeric(5,1)", "1.25", "1.3"),
];

async fn bed(database: &str) -> Bed {
    let bed = Bed::new(database).await;
    let all = COLUMNS.iter().chain(&GOOD);
    let columns: Vec<String> = all.clone().map(|(name, _, target, ..)| format!("{name} {target}")).collect();
    bed.sql(&format!(
        "SET timezone = 'UTC'; CREATE DOMAIN cents AS numeric(12,2); CREATE TABLE t ({})",
        columns.join(", ")
    ))
    .await;
    let names: Vec<&str> = all.clone().map(|(name, ..)| *name).collect();
    let values: Vec<String> = all.map(|(.., value, _)| format!("\"{value}\"")).collect();
    bed.folder.write("rows.csv", format!("{}\n{}\n", names.join(","), values.join(",")));
    bed
}

fn table(more: &str) -> String {
    let types = COLUMNS.iter().chain(&GOOD).map(|(name, ty, ..)| format!("{name} = \"{ty}\""));
    let types = types.collect::<Vec<_>>().join(", ");
    format!("[[tables]]\nfrom = \"rows.csv\"\ninto = \"public.t\"\ntypes = {{ {types} }}\n{more}\n")
}

#[tokio::test]
async fn each_column_that_would_change_a_value_is_named_and_no_other() {
    let bed = bed("round_check").await;
    bed.recipe(&table(""));
    let ran = bed.folder.etl(["check", "--json"]).run().code(11);
    let problems = ran.json()["problems"].as_array().unwrap().clone();
    assert_eq!(problems.len(), COLUMNS.len(), "{problems:#?}");
    for (problem, (name, ..)) in problems.iter().zip(&COLUMNS) {
        let text = problem["problem"].as_str().unwrap();
        assert!(text.contains(&format!("column `{name}` is ")) && text.contains("round"), "{text}");
        assert_eq!(problem["key"], "tables[0].transforms");
    }
    let expected = "column `n` is numeric and would be rounded by numeric(5,1) (public.t) without a word: make the \
                    column numeric, or allow it with round = [\"n\"]";
    assert_eq!(problems[0]["problem"], expected);
    bed.run().code(5).says(&["would be padded by character(4)", "would be cut by character varying(2)"]);
    assert_eq!(bed.number("SELECT count(*) FROM t").await, 0);
}

#[tokio::test]
async fn what_the_recipe_allows_is_changed_by_the_server() {
    let bed = bed("round_allowed").await;
    let names: Vec<String> = COLUMNS.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
    let round = format!("round = [{}]", names.join(", "));
    bed.recipe(&table(&round));
    bed.folder.etl(["check"]).run().code(0);
    bed.run().code(0);
    for (name, .., expected) in COLUMNS.iter().chain(&GOOD) {
        // `char(n)` loses its blanks in a cast; `format` writes what is there.
        let row = bed.client.query_one(&format!("SELECT format('%s', {name}) FROM t"), &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), *expected, "{name}");
    }
    // What is rounded is part of what a load was begun with.
    bed.recipe(&table(&round.replace("\"n\", ", "")));
    bed.sql("ALTER TABLE t ALTER n TYPE numeric").await;
    bed.run().code(9).says(&["round changed"]);
}

#[tokio::test]
async fn a_column_that_does_not_reach_the_target_is_no_column_to_round() {
    let bed = bed("round_unknown").await;
    bed.recipe(&table("round = [\"tx\"]"));
    let ran = bed.folder.etl(["check"]).run().code(11);
    ran.says(&["recipe.toml:8: no column `tx` reaches the target, did you mean `t`?"]);
}
