//! Modules built from source, and how rows go through one.

use std::fmt;
use std::path::PathBuf;

use arrow_array::ArrayRef;
use etl::schema::Field;
use etl::transform::{Chain, Engine, Error, Settings, Step};
use etl_tests::harness::guest;

use crate::cells::{Cell, array, assert_canonical, cells};
use crate::examples::{Example, Outcome};

/// A module of a language's folder.
pub(crate) struct Module {
    name: String,
    path: PathBuf,
}

impl Module {
    pub(crate) fn rust(name: &str) -> Module {
        Module::find("rust", name)
    }

    pub(crate) fn c(name: &str) -> Module {
        Module::find("c", name)
    }

    pub(crate) fn go(name: &str) -> Module {
        Module::find("go", name)
    }

    fn find(language: &str, name: &str) -> Module {
        Module { name: format!("{language}/{name}"), path: guest(language, name) }
    }

    /// What it makes of these columns.
    pub(crate) fn plan(
        &self,
        engine: &Engine,
        options: &[(&str, &str)],
        fields: &[Field],
    ) -> Result<Chain, Error> {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Chain::plan(engine, &[Step::Module { module: self.path.clone(), options }], fields)
    }

    /// Sends rows through a fresh instance, so many a batch, and joins what comes out. Columns come as slices of longer ones.
    pub(crate) fn run(&self, chain: &Chain, example: &Example, rows: &[Vec<Cell>], size: usize) -> Outcome {
        let total = rows[0].len();
        let whole: Vec<ArrayRef> = chain
            .reads()
            .iter()
            .map(|at| {
                // Other rows in front and behind, which must not shine through.
                let around = |cells: &[Cell]| [&[Cell::Null, cells[0].clone()], cells, &cells[..1]].concat();
                let cells = if total == 0 { vec![Cell::Null; 3] } else { around(&rows[*at]) };
                array(example.fields[*at].ty, &cells)
            })
            .collect();
        let mut instance = chain.open().unwrap_or_else(|e| panic!("{self}: {e}"));
        let mut joined = Outcome::new(chain.output().len());
        let starts = if total == 0 { vec![0] } else { (0..total).step_by(size).collect() };
        for start in starts {
            let len = size.min(total - start);
            let batch: Vec<ArrayRef> = whole.iter().map(|column| column.slice(2 + start, len)).collect();
            let outcome = instance.apply(len, &batch).unwrap_or_else(|e| panic!("{self}: {e}"));
            let base = u32::try_from(start).expect("few rows");
            let everything = || (0..u32::try_from(outcome.rows).expect("few rows")).collect();
            let origin: Vec<u32> = outcome.origin.unwrap_or_else(everything);
            joined.origin.extend(origin.iter().map(|row| base + row));
            joined.rejects.extend(outcome.rejects.into_iter().map(|(row, reason)| (base + row, reason)));
            joined.filtered += outcome.filtered;
            for (at, (column, field)) in outcome.columns.iter().zip(chain.output()).enumerate() {
                let found = cells(field.ty, column);
                // Kept columns are the runner's own work; what a module makes has one form.
                if example.made.contains(&field.name) {
                    assert_canonical(&format!("{self}, column `{}`", field.name), field.ty, column, &found);
                }
                joined.columns[at].extend(found);
            }
        }
        joined
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// An engine with the usual limits.
pub(crate) fn engine() -> Engine {
    Engine::new(&Settings::default(), None).expect("wasmtime starts")
}
