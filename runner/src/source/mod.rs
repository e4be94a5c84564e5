//! Stage `source`: opens a split at a position and yields batches of typed columns. Must not know what becomes
//! of them: transforms, encoding and targets are other stages.
//!
//! [`inputs`] finds the files of a table, [`describe()`] reads what columns one has and where its rows begin,
//! [`Opened`] tells whether it is still the same file, and a [`Reader`] yields the rows of one split. Reading
//! again from any [`Batch::end`](crate::batch::Batch::end) yields exactly the rest.
//!
//! # Cells
//!
//! A cell is text unless the recipe's `types` says otherwise. An unquoted empty cell and an unquoted null word are
//! NULL; `""` is the empty string. Blanks around a value are passed over, except in text. What is accepted:
//!
//! | type | text |
//! |---|---|
//! | boolean | `true` `t` `yes` `y` `on` `1`, `false` `f` `no` `n` `off` `0`, any case |
//! | int16, int32, int64 | digits with an optional sign, in range |
//! | float32, float64 | decimal or scientific, `NaN`, `Infinity`, `inf`; not what overflows, or underflows to 0 |
//! | numeric | digits with optional sign, point and exponent, kept as written; `NaN`, `Infinity` |
//! | text | any UTF-8 |
//! | bytes | `\x` and pairs of hexadecimal digits |
//! | uuid | 32 hexadecimal digits, with the usual four dashes or without any, braces allowed |
//! | date | `2013-01-31`, `0044-03-15 BC`, `infinity` |
//! | time | `05:00`, `05:00:00.123456`; further digits are rounded to microseconds, as PostgreSQL does |
//! | timestamp | date, `T` or blank, time; `Z` or an offset such as `+09:30`; without one it is UTC; `infinity` |
//! | interval | `1 year 2 mons 3 days 04:05:06.7`, `P1Y2M3DT4H5M6.7S` |
//! | inet | an IPv4 or IPv6 address with an optional `/` and prefix length, kept as written |
//! | json | one JSON document, checked, kept as written |
//! | arrays of these | PostgreSQL's literal of one dimension: `{1,NULL,3}`, `{"a,b","c\"d"}` |

pub mod cassandra;
mod cell;
mod column;
mod corrected;
pub mod csv;
mod describe;
mod error;
mod escaped;
mod fingerprint;
mod found;
#[cfg(fuzzing)]
pub mod fuzz;
mod gzip;
mod held;
mod input;
mod interval;
mod list;
mod opened;
mod parsed;
mod reader;
mod records;
mod scan;
mod skipped;
mod stdin;
mod stream;
mod time;
mod unit;

#[cfg(any(test, fuzzing))]
mod reference;

pub use column::Column;
pub use corrected::{BadLines, Corrected, tables as corrected_tables};
pub use describe::{Described, MAX_COLUMNS, describe};
pub use error::Error;
pub use fingerprint::Fingerprint;
pub use input::{Compression, Input, SourceFile, inputs};
pub use opened::{Known, Opened};
pub use unit::{Extent, Next, Reader, Unit};
