//! The ledger and its chunks against a real PostgreSQL, without the rest of the path: every chunk is in the target
//! once or not at all, whatever happens to it.

mod bed;
mod chunks;
mod claims;
mod lost;
mod plans;
mod refused;
mod tables;
