//! What the end-to-end tests share.

pub mod generate;
pub mod postgres;
pub mod server;
