//! What the end-to-end tests share.

pub mod generate;
pub mod harness;
pub mod postgres;
pub mod proxy;
pub mod server;
