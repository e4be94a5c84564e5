//! Bench `split`: how fast one core scans a CSV file for record starts, next to counting its line feeds, which
//! is about what the memory gives. The scan competes with the load for the cores.
//!
//! `cargo bench -p etl --bench split`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etl::dialect::Dialect;
use etl::position::Position;
use etl::split::{Scanner, Tiler};

const FILE_BYTES: usize = 64 << 20;
const SPLIT_BYTES: u64 = 8 << 20;
const BLOCK_BYTES: usize = 256 << 10;

fn repeated(row: impl Fn(usize) -> String) -> Vec<u8> {
    let mut file = Vec::with_capacity(FILE_BYTES + 1024);
    let mut number = 0;
    while file.len() < FILE_BYTES {
        file.extend_from_slice(row(number).as_bytes());
        number += 1;
    }
    file
}

/// Ten columns as people have them; two cells of a row are quoted, with quotes and a line end inside.
fn typical(number: usize) -> String {
    format!(
        "5b1f2c3e-7a4d-4c1b-9e2f-{number:012},{number},Anna-Maria,Lindqvist,anna.lindqvist{number}@example.com,{},\
         2024-03-{:02}T12:34:56Z,\"[\"\"red\"\",\"\"blue\"\"]\",true,\"a note of\nsome words\"\n",
        number * 37 % 100_000,
        number % 28 + 1
    )
}

/// Every cell quoted, few bytes in each: a quote every three to four bytes.
fn quoted(number: usize) -> String {
    format!("\"{number}\",\"ab\",\"xyz\",\"{}\",\"2024-03-01\",\"\"\n", number % 97)
}

/// No quote at all, so that a block alone never shows whether it is inside quotes.
fn bare(number: usize) -> String {
    format!("{number},Anna-Maria,Lindqvist,{},2024-03-01,some words without quotes\n", number % 97)
}

/// Only empty quoted cells: both guesses, inside and outside quotes, stay possible for ever.
fn undecided(_: usize) -> String {
    "\"\",\"\",\"\",\"\",\"\"\n".into()
}

fn scan(dialect: Dialect, file: &[u8]) -> usize {
    let scanner = Scanner::new(dialect, SPLIT_BYTES);
    let mut tiler = Tiler::new(SPLIT_BYTES, Position::FILE_START);
    let blocks = file.chunks(BLOCK_BYTES).enumerate();
    blocks.map(|(number, block)| tiler.push(&scanner.scan((number * BLOCK_BYTES) as u64, block)).len()).sum()
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("split");
    group.sample_size(10);
    let escape = Dialect { escape: Some(b'\\'), ..Dialect::default() };
    let files: [(&str, fn(usize) -> String); 4] =
        [("typical", typical), ("quoted", quoted), ("bare", bare), ("undecided", undecided)];
    for (name, row) in files {
        let file = repeated(row);
        group.throughput(Throughput::Bytes(file.len() as u64));
        group.bench_with_input(BenchmarkId::new("scan", name), &file, |bencher, file| {
            bencher.iter(|| black_box(scan(Dialect::default(), file)));
        });
        group.bench_with_input(BenchmarkId::new("scan_with_escape", name), &file, |bencher, file| {
            bencher.iter(|| black_box(scan(escape, file)));
        });
        group.bench_with_input(BenchmarkId::new("count_line_feeds", name), &file, |bencher, file| {
            bencher.iter(|| memchr::memchr_iter(b'\n', black_box(file)).count());
        });
    }
    group.finish();
}

criterion_group!(split, benches);
criterion_main!(split);
