//! Tables of a real Cassandra through the real binary into a real PostgreSQL: every type, every key, resuming, what is
//! odd, what is refused. What was loaded is compared by content, with a reader that shares no code with the runner.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod altered;
mod bed;
mod connect;
mod datacenters;
mod keys;
mod masked;
mod nodes;
mod odd;
mod pages;
mod refused;
mod rejects;
mod torture;
mod types;
mod vectors;
