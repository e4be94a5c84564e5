//! `etl` moves tables into PostgreSQL-compatible databases as parallel `COPY` streams, through WebAssembly
//! modules that the user wrote.
//!
//! # Layout
//!
//! | floor | modules | may import |
//! |--:|---|---|
//! | 0 nouns | [`schema`], [`values`], [`text_form`], [`loads`], [`loads_changes`], [`position`], [`batch`], [`dialect`], [`reject`], [`original`], [`counters`], [`memory`], [`units`], [`tls`], [`failpoint`], `append`, `patience`, `untrusted` | std, arrow |
//! | 1 stages | [`source`], [`split`], [`transform`], [`encode`], [`copy`] | floor 0 and themselves, never another stage |
//! | 2 around | [`recipe`], [`mod@reference`], `progress`, `report`, `uncontinued` | the stages' settings, floor 0 |
//! | 3 path | `pipeline` and the loose files beside it | floors 0 to 2: the only place where two stages meet |
//! | 4 door | the commands, exit codes, `main` | everything; nobody imports them |
//!
//! Start with `pipeline`: it shows the path of a row whole.

mod append;
pub mod batch;
mod bisect;
mod care;
mod check;
pub mod chunk;
pub mod cli;
pub mod copy;
pub mod counters;
mod ddl;
pub mod dialect;
pub mod door;
pub mod encode;
pub mod exit_code;
pub mod failpoint;
mod failure;
mod fate;
mod feed;
mod feed_adopt;
mod folders;
mod init;
mod init_address;
mod init_recipe;
mod inspect;
mod job;
mod job_corrected;
mod job_create;
mod job_units;
mod load;
pub mod loads;
pub mod loads_changes;
pub mod memory;
pub mod original;
mod output;
mod pace;
mod patience;
pub mod pipeline;
mod plan;
pub mod position;
mod prepare;
pub mod progress;
mod queue;
pub mod recipe;
mod recipe_document;
mod recipe_error;
mod recipe_keys;
mod recipe_layers;
mod recipe_lines;
mod recipe_moment;
mod recipe_name;
#[cfg(test)]
mod recipe_random_tests;
mod recipe_run;
mod recipe_secret;
mod recipe_settings;
mod recipe_shaping;
mod recipe_source;
mod recipe_steps;
mod recipe_tables;
#[cfg(test)]
mod recipe_tests;
pub mod reference;
pub mod reject;
mod rejects;
mod rejects_summary;
pub mod report;
mod run;
mod run_ask;
mod run_report;
pub mod schema;
pub mod source;
pub mod split;
mod stream;
mod stream_session;
mod target;
mod target_write;
pub mod text_form;
mod tiling;
mod tiling_ring;
pub mod tls;
pub mod transform;
mod uncontinued;
pub mod units;
mod untrusted;
mod usage;
pub mod values;
mod worker;
