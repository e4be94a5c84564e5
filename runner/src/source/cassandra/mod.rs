//! Tables of Cassandra and ScyllaDB: [`settings`] is the section of the recipe.

mod host;
pub mod settings;

pub use settings::Settings;
