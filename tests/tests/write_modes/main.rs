//! Write modes and the first run's TRUNCATE, driven through the real binary against PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;
mod counts;
mod crashes;
mod emptied;
mod keys;
mod refused;
mod rows;
mod tables;
