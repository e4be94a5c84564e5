//! Rows that become many: what one may become is a matter of the row, never of the rows beside it or of batches before.

use arrow_array::Int32Array;

use super::*;
use crate::units::ByteSize;

/// Columns `first` and `second`: how often a step on each writes the row.
fn scripts(engine: &Engine, steps: &[Step]) -> Chain {
    let input = ["first", "second"].map(|name| Field::nullable(name, Type::of(Scalar::Int32)));
    Chain::plan(engine, steps, &input).unwrap()
}

fn script(modules: &Modules, column: &str) -> Step {
    Step::Module { module: modules.guest("honest-script"), options: vec![("column".into(), column.into())] }
}

fn apply(instance: &mut Instance, rows: &[(i32, i32)]) -> Result<usize, String> {
    let (first, second): (Vec<i32>, Vec<i32>) = rows.iter().copied().unzip();
    let columns: [ArrayRef; 2] = [Arc::new(Int32Array::from(first)), Arc::new(Int32Array::from(second))];
    instance.apply(rows.len(), &columns).map(|outcome| outcome.rows).map_err(|error| {
        let stopped = error.of_rows().unwrap();
        assert_eq!((stopped.why.code(), stopped.call), (Some("output_limit"), Call::Transform));
        stopped.why.to_string()
    })
}

#[test]
fn a_row_may_become_as_many_rows_alone_as_in_company() {
    let modules = Modules::new();
    let chain = scripts(&engine(), &[script(&modules, "0")]);
    let over = Err("a row became 1001 rows; at most 1000 are allowed (rows_factor)".to_owned());
    for others in [0, 1, 6, 1023] {
        let beside = |row: (i32, i32)| [&[row][..], &vec![(1, 0); others]].concat();
        let mut instance = chain.open().unwrap();
        assert_eq!(apply(&mut instance, &beside((1000, 0))), Ok(1000 + others));
        assert_eq!(apply(&mut instance, &beside((1001, 0))), over, "beside {others}");
        assert_eq!(apply(&mut instance, &vec![(1000, 0); others]), Ok(1000 * others), "each may");
    }
}

#[test]
fn modules_one_behind_the_other_make_no_more_rows_of_one_than_one_may() {
    let modules = Modules::new();
    let chain = scripts(&engine(), &[script(&modules, "0"), script(&modules, "1")]);
    let mut instance = chain.open().unwrap();
    let over = Err("a row became 1040 rows; at most 1000 are allowed (rows_factor)".to_owned());
    for others in [0, 500] {
        let beside = |row: (i32, i32)| [&vec![(0, 1); others][..], &[row]].concat();
        assert_eq!(apply(&mut instance, &beside((40, 25))), Ok(1000));
        assert_eq!(apply(&mut instance, &beside((40, 26))), over);
        // Rejected by the second one: nothing is left to be too much.
        assert_eq!(apply(&mut instance, &beside((999, -2))), Ok(0));
    }
}

#[test]
fn a_constant_counts_with_each_batch_of_repeated_rows_though_it_is_kept() {
    let modules = Modules::new();
    let settings = Settings { output: ByteSize(1 << 20), ..Settings::default() };
    let engine = Engine::new(&settings, None).unwrap();
    let constant = Step::Constant(vec![("wide".into(), Constant::Text("x".repeat(2000)))]);
    let chain = scripts(&engine, &[constant, script(&modules, "0")]);
    let mut instance = chain.open().unwrap();
    let fresh = apply(&mut instance, &[(600, 0)]).unwrap_err();
    assert_eq!(apply(&mut instance, &[(1, 0); 1024]), Ok(1024));
    assert_eq!(apply(&mut instance, &[(600, 0)]).unwrap_err(), fresh);
    assert!(fresh.contains("the columns that it keeps would have"), "{fresh}");
    assert_eq!(apply(&mut instance, &[(500, 0)]), Ok(500));
}

#[test]
fn rows_that_would_grow_without_bound_are_not_made() {
    let modules = Modules::new();
    let settings = Settings { output: ByteSize(1 << 20), ..Settings::default() };
    let engine = Engine::new(&settings, None).unwrap();
    let input =
        [Field::nullable("n", Type::of(Scalar::Int32)), Field::nullable("wide", Type::of(Scalar::Text))];
    let chain = Chain::plan(&engine, &[module(modules.guest("honest-script"))], &input).unwrap();
    let n: ArrayRef = Arc::new(Int32Array::from(vec![900]));
    let wide: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(2000)]));
    let error = chain.open().unwrap().apply(1, &[n, wide]).unwrap_err();
    assert_eq!(error.rows(), Some(0..1));
    assert!(error.to_string().contains("the columns that it keeps would have"), "{error}");
}
