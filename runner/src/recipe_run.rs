//! `[run]`: how much at once, how much in one transaction, and how many bad rows are too many.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::copy::gate::Limit;
use crate::units::{ByteSize, SettingProblem, Span};

/// How much at once, how much in one transaction, and how many bad rows are too many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunSettings {
    /// Connections to the target that load at once, 1 to 1,024, spread over its nodes. The best number depends
    /// on the target (two to four for each of its cores), not on the machine that `etl` runs on, so the default
    /// is the same everywhere.
    #[schemars(range(min = 1, max = 1024))]
    pub streams: u32,

    /// Host buffers of all streams together, at least 128 KiB for each stream; what modules use comes on top
    /// (`transform.memory`). More than the default gains nothing below 32 streams.
    pub memory: ByteSize,

    /// Rows read for one transaction at most, 1 to 10,000,000. A crash repeats at most one chunk in each stream.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub chunk_rows: u64,

    /// Bytes in one transaction, 64 KiB to 1 GiB: those that are sent, and about 12 for each row to tell where it came
    /// from. A chunk ends with the batch that reaches it.
    pub chunk_bytes: ByteSize,

    /// Time in one transaction, 100 ms to 1 h: a chunk ends with the batch that reaches it. Long transactions
    /// hold back vacuum and meet the server's time-outs.
    pub chunk_time: Span,

    /// Rows that a module gets in one call at most, 1 to 65,536; wide rows come in smaller batches of about
    /// 256 KiB.
    #[schemars(range(min = 1, max = 65_536))]
    pub batch_rows: u32,

    /// Rejected rows that are tolerated, of all tables of the recipe together and over all runs of it. One more
    /// stops the run. Not together with `max_rejects_percent`.
    pub max_rejects: u64,

    /// Rejected rows that are tolerated, in percent of the rows read (0 to 100), instead of `max_rejects`.
    #[schemars(range(min = 0, max = 100), example = 0.5)]
    pub max_rejects_percent: Option<f64>,

    /// The size of a split, 1 KiB to 1 TiB. Without it: the file's size / (4 × `streams`), within 64 KiB and
    /// 64 MiB. A load that was begun keeps the splits it has.
    #[schemars(example = &"16 MiB")]
    pub split_bytes: Option<ByteSize>,
}

impl Default for RunSettings {
    fn default() -> Self {
        RunSettings {
            streams: 8,
            memory: ByteSize(64 << 20),
            chunk_rows: 20_000,
            chunk_bytes: ByteSize(16 << 20),
            chunk_time: Span(Duration::from_secs(10)),
            batch_rows: 1024,
            max_rejects: 0,
            max_rejects_percent: None,
            split_bytes: None,
        }
    }
}

/// What one stream needs at the least, in bytes: eight buffers of 16 KiB.
const MIN_STREAM_MEMORY: u64 = 128 << 10;

impl RunSettings {
    /// The bad rows that are tolerated.
    pub fn max_rejects(&self) -> Limit {
        self.max_rejects_percent.map_or(Limit::Rows(self.max_rejects), Limit::Percent)
    }

    /// Every setting that is out of its bounds.
    pub(crate) fn problems(&self) -> Vec<SettingProblem> {
        let mut problems: Vec<SettingProblem> = Vec::new();
        let mut within = |key, inside: bool, bounds: &str| {
            if !inside {
                problems.push((key, format!("must be {bounds}").into()));
            }
        };
        within("streams", (1..=1024).contains(&self.streams), "between 1 and 1,024");
        within("chunk_rows", (1..=10_000_000).contains(&self.chunk_rows), "between 1 and 10,000,000");
        let chunk_bytes = self.chunk_bytes.0;
        within("chunk_bytes", (64 << 10..=1 << 30).contains(&chunk_bytes), "between 64 KiB and 1 GiB");
        let chunk_ms = self.chunk_time.0.as_millis();
        within("chunk_time", (100..=3_600_000).contains(&chunk_ms), "between 100 ms and 1 h");
        within("batch_rows", (1..=65_536).contains(&self.batch_rows), "between 1 and 65,536");
        let percent = self.max_rejects_percent.unwrap_or_default();
        within("max_rejects_percent", (0.0..=100.0).contains(&percent), "between 0 and 100");
        let split = self.split_bytes.map_or(1 << 10, |size| size.0);
        within("split_bytes", (1 << 10..=1 << 40).contains(&split), "between 1 KiB and 1 TiB");
        problems.extend(self.memory_problem());
        problems
    }

    fn memory_problem(&self) -> Option<SettingProblem> {
        let needed = MIN_STREAM_MEMORY * u64::from(self.streams.clamp(1, 1024));
        if self.memory.0 < needed {
            let (needed, streams) = (ByteSize(needed), self.streams);
            let what =
                format!("must be at least {needed} for {streams} streams: raise it, or use fewer streams");
            return Some(("memory", what.into()));
        }
        (self.memory.0 > 1 << 40).then(|| ("memory", "must be at most 1024 GiB".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(settings: &RunSettings) -> Vec<String> {
        settings.problems().into_iter().map(|(key, what)| format!("`run.{key}`: {what}")).collect()
    }

    #[test]
    fn the_defaults_are_within_their_bounds() {
        assert_eq!(problems(&RunSettings::default()), Vec::<String>::new());
    }

    #[test]
    fn every_setting_out_of_its_bounds_is_named_with_them() {
        let wrong = RunSettings {
            streams: 0,
            memory: ByteSize(1),
            chunk_rows: 0,
            chunk_bytes: ByteSize(1),
            chunk_time: Span(Duration::from_secs(3601)),
            batch_rows: 65_537,
            max_rejects: 0,
            max_rejects_percent: Some(f64::NAN),
            split_bytes: Some(ByteSize(1)),
        };
        assert_eq!(
            problems(&wrong),
            [
                "`run.streams`: must be between 1 and 1,024",
                "`run.chunk_rows`: must be between 1 and 10,000,000",
                "`run.chunk_bytes`: must be between 64 KiB and 1 GiB",
                "`run.chunk_time`: must be between 100 ms and 1 h",
                "`run.batch_rows`: must be between 1 and 65,536",
                "`run.max_rejects_percent`: must be between 0 and 100",
                "`run.split_bytes`: must be between 1 KiB and 1 TiB",
                "`run.memory`: must be at least 128 KiB for 0 streams: raise it, or use fewer streams",
            ]
        );
    }

    #[test]
    fn memory_must_hold_the_least_of_every_stream() {
        let settings = RunSettings { streams: 1024, ..RunSettings::default() };
        let expected =
            "`run.memory`: must be at least 128 MiB for 1024 streams: raise it, or use fewer streams";
        assert_eq!(problems(&settings), [expected]);
    }
}
