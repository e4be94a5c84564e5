//! The tests' Cassandra itself: that it starts, holds what was written, and that the independent reader shows values as
//! PostgreSQL does. What clusters of other shapes do is in the tests that need them.

use etl_tests::bed::Bed;
use etl_tests::cassandra::{Keyspace, Raw, VARIABLE};
use etl_tests::{cql_text, customers, json_text, transactions};

#[tokio::test]
async fn a_keyspace_lives_as_long_as_its_test() {
    let keyspace = Keyspace::new("fixture_lifetime").await;
    keyspace.cql("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    keyspace.insert("INSERT INTO t (id, v) VALUES (?, ?)", (0..500).map(|id| (id, format!("v{id}")))).await;
    assert_eq!(keyspace.number("SELECT count(*) FROM t").await, 500);
    let access = keyspace.access.clone();
    drop(keyspace);
    let session = access.session().await;
    let query = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = 'fixture_lifetime'";
    let left = cql_text::rows_of(&session, query);
    assert!(left.await.is_empty(), "{VARIABLE} still has the keyspace");
}

/// CQL's type and value, PostgreSQL's type and value.
const VALUES: &[[&str; 4]] = &[
    ["text", "'a \"b\" {c}'", "text", "'a \"b\" {c}'"],
    ["ascii", "''", "text", "''"],
    ["bigint", "-9223372036854775808", "bigint", "-9223372036854775808"],
    ["tinyint", "-128", "smallint", "-128"],
    ["varint", "-123456789012345678901234567890", "numeric", "-123456789012345678901234567890"],
    ["varint", "-256", "numeric", "-256"],
    ["decimal", "123.4500", "numeric", "123.4500"],
    ["decimal", "-0.05", "numeric", "-0.05"],
    ["decimal", "1E+5", "numeric", "1E+5"],
    ["double", "1e15", "float8", "1e15"],
    ["double", "123456789012345", "float8", "123456789012345"],
    ["double", "0.00001", "float8", "0.00001"],
    ["double", "-0.0", "float8", "'-0'"],
    ["double", "NaN", "float8", "'NaN'"],
    ["float", "-Infinity", "real", "'-Infinity'"],
    ["float", "1234567", "real", "1234567"],
    ["boolean", "true", "boolean", "true"],
    ["blob", "0x00ff", "bytea", "'\\x00ff'"],
    ["uuid", "123E4567-e89b-12d3-a456-426614174000", "uuid", "'123E4567-e89b-12d3-a456-426614174000'"],
    ["inet", "'2001:db8::1'", "inet", "'2001:db8::1'"],
    ["inet", "'::ffff:1.2.3.4'", "inet", "'1.2.3.4'"],
    ["date", "'2024-02-29'", "date", "'2024-02-29'"],
    ["date", "'-0043-03-15'", "date", "'0044-03-15 BC'"],
    ["time", "'13:14:15.123456'", "time", "'13:14:15.123456'"],
    ["time", "'23:59:59.1'", "time", "'23:59:59.1'"],
    ["timestamp", "'2024-02-29T12:34:56.780Z'", "timestamptz", "'2024-02-29T12:34:56.780Z'"],
    ["timestamp", "-62135596800500", "timestamptz", "'0001-12-31 23:59:59.5+00 BC'"],
    ["timestamp", "253402300800000", "timestamptz", "'10000-01-01 00:00:00+00'"],
    ["duration", "1y2mo3d4h5m6s7ms", "interval", "'1 year 2 mons 3 days 04:05:06.007'"],
    ["duration", "-1y2mo3d4h", "interval", "'-1 years -2 mons -3 days -04:00:00'"],
    ["duration", "0s", "interval", "'0'"],
    ["list<text>", "['a', '', 'null', 'x y', '\"']", "text[]", "ARRAY['a', '', 'null', 'x y', '\"']"],
    ["frozen<set<int>>", "{}", "int[]", "'{}'"],
    ["vector<float, 3>", "[1, 2.5, 1e10]", "real[]", "'{1,2.5,1e10}'"],
];

#[tokio::test]
async fn the_independent_reader_shows_values_as_postgresql_does() {
    let keyspace = Keyspace::new("fixture_values").await;
    let bed = Bed::new("cassandra_fixture_values").await;
    bed.sql("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'").await;
    let list = |part: &dyn Fn(usize, &[&str; 4]) -> String| {
        let parts = VALUES.iter().enumerate().map(|(at, value)| part(at, value));
        parts.collect::<Vec<String>>().join(", ")
    };
    let columns = list(&|at, value| format!("v{at} {}", value[0]));
    let names = list(&|at, _| format!("v{at}"));
    let values = list(&|_, value| value[1].into());
    keyspace.cql(&format!("CREATE TABLE t (id int PRIMARY KEY, {columns})")).await;
    keyspace.cql(&format!("INSERT INTO t (id, {names}) VALUES (1, {values})")).await;
    let expected = list(&|_, value| format!("({})::{}", value[3], value[2]));
    let shown = cql_text::rows_of(&keyspace.session, &format!("SELECT {names} FROM t")).await;
    let expected = customers::rows_of(&bed.client, &format!("SELECT {expected}")).await;
    let parts = VALUES.iter().zip(shown[0].iter().zip(&expected[0]));
    let wrong: Vec<_> = parts.filter(|(_, (shown, expected))| shown != expected).collect();
    assert!(wrong.is_empty(), "shown and expected: {wrong:#?}");
}

#[tokio::test]
async fn the_independent_reader_shows_values_with_parts_as_json() {
    let keyspace = Keyspace::new("fixture_parts").await;
    keyspace.cql("CREATE TYPE place (street text, zip int)").await;
    keyspace
        .cql(
            "CREATE TABLE t (id int PRIMARY KEY, m map<text, decimal>, p map<double, int>, \
             u frozen<place>, n tuple<int, text, frozen<list<double>>>, e list<int>)",
        )
        .await;
    keyspace
        .cql(
            "INSERT INTO t (id, m, p, u, n) VALUES (1, {'a': 1.50, 'b\"': 2}, {0.5: 1}, {street: 'S'}, \
             (1, null, [1, 1e20, NaN]))",
        )
        .await;
    let rows = cql_text::rows_of(&keyspace.session, "SELECT m, p, u, n, e FROM t").await;
    let expected = [
        Some(r#"{ "a": 1.50, "b\"": 2 }"#),
        Some("[[0.5, 1]]"),
        Some(r#"{"street": "S", "zip": null}"#),
        Some(r#"[1, null, [1.0, 1e20, "NaN"]]"#),
        None,
    ];
    let expected: customers::Row = expected.iter().map(|json| json.map(json_text::compact)).collect();
    assert_eq!(rows, [expected]);
}

#[tokio::test]
async fn values_of_no_length_can_be_written_and_read() {
    let keyspace = Keyspace::new("fixture_raw").await;
    keyspace.cql("CREATE TABLE t (id int PRIMARY KEY, n bigint, s text, u uuid)").await;
    let one = 1_i32.to_be_bytes();
    let row = vec![Raw::of(one), Raw::of([]), Raw::of([]), Raw::NULL];
    keyspace.insert("INSERT INTO t (id, n, s, u) VALUES (?, ?, ?, ?)", [row]).await;
    let rows = cql_text::rows_of(&keyspace.session, "SELECT id, n, s, u FROM t").await;
    assert_eq!(rows, [vec![Some("1".to_string()), None, Some(String::new()), None]]);
    assert_eq!(keyspace.number("SELECT count(n) FROM t").await, 1, "no NULL: a value of no length");
}

#[tokio::test]
async fn a_few_thousand_deleted_rows_meet_the_limit() {
    let keyspace = Keyspace::new("fixture_tombstones").await;
    keyspace.cql("CREATE TABLE t (p int, c int, PRIMARY KEY (p, c))").await;
    keyspace.insert("DELETE FROM t WHERE p = 1 AND c = ?", (0..2500).map(|c| (c,))).await;
    let refused = keyspace.session.query_unpaged("SELECT * FROM t", &[]).await.unwrap_err().to_string();
    assert!(refused.contains("failure"), "{refused}");
}

#[tokio::test]
async fn the_benchmark_table_is_written_and_its_size_estimated() {
    let keyspace = Keyspace::new("fixture_transactions").await;
    for shape in [transactions::Shape::Even, transactions::Shape::Skewed] {
        transactions::write(&keyspace.session, shape, 3000).await.expect("rows are written");
        let table = shape.table();
        assert_eq!(keyspace.number(&format!("SELECT count(*) FROM {table}")).await, 3000);
        keyspace.estimated(table).await;
    }
    assert_eq!(keyspace.number("SELECT count(*) FROM skewed WHERE account = 7").await, 1000);
}
