//! The PostgreSQL target: the ledger's tables and plan, claims, chunks.
//!
//! Must not know: files, modules, recipes. What it is told of a source is a name and positions.

pub mod backend;
mod chunk;
pub mod claim;
mod condition;
pub mod drift;
pub mod failure;
pub mod gate;
pub mod ledger;
pub mod plan;
mod rejects;
pub mod schema;
pub mod sources;
pub mod stream;
