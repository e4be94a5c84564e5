//! Honest modules and native steps: what goes in comes out, and every row is accounted for.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{
    Array, BinaryArray, BooleanArray, Date32Array, FixedSizeBinaryArray, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer, OffsetBuffer};
use arrow_schema::Field as ArrowField;
use proptest::prelude::*;

use super::*;

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z ^ (z >> 27)
    }

    fn cells<T>(&mut self, rows: usize, value: impl Fn(u64) -> T) -> Vec<Option<T>> {
        (0..rows).map(|_| (!self.next().is_multiple_of(4)).then(|| value(self.next()))).collect()
    }

    fn scalars(&mut self, scalar: Scalar, rows: usize) -> ArrayRef {
        let word = |v: u64| ["", "ä", "日本\0", "plain text", "🦀🦀"][(v % 5) as usize];
        let uuid = |v: u64| u128::from(v).to_le_bytes();
        let interval = |v: u64| IntervalMonthDayNano::new(v as i32, (v >> 32) as i32, v as i64);
        match scalar {
            Scalar::Boolean => Arc::new(BooleanArray::from(self.cells(rows, |v| v % 2 == 0))),
            Scalar::Int16 => Arc::new(Int16Array::from(self.cells(rows, |v| v as i16))),
            Scalar::Int32 => Arc::new(Int32Array::from(self.cells(rows, |v| v as i32))),
            Scalar::Int64 => Arc::new(Int64Array::from(self.cells(rows, |v| v as i64))),
            Scalar::Float32 => Arc::new(Float32Array::from(self.cells(rows, |v| v as f32))),
            Scalar::Float64 => Arc::new(Float64Array::from(self.cells(rows, |v| v as f64))),
            Scalar::Date => Arc::new(Date32Array::from(self.cells(rows, |v| v as i32))),
            Scalar::Time => Arc::new(Time64MicrosecondArray::from(self.cells(rows, |v| v as i64))),
            Scalar::Timestamp => Arc::new(TimestampMicrosecondArray::from(self.cells(rows, |v| v as i64))),
            Scalar::Interval => Arc::new(IntervalMonthDayNanoArray::from(self.cells(rows, interval))),
            Scalar::Uuid => {
                let cells = self.cells(rows, uuid).into_iter();
                Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(cells, 16).unwrap())
            }
            Scalar::Bytes => Arc::new(BinaryArray::from_iter(self.cells(rows, |v| v.to_le_bytes()))),
            _ => Arc::new(StringArray::from(self.cells(rows, word))),
        }
    }

    fn column(&mut self, ty: Type, rows: usize) -> ArrayRef {
        if !ty.array {
            return self.scalars(ty.scalar, rows);
        }
        let lengths: Vec<usize> = (0..rows).map(|_| (self.next() % 4) as usize).collect();
        let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
        let values = self.scalars(ty.scalar, lengths.iter().sum());
        let nulls = NullBuffer::from_iter(self.cells(rows, |_| ()).iter().map(Option::is_some));
        let item = Arc::new(ArrowField::new_list_field(ty.scalar.arrow(), true));
        Arc::new(ListArray::new(item, offsets, values, Some(nulls)))
    }
}

fn every_type() -> Vec<Field> {
    let types = Scalar::ALL.into_iter().flat_map(|s| [Type::of(s), Type::array_of(s)]);
    types.map(|ty| Field::nullable(ty.to_string(), ty)).collect()
}

#[test]
fn every_type_comes_out_as_it_went_in_whatever_slice_of_it_goes_in() {
    let modules = Modules::new();
    let fields = every_type();
    let chain = Chain::plan(&engine(), &[module(modules.guest("honest-echo"))], &fields).unwrap();
    assert_eq!(chain.output(), fields);
    let mut instance = chain.open().unwrap();
    for (seed, rows, start, len) in
        [(1, 40, 0, 40), (2, 40, 8, 16), (3, 40, 3, 30), (4, 9, 8, 1), (5, 2000, 5, 1900)]
    {
        let mut random = Random(seed);
        let columns: Vec<ArrayRef> =
            fields.iter().map(|f| random.column(f.ty, rows).slice(start, len)).collect();
        let outcome = instance.apply(len, &columns).unwrap();
        assert_eq!((outcome.rows, outcome.origin, outcome.filtered), (len, None, 0));
        for ((field, went_in), came_out) in fields.iter().zip(&columns).zip(&outcome.columns) {
            assert_eq!(came_out.to_data(), went_in.to_data(), "{} from row {start}", field.name);
        }
    }
}

#[test]
fn nothing_but_the_columns_in_use_is_read_and_an_empty_batch_calls_nobody() {
    let modules = Modules::new();
    let int = |name: &str| Field::nullable(name, Type::of(Scalar::Int32));
    let input = [int("unused"), int("script"), int("kept")];
    let steps = [
        Step::Drop(vec!["unused".into()]),
        module(modules.guest("honest-script")),
        Step::Drop(vec!["script".into()]),
    ];
    let chain = Chain::plan(&engine(), &steps, &input).unwrap();
    assert_eq!(chain.reads(), [1, 2]);
    assert_eq!(chain.output(), [int("kept")]);
    let none: ArrayRef = Arc::new(Int32Array::from(Vec::<i32>::new()));
    let outcome = chain.open().unwrap().apply(0, &[none.clone(), none.clone()]).unwrap();
    assert_eq!((outcome.rows, outcome.columns.len()), (0, 1));
    let trapping = [module(modules.guest("transform-trap"))];
    let chain = Chain::plan(&engine(), &trapping, &two_rows().0).unwrap();
    assert_eq!(chain.open().unwrap().apply(0, &[none]).unwrap().columns[0].len(), 0);
}

#[test]
fn a_module_that_filters_leaves_the_others() {
    let modules = Modules::new();
    let outcome = run(&engine(), modules.guest("honest-filter")).unwrap();
    assert_eq!((outcome.rows, outcome.origin, outcome.filtered), (1, Some(vec![1]), 1));
    assert_eq!(outcome.columns[0].as_string::<i32>().value(0), "ab");
}

#[test]
fn native_steps_need_no_module() {
    let input = [
        Field::nullable("a", Type::of(Scalar::Text)),
        Field::nullable("b", Type::of(Scalar::Int64)),
        Field::nullable("c", Type::of(Scalar::Text)),
    ];
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let steps = [
        Step::Rename(vec![pair("a", "b"), pair("b", "a")]),
        Step::Drop(vec!["c".into()]),
        Step::Constant(vec![
            ("source".into(), Constant::Text("faa".into())),
            ("day".into(), Constant::Date(7)),
            ("flag".into(), Constant::Boolean(true)),
        ]),
        Step::Rename(vec![pair("source", "origin")]),
    ];
    let chain = Chain::plan(&engine(), &steps, &input).unwrap();
    let names: Vec<_> = chain.output().iter().map(|f| format!("{} {}", f.name, f.ty)).collect();
    assert_eq!(names, ["b text", "a int64", "origin text", "day date", "flag boolean"]);
    assert_eq!(chain.reads(), [0, 1]);
    let a: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    let b: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let mut instance = chain.open().unwrap();
    for rows in [2, 1] {
        let outcome = instance.apply(rows, &[a.slice(0, rows), b.slice(0, rows)]).unwrap();
        assert_eq!(outcome.columns[1].as_primitive::<Int64Type>().value(0), 1);
        assert_eq!(outcome.columns[2].as_string::<i32>(), &StringArray::from(vec!["faa"; rows]));
        assert!(outcome.origin.is_none() && outcome.columns.iter().all(|c| c.len() == rows));
    }
}

#[test]
fn a_native_step_that_does_not_fit_is_refused_with_its_place_and_the_columns() {
    let (fields, _) = two_rows();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let one = Constant::Int64(1);
    let cases = [
        (
            Step::Rename(vec![pair("x", "y")]),
            "transform 1 (rename): there is no column `x` here; the columns are a",
        ),
        (Step::Rename(vec![pair("a", "b"), pair("a", "c")]), "column `a` is renamed twice"),
        (Step::Rename(vec![pair("a", "")]), "a column without a name"),
        (Step::Drop(vec!["a".into()]), "transform 1 (drop): no column would be left"),
        (Step::Drop(vec!["z".into()]), "there is no column `z`"),
        (
            Step::Constant(vec![("a".into(), one)]),
            "transform 1 (constant): two columns would have the name `a`",
        ),
    ];
    for (step, expected) in cases {
        let error = Chain::plan(&engine(), &[step], &fields).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_wasi_adapter_answers_the_same_in_every_instance() {
    let modules = Modules::new();
    let chain = Chain::plan(&engine(), &[module(modules.guest("honest-wasi"))], &two_rows().0).unwrap();
    let batches = || {
        let mut instance = chain.open().unwrap();
        let mut batch =
            || instance.apply(2, &[]).unwrap().columns[0].as_primitive::<Int64Type>().values().to_vec();
        [batch(), batch()]
    };
    let first = batches();
    assert_eq!(first, batches());
    assert_eq!(first[0][0], 1_700_000_000_000_001_000);
    assert_eq!(first[1][0] - first[0][0], 1000, "the clock steps");
    assert_ne!(first[0][1], first[1][1], "random numbers differ from each other");
}

#[test]
fn a_component_from_a_toolchain_and_a_core_module_do_the_same() {
    let modules = Modules::new();
    let core = std::fs::read(modules.guest("honest-echo")).unwrap();
    let component = onramp::to_component(&core, &scan::scan(&core).unwrap()).unwrap();
    let path = modules.bytes("component", &component);
    assert_eq!(inspect(&engine(), &path).unwrap().kind, Kind::Component);
    let outcome = run(&engine(), path).unwrap();
    assert_eq!(outcome.columns[0].as_string::<i32>(), &StringArray::from(vec!["first", "second"]));
}

#[test]
fn a_compiled_module_comes_from_the_cache_the_second_time() {
    let (modules, folder) = (Modules::new(), tempfile::tempdir().unwrap());
    let path = modules.guest("honest-echo");
    for hits_and_misses in [(0, 1), (1, 0)] {
        let engine = Engine::new(&Settings::default(), Some(folder.path().join("cache"))).unwrap();
        run(&engine, path.clone()).unwrap();
        run(&engine, path.clone()).unwrap();
        assert_eq!(engine.cache_hits_and_misses(), hits_and_misses);
    }
    let off = Settings { cache: false, ..Settings::default() };
    let engine = Engine::new(&off, Some(folder.path().join("cache"))).unwrap();
    run(&engine, path).unwrap();
    assert_eq!(engine.cache_hits_and_misses(), (0, 0));
}

#[test]
fn the_identity_of_a_chain_is_the_bytes_of_its_modules_whatever_their_names() {
    let modules = Modules::new();
    let (fields, _) = two_rows();
    let path = modules.guest("honest-echo");
    let copy = modules.bytes("renamed", &std::fs::read(&path).unwrap());
    let identity = |module: &Path| {
        let steps = [Step::Rename(Vec::new()), self::module(module.to_owned())];
        Chain::plan(&engine(), &steps, &fields).unwrap().identity().to_vec()
    };
    let one = identity(&path);
    assert_eq!(one, identity(&copy));
    assert_eq!((one.len(), one[0].step.as_str()), (1, "transforms[1].module"));
    assert!(one[0].content.starts_with("sha256 "), "{one:?}");
    assert_ne!(one, identity(&modules.guest("honest-filter")));
}

#[test]
fn a_columns_origin_is_followed_through_renames_and_modules() {
    let modules = Modules::new();
    let input = ["a", "b", "c"].map(|name| Field::nullable(name, Type::of(Scalar::Text)));
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let native = [
        Step::Rename(vec![pair("a", "b"), pair("b", "x")]),
        Step::Drop(vec!["c".into()]),
        Step::Constant(vec![("c".into(), Constant::Boolean(true))]),
    ];
    let origins = |steps: &[Step]| {
        let chain = Chain::plan(&engine(), steps, &input).unwrap();
        (0..=chain.output().len()).map(|place| chain.origin(place)).collect::<Vec<_>>()
    };
    assert_eq!(origins(&native), [Some(Origin::Kept(0)), Some(Origin::Kept(1)), None, None]);
    // It makes every column anew, under its name.
    let echo = module(modules.guest("honest-echo"));
    let steps = [native[0].clone(), echo.clone(), Step::Rename(vec![pair("x", "z")]), echo];
    let remade = [0, 1, 2].map(|source| Some(Origin::Remade(source)));
    assert_eq!(origins(&steps)[..3], remade);
}

#[test]
fn columns_that_were_not_agreed_on_are_a_mistake_of_ours_and_no_panic() {
    let modules = Modules::new();
    let (fields, columns) = two_rows();
    let chain = Chain::plan(&engine(), &[module(modules.guest("honest-echo"))], &fields).unwrap();
    let mut instance = chain.open().unwrap();
    assert!(matches!(instance.apply(2, &[]), Err(Error::Bug(_))));
    assert!(matches!(instance.apply(3, &columns), Err(Error::Bug(_))));
    let other: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    assert!(matches!(instance.apply(2, &[other]), Err(Error::Bug(_))));
    assert_eq!(instance.apply(2, &columns).unwrap().rows, 2);
}

/// What two script steps must make of rows: output rows by origin, rejected, filtered.
fn model(rows: &[(i32, i32)]) -> (Vec<u32>, Vec<u32>, u32) {
    let (mut origin, mut rejected, mut filtered) = (Vec::new(), Vec::new(), 0);
    for (row, (first, second)) in rows.iter().enumerate() {
        let row = u32::try_from(row).unwrap();
        let copies = (*first).max(0) * (*second).max(0);
        match (first, second) {
            (-2, _) => rejected.push(row),
            (1.., -2) => rejected.push(row),
            _ if copies == 0 => filtered += 1,
            _ => origin.extend(std::iter::repeat_n(row, usize::try_from(copies).unwrap())),
        }
    }
    (origin, rejected, filtered)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two modules in a row, each leaving out, repeating and rejecting rows, with a column made before, one kept
    /// around both and one constant: every row is where the model says.
    #[test]
    fn a_chain_accounts_for_every_row(rows in prop::collection::vec((-2_i32..4, -2_i32..4), 1..40)) {
        thread_local!(static CHAIN: (Modules, Chain) = two_scripts());
        let (first, second): (Vec<i32>, Vec<i32>) = rows.iter().copied().unzip();
        let number: ArrayRef = Arc::new(Int32Array::from_iter_values(0..i32::try_from(rows.len()).unwrap()));
        let columns: [ArrayRef; 3] = [Arc::new(Int32Array::from(first)), Arc::new(Int32Array::from(second)), number];
        let mut instance = CHAIN.with(|(_, chain)| chain.open().unwrap());
        let outcome = instance.apply(rows.len(), &columns).unwrap();
        let (origin, rejected, filtered) = model(&rows);
        let numbers = outcome.columns[2].as_primitive::<Int32Type>();
        prop_assert_eq!(numbers.values().iter().map(|n| *n as u32).collect::<Vec<_>>(), origin.clone());
        prop_assert_eq!(outcome.origin.unwrap_or_else(|| (0..outcome.rows as u32).collect()), origin);
        prop_assert_eq!(outcome.rejects.iter().map(|(row, _)| *row).collect::<Vec<_>>(), rejected);
        prop_assert_eq!(outcome.filtered, filtered);
        prop_assert!(outcome.columns.iter().all(|c| c.len() == outcome.rows));
        prop_assert_eq!(outcome.columns[1].to_data(), outcome.columns[4].to_data());
    }
}

/// Columns first, second, number; a script step on each of the first two with an echo in between, a constant behind.
fn two_scripts() -> (Modules, Chain) {
    let modules = Modules::new();
    let int = |name: &str| Field::nullable(name, Type::of(Scalar::Int32));
    let script = |column: &str| Step::Module {
        module: modules.guest("honest-script"),
        options: vec![("column".into(), column.into())],
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let steps = [
        script("0"),
        Step::Constant(vec![("one".into(), Constant::Int64(1))]),
        script("1"),
        Step::Rename(vec![pair("second", "renamed")]),
        module(modules.guest("honest-twice")),
    ];
    let chain = Chain::plan(&engine(), &steps, &[int("first"), int("second"), int("number")]).unwrap();
    (modules, chain)
}
