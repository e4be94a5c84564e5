//! Rows that could not be loaded: what is kept of them, how they are looked at, and how corrected ones are sent again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod again;
mod bed;
mod keep;
mod latin1;
mod look;
mod mended;
mod named;
