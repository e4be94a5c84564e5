//! The commands of the real binary, as a user types them: what they find, show and print, and every way to say what
//! is moved where.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod flags;
mod folders;
mod formats;
mod look;
mod report;
mod stdin;
mod stdout;
mod steps;
