//! Taking up what a run reads: what the ledger knows of each file or table is adopted, what is new is added, and what
//! is no longer what the ledger was made from is refused before a row moves.
//!
//! Must not know: how splits are made and loaded.

use crate::copy;
use crate::copy::ledger::{Gate, Ledger, Source, Split};
use crate::feed::Error;
use crate::job::Job;
use crate::job_units::{Cutting, JobUnit};
use crate::source::{Fingerprint, Unit};
use crate::split::split_bytes;
use crate::tiling_ring::TABLE_SPLIT_BYTES;

/// A file or table with what the ledger says about it.
#[derive(Debug)]
pub(crate) struct Adopted {
    /// Index into the run's tables.
    pub(crate) table: usize,
    pub(crate) unit: JobUnit,
    /// Bytes of the file.
    size: u64,
    pub(crate) source: Source,
    /// Splits that the ledger held when it was adopted, done ones too.
    pub(crate) splits: Vec<Split>,
}

impl Adopted {
    /// Whether nothing is left to load of it.
    pub(crate) fn is_done(&self) -> bool {
        self.source.tiled && self.splits.iter().all(|split| split.done)
    }

    /// Bytes of it that are still to be read, where its size counts.
    pub(crate) fn bytes_left(&self) -> Option<u64> {
        let Cutting::Records { .. } = &self.unit.cutting else { return None };
        let done: u64 = self.splits.iter().map(|split| split.position.byte() - split.key.start.byte()).sum();
        Some(self.size.saturating_sub(self.unit.body.byte()).saturating_sub(done))
    }

    /// How many splits are left of it at most: more streams than that have nothing to do.
    pub(crate) fn most_splits(&self) -> u64 {
        let known = self.splits.iter().filter(|split| !split.done).count() as u64;
        let new = match (self.source.tiled, &self.unit.cutting) {
            (true, _) => 0,
            (false, Cutting::Never) => 1,
            // Nobody knows before its ring was asked for.
            (false, Cutting::Ring(_)) => return u64::MAX,
            // Cuts lie at multiples of the size, so one part more at either end.
            (false, Cutting::Records { .. }) => {
                let left = self.size.saturating_sub(self.source.tiled_to.byte());
                left / self.source.split_bytes.max(1) + 2
            }
        };
        known + new
    }
}

/// Adds what is new to the ledger and compares the rest with what it was.
pub(crate) async fn adopt(
    table: usize,
    job: &Job,
    ledger: &Ledger,
    gate: &Gate,
    wanted_split_bytes: Option<u64>,
    streams: usize,
) -> Result<Vec<Adopted>, Error> {
    let stored = ledger.sources().await?;
    let splits = ledger.splits().await?;
    // Rejects of a file count on when it is done and gone.
    splits.iter().for_each(|split| gate.holds(ledger.target(), &split.key, &split.counts));
    for source in &stored {
        let unfinished = !source.tiled || of(&splits, &source.source).iter().any(|split| !split.done);
        if unfinished && !job.units.iter().any(|unit| unit.unit.key() == source.source) {
            return Err(vanished(job, source));
        }
    }
    let mut adopted = Vec::new();
    for unit in &job.units {
        let now = Now::of(unit, job);
        let known = stored.iter().find(|source| source.source == unit.unit.key()).cloned();
        let (source, splits) = match known {
            Some(source) => (source, of(&splits, unit.unit.key())),
            None => {
                let wanted = wanted_split_bytes.unwrap_or_else(|| now.split_bytes(streams));
                let (source, ours) = add(ledger, unit, &now, wanted).await?;
                // Another process was faster, and may have cut it since.
                let splits = if ours { Vec::new() } else { of(&ledger.splits().await?, unit.unit.key()) };
                (source, splits)
            }
        };
        compare(ledger, &source, &now).await?;
        adopted.push(Adopted { table, unit: unit.clone(), size: now.size(), splits, source });
    }
    Ok(adopted)
}

/// Marks the fingerprint of a file that was named by `--rejects`.
const CORRECTED: &str = "rejects";

/// What a source is now.
enum Now {
    File(Fingerprint),
    /// A file of corrected rejects.
    Corrected(Fingerprint),
    /// A table, as JSON.
    Table(String),
}

impl Now {
    fn of(unit: &JobUnit, job: &Job) -> Now {
        match &unit.unit {
            Unit::File(file, _) => Now::File(file.fingerprint()),
            Unit::Corrected(corrected) => Now::Corrected(corrected.file.fingerprint()),
            Unit::Table(table) => Now::Table(table.fingerprint(job.path.chain.reads())),
        }
    }

    /// As the ledger keeps it. A struct of numbers and texts always has a JSON form.
    fn json(&self) -> String {
        match self {
            Now::File(fingerprint) => serde_json::to_string(fingerprint).unwrap_or_default(),
            Now::Corrected(fingerprint) => {
                let mut value = serde_json::to_value(fingerprint).unwrap_or_default();
                value[CORRECTED] = true.into();
                value.to_string()
            }
            Now::Table(fingerprint) => fingerprint.clone(),
        }
    }

    /// Bytes of a file.
    fn size(&self) -> u64 {
        match self {
            Now::File(fingerprint) | Now::Corrected(fingerprint) => fingerprint.size,
            Now::Table(_) => 0,
        }
    }

    fn split_bytes(&self, streams: usize) -> u64 {
        match self {
            Now::File(fingerprint) | Now::Corrected(fingerprint) => split_bytes(fingerprint.size, streams),
            Now::Table(_) => TABLE_SPLIT_BYTES,
        }
    }
}

/// The splits of one source.
fn of(splits: &[Split], source: &str) -> Vec<Split> {
    splits.iter().filter(|split| split.key.source == source).cloned().collect()
}

/// Answers also whether it is ours.
async fn add(ledger: &Ledger, unit: &JobUnit, now: &Now, split_bytes: u64) -> Result<(Source, bool), Error> {
    let source = Source {
        source: unit.unit.key().into(),
        fingerprint: now.json(),
        split_bytes,
        tiled_to: unit.body.clone(),
        tiled: false,
    };
    Ok(ledger.add_source(&source).await?)
}

fn vanished(job: &Job, source: &Source) -> Error {
    let key = &source.source;
    let stored = serde_json::from_str::<serde_json::Value>(&source.fingerprint).unwrap_or_default();
    if stored.get(CORRECTED).is_some() {
        let text = format!(
            "{key} was begun with --rejects and is not done: add --rejects {key}, or begin again with --fresh"
        );
        return copy::error::Error::Drift(text).into();
    }
    let text = format!(
        "{key} was begun and is not among the files of `{}` any more: put it back, or load everything again with --fresh",
        job.from
    );
    copy::error::Error::Drift(text).into()
}

/// Refuses a source that makes other rows now; another time of a file's modification alone is taken note of.
async fn compare(ledger: &Ledger, source: &Source, now: &Now) -> Result<(), Error> {
    let differs = match now {
        Now::File(now_is) | Now::Corrected(now_is) => {
            let then: Option<Fingerprint> = serde_json::from_str(&source.fingerprint).ok();
            match then {
                Some(then) if then == *now_is => return Ok(()),
                Some(then) => match then.difference(now_is) {
                    None => return Ok(ledger.renew_fingerprint(&source.source, &now.json()).await?),
                    Some(differs) => differs,
                },
                None => "it has another content now".into(),
            }
        }
        Now::Table(now_is) => {
            let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            match (parse(&source.fingerprint), parse(now_is)) {
                (Some(then), Some(now)) if then == now => return Ok(()),
                (Some(then), Some(now)) => changed_table(&then, &now),
                _ => "it is something else now".into(),
            }
        }
    };
    let ways = match now {
        Now::File(_) => "put it back as it was, give the new rows a file of their own",
        Now::Corrected(_) => "put it back as it was, write further corrections into another file",
        Now::Table(_) => "put it back as it was",
    };
    let text = format!(
        "{} changed since it was begun: {differs}; {ways}, or load everything again with --fresh",
        source.source
    );
    Err(copy::error::Error::Drift(text).into())
}

/// What about a table's fingerprint is not as it was.
fn changed_table(then: &serde_json::Value, now: &serde_json::Value) -> String {
    for (key, what) in [("cluster", "it is in another cluster"), ("id", "it was dropped and made again")] {
        if then[key] != now[key] {
            return what.into();
        }
    }
    let columns = |of: &serde_json::Value| of["columns"].as_object().cloned().unwrap_or_default();
    let (then, now) = (columns(then), columns(now));
    let named = then.iter().find(|(name, ty)| now.get(*name) != Some(ty)).map(|(name, _)| name);
    match named.or_else(|| now.keys().find(|name| !then.contains_key(*name))) {
        Some(column) => format!("its column `{column}` is of another type now, or is another one"),
        None => "its columns have another order now".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changed_about_a_table_is_named() {
        let then = json!({"cluster": "a", "id": "1", "columns": {"x": "int", "y": "text"}});
        let with = |key: &str, value: serde_json::Value| {
            let mut now = then.clone();
            now[key] = value;
            changed_table(&then, &now)
        };
        assert_eq!(with("cluster", "b".into()), "it is in another cluster");
        assert_eq!(with("id", "2".into()), "it was dropped and made again");
        assert!(with("columns", json!({"x": "bigint", "y": "text"})).contains("`x`"));
        assert!(with("columns", json!({"x": "int"})).contains("`y`"));
        assert!(with("columns", json!({"x": "int", "y": "text", "z": "int"})).contains("`z`"));
    }
}
