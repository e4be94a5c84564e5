//! `etl.json`: the ledger of a folder. Replaced as a whole: written beside, synced, renamed.
//!
//! Must not know: how the files that it speaks of are written.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::copy::ledger::{NewSplit, Part, RunKey, Source, Split, SplitKey};
use crate::counters::Counts;
use crate::position::Position;

/// Another number is another format.
const FORMAT: u32 = 1;

/// What `etl.json` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    pub(super) name: String,
    pub(super) target: String,
    /// What decides which rows the files hold.
    pub(super) settings: Vec<Part>,
    /// The CSV's header.
    pub(super) columns: Vec<String>,
    pub(super) started: String,
    pub(super) finished: Option<String>,
    pub(super) sources: Vec<SourceEntry>,
    pub(super) splits: Vec<SplitEntry>,
}

/// A source, as [`Source`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SourceEntry {
    pub(super) source: String,
    pub(super) fingerprint: String,
    pub(super) split_bytes: u64,
    pub(super) tiled_to: String,
    pub(super) tiled: bool,
}

/// A split; its number is its place in the list, from 1, and names its files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SplitEntry {
    pub(super) source: String,
    pub(super) start: String,
    pub(super) end: Option<String>,
    pub(super) done: bool,
    pub(super) chunks: u64,
    pub(super) read: u64,
    pub(super) loaded: u64,
    pub(super) filtered: u64,
    pub(super) rejected: u64,
    pub(super) written: u64,
}

impl Manifest {
    pub(super) fn new(key: &RunKey, settings: &[Part], columns: &[String], now: String) -> Manifest {
        Manifest {
            format: FORMAT,
            name: key.name.clone(),
            target: key.target.clone(),
            settings: settings.to_vec(),
            columns: columns.to_vec(),
            started: now,
            finished: None,
            sources: Vec::new(),
            splits: Vec::new(),
        }
    }

    /// Reads one, if there is one.
    pub(super) fn read(path: &Path) -> io::Result<Option<Manifest>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let manifest: Manifest = serde_json::from_str(&text)?;
        if manifest.format != FORMAT {
            let text = format!("format {}, this version of etl knows {FORMAT}", manifest.format);
            return Err(invalid(text));
        }
        if let Some(index) = manifest.splits.iter().position(|split| split.split().is_none()) {
            return Err(invalid(format!("`splits`: no position in number {}", index + 1)));
        }
        if let Some(wrong) = manifest.sources.iter().find(|source| source.source().is_none()) {
            return Err(invalid(format!("`sources`: no position in {}", wrong.source)));
        }
        Ok(Some(manifest))
    }

    /// Says that no split's files are there. Those of a source that was dropped stay done: nobody would load them.
    pub(super) fn undo(&mut self) {
        self.finished = None;
        for split in self.splits.iter_mut().filter(|split| !split.source.is_empty()) {
            split.finish(&Counts::default(), 0);
            split.done = false;
        }
    }

    /// Forgets a source; false where one of its splits is done. Its splits stay as done ones of nothing: a split's place
    /// in the list is its number, and names files.
    pub(super) fn drop_source(&mut self, source: &str) -> bool {
        if self.splits.iter().any(|split| split.source == source && split.done) {
            return false;
        }
        self.sources.retain(|entry| entry.source != source);
        for split in self.splits.iter_mut().filter(|split| split.source == source) {
            split.finish(&Counts::default(), 0);
            split.source.clear();
        }
        true
    }

    /// Replaces the file; afterwards the new one is on disk.
    pub(super) fn write(&self, folder: &Path, path: &Path) -> io::Result<()> {
        let beside = folder.join(".etl.json.part");
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    }
}

impl SourceEntry {
    pub(super) fn new(source: &Source) -> SourceEntry {
        SourceEntry {
            source: source.source.clone(),
            fingerprint: source.fingerprint.clone(),
            split_bytes: source.split_bytes,
            tiled_to: source.tiled_to.stored(),
            tiled: source.tiled,
        }
    }

    /// As the ledger's users want it; none if somebody wrote something else into it.
    pub(super) fn source(&self) -> Option<Source> {
        Some(Source {
            source: self.source.clone(),
            fingerprint: self.fingerprint.clone(),
            split_bytes: self.split_bytes,
            tiled_to: self.tiled_to.parse().ok()?,
            tiled: self.tiled,
        })
    }
}

impl SplitEntry {
    pub(super) fn new(source: &str, new: &NewSplit) -> SplitEntry {
        SplitEntry {
            source: source.into(),
            start: new.start.stored(),
            end: new.end.as_ref().map(Position::stored),
            done: false,
            chunks: 0,
            read: 0,
            loaded: 0,
            filtered: 0,
            rejected: 0,
            written: 0,
        }
    }

    pub(super) fn split(&self) -> Option<Split> {
        let start: Position = self.start.parse().ok()?;
        let end: Option<Position> = self.end.as_deref().map(str::parse).transpose().ok()?;
        Some(Split {
            key: SplitKey { source: self.source.clone(), start: start.clone() },
            // It is done whole, or not at all.
            position: end.clone().filter(|_| self.done).unwrap_or(start),
            end,
            epoch: 0,
            owner_address: None,
            counts: self.counts(),
            chunks: self.chunks,
            done: self.done,
        })
    }

    pub(super) fn counts(&self) -> Counts {
        let SplitEntry { read, loaded, filtered, rejected, written, .. } = *self;
        Counts { read, loaded, filtered, rejected, skipped: 0, written }
    }

    pub(super) fn finish(&mut self, counts: &Counts, chunks: u64) {
        self.done = true;
        self.chunks = chunks;
        self.read = counts.read;
        self.loaded = counts.loaded;
        self.filtered = counts.filtered;
        self.rejected = counts.rejected;
        self.written = counts.written;
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_folder_loads_again_what_was_done_and_nothing_of_a_source_that_was_dropped() {
        let key = RunKey { name: "n".into(), target: "t".into() };
        let mut manifest = Manifest::new(&key, &[], &[], "now".into());
        let whole = NewSplit { start: Position::FILE_START, end: None };
        manifest.splits = ["done", "dropped", "open"].map(|source| SplitEntry::new(source, &whole)).to_vec();
        manifest.splits[0].finish(&Counts { read: 1, loaded: 1, ..Counts::default() }, 1);
        assert!(manifest.drop_source("dropped"));
        manifest.undo();
        assert_eq!([0, 1, 2].map(|split| manifest.splits[split].done), [false, true, false]);
        assert_eq!(manifest.splits[0].counts(), Counts::default());
    }
}
