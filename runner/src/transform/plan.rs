//! What a module answered to `plan`, checked against the columns that it was asked about. Pure.

use std::collections::HashSet;

use super::contract::{Out, Plan};
use crate::schema::Field;
use crate::untrusted;

/// PostgreSQL's limit for a table.
pub(super) const MAX_COLUMNS: usize = 1600;
/// The longest name that a module may give. PostgreSQL cuts at 63 bytes, but a later step may rename.
const MAX_NAME_BYTES: usize = 250;

/// An output column of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Makes {
    /// An input column, carried around the sandbox.
    Keep(usize),
    /// One that the module makes.
    New(Field),
}

/// A plan that can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) reads: Vec<usize>,
    pub(super) output: Vec<Makes>,
}

/// Checks a plan, or says by name what is wrong with it.
pub(super) fn check(plan: &Plan, input: &[Field]) -> Result<Checked, String> {
    let column = |index: u32, what: &str| {
        let problem = || format!("{what} column {index}, but the input has {} (counted from 0)", input.len());
        input.get(index as usize).ok_or_else(problem)
    };
    if plan.reads.len() > MAX_COLUMNS || plan.output.len() > MAX_COLUMNS {
        let (reads, output) = (plan.reads.len(), plan.output.len());
        return Err(format!("it plans {reads} columns in and {output} out, more than {MAX_COLUMNS}"));
    }
    let mut seen = HashSet::new();
    for index in &plan.reads {
        let field = column(*index, "it reads")?;
        if !seen.insert(index) {
            return Err(format!("it reads column `{}` twice", untrusted::name(&field.name)));
        }
    }
    let mut names = HashSet::new();
    let mut output = Vec::with_capacity(plan.output.len());
    for out in &plan.output {
        let (name, makes) = match out {
            Out::Keep(index) => (&column(*index, "it keeps")?.name, Makes::Keep(*index as usize)),
            Out::New(field) => {
                fit_for_a_name(&field.name)?;
                (&field.name, Makes::New(field.into()))
            }
        };
        if !names.insert(name.as_str()) {
            return Err(format!("two of its output columns have the name `{}`", untrusted::name(name)));
        }
        output.push(makes);
    }
    if output.is_empty() {
        return Err("it plans no output column".into());
    }
    Ok(Checked { reads: plan.reads.iter().map(|i| *i as usize).collect(), output })
}

/// A name that a database, a terminal and a file can hold.
pub(super) fn fit_for_a_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a column without a name".into());
    }
    if name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        let shown = untrusted::name(name);
        return Err(format!(
            "`{shown}` is no name for a column: at most {MAX_NAME_BYTES} bytes, no control characters"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::contract;
    use super::*;
    use crate::schema::{Scalar, Type};

    fn input() -> Vec<Field> {
        vec![
            Field::nullable("a", Type::of(Scalar::Text)),
            Field::nullable("b", Type::array_of(Scalar::Int64)),
        ]
    }

    fn new(name: &str) -> Out {
        Out::New(contract::Field::from(&Field::nullable(name, Type::of(Scalar::Date))))
    }

    #[test]
    fn a_plan_that_fits_is_followed() {
        let plan = Plan { reads: vec![1, 0], output: vec![Out::Keep(1), new("x"), Out::Keep(0)] };
        let made = Makes::New(Field::nullable("x", Type::of(Scalar::Date)));
        let expected = Checked { reads: vec![1, 0], output: vec![Makes::Keep(1), made, Makes::Keep(0)] };
        assert_eq!(check(&plan, &input()).unwrap(), expected);
    }

    #[test]
    fn every_lie_of_a_plan_is_named() {
        let long = "x".repeat(251);
        let cases = [
            (vec![2], vec![new("x")], "it reads column 2, but the input has 2"),
            (vec![1, 1], vec![new("x")], "it reads column `b` twice"),
            (vec![], vec![Out::Keep(u32::MAX)], "it keeps column 4294967295"),
            (vec![], vec![Out::Keep(0), Out::Keep(0)], "the name `a`"),
            (vec![], vec![Out::Keep(0), new("a")], "the name `a`"),
            (vec![], vec![new("")], "without a name"),
            (vec![], vec![new("a\0b")], "`a\\u{0}b` is no name"),
            (vec![], vec![new(&long)], "at most 250 bytes"),
            (vec![], vec![], "no output column"),
            (vec![0; 1601], vec![new("x")], "1601 columns in"),
            (vec![], vec![new("x"); 1601], "1601 out"),
        ];
        for (reads, output, expected) in cases {
            let error = check(&Plan { reads, output }, &input()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
