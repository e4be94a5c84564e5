//! A table of a Cassandra or ScyllaDB cluster. Must not know files.

pub mod key;
pub mod statement;
pub mod walk;
