//! What the stage `transform` costs around a module's own work: a batch of 1,024 rows and 10 columns crossing into
//! the sandbox and back (3 columns read, 2 made, 8 kept), the gathering of kept columns after some rows left, and
//! loading a compiled module from the cache.
//!
//! The modules are assembled here and do nothing but point at what they got. A module that does the same plan for the
//! columns below, e.g. one built from a language's SDK, is timed too if `ETL_BENCH_MODULE` names it.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeBinaryArray, Int64Array, ListArray, StringArray,
    TimestampMicrosecondArray, types::Int32Type,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etl::schema::{Field, Scalar, Type};
use etl::transform::{Chain, Engine, Settings, Step};

const ROWS: usize = 1024;

/// Reads columns 1 to 3, makes two text columns of the two that are text, keeps the rest. Where `left_out` is not 0,
/// each row whose number is a multiple of it is rejected.
fn guest(dir: &Path, left_out: usize) -> PathBuf {
    let kept: Vec<usize> = (0..ROWS).filter(|row| left_out == 0 || row % left_out != 0).collect();
    let rejects: Vec<String> =
        (0..ROWS).filter(|row| !kept.contains(row)).map(|row| format!("(i32 {row} 0x180 2)")).collect();
    let outs: String = (0..8).map(|i| format!("(i32 0 {} 0 0)", [0, 3, 4, 5, 6, 7, 8, 9][i])).collect();
    let same = if left_out == 0 {
        "(i32.store offset=16 (i32.const 0x400) (i32.add (local.get $columns) (i32.const 0)))".to_owned()
    } else {
        // The same bytes cut to fewer rows: the last rows' offsets are not used, but all data must be.
        let end = 4 * kept.len();
        format!(
            "(memory.copy (i32.const 0x500) (local.get $columns) (i32.const 48))
             (i32.store offset=12 (i32.const 0x500) (i32.const {}))
             (i32.store offset=36 (i32.const 0x500) (i32.const {}))
             (i32.store (i32.const 0x500) (i32.const 0)) (i32.store offset=4 (i32.const 0x500) (i32.const 0))
             (i32.store offset=24 (i32.const 0x500) (i32.const 0)) (i32.store offset=28 (i32.const 0x500) (i32.const 0))
             (i32.store offset=20 (i32.const 0x500) (i32.load (i32.add (i32.load offset=8 (i32.const 0x500)) (i32.const {end}))))
             (i32.store offset=44 (i32.const 0x500) (i32.load (i32.add (i32.load offset=32 (i32.const 0x500)) (i32.const {end}))))
             (i32.store offset=16 (i32.const 0x400) (i32.const 0x500))",
            end + 4,
            end + 4,
        )
    };
    let wat = format!(
        r#"(module (memory (export "memory") 16)
        (func (export "etl_transform_0_1"))
        (global $top (mut i32) (i32.const 0x10000))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
          (global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
          (global.get $top) (global.set $top (i32.add (global.get $top) (local.get 3))))
        (func (export "cabi_post_transform") (param i32) (global.set $top (i32.const 0x10000)))
        (data (i32.const 0x100) (i32 0 0x140 3 0x200 10)) (data (i32.const 0x140) (i32 1 2 3))
        (data (i32.const 0x180) "no" "m1" "m2")
        (data (i32.const 0x200) {outs} (i32 1 0x182 2) (i8 7 0 1 0) (i32 1 0x184 2) (i8 7 0 1 0))
        (data (i32.const 0x400) (i32 0 {rows} 0 0 0 2 0x800 {rejected}))
        (data (i32.const 0x800) {rejects})
        (func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
        (func (export "transform") (param i32) (param $columns i32) (param i32) (result i32)
          {same} (i32.const 0x400)))"#,
        rows = kept.len(),
        rejected = rejects.len(),
        rejects = rejects.concat(),
    );
    let path = dir.join(format!("left-out-{left_out}.wasm"));
    std::fs::write(&path, wat::parse_str(&wat).expect("the guest is well formed"))
        .expect("the folder is writable");
    path
}

fn fields() -> Vec<Field> {
    let of = |name: &str, scalar, array, nullable| Field {
        name: name.into(),
        ty: Type { scalar, array },
        nullable,
    };
    vec![
        of("id", Scalar::Int64, false, false),
        of("email", Scalar::Text, false, true),
        of("name", Scalar::Text, false, true),
        of("amount_cents", Scalar::Int64, false, true),
        of("created", Scalar::Timestamp, false, false),
        of("active", Scalar::Boolean, false, true),
        of("note", Scalar::Text, false, true),
        of("country", Scalar::Text, false, true),
        of("tags", Scalar::Int32, true, true),
        of("uid", Scalar::Uuid, false, false),
    ]
}

fn columns() -> Vec<ArrayRef> {
    let number = |row: usize| i64::try_from(row).unwrap_or_default();
    let text = |cell: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter((0..ROWS).map(cell)))
    };
    let email =
        |row| Some(if row % 100 == 99 { format!("bad{row}") } else { format!("user.{row}@example.com") });
    let name = |row| (row % 16 != 5).then(|| format!(" Firstname{row} Lastname "));
    let cents = (0..ROWS).map(|row| (row % 16 != 7).then(|| number(row) * 7919 % 10_000_000));
    let tags = (0..ROWS).map(|row| Some(vec![Some(1); row % 3]));
    let uid = (0..ROWS).map(|row| (row as u128).to_be_bytes());
    vec![
        Arc::new(Int64Array::from_iter_values((0..ROWS).map(number))),
        text(&email),
        text(&name),
        Arc::new(Int64Array::from_iter(cents)),
        Arc::new(TimestampMicrosecondArray::from_iter_values((0..ROWS).map(number))),
        Arc::new(BooleanArray::from_iter((0..ROWS).map(|row| Some(row % 3 == 0)))),
        text(&|row| Some(format!("a note of some length, with a comma and the number {row}"))),
        text(&|row| Some(["DE", "FR", "IT"][row % 3].to_owned())),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(tags)),
        Arc::new(FixedSizeBinaryArray::try_from_iter(uid).expect("16 bytes each")),
    ]
}

fn crossing(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder for the guests");
    let mut guests = vec![
        ("nothing_left_out".to_owned(), guest(dir.path(), 0)),
        ("1_percent_rejected".to_owned(), guest(dir.path(), 100)),
        ("half_rejected".to_owned(), guest(dir.path(), 2)),
    ];
    if let Some(path) = std::env::var_os("ETL_BENCH_MODULE") {
        guests.push(("module".to_owned(), path.into()));
    }
    let engine = Engine::new(&Settings::default(), None).expect("the engine starts");
    let columns = columns();
    let mut group = criterion.benchmark_group("transform");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, module) in guests {
        let step = Step::Module { module, options: Vec::new() };
        let chain = Chain::plan(&engine, &[step], &fields()).expect("the guest plans");
        let batch: Vec<ArrayRef> = chain.reads().iter().map(|column| Arc::clone(&columns[*column])).collect();
        let mut instance = chain.open().expect("the guest starts");
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(instance.apply(ROWS, black_box(&batch)).expect("the guest answers")));
        });
    }
    group.finish();
}

fn loading(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder for the guests");
    let path = std::env::var_os("ETL_BENCH_MODULE").map_or_else(|| guest(dir.path(), 0), PathBuf::from);
    let plan = || {
        let engine =
            Engine::new(&Settings::default(), Some(dir.path().join("cache"))).expect("the engine starts");
        let step = Step::Module { module: path.clone(), options: Vec::new() };
        Chain::plan(&engine, &[step], &fields()).expect("the guest plans")
    };
    plan();
    let mut group = criterion.benchmark_group("transform_load");
    group.sample_size(20);
    group.bench_function("engine_module_from_cache_and_plan", |bencher| bencher.iter(|| black_box(plan())));
    let chain = plan();
    group.bench_function("instance", |bencher| {
        bencher.iter(|| black_box(chain.open().expect("the guest starts")))
    });
    group.finish();
}

criterion_group!(benches, crossing, loading);
criterion_main!(benches);
