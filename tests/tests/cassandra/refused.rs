//! What is refused before a row moves, by name, and what counts as another source when a load is continued.

use crate::bed::Load;

/// A table `t` of two columns on both sides.
async fn plain(name: &str) -> Load {
    let load = Load::new(name).await;
    load.tables("t", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    load.keyspace.cql("INSERT INTO t (id, v) VALUES (1, 'x')").await;
    load
}

/// `etl run` of a table ends so, with these words, and nothing is written.
async fn is_refused(load: &Load, table: &str, code: i32, says: &[&str]) {
    load.recipe("", table);
    load.bed.run().code(code).says(says);
    let there =
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'etl'";
    assert_eq!(load.bed.number(there).await, 0, "a ledger was made");
}

#[tokio::test]
async fn tables_that_cannot_be_read_are_named_with_what_there_is() {
    let load = plain("missing").await;
    load.keyspace
        .cql(
            "CREATE MATERIALIZED VIEW seen AS SELECT v, id FROM t WHERE v IS NOT NULL AND id IS NOT NULL \
             PRIMARY KEY (v, id)",
        )
        .await;
    let table = load.table("t");
    let from = |name: &str| table.replace("load_missing.t", name);
    let missing = ["there is no table load_missing.tt", "tables there are `t`", "recipe.toml:9: "];
    is_refused(&load, &from("load_missing.tt"), 3, &missing).await;
    is_refused(&load, &from("nowhere.t"), 3, &["the keyspaces there are ", "`load_missing`"]).await;
    let view = ["load_missing.seen is a materialized view", "base table `t`"];
    is_refused(&load, &from("load_missing.seen"), 3, &view).await;
    is_refused(&load, &from("t"), 2, &["must be keyspace.table"]).await;
    // Under another name it would be found.
    is_refused(&load, &from("Load_Missing.\\\"T\\\""), 3, &["load_missing.\"T\"", "`t`"]).await;
    let filter = format!("{table}where = \"v = 'x' ALLOW FILTERING\"\n");
    is_refused(&load, &filter, 2, &["tables[0].where", "must be a condition alone"]).await;
}

#[tokio::test]
async fn a_column_of_the_servers_own_class_is_named_and_may_be_left_out() {
    let load = Load::new("class").await;
    let class =
        "org.apache.cassandra.db.marshal.DynamicCompositeType(s=>org.apache.cassandra.db.marshal.UTF8Type)";
    load.tables("t", &format!("(id int PRIMARY KEY, v text, c '{class}')"), "(id int, v text)").await;
    load.keyspace.cql("INSERT INTO t (id, v) VALUES (1, 'x')").await;
    load.keyspace.cql("INSERT INTO t (id, v) VALUES (2, 'y')").await;
    let table = load.table("t");
    let says = ["column `c` of load_class.t", "DynamicCompositeType", "{ drop = [\"c\"] }"];
    is_refused(&load, &table, 3, &says).await;
    load.recipe("", &format!("{table}transforms = [{{ drop = [\"c\"] }}]\n"));
    load.bed.run().code(0);
    load.same_table("t", "id, v").await;
}

#[tokio::test]
async fn a_table_with_compact_storage_is_named_until_it_is_one_no_more() {
    let load = Load::new("compact").await;
    for (table, key) in [("t", "a, b, c"), ("sparse", "a"), ("dense", "a, b")] {
        let columns = "a int, b int, c int".split(", ").filter(|column| key.contains(&column[..1]));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let cql = format!("({columns}, v text, PRIMARY KEY ({key})) WITH COMPACT STORAGE");
        load.tables(table, &cql, &format!("({columns}, v text)")).await;
        let made = format!("load_compact.{table} was made WITH COMPACT STORAGE");
        is_refused(&load, &load.table(table), 3, &[&made, "DROP COMPACT STORAGE"]).await;
    }
    load.keyspace.cql("INSERT INTO t (a, b, c, v) VALUES (1, 2, 3, 'x')").await;
    load.keyspace.cql("ALTER TABLE t DROP COMPACT STORAGE").await;
    load.load("t").code(0);
    load.same_table("t", "a, b, c, v").await;
}

#[tokio::test]
async fn a_time_of_writing_that_there_is_not_is_refused_by_name() {
    let load = Load::new("extras").await;
    let cql = "(id int, c int, s set<int>, l frozen<list<int>>, v text, PRIMARY KEY (id, c))";
    load.tables("t", cql, "(id int, c int, s int[], l int[], v text, w timestamptz)").await;
    load.tables("n", "(id int PRIMARY KEY, c counter)", "(id int, c bigint, w timestamptz)").await;
    let with = |table: &str, extra: &str| format!("{}{extra}\n", load.table(table));
    for (table, extra, says) in [
        ("t", "writetime = { w = \"id\" }", ["writetime of column `id`", "primary key"]),
        ("t", "ttl = { w = \"c\" }", ["ttl of column `c`", "primary key"]),
        ("t", "writetime = { w = \"s\" }", ["writetime of column `s`", "each element"]),
        ("t", "writetime = { w = \"x\" }", ["writetime of column `x`", "no such column"]),
        ("n", "ttl = { w = \"c\" }", ["ttl of column `c`", "counters have none"]),
        ("t", "writetime = { v = \"l\" }", ["there is a column `v`", "another name"]),
    ] {
        is_refused(&load, &with(table, extra), 3, &says).await;
    }
    load.recipe("", &with("t", "writetime = { w = \"l\" }"));
    load.bed.run().code(0);
}

#[tokio::test]
async fn a_table_that_was_made_again_or_has_another_type_is_no_longer_what_was_begun() {
    let load = Load::new("drift").await;
    let cql = "(id int PRIMARY KEY, n ascii, unread text)";
    load.tables("t", cql, "(id int, n text)").await;
    load.keyspace.cql("INSERT INTO t (id, n) VALUES (1, 'five')").await;
    load.recipe("", &format!("{}transforms = [{{ drop = [\"unread\"] }}]\n", load.table("t")));
    load.bed.run().code(0);
    // A column that is not read is of no interest, whatever becomes of it.
    load.keyspace.cql("ALTER TABLE t DROP unread").await;
    load.keyspace.cql("ALTER TABLE t ADD unread blob").await;
    load.bed.run().code(0).says(&["was done before, nothing to load"]);

    load.keyspace.cql("ALTER TABLE t DROP n").await;
    load.keyspace.cql("ALTER TABLE t ADD n text").await;
    let of_table = "load_drift.t changed since it was begun: ";
    load.bed.run().code(9).says(&[of_table, "its column `n` is of another type now", "--fresh"]);

    load.keyspace.cql("DROP TABLE t").await;
    load.keyspace.cql(&format!("CREATE TABLE t {cql}")).await;
    load.keyspace.cql("INSERT INTO t (id, n) VALUES (2, 'six')").await;
    load.bed.run().code(9).says(&[of_table, "it was dropped and made again", "--fresh"]);
    assert_eq!(load.bed.number("SELECT count(*) FROM t").await, 1);
    load.bed.sql("TRUNCATE t").await;
    load.bed.etl(["--fresh", "--yes"]).run().code(0);
    load.same_table("t", "id, n").await;
}
