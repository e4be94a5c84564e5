//! Tables of Cassandra and ScyllaDB: [`settings`] is the section of the recipe, a [`Client`] a cluster that answered.

mod addresses;
mod connect;
mod credentials;
mod datacenter;
mod error;
mod host;
mod name;
mod options;
mod reason;
pub mod settings;

pub use connect::Client;
pub use error::Error;
pub use name::{BadName, TableName};
pub use options::{Options, check_filter};
pub use reason::Reason;
pub use settings::Settings;
