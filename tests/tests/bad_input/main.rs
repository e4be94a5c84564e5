//! Bad input of every kind through the real binary: the exit code is the documented one, the message names the thing
//! and what to do, the target holds whole chunks alone, and no value of a row and no password is ever said.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;
mod changed;
mod fan_out;
mod files;
mod module;
mod poison;
mod recipe;
mod rejects;
mod source;
mod target;
