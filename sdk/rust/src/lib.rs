//! Write a module for `etl` in Rust: an input struct, an output struct and a function between them.
//!
//! ```
//! use etl_sdk::{Input, Output, Reject, Scaled};
//!
//! /// The columns that this module reads. Others may be there: it does not see them.
//! #[derive(Input)]
//! struct Order<'a> {
//!     email: &'a str,          // NULL rejects the row: "email is null"
//!     name: Option<&'a str>,   // may be NULL
//!     #[etl(drop)]             // is not part of the output
//!     amount_cents: i64,
//! }
//!
//! /// The columns that it makes. `name` takes the place of the input's, `amount` is new, all others stay as they are.
//! #[derive(Output)]
//! #[etl(keep_rest)]
//! struct Cleaned<'a> {
//!     name: Option<&'a str>,
//!     amount: Scaled<2>,       // `numeric` in the database: 1250 is 12.50
//! }
//!
//! /// The recipe's `options = { at_least_cents = 100 }`.
//! #[derive(serde::Deserialize)]
//! #[serde(default)]
//! struct Options {
//!     at_least_cents: i64,
//! }
//!
//! impl Default for Options {
//!     fn default() -> Self {
//!         Options { at_least_cents: 0 }
//!     }
//! }
//!
//! #[etl_sdk::transform]
//! fn clean<'a>(order: Order<'a>, options: &Options) -> Result<Option<Cleaned<'a>>, Reject> {
//!     if !order.email.contains('@') {
//!         return Err("email has no @".into());
//!     }
//!     if order.amount_cents < options.at_least_cents {
//!         return Ok(None); // not loaded, and nothing is wrong with it
//!     }
//!     Ok(Some(Cleaned { name: order.name.map(str::trim), amount: Scaled(order.amount_cents) }))
//! }
//!
//! // The function is an ordinary one: test it as such.
//! let order = Order { email: "ada@example.org", name: Some(" Ada "), amount_cents: 1250 };
//! let cleaned = clean(order, &Options::default()).unwrap().unwrap();
//! assert_eq!((cleaned.name, cleaned.amount), (Some("Ada"), Scaled(1250)));
//! ```
//!
//! It is a library crate of the kind `cdylib`; `cargo build --release --target wasm32-unknown-unknown` makes the module:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! etl-sdk = { path = "…/sdk/rust" }
//! serde = { version = "1", features = ["derive"] }   # if it takes options
//!
//! [profile.release]                                    # small and fast
//! opt-level = 3
//! lto = true
//! codegen-units = 1
//! panic = "abort"
//! strip = "debuginfo"
//! ```
//!
//! # What a function may return
//!
//! | type | a row becomes |
//! |---|---|
//! | `Result<Output, Reject>` | one row |
//! | `Result<Option<Output>, Reject>` | one row or none |
//! | `Result<Vec<Output>, Reject>` | any number of rows |
//!
//! [`Unchanged`] is an output that keeps every column and makes none: for filters and checks.
//! A module is a pure function of its options and the row: it has no clock, no randomness, no files, and must not remember rows.
//!
//! # Types
//!
//! A field's type is the column's type, to the letter: an `int32` column is read as `i32`, not as `i64`. `Option` is NULL.
//!
//! | column | input field | output field |
//! |---|---|---|
//! | `boolean` | `bool` | `bool` |
//! | `int16`, `int32`, `int64` | `i16`, `i32`, `i64` | the same |
//! | `float32`, `float64` | `f32`, `f64` | the same |
//! | `numeric` | [`Numeric<&str>`](Numeric), `rust_decimal::Decimal`¹ | [`Numeric`] of any string, [`Scaled`], `Decimal`¹ |
//! | `text` | `&str`, `String` | `&str`, `String`, `Cow<str>`, [`Displayed`] |
//! | `bytes` | `&[u8]`, `Vec<u8>` | `&[u8]`, `Vec<u8>`, `Cow<[u8]>` |
//! | `uuid` | [`Uuid`], `uuid::Uuid`¹ | the same |
//! | `date` | [`Date`], `jiff::civil::Date`¹, `chrono::NaiveDate`¹ | the same |
//! | `time` | [`Time`], `jiff::civil::Time`¹, `chrono::NaiveTime`¹ | the same |
//! | `timestamp` | [`Timestamp`], `jiff::Timestamp`¹, `chrono::DateTime<Utc>`¹ | the same |
//! | `interval` | [`Interval`] | [`Interval`], `jiff::SignedDuration`¹, `chrono::TimeDelta`¹ |
//! | `inet`, `json` | [`Inet<&str>`](Inet), [`Json<&str>`](Json) | [`Inet`], [`Json`] of any string |
//! | `T[]` | `Vec<T>`, `Vec<Option<T>>` | the same |
//!
//! ¹ behind a feature of the crate's name. A value that such a type cannot hold rejects the row with `NAME is out of range`.
//! Borrowed fields point into the batch, so reading them allocates nothing.
//!
//! # When it goes wrong
//!
//! A column that is missing or of another type, and an option that does not fit, are found before a row moves, and named. A panic
//! writes its message into the run's log, and a row that panics alone becomes a reject. [`log`] has functions for lines of
//! your own.
//!
//! Whole batches instead of rows: [`batches!`].

#[cfg(not(target_endian = "little"))]
compile_error!("the contract's buffers are little-endian, as is WebAssembly");

// The macros say `::etl_sdk`, in this crate's own tests too.
extern crate self as etl_sdk;

mod append;
mod column;
mod export;
#[doc(hidden)]
pub mod glue;
pub mod log;
#[doc(hidden)]
pub mod options;
mod read;
pub mod rows;
mod schema;
mod types;
mod with;
mod write;

pub use column::Reject;
pub use etl_sdk_derive::{Input, Output, transform};
pub use read::FromColumn;
pub use rows::{Input, Output, Unchanged};
pub use schema::{Field, Out, Plan, Scalar, Setting, Type};
pub use types::{Date, Displayed, Inet, Interval, Json, Numeric, Scaled, Time, Timestamp, Uuid};
pub use write::ToColumn;

/// Whole batches of columns: what [`batches!`] works with.
pub mod batch {
    pub use crate::column::{Batch, Checked, Column, Output};
    pub use crate::glue::Planned;
    pub use crate::read::{Fault, Reader};
    pub use crate::write::{ColumnWriter, Writer};
}
