//! Stage `transform`: rows pass through WebAssembly modules that the user wrote, and through the native steps
//! `rename`, `drop` and `constant`, in one ordered chain.
//!
//! Must not know: where rows come from or where they go, what a split or a ledger is.
//!
//! # Layout
//!
//! | file | what it is |
//! |---|---|
//! | `settings` | the `[transform]` section |
//! | `scan`, `onramp`, `wasi` | any toolchain's output → a component, or an error that says by name what is wrong |
//! | `engine`, `host` | wasmtime's configuration, the epoch ticker, the cache; what one instance may use |
//! | `contract`, `signature` | the WIT file's types in Rust; how to say a function's type |
//! | `module`, `guest` | a loaded module; one live instance of it |
//! | `plan`, `chain` | steps → which columns are read, made and carried around |
//! | `lower`, `check`, `gather` | Arrow → guest, guest → Arrow, columns after rows were left out or repeated |
//! | `instance` | the chain of one stream: batches in, batches out |
//! | `inspect` | what a module needs and makes, for people |
//!
//! Bytes from a guest are untrusted: `check` looks at all of them before anything is used, `untrusted` bounds and
//! escapes every text.

mod chain;
mod check;
mod contract;
mod engine;
mod error;
#[cfg(fuzzing)]
pub mod fuzz;
mod gather;
mod guest;
mod host;
mod inspect;
mod instance;
mod lower;
mod module;
mod onramp;
mod plan;
mod scan;
mod settings;
mod signature;
mod wasi;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use self::chain::{Chain, Identity, Origin};
pub use self::engine::Engine;
pub use self::error::{Call, Error, Stopped, Why};
pub use self::inspect::{Inspection, Kind, inspect};
pub use self::instance::{Instance, Outcome};
pub use self::settings::Settings;

/// One step of a chain.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A WebAssembly module.
    Module {
        /// Its file.
        module: PathBuf,
        /// The recipe's options: plain text, or JSON for everything else.
        options: Vec<(String, String)>,
    },
    /// Old name, new name. All at once, so names can be swapped.
    Rename(Vec<(String, String)>),
    /// Columns that go no further.
    Drop(Vec<String>),
    /// New columns with one value, behind the others.
    Constant(Vec<(String, Constant)>),
}

/// The value of a constant column.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Int64(i64),
    /// A number.
    Float64(f64),
    /// Text.
    Text(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}
