//! Rejects counted by table, stage, code and reason, each with the first few, in bounded space.
//!
//! Must not know: where they are kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::copy::rejected::Rejected;
use crate::units::grouped;
use crate::untrusted::shown;

/// How much of a row is read for a sample.
pub(crate) const SHOWN_CHARACTERS: i32 = 1000;

/// Groups of one table that are told apart.
const MAX_GROUPS: usize = 100;

/// The counts.
#[derive(Debug)]
pub(crate) struct Summary {
    samples: usize,
    tables: BTreeMap<String, Table>,
}

#[derive(Debug, Default)]
struct Table {
    rows: u64,
    groups: BTreeMap<(String, String, String), Group>,
}

#[derive(Debug, Default)]
struct Group {
    rows: u64,
    samples: Vec<Rejected>,
}

impl Summary {
    /// Nothing counted yet; each group will keep so many samples.
    pub(crate) fn new(samples: usize) -> Summary {
        Summary { samples, tables: BTreeMap::new() }
    }

    /// Counts one more.
    pub(crate) fn add(&mut self, rejected: Rejected) {
        let table = self.tables.entry(rejected.table.clone()).or_default();
        table.rows += 1;
        let mut key = (rejected.stage.clone(), rejected.code.clone(), rejected.reason.clone());
        if table.groups.len() >= MAX_GROUPS && !table.groups.contains_key(&key) {
            key = (String::new(), String::new(), "other reasons".into());
        }
        let group = table.groups.entry(key).or_default();
        group.rows += 1;
        if group.samples.len() < self.samples {
            group.samples.push(rejected);
        }
    }

    /// For people, in lines of at most about `width` characters.
    pub(crate) fn text(&self, width: usize) -> String {
        if self.tables.is_empty() {
            return "no rejects\n".into();
        }
        let mut text = String::new();
        for (name, table) in &self.tables {
            // Writing into a String cannot fail.
            let noun = if table.rows == 1 { "reject" } else { "rejects" };
            let _ = writeln!(text, "{}: {} {noun}", shown(name, width), grouped(table.rows));
            let numbers = grouped(table.rows).len();
            for ((stage, code, reason), group) in table.largest_first() {
                let kind = if stage.is_empty() { String::new() } else { format!("{stage}/{code}: ") };
                let room = width.saturating_sub(numbers + 5 + kind.len());
                let rows = grouped(group.rows);
                let _ = writeln!(text, "  {rows:>numbers$}  {kind}{}", shown(reason, room));
                for sample in &group.samples {
                    let line = match sample.shown() {
                        row if row.is_empty() => sample.place(),
                        row => format!("{}: {row}", sample.place()),
                    };
                    let _ = writeln!(
                        text,
                        "{:numbers$}      {}",
                        "",
                        shown(&line, width.saturating_sub(numbers + 7))
                    );
                }
            }
        }
        text
    }

    /// The same as JSON.
    pub(crate) fn json(&self, name: &str) -> Value {
        let sample = |rejected: &Rejected| {
            json!({"source": rejected.source, "position": rejected.position, "place": rejected.place(),
                   "cut": rejected.cut, "original": rejected.shown()})
        };
        let group = |((stage, code, reason), group): (&(String, String, String), &Group)| {
            let samples: Vec<Value> = group.samples.iter().map(sample).collect();
            json!({"stage": stage, "code": code, "reason": reason, "rows": group.rows, "samples": samples})
        };
        let tables: Vec<Value> = self
            .tables
            .iter()
            .map(|(name, table)| {
                let groups: Vec<Value> = table.largest_first().into_iter().map(group).collect();
                json!({"table": name, "rows": table.rows, "groups": groups})
            })
            .collect();
        json!({"name": name, "tables": tables})
    }
}

impl Table {
    fn largest_first(&self) -> Vec<(&(String, String, String), &Group)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.rows));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reject::Original;

    fn rejected(table: &str, line: u64, reason: &str, original: &str) -> Rejected {
        Rejected {
            table: table.into(),
            source: "a.csv".into(),
            position: format!("{}:{line}", line * 10),
            stage: "read".into(),
            code: "ragged".into(),
            reason: reason.into(),
            original: Original::Bytes(original.into()),
            cut: false,
        }
    }

    #[test]
    fn groups_come_largest_first_with_the_first_rows_of_each() {
        let mut summary = Summary::new(2);
        for line in 2..=12 {
            let reason = if line == 7 { "1 cell" } else { "3 cells" };
            summary.add(rejected("public.t", line, reason, "a,b\u{1b}[31m"));
        }
        let expected = "public.t: 11 rejects\n  \
             10  read/ragged: 3 cells\n        \
                   a.csv line 2: a,b\\u{1b}[31m\n        \
                   a.csv line 3: a,b\\u{1b}[31m\n   \
              1  read/ragged: 1 cell\n        \
                   a.csv line 7: a,b\\u{1b}[31m\n";
        assert_eq!(summary.text(80), expected);
        assert_eq!(summary.json("n")["tables"][0]["groups"][1]["samples"][0]["place"], "a.csv line 7");
        assert_eq!(Summary::new(1).text(80), "no rejects\n");
    }

    #[test]
    fn lines_are_cut_to_the_screen_and_reasons_are_bounded() {
        let mut summary = Summary::new(1);
        for line in 0..300 {
            summary.add(rejected("t", line, &format!("{line} {}", "x".repeat(500)), &"y".repeat(5000)));
        }
        let text = summary.text(60);
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert_eq!(text.lines().count(), 1 + 2 * (MAX_GROUPS + 1));
        assert!(text.contains("  200  other reasons\n"), "{text}");
    }
}
