//! How fast stage `source` reads: rows of ten columns and about 180 bytes, once all as text and once typed, and
//! once with a projection. `cargo bench --bench read`; the figures are in `docs/performance.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etl::memory::Memory;
use etl::schema::Type;
use etl::source::csv::Settings;
use etl::source::{Extent, Next, Reader, SourceFile, Unit, describe, inputs};

const ROWS: u64 = 100_000;

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

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

fn rows() -> String {
    let mut random = Random(7);
    let mut text = String::from("id,number,first,last,email,cents,created,tags,flag,note\n");
    for number in 0..ROWS {
        let (high, low) = (random.next(), random.next());
        let id = format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        );
        let name = random.below(5000);
        let note = match random.below(4) {
            0 => format!("\"said \"\"come in\"\",\nand left at {}\"", random.below(24)),
            1 => String::new(),
            2 => format!("a plain note of some words, no {}", random.below(100)).replace(',', ";"),
            _ => format!("\"first, second and {}\"", random.below(100)),
        };
        let day = random.below(28) + 1;
        let second = random.below(60);
        let (cents, flag) = (random.below(10_000_000), random.below(2) == 0);
        let _ = writeln!(
            text,
            "{id},{number},First{name},Lastname{name},user{name}@example.com,{cents},2024-03-{day:02}T10:20:{second:02}.123Z,\"{{\"\"vip\"\": {flag}, \"\"n\"\": {name}}}\",{flag},{note}"
        );
    }
    text
}

fn read_all(file: &SourceFile, types: &BTreeMap<String, Type>, wanted: &[usize]) -> usize {
    let settings = Settings::default();
    let memory = Memory::new(64 << 20, 2);
    let described = describe(file, &settings, types).expect("the header is right");
    let fields = &described.fields;
    let unit = Unit::File(Arc::new(file.clone()), Arc::new(settings));
    let extent = Extent { from: &described.body, end: None, read: 0 };
    let mut reader = Reader::open(&unit, (fields, wanted), extent, &memory).expect("it opens");
    let mut rows = 0;
    let stop = AtomicBool::new(false);
    while let Next::Batch(batch) = reader.next_batch(1024, &stop).expect("it reads") {
        assert!(batch.rejects.is_empty());
        rows += black_box(batch).rows;
    }
    rows
}

fn read(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("rows.csv"), rows()).expect("room for the rows");
    let file = inputs("rows.csv", folder.path()).expect("it is there").remove(0);
    let typed: BTreeMap<String, Type> = [
        ("id", "uuid"),
        ("number", "int64"),
        ("cents", "int64"),
        ("created", "timestamp"),
        ("tags", "json"),
        ("flag", "boolean"),
    ]
    .into_iter()
    .map(|(name, ty)| (name.to_owned(), ty.parse().expect("a type")))
    .collect();
    let all: Vec<usize> = (0..10).collect();

    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(ROWS)).sample_size(10);
    for (name, types, wanted) in [
        ("text", BTreeMap::new(), &all[..]),
        ("typed", typed.clone(), &all[..]),
        ("two columns", typed, &[1, 5]),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(read_all(&file, &types, wanted) as u64, ROWS));
        });
    }
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
