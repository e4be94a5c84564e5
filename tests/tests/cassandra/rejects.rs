//! Rows of a cluster that cannot be loaded: found by key, kept in part, corrected and sent again.

use std::collections::BTreeSet;
use std::path::Path;

use etl_tests::bed::Bed;

use crate::bed::Load;

/// `tests/evil/poison.wat`, assembled into the folder: it traps on texts that begin with `T`.
fn poison(bed: &Bed) {
    let evil = Path::new(env!("CARGO_MANIFEST_DIR")).join("evil");
    let read = |name: &str| std::fs::read_to_string(evil.join(name)).unwrap();
    let text = format!("(module {}\n{})", read("base.wat"), read("poison.wat"));
    bed.folder.write("poison.wasm", wat::parse_str(&text).unwrap());
}

async fn texts(bed: &Bed, sql: &str) -> Vec<String> {
    bed.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Batches are cut and chunks end between any two rows of a partition, undecodable ones beside them: each run goes on
/// behind the last key.
#[tokio::test]
async fn a_load_that_is_continued_between_the_halves_of_a_batch_is_exact() {
    let load = Load::new("poison").await;
    let cql = "(p int, word text, PRIMARY KEY (p, word)) WITH CLUSTERING ORDER BY (word DESC)";
    load.tables("t", cql, "(p int, made text)").await;
    poison(&load.bed);
    let word = |p: i32, row: i32| match (p * 150 + row) % 53 {
        7 | 8 | 31 => format!("T{row:03}"),
        9 | 30 => format!("N\0{row:03}"),
        _ => format!("g{row:03}"),
    };
    let rows: Vec<(i32, String)> = (0..20).flat_map(|p| (0..150).map(move |row| (p, word(p, row)))).collect();
    load.keyspace.insert("INSERT INTO t (p, word) VALUES (?, ?)", rows.clone().into_iter()).await;
    let bad = rows.iter().filter(|(_, word)| !word.starts_with('g')).count();
    let table = format!("{}transforms = [{{ module = \"poison.wasm\" }}]\n", load.table("t"));
    load.recipe("", &format!("[run]\nstreams = 1\n{table}"));
    for most in ["0", "1", "20", "60"] {
        load.bed.etl(["--max-rejects", most]).run().code(7);
    }
    load.bed.etl(["--max-rejects", "1000"]).run().code(8);
    assert_eq!(load.bed.is_finished().await, 3000);
    let loaded = texts(&load.bed, "SELECT p || ' ' || made FROM t").await;
    let good: BTreeSet<String> = rows
        .iter()
        .filter(|(_, word)| word.starts_with('g'))
        .map(|(p, word)| format!("{p} {word}"))
        .collect();
    assert_eq!(loaded.len(), good.len());
    assert_eq!(loaded.into_iter().collect::<BTreeSet<_>>(), good);
    let rejects = texts(&load.bed, "SELECT stage || original::text FROM etl.reject").await;
    let expected: BTreeSet<String> = rows
        .iter()
        .filter(|(_, word)| !word.starts_with('g'))
        .map(|(p, word)| {
            let stage = if word.starts_with('T') { "transform" } else { "read" };
            format!("{stage}{{\"p\":{p},\"word\":\"{}\"}}", word.replace('\0', "\\u0000"))
        })
        .collect();
    assert_eq!((rejects.len(), rejects.into_iter().collect::<BTreeSet<_>>()), (bad, expected));
}

#[tokio::test]
async fn only_keys_are_kept_of_private_rows() {
    let load = Load::new("keep_keys").await;
    let cql = "(p int, \"C d\" text, v text, PRIMARY KEY (p, \"C d\"))";
    load.tables("t", cql, "(p int, \"C d\" text, v text)").await;
    let rows = [(1, "a\"b", "private\0"), (2, "c", "fine"), (3, "d", "private\0")];
    load.keyspace.insert("INSERT INTO t (p, \"C d\", v) VALUES (?, ?, ?)", rows.into_iter()).await;
    load.recipe("", &format!("[run]\nmax_rejects = 2\n[rejects]\nkeep = \"keys\"\n{}", load.table("t")));
    load.bed.run().code(8);
    let kept = texts(&load.bed, "SELECT original::text FROM etl.reject ORDER BY 1").await;
    assert_eq!(kept, [r#"{"p":1,"C d":"a\"b"}"#, r#"{"p":3,"C d":"d"}"#]);
    assert_eq!(
        load.bed.number("SELECT count(*) FROM etl.reject WHERE NOT cut AND position LIKE 'k%'").await,
        2
    );
}

#[tokio::test]
async fn corrected_rows_of_a_cluster_are_loaded_once() {
    let load = Load::new("corrected").await;
    let cql = "(id uuid PRIMARY KEY, v text, at timestamp, tags list<text>, raw blob, n varint)";
    let sql = "(id uuid, v text, at timestamptz, tags text[], raw bytea, n numeric)";
    load.tables("t", cql, sql).await;
    for (id, text) in [(1, "a\0b"), (2, "fine"), (3, "\0")] {
        let statement = format!(
            "INSERT INTO t (id, v, at, tags, raw, n) VALUES (00000000-0000-0000-0000-00000000000{id}, ?, \
             '2013-01-31T05:06:07.123Z', ['x,\"y\\', ''], 0x00ff, 123456789012345678901234567890)"
        );
        load.keyspace.insert(&statement, [(text,)].into_iter()).await;
    }
    load.recipe("", &format!("[run]\nmax_rejects = 2\n{}", load.table("t")));
    load.bed.run().code(8);
    let text = load.bed.folder.etl(["rejects", "recipe.toml", "--export", "-"]).run().code(0).stdout;
    assert_eq!(text.matches(r#""v":"a\u0000b""#).count(), 1, "{text}");
    let corrected =
        text.replace(r#""v":"a\u0000b""#, r#""v":"fine""#).replace(r#""v":"\u0000""#, r#""v":"fine""#);
    load.bed.folder.write("corrected.jsonl", corrected);
    for _ in 0..2 {
        load.bed.etl(["--rejects", "corrected.jsonl"]).run().code(8);
        let same = "SELECT count(*) FROM t GROUP BY v, at, tags, raw, n";
        assert_eq!(load.bed.number(same).await, 3, "all three rows are equal but for the key");
        assert_eq!(load.bed.number("SELECT count(DISTINCT id) FROM t").await, 3);
    }
}

/// What is a point in time or a number by the recipe's choice, and not by the column's type.
#[tokio::test]
async fn times_of_writing_and_times_as_numbers_are_exported_as_they_can_be_sent_again() {
    let load = Load::new("corrected_times").await;
    let cql = "(id int PRIMARY KEY, v text, at time)";
    load.tables("t", cql, "(id int, v text, at bigint, written timestamptz, ttl int)").await;
    let insert =
        "INSERT INTO t (id, v, at) VALUES (?, ?, '01:02:03.000000004') USING TIMESTAMP 1700000000123456";
    load.keyspace.insert(insert, [(1, "fine"), (2, "\0")]).await;
    let source = "[source.cassandra.values]\ntime_nanoseconds = \"bigint\"\n";
    let extras = "writetime = { written = \"v\" }\nttl = { ttl = \"v\" }\n";
    load.recipe(source, &format!("[run]\nmax_rejects = 2\n{}{extras}", load.table("t")));
    load.bed.run().code(8);
    let text = load.bed.folder.etl(["rejects", "recipe.toml", "--export", "-"]).run().code(0).stdout;
    assert_eq!(text.matches(r#""v":"\u0000""#).count(), 1, "{text}");
    load.bed.folder.write("corrected.jsonl", text.replace(r#""v":"\u0000""#, r#""v":"fine""#));
    load.bed.etl(["--rejects", "corrected.jsonl"]).run().code(8);
    let same = "SELECT count(*) FROM t WHERE v = 'fine' AND at = 3723000000004 AND ttl IS NULL \
                AND written = '2023-11-14 22:13:20.123456+00'";
    assert_eq!(load.bed.number(same).await, 2);
}
