//! What `sdk/c/etl.h` can do besides the examples, and the mistakes that it notices: the module `tests/guests/c/header.c`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use etl::schema::{Field, Scalar, Type};
use etl::transform::{Error, Instance};

use crate::cells::{Cell, Random, cells};
use crate::modules::{Module, engine};
use crate::{BATCHES, DATA, examples, same};

fn fields() -> Vec<Field> {
    [("n", Scalar::Int64), ("t", Scalar::Text)].map(|(name, ty)| Field::nullable(name, Type::of(ty))).into()
}

fn open(options: &[(&str, &str)]) -> Result<Instance, Error> {
    let engine = engine();
    Module::c("header").plan(&engine, options, &fields())?.open()
}

/// Rows with numbers from 0 and no texts.
fn counted(rows: usize) -> Vec<ArrayRef> {
    let numbers = Int64Array::from_iter_values((0..).take(rows));
    vec![Arc::new(numbers), Arc::new(StringArray::from(vec![""; rows]))]
}

#[test]
fn a_generic_module_copies_columns_of_every_type() {
    let (engine, module) = (engine(), Module::c("header"));
    let example = examples::types();
    let chain = module.plan(&engine, &[], &example.fields).expect("it fits any table");
    assert_eq!(chain.output(), example.fields);
    for (seed, (rows, nulls)) in (1..).zip(DATA) {
        let mut random = Random::new(seed);
        let input: Vec<Vec<Cell>> =
            example.fields.iter().map(|field| random.column(example.pool, field, rows, nulls)).collect();
        for size in &BATCHES[1..] {
            let outcome = module.run(&chain, &example, &input, *size);
            same(
                &format!("{module}: {rows} rows in batches of {size}"),
                &outcome,
                &(example.expected)(&input),
            );
        }
    }
}

#[test]
fn numbers_are_written_and_read_to_their_limits_and_options_last() {
    let numbers = [Some(0), Some(-5), Some(1250), Some(i64::MAX), Some(i64::MIN), None, Some(-100)];
    let texts = ["9223372036854775807", " 1", "-9223372036854775808", "9223372036854775808", "+12", "-", ""];
    let options =
        [("mode", "numbers"), ("label", "[\"ü\"]"), ("flag", "true"), ("whole", "-12"), ("number", "25e-2")];
    let mut instance = open(&options).expect("it fits");
    let columns: [ArrayRef; 2] =
        [Arc::new(Int64Array::from(numbers.to_vec())), Arc::new(StringArray::from(texts.to_vec()))];
    // What the plan keeps is there in every batch.
    for _ in 0..3 {
        let outcome = instance.apply(7, &columns).expect("it answers");
        let column = |at: usize, scalar| cells(Type::of(scalar), &outcome.columns[at]);
        let decimals =
            ["0.00", "-0.05", "12.50", "92233720368547758.07", "-92233720368547758.08", "", "-1.00"];
        let decimals: Vec<Cell> =
            decimals.map(|text| if text.is_empty() { Cell::Null } else { Cell::text(text) }).into();
        assert_eq!(column(1, Scalar::Numeric), decimals);
        let written: Vec<Cell> = numbers
            .iter()
            .map(|number| Cell::text(&format!("[\"ü\"] {} yes -12 250", number.unwrap_or(0))))
            .collect();
        assert_eq!(column(2, Scalar::Text), written);
        let parsed =
            texts.map(|text| text.parse().map_or(Cell::Null, |n: i64| Cell::Value(n.to_le_bytes().into())));
        assert_eq!(column(3, Scalar::Int64), parsed);
        assert_eq!(column(4, Scalar::Text), texts.map(|text| Cell::text(text.trim())));
    }
}

/// The cells of the four columns in the output row of this number.
fn put(number: usize) -> [Cell; 4] {
    let letters: String = ('a'..='z').cycle().take(number % 50).collect();
    let uuid = |at: usize| {
        let start = [u8::try_from(number % 256).expect("a byte"), u8::try_from(at).expect("a byte")];
        if at == 3 { Cell::Null } else { Cell::Value([&start[..], &[0; 14]].concat()) }
    };
    let boolean = [Cell::Value(vec![0]), Cell::Value(vec![1]), Cell::Null][number % 3].clone();
    let short = i16::try_from(number).ok().filter(|short| *short <= 40);
    let short = short.map_or(Cell::Null, |short| Cell::Value(short.to_le_bytes().into()));
    [boolean, short, Cell::text(&letters), Cell::List((0..number % 5).map(uuid).collect())]
}

fn assert_put(columns: &[ArrayRef], rows: usize) {
    let types = [Scalar::Boolean, Scalar::Int16, Scalar::Text]
        .map(Type::of)
        .into_iter()
        .chain([Type::array_of(Scalar::Uuid)]);
    for (at, ty) in types.enumerate() {
        let expected: Vec<Cell> = (0..rows).map(|number| put(number)[at].clone()).collect();
        assert_eq!(cells(ty, &columns[at + 1]), expected, "column {at}");
    }
}

#[test]
fn columns_grow_beyond_the_batch() {
    let mut instance = open(&[("mode", "grow")]).expect("it fits");
    for rows in [1, 90, 3] {
        let outcome = instance.apply(rows, &counted(rows)).expect("it answers");
        assert_eq!(outcome.rows, 100 * rows);
        let origin = outcome.origin.expect("rows are repeated");
        assert!(
            origin.iter().enumerate().all(|(at, row)| usize::try_from(*row).is_ok_and(|row| row == at / 100))
        );
        assert_put(&outcome.columns, 100 * rows);
    }
}

#[test]
fn rows_and_rejects_may_come_in_any_order() {
    let mut instance = open(&[("mode", "reverse")]).expect("it fits");
    let outcome = instance.apply(8, &counted(8)).expect("it answers");
    assert_eq!(outcome.origin, Some(vec![6, 5, 3, 2, 0]));
    let rows: Vec<u32> = outcome.rejects.iter().map(|(row, _)| *row).collect();
    assert_eq!((rows, outcome.filtered), (vec![1, 4, 7], 0));
    let kept = [6_i64, 5, 3, 2, 0].map(|n| Cell::Value(n.to_le_bytes().into()));
    assert_eq!(cells(Type::of(Scalar::Int64), &outcome.columns[0]), kept);
    assert_put(&outcome.columns, 5);
}

#[test]
fn a_mistake_of_the_author_stops_the_run_and_says_what_it_is() {
    let cases = [
        ("twice", "row 0 is both emitted and rejected"),
        ("unbalanced", "made column `flags` has 0 values for 1 rows"),
        ("open", "made column `words` has a text or an array without its end"),
        ("open-array", "made column `lists` has a text or an array without its end"),
        ("stop", "there is no table for this label"),
        ("null", "in etl_bug"),
        ("row", "in etl_bug"),
        ("type", "in etl_bug"),
        ("index", "in etl_bug"),
        ("memory", "more than 256 MiB (memory)"),
    ];
    for (mode, words) in cases {
        let mut instance = open(&[("mode", mode)]).expect("it fits");
        let error = instance.apply(2, &counted(2)).expect_err(mode).to_string();
        assert!(error.contains(words), "{mode}: {error}");
    }
}

#[test]
fn options_that_do_not_fit_are_all_named() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 5] = [
        (
            &[("flag", "maybe"), ("whole", "1.5")],
            &["`flag` must be true or false; ", "`whole` must be a whole number"],
        ),
        (&[("number", "0.12345678901234567")], &["`number` must be a number of at most 15 digits"]),
        (&[("mode", "cop")], &["`mode` must be one of copy|numbers"]),
        (&[("label", "forbidden")], &["the label is forbidden"]),
        (
            &[("labl", "x")],
            &["unknown option `labl`: this module takes `mode`, `label`, `flag`, `whole`, `number`"],
        ),
    ];
    for (options, words) in cases {
        let error = open(options).expect_err("it does not fit").to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}
