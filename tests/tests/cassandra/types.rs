//! Every type, with its extremes, values of no length and NULLs; and the values that PostgreSQL has no room for.

use etl_tests::cql_text;
use etl_tests::customers::{Row, assert_same, rows_of};

use crate::bed::Load;

/// CQL's type, PostgreSQL's, and values in CQL.
type Typed = (&'static str, &'static str, &'static [&'static str]);

/// Types without parts; each column is NULL once, too.
const SCALARS: &[Typed] = &[
    ("ascii", "text", &["''", "' plain ~ '", "'\\.'", "'NULL'"]),
    ("text", "text", &["''", "'é ☃ 𝄞'", "'a \"b\", {c}\n\td\r\n'", "'\\N'", "'\\'"]),
    ("tinyint", "smallint", &["-128", "127", "0"]),
    ("smallint", "smallint", &["-32768", "32767"]),
    ("int", "integer", &["-2147483648", "2147483647", "blob_as_int(0x)"]),
    ("bigint", "bigint", &["-9223372036854775808", "9223372036854775807", "blob_as_bigint(0x)"]),
    (
        "varint",
        "numeric",
        &["0", "-1", "-128", "99999999999999999999999999999999999999999", "blob_as_varint(0x)"],
    ),
    (
        "decimal",
        "numeric",
        &["0", "0.00", "-0.05", "123.4500", "1E+5", "1E-40", "-9.9E+100", "blob_as_decimal(0x)"],
    ),
    (
        "float",
        "real",
        &[
            "0",
            "-0.0",
            "1.1754944E-38",
            "3.4028235E38",
            "1E-45",
            "0.1",
            "NaN",
            "Infinity",
            "-Infinity",
            "16777217",
            "blob_as_float(0x)",
        ],
    ),
    (
        "double",
        "float8",
        &[
            "0.1",
            "-0.0",
            "4.9E-324",
            "1.7976931348623157E308",
            "NaN",
            "-Infinity",
            "1E15",
            "blob_as_double(0x)",
        ],
    ),
    ("boolean", "boolean", &["true", "false", "blob_as_boolean(0x)"]),
    (
        "uuid",
        "uuid",
        &["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "blob_as_uuid(0x)"],
    ),
    ("timeuuid", "uuid", &["8db96410-8dff-11f0-8de9-0242ac120002"]),
    (
        "inet",
        "inet",
        &[
            "'0.0.0.0'",
            "'255.255.255.255'",
            "'2001:db8::1'",
            "'::'",
            "blob_as_inet(0x00000000000000000000ffff01020304)",
            "blob_as_inet(0x)",
        ],
    ),
    (
        "timestamp",
        "timestamptz",
        &[
            "0",
            "-1",
            "'2024-02-29T12:34:56.789Z'",
            "9223372036854775",
            "-210866803200000",
            "blob_as_timestamp(0x)",
        ],
    ),
    // Cassandra counts days from 2^31 before 1970. The first and the last of PostgreSQL.
    ("date", "date", &["'1970-01-01'", "'-0043-03-15'", "2145043060", "4292526553"]),
    ("time", "time", &["'00:00:00'", "'23:59:59.999999'", "'00:00:00.000001'"]),
    (
        "duration",
        "interval",
        &["0s", "1y2mo3d4h5m6s7ms8us", "-2147483647mo", "-1mo2d", "2147483647d", "9223372036854775us"],
    ),
    ("blob", "bytea", &["0x", "0x00", "0xfffe5c2c0a22"]),
];

/// Types with parts.
const PARTS: &[Typed] = &[
    ("list<int>", "int[]", &["[3, 1, 2, 1]", "[]"]),
    ("frozen<list<text>>", "text[]", &["[]", "['', 'a,b', '\"', 'null', '\\', ' x']"]),
    ("set<text>", "text[]", &["{'b', 'a', ''}"]),
    ("set<uuid>", "uuid[]", &["{8db96410-8dff-11f0-8de9-0242ac120002}"]),
    ("list<blob>", "bytea[]", &["[0x, 0x00ff]"]),
    ("list<timestamp>", "timestamptz[]", &["[0, -1]"]),
    ("list<decimal>", "numeric[]", &["[1.50, -0.001]"]),
    ("list<double>", "float8[]", &["[NaN, 0.1, -Infinity]"]),
    ("list<inet>", "inet[]", &["['::1', '10.0.0.1']"]),
    ("list<date>", "date[]", &["['2024-02-29']"]),
    ("list<duration>", "interval[]", &["[1mo2d, -1h]"]),
    ("vector<float, 3>", "real[]", &["[1, 2.5, 1E-10]"]),
    ("vector<int, 2>", "json", &["[-1, 2147483647]"]),
    ("vector<text, 2>", "json", &["['', 'a\"b']"]),
    ("map<text, decimal>", "json", &["{'a\"': 1.50, '': -0}"]),
    ("map<int, text>", "json", &["{-1: 'x', 1: ''}"]),
    ("map<uuid, boolean>", "json", &["{8db96410-8dff-11f0-8de9-0242ac120002: true}"]),
    ("map<timestamp, varint>", "json", &["{0: 123456789012345678901234567890}"]),
    ("map<double, frozen<list<int>>>", "json", &["{0.5: [1], NaN: []}"]),
    ("map<text, frozen<map<int, frozen<set<time>>>>>", "json", &["{'k': {1: {'00:00:00.000000001'}}}"]),
    ("list<frozen<list<frozen<list<int>>>>>", "json", &["[[[1], []], []]"]),
    ("tuple<int, text, frozen<list<double>>>", "json", &["(1, null, [1, 1E20, NaN])", "(null, '', [])"]),
    ("frozen<place>", "json", &["{street: 'S', zip: 7}", "{zip: 1}"]),
    ("list<frozen<place>>", "json", &["[{street: 'é'}, {street: '', zip: -1}]"]),
    ("person", "json", &["{name: 'n', home: {zip: 1}, phones: {'a', 'b'}}", "{name: null}"]),
];

/// A table with a column for each type, and enough rows for all values.
async fn written(load: &Load, table: &str, types: &[Typed]) {
    let list = |part: &dyn Fn(usize, &Typed) -> String| {
        types.iter().enumerate().map(|(at, ty)| part(at, ty)).collect::<Vec<_>>().join(", ")
    };
    let cql = list(&|at, ty| format!("v{at} {}", ty.0));
    let sql = list(&|at, ty| format!("v{at} {}", ty.1));
    load.tables(table, &format!("(id int PRIMARY KEY, {cql})"), &format!("(id int, {sql})")).await;
    let most = types.iter().map(|ty| ty.2.len()).max().unwrap();
    for row in 0..=most {
        // Behind the last value comes NULL, then the first one again.
        let values = list(&|_, ty| ty.2.get(row % (ty.2.len() + 1)).unwrap_or(&"null").to_string());
        let names = list(&|at, _| format!("v{at}"));
        load.keyspace.cql(&format!("INSERT INTO {table} (id, {names}) VALUES ({row}, {values})")).await;
    }
}

fn columns(types: &[Typed]) -> String {
    (0..types.len()).map(|at| format!("v{at}")).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn every_type_without_parts_is_loaded_as_it_was_written() {
    let load = Load::new("scalars").await;
    written(&load, "t", SCALARS).await;
    load.recipe("", &load.table("t"));
    let report = load.bed.etl(["--json"]).run().code(0).json();
    load.same_table("t", &format!("id, {}", columns(SCALARS))).await;
    // NULL, but told of: those that a row has, by the way values are dealt out to rows.
    let rows = 1 + SCALARS.iter().map(|ty| ty.2.len()).max().unwrap();
    let empties = |ty: &Typed| {
        let of_row =
            |row: &usize| ty.2.get(row % (ty.2.len() + 1)).is_some_and(|value| value.ends_with("(0x)"));
        (0..rows).filter(of_row).count()
    };
    assert_eq!(report["empty_values"], SCALARS.iter().map(empties).sum::<usize>());
}

#[tokio::test]
async fn every_type_with_parts_is_loaded_as_it_was_written_also_after_a_type_grew() {
    let load = Load::new("parts").await;
    load.keyspace.cql("CREATE TYPE place (street text, zip int)").await;
    load.keyspace.cql("CREATE TYPE person (name text, home frozen<place>, phones frozen<set<text>>)").await;
    written(&load, "t", PARTS).await;
    // What was written before has no value of the new field at all, what is written now has one.
    load.keyspace.cql("ALTER TYPE place ADD floor smallint").await;
    let place = PARTS.iter().position(|ty| ty.0 == "frozen<place>").unwrap();
    load.keyspace.cql(&format!("INSERT INTO t (id, v{place}) VALUES (99, {{street: 'T', floor: -3}})")).await;
    load.load("t").code(0);
    let query = format!("SELECT id, {} FROM t", columns(PARTS));
    let json: Vec<usize> = (1..).zip(PARTS).filter(|(_, ty)| ty.1 == "json").map(|(at, _)| at).collect();
    load.same(&query, &query, &json).await;
    let grown =
        rows_of(&load.bed.client, &format!("SELECT v{place}->>'floor' FROM t WHERE id IN (0, 99)")).await;
    assert_eq!(grown, [vec![None], vec![Some("-3".to_string())]]);
}

#[tokio::test]
async fn counters_are_loaded_and_one_that_was_never_counted_is_null() {
    let load = Load::new("counters").await;
    load.tables("t", "(id text PRIMARY KEY, c counter, d counter)", "(id text, c bigint, d bigint)").await;
    load.keyspace.cql("UPDATE t SET c = c - 9223372036854775807 WHERE id = 'least'").await;
    load.keyspace.cql("UPDATE t SET c = c + 5, d = d + 0 WHERE id = 'five'").await;
    load.load("t").code(0);
    load.same_table("t", "id, c, d").await;
}

/// A column, its type, a value that PostgreSQL has no room for, why, and how the original shows it.
type Refused = (&'static str, &'static str, &'static str, &'static str, &'static str);

const REFUSED: &[Refused] = &[
    ("s", "text", "blob_as_text(0x610062)", "nul", "a<NUL>b"),
    ("l", "list<text>", "[blob_as_text(0x00)]", "nul", "\\x000000010000000100"),
    ("ts", "timestamp", "9223372036854776", "out_of_range", "\\x0020c49ba5e353f8"),
    ("old", "timestamp", "-210866803200001", "out_of_range", "4714-11-23 23:59:59.999+00 BC"),
    ("d", "date", "2145043059", "out_of_range", "\\x7fdac273"),
    ("e", "date", "4292526554", "out_of_range", "\\xffdac1da"),
    ("tm", "time", "'00:00:00.000000001'", "sub_microsecond", "00:00:00.000000001"),
    ("du", "duration", "1ns", "sub_microsecond", "00:00:00.000000001"),
    ("dec", "decimal", "blob_as_decimal(0x7fffffff01)", "out_of_range", "\\x7fffffff01"),
    ("big", "decimal", "blob_as_decimal(0x8000000001)", "out_of_range", "\\x8000000001"),
    ("m", "map<int, text>", "{blob_as_int(0x): 'x'}", "empty", "\\x00000001000000000000000178"),
];

#[tokio::test]
async fn a_value_that_postgresql_has_no_room_for_is_a_reject_with_key_code_and_original() {
    let load = Load::new("refused").await;
    let list = |part: &dyn Fn(&Refused) -> String| REFUSED.iter().map(part).collect::<Vec<_>>().join(", ");
    let cql = list(&|(name, ty, ..)| format!("{name} {ty}"));
    let sql = "(id int, s text, l text[], ts timestamptz, old timestamptz, d date, e date, tm time, du interval, \
               dec numeric, big numeric, m json)";
    load.tables("t", &format!("(id int PRIMARY KEY, {cql})"), sql).await;
    for (id, (name, _, value, ..)) in (1..).zip(REFUSED) {
        load.keyspace.cql(&format!("INSERT INTO t (id, {name}) VALUES ({id}, {value})")).await;
    }
    load.keyspace.cql("INSERT INTO t (id, s) VALUES (100, 'good')").await;
    load.recipe("", &format!("[run]\nmax_rejects = {}\n{}", REFUSED.len(), load.table("t")));
    load.bed.run().code(8);
    load.same("SELECT id, s FROM t WHERE id = 100", "SELECT id, s FROM t", &[]).await;

    let names = list(&|(name, ..)| format!("'{name}'"));
    let column = format!("(ARRAY[{names}])[(original->>'id')::int]");
    let sql = format!(
        "SELECT lpad(original->>'id', 2, '0'), {column}, code, original->{column}, \
         strpos(reason, {column}) > 0, NOT cut, substring(position from '^k(-?[0-9]+):') \
         FROM (SELECT code, reason, cut, position, \
               replace(original::text, '\\u0000', '<NUL>')::json AS original FROM etl.reject) AS r"
    );
    let found = rows_of(&load.bed.client, &sql).await;
    let tokens = cql_text::rows_of(&load.keyspace.session, "SELECT id, token(id) FROM t").await;
    let expected = (1..).zip(REFUSED).map(|(id, (name, _, _, code, original)): (i32, _)| {
        let token = tokens.iter().find(|row| row[0] == Some(id.to_string())).unwrap()[1].clone();
        let original = serde_json::to_string(original).unwrap();
        let yes = || Some("t".to_string());
        let texts = [format!("{id:02}"), name.to_string(), code.to_string(), original];
        texts.into_iter().map(Some).chain([yes(), yes(), token]).collect::<Row>()
    });
    assert_same(&expected.collect::<Vec<_>>(), &found);
}

#[tokio::test]
async fn what_the_recipe_says_of_such_values_is_done_instead() {
    let load = Load::new("values").await;
    let cql = "(id int PRIMARY KEY, s text, tm time, du duration, n int)";
    load.tables("t", cql, "(id int, s text, tm time, du interval, n int)").await;
    load.keyspace
        .cql("INSERT INTO t (id, s, tm, du) VALUES (1, blob_as_text(0x610062), '01:02:03.123456789', -1mo1999ns)")
        .await;
    load.keyspace.cql("INSERT INTO t (id, n) VALUES (2, blob_as_int(0x))").await;
    let values = "[source.cassandra.values]\nnul = \"replace\"\ntime_nanoseconds = \"truncate\"\n\
                  duration_nanoseconds = \"truncate\"\nempty = \"reject\"\n";
    load.recipe(values, &format!("[run]\nmax_rejects = 1\n{}", load.table("t")));
    load.bed.run().code(8);
    let row = ["1", "a\u{fffd}b", "01:02:03.123456", "-1 mons -00:00:00.000001"];
    let row: Row = row.into_iter().map(|cell| Some(cell.to_string())).collect();
    assert_eq!(rows_of(&load.bed.client, "SELECT id, s, tm, du FROM t").await, [row]);
    let reject =
        rows_of(&load.bed.client, "SELECT code, original->>'id', original->>'n' FROM etl.reject").await;
    assert_eq!(reject, [["empty", "2", "\\x"].map(|cell| Some(cell.to_string()))]);

    load.recipe(&values.replace("replace", "strip"), &format!("[run]\nmax_rejects = 1\n{}", load.table("t")));
    load.bed.run().code(9).says(&["source.cassandra.values", "strip"]);
    load.bed.sql("TRUNCATE t").await;
    let values = "[source.cassandra.values]\nnul = \"strip\"\ntime_nanoseconds = \"bigint\"\n";
    load.recipe(values, &load.table("t"));
    load.keyspace.cql("UPDATE t SET du = 1d WHERE id = 1").await;
    load.bed.sql("ALTER TABLE t ALTER tm TYPE bigint USING 0").await;
    load.bed.etl(["--fresh", "--yes"]).run().code(0);
    let rows = rows_of(&load.bed.client, "SELECT id, s, tm, n FROM t").await;
    let texts = |row: [Option<&str>; 4]| row.map(|cell| cell.map(String::from)).to_vec();
    let first = texts([Some("1"), Some("ab"), Some("3723123456789"), None]);
    assert_eq!(rows, [first, texts([Some("2"), None, None, None])]);
}
