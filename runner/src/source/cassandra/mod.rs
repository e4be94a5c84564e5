//! Tables of Cassandra and ScyllaDB, read by token range: [`settings`] is the section of the recipe, a [`Client`] a
//! cluster that answered.
//!
//! A [`statement`] asks for a part of a table, a [`walk`] says which part is next behind a [`key`].

mod addresses;
mod connect;
mod credentials;
mod datacenter;
mod error;
mod host;
pub mod key;
mod name;
mod reason;
pub mod settings;
pub mod statement;
pub mod walk;

pub use connect::Client;
pub use error::Error;
pub use name::{BadName, TableName};
pub use reason::Reason;
pub use settings::Settings;
