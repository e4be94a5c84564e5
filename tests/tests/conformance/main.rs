//! The SDKs' examples, built from source, do what `sdk/README.md` says, to the byte: those in Rust, those in C, and one in Go.
//! Nothing here looks into an SDK: what must come out is computed from the rows that go in.

mod cells;
mod examples;
mod header;
mod modules;

use etl::schema::{Field, Scalar, Type};

use crate::cells::{Cell, Random};
use crate::examples::{Example, Outcome};
use crate::modules::{Module, engine};

/// Sizes of batches: one row, one that no power of two divides, the usual one.
const BATCHES: [usize; 3] = [1, 7, 1024];

/// Rows to send through an example: how many, how many of 10 cells are NULL.
const DATA: [(usize, u32); 8] = [(0, 2), (1, 0), (1, 10), (7, 2), (7, 10), (100, 0), (100, 10), (1024, 2)];

/// Every module of every example and options, over all data and batch sizes.
fn conforms(example: &Example, modules: &[Module]) {
    let engine = engine();
    for module in modules {
        let chain = module.plan(&engine, &example.options, &example.fields).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(chain.output(), example.output, "{module}: the output's columns");
        for (seed, (rows, nulls)) in (1..).zip(DATA) {
            let mut random = Random::new(seed);
            let input: Vec<Vec<Cell>> =
                example.fields.iter().map(|field| random.column(example.pool, field, rows, nulls)).collect();
            let expected = (example.expected)(&input);
            for size in BATCHES {
                let outcome = module.run(&chain, example, &input, size);
                let what = format!("{module} {:?}: {rows} rows in batches of {size}", example.options);
                same(&what, &outcome, &expected);
            }
        }
    }
}

/// Says where two outcomes differ without printing a thousand rows.
fn same(what: &str, outcome: &Outcome, expected: &Outcome) {
    assert_eq!(outcome.origin, expected.origin, "{what}: where rows come from");
    assert_eq!(outcome.rejects, expected.rejects, "{what}: rejects");
    assert_eq!(outcome.filtered, expected.filtered, "{what}: filtered rows");
    assert_eq!(outcome.columns.len(), expected.columns.len(), "{what}: columns");
    for (at, (column, wanted)) in outcome.columns.iter().zip(&expected.columns).enumerate() {
        let row = column.iter().zip(wanted).position(|(cell, wanted)| cell != wanted);
        if let Some(row) = row {
            panic!("{what}: column {at}, output row {row} is {:?}, not {:?}", column[row], wanted[row]);
        }
        assert_eq!(column.len(), wanted.len(), "{what}: rows of column {at}");
    }
}

#[test]
fn identity_gives_back_what_it_got_in_rust_in_c_and_in_go() {
    let modules = [Module::rust("identity"), Module::c("identity"), Module::go("identity")];
    conforms(&examples::identity(), &modules);
}

#[test]
fn filter_keeps_the_parity_that_its_option_says() {
    let modules = [Module::rust("filter"), Module::c("filter")];
    for (options, odd) in [(vec![], false), (vec![("keep", "even")], false), (vec![("keep", "odd")], true)] {
        conforms(&examples::filter(options, odd), &modules);
    }
}

#[test]
fn fan_out_makes_a_row_of_every_tag() {
    conforms(&examples::fan_out(), &[Module::rust("fan-out"), Module::c("fan-out")]);
}

#[test]
fn reject_says_why() {
    conforms(&examples::reject(), &[Module::rust("reject"), Module::c("reject")]);
}

#[test]
fn types_gives_back_cells_and_arrays_of_every_type() {
    conforms(&examples::types(), &[Module::rust("types"), Module::c("types")]);
}

/// A column, an option, and words that the error must have.
type Misfit<'a> = (&'a str, Vec<Field>, Vec<(&'a str, &'a str)>, &'a [&'a str]);

#[test]
fn what_does_not_fit_is_named_in_every_language() {
    let field = |name: &str, ty| vec![Field::nullable(name, ty)];
    let text = Type::of(Scalar::Text);
    let cases: [Misfit<'_>; 9] = [
        ("identity", field("nam", text), vec![], &["`name`", "text", "nam"]),
        (
            "identity",
            field("name", Type::array_of(Scalar::Text)),
            vec![],
            &["`name`", "text[]", "wants text"],
        ),
        ("identity", field("name", text), vec![("trim", "true")], &["`trim`", "none"]),
        ("filter", field("id", Type::of(Scalar::Int32)), vec![], &["`id`", "int32", "int64"]),
        ("filter", field("id", Type::of(Scalar::Int64)), vec![("keep", "both")], &["`keep`", "even", "odd"]),
        ("filter", field("id", Type::of(Scalar::Int64)), vec![("kept", "odd")], &["`kept`", "`keep`"]),
        ("fan-out", field("tags", Type::of(Scalar::Json)), vec![], &["`tags`", "json", "wants text"]),
        ("reject", field("mail", text), vec![], &["`email`", "text", "there is mail"]),
        ("types", field("c_uuid", text), vec![], &["`c_uuid`", "wants uuid", "`c_int16` (int16)"]),
    ];
    let engine = engine();
    for (name, fields, options, words) in cases {
        for module in [Module::rust(name), Module::c(name)] {
            let error = module.plan(&engine, &options, &fields).expect_err("it does not fit").to_string();
            let missing: Vec<_> = words.iter().filter(|word| !error.contains(**word)).collect();
            assert!(missing.is_empty(), "{module}: {missing:?} not in: {error}");
        }
    }
}
