//! The `[transform]` section: what a module may use. Nothing here changes what a module makes of a row, only with
//! which rows it is stopped.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{ByteSize, SettingProblem, Span};

/// The sandbox's limits. A module that goes over one is stopped, with a message that names the limit: in `plan` that ends
/// the run, in `transform` the rows with which it does so are rejects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The most linear memory of one instance, 64 KiB to 4 GiB. Each stream has an instance of each module; a module
    /// compiled from Rust or C needs 1 to 4 MiB, one that brings an interpreter 50 MiB.
    pub memory: ByteSize,
    /// The longest that one call into a module may take: its start-up, its `plan`, or one batch. 1 ms to 1 h.
    /// Ordinary batches take a millisecond, so 5 s finds endless loops and spares slow machines.
    pub call_timeout: Span,
    /// How many rows a row may become, all modules together: 1,000 bounds a fan-out that went wrong. Whole batches are
    /// bounded by `output`.
    pub rows_factor: u32,
    /// The most bytes that a batch may become: what a module answers (a boolean in an array counts as a byte), and what
    /// the columns that it keeps grow to when rows are repeated. A batch that becomes more is tried in halves, so only
    /// rows that are too much alone are rejects. 4 KiB to 1 GiB; a batch going in holds about 256 KiB.
    pub output: ByteSize,
    /// The deepest call stack inside a module, 64 KiB to 1 MiB.
    pub stack: ByteSize,
    /// The most elements of one instance's function tables together. A large interpreter has 20,000.
    pub table_elements: u32,
    /// How many lines one instance may log; what comes behind is dropped, and said so once.
    pub log_lines: u32,
    /// Whether compiled modules are kept on disk (`$XDG_CACHE_HOME/etl/modules`, else `~/.cache/etl/modules`): a module
    /// of 2 MB compiles in a second, and loads in milliseconds.
    pub cache: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            memory: ByteSize(256 << 20),
            call_timeout: Span(Duration::from_secs(5)),
            rows_factor: 1000,
            output: ByteSize(64 << 20),
            stack: ByteSize(512 << 10),
            table_elements: 100_000,
            log_lines: 1000,
            cache: true,
        }
    }
}

impl Settings {
    /// What wasmtime or the host's threads could not stand.
    pub fn problems(&self) -> Vec<SettingProblem> {
        const MIB: u64 = 1 << 20;
        let size = |value: ByteSize, min: u64, max: u64| (min..=max).contains(&value.0);
        let time = (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(&self.call_timeout.0);
        let checked = [
            ("memory", size(self.memory, 64 << 10, 4096 * MIB), "must be between 64 KiB and 4 GiB"),
            ("call_timeout", time, "must be between 1 ms and 1 h"),
            ("rows_factor", self.rows_factor > 0, "must be at least 1: 0 would leave no row"),
            ("output", size(self.output, 4 << 10, 1024 * MIB), "must be between 4 KiB and 1 GiB"),
            ("stack", size(self.stack, 64 << 10, MIB), "must be between 64 KiB and 1 MiB"),
        ];
        checked
            .into_iter()
            .filter(|(_, inside, _)| !inside)
            .map(|(key, _, what)| (key, what.into()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_bounds() {
        assert!(Settings::default().problems().is_empty());
    }

    #[test]
    fn a_limit_out_of_bounds_is_refused_by_name() {
        let cases = [
            (Settings { stack: ByteSize(8 << 20), ..Settings::default() }, "stack"),
            (Settings { memory: ByteSize(1 << 33), ..Settings::default() }, "memory"),
            (Settings { output: ByteSize(1 << 31), ..Settings::default() }, "output"),
            (Settings { call_timeout: Span(Duration::ZERO), ..Settings::default() }, "call_timeout"),
            (Settings { rows_factor: 0, ..Settings::default() }, "rows_factor"),
        ];
        for (settings, key) in cases {
            let problems = settings.problems();
            assert!(problems.len() == 1 && problems[0].0 == key, "{problems:?}");
        }
    }
}
