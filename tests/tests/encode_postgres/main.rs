//! What `encode` writes is what PostgreSQL reads: rows of every type go through a real `COPY`, and come back by
//! another way (the binary protocol), equal. On the installed version of PostgreSQL, and on the oldest and newest.

#![expect(clippy::unwrap_used, reason = "a helper fails as its test does")]

mod cell;
mod lines;
mod loads;
mod strategies;

use arrow_array::ArrayRef;
use bytes::Bytes;
use etl::encode::Encoder;
use etl::schema::{Field, Scalar, Type};
use etl_tests::versions::Tried;
use futures_util::{SinkExt, TryStreamExt, pin_mut};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Error};

use cell::{Cell, Raw, arrow, arrow_list, elements, list_elements};

/// A column of PostgreSQL for each of our types, in the order of `Scalar::ALL`.
const COLUMN_TYPES: [&str; 16] = [
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "numeric",
    "text",
    "bytea",
    "uuid",
    "date",
    "time",
    "timestamptz",
    "interval",
    "inet",
    "json",
];

/// Few cases of many rows: a case is one `COPY`. Fewer where they are a second and third opinion.
fn cases(cases: u32, tried: &Tried) -> TestRunner {
    let cases = if tried.version.is_none() { cases } else { cases / 4 };
    TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() })
}

#[test]
fn every_value_of_every_type_is_read_back_as_it_was() {
    let runtime = Runtime::new().unwrap();
    for tried in Tried::all() {
        let client = runtime.block_on(tried.server.database("encode_round_trip"));
        runtime.block_on(async {
            let columns = COLUMN_TYPES.iter().enumerate();
            let columns: Vec<String> = columns.map(|(i, ty)| format!("s{i} {ty}, a{i} {ty}[]")).collect();
            let table = format!("CREATE TABLE t (id integer, {})", columns.join(", "));
            client.batch_execute(&table).await.unwrap();
        });
        let rows = prop::collection::vec(strategies::row(tried.version), 1..120);
        let result = cases(20, &tried).run(&rows, |rows| {
            runtime.block_on(round_trip(&client, &rows));
            Ok(())
        });
        result.unwrap();
    }
}

/// One row: a value of each type, an array of each type.
type Row = Vec<(Option<Cell>, Option<Vec<Option<Cell>>>)>;

async fn round_trip(client: &Client, rows: &[Row]) {
    let (fields, columns) = table(rows);
    // Settings that would move values whose text leaves anything open.
    client.batch_execute("TRUNCATE t").await.expect("truncate");
    settings(client, "Asia/Tokyo", "SQL, DMY", "sql_standard").await;
    let csv = encode(&fields, &columns);
    assert_eq!(copy(client, "t", csv).await.expect("COPY accepts every row"), rows.len() as u64);
    read_back(client, rows).await;
    same_bytes_as_copy_to(client, &fields, &columns).await;
}

async fn read_back(client: &Client, rows: &[Row]) {
    // Types whose binary form is PostgreSQL's alone are compared as their text.
    let select: Vec<String> = Scalar::ALL
        .iter()
        .enumerate()
        .map(|(i, scalar)| match scalar {
            Scalar::Numeric | Scalar::Inet => format!("s{i}::text, a{i}::text[]"),
            _ => format!("s{i}, a{i}"),
        })
        .collect();
    let read =
        client.query(&format!("SELECT {} FROM t ORDER BY id", select.join(", ")), &[]).await.expect("select");
    assert_eq!(read.len(), rows.len());
    for (row, read) in rows.iter().zip(&read) {
        for (i, (value, list)) in row.iter().enumerate() {
            let Raw(raw) = read.get(2 * i);
            assert_eq!(raw, value.as_ref().map(Cell::binary), "{} from {value:?}", COLUMN_TYPES[i]);
            let Raw(raw) = read.get(2 * i + 1);
            let expected = list.as_ref().map(|list| list_elements(list));
            assert_eq!(raw.map(|raw| elements(&raw)), expected, "{}[] from {list:?}", COLUMN_TYPES[i]);
        }
    }
}

/// Where the text of a type is fixed, PostgreSQL's own `COPY … TO` gives our bytes.
async fn same_bytes_as_copy_to(client: &Client, fields: &[Field], columns: &[ArrayRef]) {
    let fixed = |field: &Field| match field.ty.scalar {
        // Spelled out, or another exponent, or normalised by the server.
        Scalar::Boolean | Scalar::Float32 | Scalar::Float64 | Scalar::Numeric | Scalar::Inet => false,
        // It quotes `\.` in fewer places.
        Scalar::Text => field.ty.array,
        _ => true,
    };
    let kept: Vec<(Field, ArrayRef)> =
        fields.iter().cloned().zip(columns.iter().cloned()).filter(|c| fixed(&c.0)).collect();
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = kept.into_iter().unzip();
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    settings(client, "UTC", "ISO", "postgres").await;
    let sql = format!("COPY (SELECT {} FROM t ORDER BY id) TO STDOUT (FORMAT csv)", names.join(", "));
    let theirs: Vec<Bytes> =
        client.copy_out(&sql).await.expect("COPY TO").try_collect().await.expect("its rows");
    let ours = encode(&fields, &columns);
    assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs.concat()));
}

async fn settings(client: &Client, zone: &str, date_style: &str, interval_style: &str) {
    // Before PostgreSQL 12 a float is shown whole only with more digits.
    let sql = "SELECT set_config('TimeZone', $1, false), set_config('DateStyle', $2, false), \
               set_config('IntervalStyle', $3, false), set_config('extra_float_digits', '3', false)";
    client.execute(sql, &[&zone, &date_style, &interval_style]).await.expect("settings");
}

/// Columns `id`, `s0`, `a0`, `s1`, `a1`, …
fn table(rows: &[Row]) -> (Vec<Field>, Vec<ArrayRef>) {
    let ids: Vec<Option<Cell>> = (0..).take(rows.len()).map(|id| Some(Cell::Int32(id))).collect();
    let mut fields = vec![Field::nullable("id", Type::of(Scalar::Int32))];
    let mut columns = vec![arrow(Scalar::Int32, &ids)];
    for (i, scalar) in Scalar::ALL.into_iter().enumerate() {
        let values: Vec<_> = rows.iter().map(|row| row[i].0.clone()).collect();
        let lists: Vec<_> = rows.iter().map(|row| row[i].1.clone()).collect();
        fields.push(Field::nullable(format!("s{i}"), Type::of(scalar)));
        columns.push(arrow(scalar, &values));
        fields.push(Field::nullable(format!("a{i}"), Type::array_of(scalar)));
        columns.push(arrow_list(scalar, &lists));
    }
    (fields, columns)
}

#[test]
fn each_row_of_a_table_with_one_column_stays_a_row() {
    let runtime = Runtime::new().unwrap();
    for tried in Tried::all() {
        let client = runtime.block_on(tried.server.database("encode_one_column"));
        runtime.block_on(client.batch_execute("CREATE TABLE t (line text)")).unwrap();
        let text = strategies::cell(Scalar::Text, tried.version);
        let texts = prop::collection::vec(prop::option::weighted(0.7, text), 1..100);
        let result = cases(30, &tried).run(&texts, |texts| {
            let fields = [Field::nullable("line", Type::of(Scalar::Text))];
            let csv = encode(&fields, &[arrow(Scalar::Text, &texts)]);
            let read = runtime.block_on(async {
                client.batch_execute("TRUNCATE t").await.unwrap();
                copy(&client, "t", csv).await.expect("COPY accepts every row");
                client.query("SELECT line FROM t ORDER BY ctid", &[]).await.unwrap()
            });
            let read: Vec<Option<Vec<u8>>> = read.iter().map(|row| row.get::<_, Raw>(0).0).collect();
            prop_assert_eq!(read, list_elements(&texts));
            Ok(())
        });
        result.unwrap();
    }
}

#[tokio::test]
async fn the_server_refuses_what_encode_refuses() {
    for tried in Tried::all() {
        refuses_what_encode_refuses(&tried.server.database("encode_refused").await).await;
    }
}

async fn refuses_what_encode_refuses(client: &Client) {
    let text = |text: &str| Cell::Text(text.into());
    let numeric = |text: &str| Cell::Numeric { text: text.into(), canonical: String::new() };
    let refused = [
        (Scalar::Text, "text", text("a\0b"), "nul"),
        (Scalar::Json, "json", Cell::Json("\"\0\"".into()), "nul"),
        (Scalar::Date, "date", Cell::Date(-2_440_589), "out_of_range"),
        (Scalar::Date, "date", Cell::Date(2_145_042_906), "out_of_range"),
        (Scalar::Time, "time", Cell::Time(-1), "out_of_range"),
        (Scalar::Time, "time", Cell::Time(86_400_000_001), "out_of_range"),
        (Scalar::Timestamp, "timestamptz", Cell::Timestamp(-210_866_803_200_000_001), "out_of_range"),
        (Scalar::Numeric, "numeric", numeric("1e131072"), "out_of_range"),
        (Scalar::Numeric, "numeric", numeric("0e-16384"), "out_of_range"),
        (Scalar::Numeric, "numeric", numeric("12x"), "bad_numeric"),
        (Scalar::Numeric, "numeric", numeric("."), "bad_numeric"),
    ];
    for (scalar, pg_type, value, code) in refused {
        client
            .batch_execute(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (value {pg_type})"))
            .await
            .unwrap();
        let fields = [Field::nullable("value", Type::of(scalar))];
        let columns = [arrow(scalar, &[Some(value.clone())])];
        let encoder = Encoder::new(&fields);
        let rows = encoder.bind(&columns).unwrap();
        let codes: Vec<&str> = rows.refused().iter().map(|refused| refused.code).collect();
        assert_eq!(codes, [code], "{value:?}");
        let mut csv = Vec::new();
        rows.encode_row(0, &mut csv);
        let error = copy(client, "t", csv).await.expect_err("the server refuses it too");
        let class = error.code().map(|state| &state.code()[..2]);
        assert_eq!(class, Some("22"), "{value:?}: {error}");
    }
}

/// All rows; none is refused.
fn encode(fields: &[Field], columns: &[ArrayRef]) -> Vec<u8> {
    let encoder = Encoder::new(fields);
    let rows = encoder.bind(columns).expect("columns of their types");
    assert_eq!(rows.refused(), []);
    let mut csv = Vec::new();
    for row in 0..columns[0].len() {
        rows.encode_row(row, &mut csv);
    }
    csv
}

/// The rows that the server says it took.
async fn copy(client: &Client, table: &str, csv: Vec<u8>) -> Result<u64, Error> {
    let sink = client.copy_in(&format!("COPY {table} FROM STDIN (FORMAT csv)")).await?;
    pin_mut!(sink);
    // Small pieces, so that cells are cut between messages.
    for piece in csv.chunks(4001) {
        sink.send(Bytes::copy_from_slice(piece)).await?;
    }
    sink.finish().await
}
