//! The PostgreSQL-compatible target (YugabyteDB first): how connections to it are had, what it says about itself
//! and its tables, the ledger's tables and plan, claims, chunks.
//!
//! Connections, from the outside in: [`settings`] is what the recipe says, [`environment`] what libpq's variables
//! say, [`options`] what both mean together. [`connect`] makes a [`connect::Cluster`] of it, [`nodes`] finds the
//! servers that streams are spread over, [`placement`] spreads them, [`session`] is one connection.
//!
//! Must not know: files, modules, recipes. What it is told of a source is a name and positions.

pub mod backend;
mod chunk;
pub mod claim;
mod condition;
pub mod connect;
pub mod control;
pub mod create;
pub mod create_table;
pub mod empty;
pub mod environment;
mod failure;
mod forget;
#[cfg(fuzzing)]
pub mod fuzz;
pub mod identifier;
pub mod ledger;
pub mod nodes;
pub mod options;
mod partitions;
mod passfile;
mod pinned;
pub mod placement;
pub mod plan;
pub mod pulse;
mod reason;
mod refusal;
pub mod rejected;
mod rejects;
pub mod schema;
pub mod session;
pub mod settings;
pub mod sources;
pub mod stream;
pub mod table;
pub mod tls;
pub mod unanswered;
mod url;
pub mod write;
pub mod write_check;

pub use settings::Settings;
