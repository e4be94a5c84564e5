//! What the end-to-end tests share.

pub mod bank;
pub mod bed;
pub mod cassandra;
pub mod cluster;
pub mod cql_text;
pub mod customers;
pub mod empty_pages;
mod fault_link;
pub mod faults;
pub mod frames;
pub mod gate;
pub mod generate;
pub mod harness;
pub mod json_text;
pub mod postgres;
pub mod proxy;
pub mod random;
pub mod server;
pub mod torture;
pub mod transactions;
pub mod versions;
