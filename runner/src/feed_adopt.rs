//! Taking up what a run reads: what the ledger knows of each file or table is adopted, what is new is added, and what
//! is no longer what the ledger was made from is refused before a row moves.
//!
//! Must not know: how splits are made and loaded.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// How sources are taken up, of all tables.
#[derive(Clone, Copy)]
pub(crate) struct Adopting<'a> {
    pub(crate) gate: &'a Gate,
    /// The size of splits, where the recipe says it.
    pub(crate) split_bytes: Option<u64>,
    pub(crate) streams: usize,
    /// The recipe's folder, where relative names of files begin.
    pub(crate) base: &'a Path,
    /// Set when the run shall end soon: then sources are left out.
    pub(crate) stop: &'a AtomicBool,
}

/// Adds what is new to the ledger and compares the rest with what it was.
pub(crate) async fn adopt(
    table: usize,
    job: &Job,
    ledger: &Ledger,
    with: Adopting<'_>,
) -> Result<Vec<Adopted>, Error> {
    let stored = ledger.sources().await?;
    let mut splits = by_source(ledger.splits().await?);
    // Rejects of a file count on when it is done and gone.
    splits.values().flatten().for_each(|split| with.gate.holds(ledger.target(), &split.key, &split.counts));
    let units: HashSet<&str> = job.units.iter().map(|unit| unit.unit.key()).collect();
    for source in &stored {
        let its = splits.get(&source.source).map_or(&[][..], |splits| splits);
        let unfinished = !source.tiled || its.iter().any(|split| !split.done);
        if unfinished && !units.contains(source.source.as_str()) {
            leave_out(ledger, job, source, with.base).await?;
        }
    }
    let mut stored: HashMap<String, Source> =
        stored.into_iter().map(|source| (source.source.clone(), source)).collect();
    let mut adopted = Vec::new();
    for unit in &job.units {
        if with.stop.load(Ordering::Relaxed) {
            break;
        }
        let now = Now::of(unit, job);
        let (source, splits) = match stored.remove(unit.unit.key()) {
            Some(source) if !forgotten(ledger, &source, &now).await? => {
                let its = splits.remove(&source.source).unwrap_or_default();
                (source, its)
            }
            _ => {
                let wanted = with.split_bytes.unwrap_or_else(|| now.split_bytes(with.streams));
                let (source, ours) = add(ledger, unit, &now, wanted).await?;
                // Another process was faster, and may have cut it since.
                let theirs = if ours { HashMap::new() } else { by_source(ledger.splits().await?) };
                let its = theirs.get(&source.source).cloned().unwrap_or_default();
                (source, its)
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

/// The splits of each source, in their order.
fn by_source(splits: Vec<Split>) -> HashMap<String, Vec<Split>> {
    let mut by_source: HashMap<String, Vec<Split>> = HashMap::new();
    for split in splits {
        by_source.entry(split.key.source.clone()).or_default().push(split);
    }
    by_source
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

/// Whether a file of corrected rows that is another one now was forgotten, because nothing of it is loaded yet: who finds
/// a mistake in it may mend it.
async fn forgotten(ledger: &Ledger, source: &Source, now: &Now) -> Result<bool, Error> {
    let (Now::Corrected(now), Some(_)) = (now, corrected(source)) else { return Ok(false) };
    let then: Option<Fingerprint> = serde_json::from_str(&source.fingerprint).ok();
    let same = then.is_some_and(|then| then == *now || then.same_content(now));
    Ok(!same && ledger.drop_source(&source.source).await?)
}

/// Goes on without a source that was begun and is not named any more, if it is a file of corrected rows of which nothing
/// is loaded.
async fn leave_out(ledger: &Ledger, job: &Job, source: &Source, base: &Path) -> Result<(), Error> {
    let key = &source.source;
    if corrected(source).is_none() {
        let text = format!(
            "{key} was begun and is not among the files of `{}` any more: put it back, or load everything again with --fresh",
            job.from
        );
        return Err(copy::error::Error::Drift(text).into());
    }
    let path = as_typed(key, base);
    if ledger.drop_source(key).await? {
        tracing::warn!("nothing of {path} was loaded, which was begun with --rejects: it is left out");
        return Ok(());
    }
    let text = format!(
        "{path} was begun with --rejects and is not done: add --rejects {path}, or begin again with --fresh"
    );
    Err(copy::error::Error::Drift(text).into())
}

/// What the fingerprint of a file that was named by `--rejects` says about that.
fn corrected(source: &Source) -> Option<serde_json::Value> {
    let stored = serde_json::from_str::<serde_json::Value>(&source.fingerprint).ok()?;
    stored.get(CORRECTED).cloned()
}

/// A file that the ledger knows by its name in the recipe's folder, as a flag takes it: from the working directory.
fn as_typed(key: &str, base: &Path) -> String {
    let path = base.join(key);
    let typed = std::env::current_dir().ok().and_then(|folder| path.strip_prefix(folder).ok());
    typed.unwrap_or(&path).display().to_string()
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
        Now::Corrected(_) => {
            "rows of it are loaded: put it back as it was, write further corrections into another file"
        }
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
    use crate::copy::files::Folder;
    use crate::copy::ledger::{Limit, NewSplit, RunKey};
    use crate::counters::Counts;
    use crate::job;
    use crate::position::Position;
    use crate::recipe::{Flags, Recipe};
    use crate::transform::{Engine, Settings};
    use serde_json::json;
    use std::sync::Arc;

    /// Loads the CSV files of a folder.
    fn job(dir: &Path) -> Job {
        let text = b"name = 'n'\n[[tables]]\nfrom = '*.csv'\ninto = 't'\n";
        let recipe = Recipe::parse(text, Path::new("r.toml"), dir, [], &Flags::default()).unwrap();
        let engine = Engine::new(&Settings::default(), None).unwrap();
        job::prepare(&recipe, 0, &engine, None, &crate::memory::Memory::new(1 << 26, 1)).unwrap()
    }

    fn folder(dir: &Path) -> Folder {
        let key = RunKey { name: "n".into(), target: "t".into() };
        Folder::open(&dir.join("out"), key, &[], &["id".into()], false).unwrap().0
    }

    #[tokio::test]
    async fn who_stops_a_run_does_not_wait_until_all_files_are_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.csv", "b.csv", "c.csv"] {
            std::fs::write(dir.path().join(name), "id\n1\n").unwrap();
        }
        let job = job(dir.path());
        let ledger = Ledger::Files(Arc::new(folder(dir.path())));
        let (gate, stop) = (Gate::new(Limit::Rows(0)), AtomicBool::new(true));
        let with = Adopting { gate: &gate, split_bytes: None, streams: 1, base: dir.path(), stop: &stop };
        assert_eq!(adopt(0, &job, &ledger, with).await.unwrap().len(), 0);
        assert_eq!(ledger.sources().await.unwrap().len(), 0);
        stop.store(false, Ordering::Relaxed);
        assert_eq!(adopt(0, &job, &ledger, with).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn what_is_done_of_a_folder_is_not_left_to_be_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.csv"), "id\n1\n2\n3\n").unwrap();
        let job = job(dir.path());
        let folder = Arc::new(folder(dir.path()));
        let ledger = Ledger::Files(Arc::clone(&folder));
        let (gate, stop) = (Gate::new(Limit::Rows(0)), AtomicBool::new(false));
        let with = Adopting { gate: &gate, split_bytes: None, streams: 1, base: dir.path(), stop: &stop };
        let new = adopt(0, &job, &ledger, with).await.unwrap();
        assert_eq!(new[0].bytes_left(), Some(6));
        let at = |byte, line| Position::File { byte, line };
        let halves = [(at(3, 2), at(7, 4)), (at(7, 4), at(9, 5))];
        let halves = halves.map(|(start, end)| NewSplit { start, end: Some(end) });
        let source = &new[0].source;
        let (name, from) = (&source.source, &source.tiled_to);
        assert!(folder.append_splits(name, from, &halves, &at(9, 5), true).unwrap());
        folder.done(1, &Counts::default(), 1).unwrap();
        assert_eq!(adopt(0, &job, &ledger, with).await.unwrap()[0].bytes_left(), Some(2));
    }

    #[test]
    fn a_file_is_named_as_a_flag_takes_it() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(as_typed("c.jsonl", &here.join("sub")), "sub/c.jsonl");
        assert_eq!(as_typed("c.jsonl", &here), "c.jsonl");
        assert_eq!(as_typed("c.jsonl", Path::new("/elsewhere")), "/elsewhere/c.jsonl");
        assert_eq!(as_typed("/away/c.jsonl", &here), "/away/c.jsonl");
    }

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
