//! How fast stage `source` turns Cassandra's cells into columns: pages of 5,000 rows of twelve columns, as they come
//! from the server. `cargo bench --bench decode`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etl::source::Column;
use etl::source::cassandra::cql_parse::parse;
use etl::source::cassandra::cql_type::Udts;
use etl::source::cassandra::decode::Decoder;
use etl::source::cassandra::values::Values;

const ROWS: usize = 5000;

const TYPES: [&str; 12] = [
    "bigint",
    "int",
    "int",
    "bigint",
    "double",
    "float",
    "text",
    "text",
    "timestamp",
    "uuid",
    "boolean",
    "decimal",
];

/// SplitMix64: the same rows in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// `[i32 length][bytes]` for each cell, row by row: the bytes of a page.
fn page() -> Vec<u8> {
    let mut random = Random(7);
    let mut page = Vec::new();
    for number in 0..ROWS {
        for ty in TYPES {
            let bits = random.next();
            let cell = match ty {
                "bigint" | "double" => bits.to_be_bytes().to_vec(),
                "int" | "float" => (bits as u32).to_be_bytes().to_vec(),
                "text" if number % 2 == 0 => format!("a text with a few words, number {number}").into_bytes(),
                "text" => format!("ITEM-{:012}", bits % 1_000_000).into_bytes(),
                "timestamp" => (1_700_000_000_000 + bits % 100_000_000_000).to_be_bytes().to_vec(),
                "uuid" => [bits.to_be_bytes(), random.next().to_be_bytes()].concat(),
                "boolean" => vec![(bits & 1) as u8],
                // Amounts of two decimals, in as many bytes as they need.
                _ => [&2_i32.to_be_bytes()[..], &((bits % 1_000_000_000) as u32).to_be_bytes()].concat(),
            };
            page.extend_from_slice(&(cell.len() as i32).to_be_bytes());
            page.extend_from_slice(&cell);
        }
    }
    page
}

/// Where each cell begins, and its length, row by row.
fn walk(page: &[u8], places: &mut Vec<(u32, i32)>) {
    places.clear();
    let mut at = 0;
    while let Some(length) = page.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()) {
        let length = i32::from_be_bytes(length);
        places.push((at as u32 + 4, length));
        at += 4 + length.max(0) as usize;
    }
}

fn cells<'a>(
    page: &'a [u8],
    places: &[(u32, i32)],
    column: usize,
) -> impl Iterator<Item = Option<&'a [u8]>> + Clone {
    places[column..].iter().step_by(TYPES.len()).map(|(start, length)| {
        let length = usize::try_from(*length).ok()?;
        page.get(*start as usize..*start as usize + length)
    })
}

fn decode(criterion: &mut Criterion) {
    let page = page();
    let decoders = TYPES.map(|ty| {
        let ty = parse(ty, &Udts::new()).expect("a type");
        Decoder::new(&ty, &Values::default(), false).expect("one that can be read")
    });
    let mut places = Vec::new();
    walk(&page, &mut places);
    assert_eq!(places.len(), ROWS * TYPES.len());

    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(ROWS as u64));
    let mut columns = decoders.each_ref().map(|decoder| Column::new(decoder.ty()));
    let mut refused = Vec::new();
    group.bench_function("page", |bencher| {
        bencher.iter(|| {
            walk(&page, &mut places);
            for (index, (decoder, column)) in decoders.iter().zip(&mut columns).enumerate() {
                let cells = cells(&page, &places, index);
                decoder.extend(column, cells, &mut refused, &mut 0).expect("its own column");
                black_box(column.finish().expect("an array"));
            }
        });
    });
    assert!(refused.is_empty());
    for (index, ty) in TYPES.iter().enumerate().filter(|(index, ty)| !TYPES[..*index].contains(ty)) {
        group.bench_function(*ty, |bencher| {
            bencher.iter(|| {
                let (decoder, column) = (&decoders[index], &mut columns[index]);
                decoder
                    .extend(column, cells(&page, &places, index), &mut refused, &mut 0)
                    .expect("its own column");
                black_box(column.finish().expect("an array"));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
