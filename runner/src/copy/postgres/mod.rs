//! The PostgreSQL-compatible target (YugabyteDB first): how connections to it are had and what it says about
//! itself and its tables.
//!
//! From the outside in: [`settings`] is what the recipe says, [`environment`] what libpq's variables say,
//! [`options`] what both mean together. [`connect`] makes a [`connect::Cluster`] of it, [`nodes`] finds the
//! servers that streams are spread over, [`placement`] spreads them, [`session`] is one connection.
//!
//! Must not know: what is loaded over a connection, and that there are splits.

pub mod conditions;
pub mod connect;
pub mod environment;
pub mod failure;
pub mod identifier;
pub mod nodes;
pub mod options;
mod passfile;
pub mod placement;
pub mod session;
pub mod settings;
pub mod table;
pub mod tls;
mod url;
