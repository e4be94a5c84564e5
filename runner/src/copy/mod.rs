//! Stage `copy`: everything that speaks to the target. A stream loads splits, one after the other, as bounded
//! chunks; each chunk is committed together with its ledger row.
//!
//! Must not know: where rows come from and what happened to them before they became CSV bytes.

pub mod drift;
pub mod error;
pub mod files;
pub mod gate;
pub mod ledger;
pub mod message;
pub mod postgres;
pub mod rejected;
pub mod state;
