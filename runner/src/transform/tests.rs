//! Modules of all kinds through the whole stage: what is refused, what is stopped, what is honest, what makes many rows.

mod evil;
mod fan_out;
mod honest;
mod refused;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, StringArray};

use super::*;
use crate::schema::{Field, Scalar, Type};
use crate::units::Span;

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/evil");

/// A folder with modules assembled from text.
struct Modules {
    dir: tempfile::TempDir,
}

impl Modules {
    fn new() -> Self {
        Modules { dir: tempfile::tempdir().unwrap() }
    }

    /// A guest of `tests/evil`.
    fn guest(&self, name: &str) -> PathBuf {
        self.text(name, &self.whole(name))
    }

    /// Its text, with what it stands on.
    fn whole(&self, name: &str) -> String {
        let file = |name: &str| std::fs::read_to_string(Path::new(GUESTS).join(name)).unwrap();
        let text = file(&format!("{name}.wat"));
        if text.contains("\n(module") { text } else { format!("(module {}\n{text})", file("base.wat")) }
    }

    fn text(&self, name: &str, wat: &str) -> PathBuf {
        self.bytes(name, &wat::parse_str(wat).unwrap_or_else(|e| panic!("{name}: {e}")))
    }

    fn bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(format!("{name}.wasm"));
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn engine() -> Engine {
    Engine::new(&Settings::default(), None).unwrap()
}

/// An engine whose time-out does not hold up the tests.
fn impatient() -> Engine {
    let call_timeout = Span(Duration::from_millis(500));
    Engine::new(&Settings { call_timeout, ..Settings::default() }, None).unwrap()
}

fn module(path: PathBuf) -> Step {
    Step::Module { module: path, options: Vec::new() }
}

/// One text column of two rows, for the guests that answer two rows.
fn two_rows() -> (Vec<Field>, Vec<ArrayRef>) {
    let column = StringArray::from(vec!["first", "second"]);
    (vec![Field::nullable("a", Type::of(Scalar::Text))], vec![Arc::new(column)])
}

/// Plans and runs a guest on two rows.
fn run(engine: &Engine, path: PathBuf) -> Result<Outcome, Error> {
    let (fields, columns) = two_rows();
    let chain = Chain::plan(engine, &[module(path)], &fields)?;
    let columns: Vec<ArrayRef> = chain.reads().iter().map(|i| Arc::clone(&columns[*i])).collect();
    chain.open()?.apply(2, &columns)
}
