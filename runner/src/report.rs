//! What a run did: a summary for people, JSON for programs.
//!
//! Must not know: how to get the numbers; it only arranges them.

use std::fmt::Write as _;

use serde::Serialize;

use crate::counters::{Counts, Snapshot, Work};
use crate::reject::Group;
use crate::uncontinued::Uncontinued;
use crate::units::{grouped, size};
use crate::untrusted;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everything is loaded.
    Done,
    /// Everything was loaded before this run began.
    AlreadyDone,
    /// Stopped by a person; the same command continues.
    Stopped,
    /// Nobody reads standard output any more.
    Unread,
    /// Another process is at work on the rest.
    Busy,
    /// Something failed; the same command continues once that is mended.
    Failed,
}

/// A run, ready to be written.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of `etl`.
    pub etl: &'static str,
    /// The recipe's name.
    pub name: String,
    /// How it ended.
    pub ending: Ending,
    /// Why the same command does not continue it, if so.
    #[serde(skip)]
    pub uncontinued: Option<Uncontinued>,
    /// Wall-clock time of this run.
    pub seconds: f64,
    /// Rows read per second in this run.
    pub rows_per_second: f64,
    /// Rows of this run.
    pub rows: Rows,
    /// Bytes of the source that this run committed.
    pub source_bytes: u64,
    /// Bytes that this run sent to COPY.
    pub copy_bytes: u64,
    /// Chunks that this run committed.
    pub chunks: u64,
    /// Blank lines passed over in this run; they are no rows.
    pub blank_lines: u64,
    /// Partitions with static columns and no row, passed over in this run.
    pub static_only: u64,
    /// Values of zero length that became NULL in this run.
    pub empty_values: u64,
    /// From the process's start to the first byte of the first COPY.
    pub first_copy_ms: Option<f64>,
    /// Processor time of this process, where it is known.
    pub cpu_seconds: Option<f64>,
    /// The most memory that this process held at once, where it is known.
    pub peak_memory_bytes: Option<u64>,
    /// Seconds of all streams together, by stage; `copy` is waiting for the target.
    pub seconds_by_stage: Vec<(&'static str, f64)>,
    /// Streams that the recipe asks for.
    pub streams: u64,
    /// Share of each node.
    pub nodes: Vec<Node>,
    /// Each table of the recipe.
    pub tables: Vec<Table>,
    /// Rejects of this run, largest group first.
    pub rejects: Vec<Reason>,
}

/// Counts by row of the source.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rows {
    /// Read from the source.
    pub read: u64,
    /// Went to the target.
    pub loaded: u64,
    /// Left out by a module.
    pub filtered: u64,
    /// Ended as rejects.
    pub rejected: u64,
    /// Were there already.
    pub skipped: u64,
    /// Rows sent to COPY: more than `loaded` where a module fans out.
    pub written: u64,
}

impl From<Counts> for Rows {
    fn from(counts: Counts) -> Self {
        let Counts { read, loaded, filtered, rejected, skipped, written } = counts;
        Rows { read, loaded, filtered, rejected, skipped, written }
    }
}

/// A node's part of the run.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Host and port.
    pub address: String,
    /// Streams on it.
    pub streams: u64,
    /// Rows written through it.
    pub rows: u64,
}

/// One table, over all runs of this name.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Path or pattern in the recipe.
    pub from: String,
    /// Table of the target.
    pub into: String,
    /// What happens to rows whose key is there: `append`, `skip` or `upsert`.
    pub write: &'static str,
    /// Splits, and those that are done.
    pub splits: u64,
    /// Splits that are done.
    pub splits_done: u64,
    /// What the ledger holds, from all runs.
    pub rows: Rows,
    /// What shapes its rows: modules with their SHA-256, options, dialect …
    pub shaped_by: Vec<(String, String)>,
}

/// Rejects with the same reason.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    /// Where they failed.
    pub stage: &'static str,
    /// The stage's code.
    pub code: &'static str,
    /// The reason.
    pub reason: String,
    /// How many.
    pub rows: u64,
}

impl From<Group> for Reason {
    fn from(group: Group) -> Self {
        Reason { stage: group.stage.name(), code: group.code, reason: group.reason, rows: group.rows }
    }
}

impl Report {
    /// This run's numbers from its counters; the caller adds the tables.
    pub fn new(name: &str, ending: Ending, now: &Snapshot, rejects: Vec<Group>) -> Report {
        let seconds = now.elapsed.as_secs_f64();
        Report {
            etl: env!("CARGO_PKG_VERSION"),
            name: name.into(),
            ending,
            uncontinued: None,
            seconds,
            rows_per_second: now.counts.read as f64 / seconds.max(1e-9),
            rows: now.counts.into(),
            source_bytes: now.source_bytes,
            copy_bytes: now.copy_bytes,
            chunks: now.chunks,
            blank_lines: now.asides.blank_lines,
            static_only: now.asides.static_only,
            empty_values: now.asides.empty_values,
            first_copy_ms: now.first_copy.map(|time| time.as_secs_f64() * 1e3),
            cpu_seconds: None,
            peak_memory_bytes: None,
            seconds_by_stage: Work::ALL
                .iter()
                .map(|w| (w.name(), now.spent[*w as usize].as_secs_f64()))
                .collect(),
            streams: 0,
            nodes: now
                .nodes
                .iter()
                .map(|node| Node {
                    address: node.address.clone(),
                    streams: node.most_streams,
                    rows: node.rows,
                })
                .collect(),
            tables: Vec::new(),
            rejects: rejects.into_iter().map(Reason::from).collect(),
        }
    }

    /// What a person reads at the end, several lines.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.write_summary(&mut text);
        text
    }

    fn write_summary(&self, to: &mut String) -> std::fmt::Result {
        writeln!(to, "{}: {}", self.name, self.headline())?;
        if self.rows.read > 0 {
            let rate = grouped(self.rows_per_second.round() as u64);
            let bytes = size((self.source_bytes as f64 / self.seconds.max(1e-9)) as u64);
            writeln!(
                to,
                "  this run  {} in {:.2} s: {rate} rows/s, {bytes}/s",
                fates(&self.rows),
                self.seconds
            )?;
            let (read, sent) = (size(self.source_bytes), size(self.copy_bytes));
            writeln!(to, "  bytes     {read} read, {sent} sent in {} chunks", grouped(self.chunks))?;
            if let (Some(cpu), Some(memory)) = (self.cpu_seconds, self.peak_memory_bytes) {
                writeln!(to, "  used      {cpu:.2} s of processor time, {} of memory at most", size(memory))?;
            }
        }
        for table in &self.tables {
            let Table { from, into, write, splits, splits_done, rows, .. } = table;
            let mode = if *write == "append" { String::new() } else { format!(" ({write})") };
            writeln!(
                to,
                "  table     {from} -> {into}{mode}: {splits_done} of {splits} splits, {}",
                fates(rows)
            )?;
        }
        let splits: u64 = self.tables.iter().map(|table| table.splits).sum();
        if splits > 0 && splits < self.streams && self.source_bytes >= WORTH_SPLITTING_BYTES {
            let streams = self.streams;
            writeln!(
                to,
                "  note      {splits} splits cannot keep {streams} streams busy: make run.split_bytes smaller"
            )?;
        }
        let written: u64 = self.nodes.iter().map(|node| node.rows).sum();
        for node in &self.nodes {
            let share = percent(node.rows, written);
            writeln!(
                to,
                "  node      {}: {} streams, {} rows, {share}",
                node.address,
                node.streams,
                grouped(node.rows)
            )?;
        }
        let spent: f64 = self.seconds_by_stage.iter().map(|stage| stage.1).sum();
        if spent > 0.0 {
            let part = |(name, seconds): &(&str, f64)| format!("{name} {:.0} %", seconds / spent * 100.0);
            let parts: Vec<String> = self.seconds_by_stage.iter().map(part).collect();
            writeln!(to, "  time      {}", parts.join(", "))?;
        }
        if self.blank_lines > 0 {
            writeln!(to, "  blank     {} lines passed over", grouped(self.blank_lines))?;
        }
        if self.static_only > 0 {
            writeln!(to, "  static    {} partitions without rows passed over", grouped(self.static_only))?;
        }
        if self.empty_values > 0 {
            writeln!(to, "  empty     {} values of zero length became NULL", grouped(self.empty_values))?;
        }
        for Reason { stage, code, reason, rows } in self.rejects.iter().take(10) {
            let reason = untrusted::shown(reason, untrusted::MAX_MESSAGE_BYTES);
            writeln!(to, "  rejects   {} {stage}/{code}: {reason}", grouped(*rows))?;
        }
        if self.rejects.len() > 10 {
            writeln!(to, "  rejects   … and {} more reasons", self.rejects.len() - 10)?;
        }
        Ok(())
    }

    fn headline(&self) -> &'static str {
        let rejected = self.tables.iter().any(|table| table.rows.rejected > 0) || self.rows.rejected > 0;
        match (self.ending, rejected) {
            (Ending::Done, false) => "done",
            (Ending::Done, true) => "done, with rejects",
            (Ending::AlreadyDone, _) => "was done before, nothing to load",
            (Ending::Stopped, _) => match self.uncontinued {
                None => "stopped; the same command continues",
                Some(Uncontinued::Stdin) => "stopped; what was committed stays",
                Some(Uncontinued::Stdout) => "stopped; what was written stays",
            },
            (Ending::Unread, _) => "ended: nobody reads standard output any more",
            (Ending::Busy, _) => "another run is at work on the rest",
            (Ending::Failed, _) => "failed",
        }
    }
}

/// Below this more splits would not make a load faster.
const WORTH_SPLITTING_BYTES: u64 = 1 << 20;

/// `27,004 rows read: 26,000 loaded, 1,004 rejected`.
fn fates(rows: &Rows) -> String {
    let mut fates = vec![format!("{} loaded", grouped(rows.loaded))];
    for (count, fate) in [(rows.filtered, "filtered"), (rows.rejected, "rejected"), (rows.skipped, "skipped")]
    {
        if count > 0 {
            fates.push(format!("{} {fate}", grouped(count)));
        }
    }
    if rows.written > rows.loaded + rows.skipped {
        fates.push(format!("{} written", grouped(rows.written)));
    }
    format!("{} rows read: {}", grouped(rows.read), fates.join(", "))
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "0 %".into() } else { format!("{:.0} %", part as f64 / whole as f64 * 100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::NodeSnapshot;
    use std::time::Duration;

    fn node(address: &str, rows: u64, most_streams: u64) -> NodeSnapshot {
        NodeSnapshot { address: address.into(), rows, streams: 0, most_streams }
    }

    fn report() -> Report {
        let counts = Counts { read: 1010, loaded: 1000, filtered: 4, rejected: 6, skipped: 0, written: 1000 };
        let now = Snapshot {
            elapsed: Duration::from_secs(2),
            counts,
            chunks: 3,
            source_bytes: 4096,
            copy_bytes: 2048,
            spent: [Duration::from_secs(1); 4],
            nodes: vec![node("a:1", 750, 2), node("b:1", 250, 1)],
            ..Snapshot::default()
        };
        let group =
            Group { stage: crate::reject::Stage::Read, code: "ragged", reason: "3 cells".into(), rows: 6 };
        Report::new("flights", Ending::Done, &now, vec![group])
    }

    #[test]
    fn the_summary_says_fates_rates_shares_and_reasons() {
        let expected = "\
flights: done, with rejects
  this run  1,010 rows read: 1,000 loaded, 4 filtered, 6 rejected in 2.00 s: 505 rows/s, 2.0 KiB/s
  bytes     4.0 KiB read, 2.0 KiB sent in 3 chunks
  node      a:1: 2 streams, 750 rows, 75 %
  node      b:1: 1 streams, 250 rows, 25 %
  time      read 25 %, transform 25 %, encode 25 %, copy 25 %
  rejects   6 read/ragged: 3 cells
";
        assert_eq!(report().summary(), expected);
    }

    #[test]
    fn skipped_rows_and_the_mode_that_skips_them_are_told() {
        let rows = |written| Counts { read: 5, loaded: 3, skipped: 2, written, ..Counts::default() }.into();
        let mut report = report();
        report.tables = vec![Table {
            from: "a.csv".into(),
            into: "t".into(),
            write: "skip",
            splits: 1,
            splits_done: 1,
            rows: rows(5),
            shaped_by: Vec::new(),
        }];
        let line = "  table     a.csv -> t (skip): 1 of 1 splits, 5 rows read: 3 loaded, 2 skipped";
        assert!(report.summary().contains(&format!("{line}\n")), "{}", report.summary());
        report.tables[0].rows = rows(9);
        assert!(report.summary().contains(&format!("{line}, 9 written\n")), "{}", report.summary());
    }

    #[test]
    fn a_reason_from_a_module_cannot_write_over_the_terminal() {
        let mut report = report();
        report.rejects[0].reason = "bad\u{1b}[2J\n".into();
        assert!(!report.summary().contains('\u{1b}'));
    }

    #[test]
    fn the_report_is_json_with_units_in_its_names() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["rows"]["read"], 1010);
        assert_eq!(json["ending"], "done");
        assert_eq!(json["seconds"], 2.0);
    }
}
