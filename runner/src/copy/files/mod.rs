//! Files as the target: one CSV for each split in a folder, or all rows on standard output. The same path as into a
//! database, without a server: a dry run, and what `etl run` does where no target is named.
//!
//! A folder holds `etl.json` (what it was made from, its sources and splits), and for each split that is done
//! `NUMBER.csv` and, if it has any, `NUMBER.rejects.jsonl`. A split's files appear whole or not at all: they are
//! written under other names, synced and renamed, the rejects first and the CSV last. A split that was not finished
//! is written again.
//!
//! Must not know: where rows come from.

mod folder;
mod manifest;
pub mod rejected;
mod writer;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use folder::{Folder, Held, held};
pub use writer::Destination;

/// Where the rows go when no database is named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Folder for the files, relative to the recipe; each table gets a folder of its own in it. Without it: `etl-out/NAME`,
    /// with the recipe's name. `-` writes all rows to standard output, with one stream, and rejects to
    /// `etl-rejects-….jsonl` in the working directory.
    pub dir: PathBuf,
}

impl Settings {
    /// Whether the rows go to standard output.
    pub fn is_stdout(&self) -> bool {
        self.dir == Path::new("-")
    }
}
