//! Stage `transform`.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{ByteSize, Span};

/// What a module may use (placeholder).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The most memory of one instance.
    pub memory: ByteSize,
    /// The longest that one call may take.
    pub call_timeout: Span,
    /// Rows that a batch may become, as a multiple of its rows.
    pub rows_factor: u32,
    /// The most that one call may return.
    pub output: ByteSize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            memory: ByteSize(256 << 20),
            call_timeout: Span(Duration::from_secs(5)),
            rows_factor: 1000,
            output: ByteSize(64 << 20),
        }
    }
}

/// One step of a chain (placeholder).
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A WebAssembly module.
    Module {
        /// Its file.
        module: PathBuf,
        /// Plain text, or JSON for everything else.
        options: Vec<(String, String)>,
    },
    /// Old name, new name.
    Rename(Vec<(String, String)>),
    /// Columns that go no further.
    Drop(Vec<String>),
    /// New columns with one value.
    Constant(Vec<(String, Constant)>),
}

/// The value of a constant column (placeholder).
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
