//! How fast rows become CSV: 11 columns of ~180 bytes a row, texts with and without quotes and newlines.
//!
//! `cargo bench -p etl --bench encode`; "elements" are cells.

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeBinaryArray, Int16Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etl::encode::Encoder;
use etl::schema::{Field, Scalar, Type};

const ROWS: u32 = 1024;

criterion_group!(benches, encode);
criterion_main!(benches);

fn encode(criterion: &mut Criterion) {
    let all = columns();
    let mut group = criterion.benchmark_group("encode");
    bench(&mut group, "rows", &all);
    for column in all {
        let name = column.0.name.clone();
        bench(&mut group, &name, &[column]);
    }
    group.finish();
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

/// The whole way of a batch: bind, look for refused rows, encode each row.
fn bench(group: &mut Group<'_>, name: &str, columns: &[(Field, ArrayRef)]) {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.iter().cloned().unzip();
    let encoder = Encoder::new(&fields);
    let mut out = Vec::new();
    group.throughput(Throughput::Elements(u64::from(ROWS) * fields.len() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            out.clear();
            let rows = encoder.bind(&arrays).expect("columns of their types");
            assert!(rows.refused().is_empty());
            let lines: u32 = (0..ROWS as usize).map(|row| rows.encode_row(row, &mut out)).sum();
            black_box((lines, out.len()))
        });
    });
}

fn columns() -> Vec<(Field, ArrayRef)> {
    let texts = |text: fn(u64) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(randoms().map(text)))
    };
    let ids = FixedSizeBinaryArray::try_from_iter(randoms().map(|r| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&r.to_le_bytes());
        id[8..].copy_from_slice(&r.rotate_left(21).to_le_bytes());
        id
    }));
    let column = |name: &str, scalar, array| (Field::nullable(name, Type::of(scalar)), array);
    vec![
        column("id", Scalar::Uuid, Arc::new(ids.expect("16 bytes each")) as ArrayRef),
        column(
            "customer",
            Scalar::Int64,
            Arc::new(Int64Array::from_iter_values(randoms().map(|r| (r >> 30) as i64))),
        ),
        column(
            "count",
            Scalar::Int32,
            Arc::new(Int32Array::from_iter(randoms().map(|r| (r % 8 != 0).then_some((r % 1000) as i32)))),
        ),
        column(
            "shard",
            Scalar::Int16,
            Arc::new(Int16Array::from_iter_values(randoms().map(|r| (r % 100) as i16))),
        ),
        column(
            "name",
            Scalar::Text,
            texts(|r| format!("{} {}", NAMES[r as usize % 8], NAMES[(r >> 8) as usize % 8])),
        ),
        column(
            "email",
            Scalar::Text,
            texts(|r| format!("{}.{}@example.com", NAMES[r as usize % 8].to_lowercase(), r % 10_000)),
        ),
        column("amount", Scalar::Numeric, texts(|r| format!("{}.{:02}", r % 100_000, (r >> 40) % 100))),
        column(
            "at",
            Scalar::Timestamp,
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                randoms().map(|r| (r % 1_700_000_000_000_000) as i64),
            )),
        ),
        column(
            "tags",
            Scalar::Json,
            texts(|r| format!("{{\"a\":{},\"b\":[\"x\",\"y{}\"]}}", r % 100, r % 7)),
        ),
        column(
            "flag",
            Scalar::Boolean,
            Arc::new(BooleanArray::from_iter(randoms().map(|r| Some(r % 3 == 0)))),
        ),
        column(
            "note",
            Scalar::Text,
            texts(|r| match r % 8 {
                0 => format!("He said \"{}\", then\nleft.", r % 1000),
                1 => String::new(),
                _ => format!("Nothing to add about order {}; delivered.", r % 100_000),
            }),
        ),
    ]
}

const NAMES: [&str; 8] = ["Ada", "Grace", "Edsger", "Barbara", "Donald", "Katherine", "Niklaus", "Łukasz"];

/// The same numbers each time (xorshift64).
fn randoms() -> impl Iterator<Item = u64> {
    let next = |state: &u64| {
        let x = state ^ (state << 13);
        let x = x ^ (x >> 7);
        Some(x ^ (x << 17))
    };
    std::iter::successors(Some(0x9E37_79B9_7F4A_7C15), next).skip(1).take(ROWS as usize)
}
