//! Tables of Cassandra and ScyllaDB, read by token range.
//!
//! [`settings`] is the section of the recipe, a [`Client`] a cluster that answered, a [`Cluster`] what all readers of
//! it share. [`mod@describe`] asks what a table is made of, [`Table`] makes it ready for a choice of columns, [`Ring`]
//! is what is known before it is cut.
//!
//! Reading a split: a [`statement`] asks for a part of a table, a [`walk`] says which part is next behind a [`key`],
//! `fetch` has the pages of it one behind the other, and a [`Reader`] makes batches of them on the stream's own
//! thread. [`decode`] turns the bytes of cells into columns by their [`cql_type`] and by the settings in [`values`];
//! it does not know the driver: bytes in, columns out.

mod addresses;
mod bound;
pub mod catalog;
mod cluster;
mod connect;
pub mod cql_parse;
pub mod cql_type;
mod credentials;
mod datacenter;
pub mod decode;
pub mod describe;
mod error;
mod fetch;
mod host;
mod json;
pub mod key;
mod masks;
mod moment;
mod name;
mod nodes;
mod number;
mod options;
pub mod original;
mod page;
mod page_size;
mod parts;
mod rate;
mod reader;
mod reason;
pub mod refuse;
mod retry;
mod ring;
mod rows;
mod scalar;
pub mod settings;
pub mod statement;
mod step;
mod table;
pub mod values;
pub mod walk;

pub use cluster::Cluster;
pub use connect::Client;
pub use error::Error;
pub use name::{BadName, TableName};
pub use options::{Options, check_filter};
pub use reader::Reader;
pub use reason::Reason;
pub use ring::Ring;
pub use settings::Settings;
pub use table::Table;
