//! Tables of Cassandra and ScyllaDB.
//!
//! [`cql_parse`] reads the types of a table's description, [`decode`] turns the bytes of cells into columns by them
//! and by the settings in [`values`]. Neither knows the driver: bytes in, columns out.

pub mod catalog;
pub mod cql_parse;
pub mod cql_type;
pub mod decode;
mod json;
mod moment;
mod number;
pub mod original;
mod parts;
pub mod refuse;
mod rows;
mod scalar;
pub mod values;
