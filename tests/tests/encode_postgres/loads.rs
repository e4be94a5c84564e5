//! What the type table says that loads, loads; and what it calls exact is the same there.

use etl::loads::{Loads, loads};
use etl::schema::{Field, Scalar, Type};
use etl_tests::versions::Tried;
use tokio_postgres::Client;

use super::cell::{Cell, arrow, arrow_list};
use super::{copy, encode, settings};

const TARGETS: [&str; 23] = [
    "bool",
    "int2",
    "int4",
    "int8",
    "float4",
    "float8",
    "numeric",
    "text",
    "varchar",
    "bpchar",
    "bytea",
    "uuid",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "inet",
    "cidr",
    "json",
    "jsonb",
    "xml",
];

#[tokio::test]
async fn the_type_table_is_true() {
    for tried in Tried::all() {
        is_true_of(&tried.server.database("encode_loads").await).await;
    }
}

async fn is_true_of(client: &Client) {
    settings(client, "UTC", "ISO", "postgres").await;
    let columns = TARGETS.map(|target| format!("c_{target} {target}, c__{target} _{target}"));
    client.batch_execute(&format!("CREATE TABLE t ({})", columns.join(", "))).await.unwrap();
    for scalar in Scalar::ALL {
        for target in TARGETS {
            load(client, Type::of(scalar), target).await;
            load(client, Type::array_of(scalar), &format!("_{target}")).await;
        }
    }
}

async fn load(client: &Client, ty: Type, target: &str) {
    let (small, extreme) = samples(ty.scalar);
    let cells: Vec<Option<Cell>> = match loads(ty, target) {
        // That it loads into each of these is the server's business: text has no values of its own.
        Loads::Parsed if ty.scalar == Scalar::Text => return,
        Loads::No { .. } => return,
        Loads::Exact => vec![Some(small), Some(extreme)],
        Loads::Fits | Loads::Parsed => vec![Some(small)],
    };
    let column = match ty.array {
        true => arrow_list(ty.scalar, &cells.iter().map(|cell| Some(vec![cell.clone()])).collect::<Vec<_>>()),
        false => arrow(ty.scalar, &cells),
    };
    let csv = encode(&[Field::nullable("c", ty)], &[column]);
    let text = String::from_utf8(csv.clone()).expect("UTF-8");
    client.batch_execute("BEGIN").await.expect("an empty table");
    let loaded = copy(client, &format!("t (c_{target})"), csv).await;
    loaded.unwrap_or_else(|e| panic!("{ty} into {target}: {e:?}"));
    if loads(ty, target) == Loads::Exact {
        let sql = format!("SELECT c_{target}::text FROM t ORDER BY ctid");
        let read = client.query(&sql, &[]).await.expect("select");
        let read: Vec<String> = read.iter().map(|row| row.get(0)).collect();
        assert_eq!(shown(ty, &read.join("\n")), shown(ty, &text), "{ty} into {target}");
    }
    client.batch_execute("ROLLBACK").await.expect("the table empty again");
}

/// Floats as their shortest text: before PostgreSQL 12 the server shows them with more digits or fewer.
fn shown(ty: Type, text: &str) -> String {
    let number = |line: &str| match ty.scalar {
        Scalar::Float32 => line.trim_matches(['{', '}']).parse::<f32>().expect("a number").to_string(),
        Scalar::Float64 => line.trim_matches(['{', '}']).parse::<f64>().expect("a number").to_string(),
        _ => line.to_owned(),
    };
    shape(text).lines().map(number).collect::<Vec<_>>().join("\n")
}

/// Without CSV's quotes, and without the zone that a `timestamp` column has none of, and with booleans as an
/// array of them is shown.
fn shape(text: &str) -> String {
    text.replace(['"', '\\'], "").replace("+00", "").replace("{t}", "{true}").trim_end().to_owned()
}

/// One that fits into the smallest column of its kind, and one of the largest.
fn samples(scalar: Scalar) -> (Cell, Cell) {
    let same = |cell: Cell| (cell.clone(), cell);
    let numeric = |text: &str| Cell::Numeric { text: text.into(), canonical: text.into() };
    match scalar {
        Scalar::Boolean => same(Cell::Boolean(true)),
        Scalar::Int16 => (Cell::Int16(7), Cell::Int16(i16::MIN)),
        Scalar::Int32 => (Cell::Int32(7), Cell::Int32(i32::MIN)),
        Scalar::Int64 => (Cell::Int64(7), Cell::Int64(i64::MIN)),
        Scalar::Float32 => (Cell::Float32(0.1), Cell::Float32(-1.234_567_8)),
        Scalar::Float64 => (Cell::Float64(0.1), Cell::Float64(-1.234_567_890_123_456_7)),
        Scalar::Numeric => (numeric("1.50"), numeric("-12345678901234567890.012345678901234567890")),
        Scalar::Text => same(Cell::Text("é".into())),
        Scalar::Bytes => same(Cell::Bytes(vec![0, 255])),
        Scalar::Uuid => same(Cell::Uuid([0xab; 16])),
        Scalar::Date => (Cell::Date(0), Cell::Date(2_145_042_905)),
        Scalar::Time => (Cell::Time(1), Cell::Time(86_400_000_000)),
        Scalar::Timestamp => (Cell::Timestamp(1), Cell::Timestamp(i64::MAX - 1)),
        Scalar::Interval => (Cell::Interval(1, 2, 3), Cell::Interval(i32::MIN, i32::MIN, -i64::MAX / 1000)),
        Scalar::Inet => same(Cell::Inet { text: "10.0.0.0/8".into(), canonical: "10.0.0.0/8".into() }),
        Scalar::Json => same(Cell::Json("[1]".into())),
    }
}
