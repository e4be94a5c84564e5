//! A folder that one table is written into: locked while a run writes, with its ledger in `etl.json`.
//!
//! Must not know: what is in the files.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::manifest::{Manifest, SourceEntry, SplitEntry};
use crate::copy::drift::refuse_drift;
use crate::copy::error::Error;
use crate::copy::ledger::{NewSplit, Part, RunKey, Source, Split, SplitKey, Standing, Started};
use crate::counters::Counts;
use crate::failpoint::{self, Point};
use crate::position::Position;

/// `etl.json` is not written more often than this: what it does not say yet is only done again. But a split's files get
/// their names, which are its number, only when it says whose number that is ([`Folder::keep_number`]).
const WRITE_EVERY: Duration = Duration::from_millis(500);

/// A table's folder, or standard output, which has no ledger on disk.
#[derive(Debug)]
pub struct Folder {
    dir: Option<PathBuf>,
    /// Held while this lives.
    _lock: Option<File>,
    key: RunKey,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    manifest: Manifest,
    written: Instant,
    /// How many of the splits were there when it was written.
    splits_written: usize,
}

/// What a folder holds of a load before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// How it stands.
    pub standing: Standing,
    /// Its sources.
    pub sources: Vec<String>,
}

/// What the folder `dir` holds of the load `key`, without making anything; one of another load is refused.
pub fn held(dir: &Path, key: &RunKey) -> Result<Option<Held>, Error> {
    let stored = stored(dir, &dir.join("etl.json"), key)?;
    Ok(stored.map(|stored| Held {
        standing: standing(&stored),
        sources: stored.sources.into_iter().map(|source| source.source).collect(),
    }))
}

impl Folder {
    /// Opens the folder for a run, or says what differs from what it was begun with. `fresh` forgets what is in it, if
    /// that is of the same load.
    pub fn open(
        dir: &Path,
        key: RunKey,
        settings: &[Part],
        columns: &[String],
        fresh: bool,
    ) -> Result<(Folder, Started), Error> {
        let on_dir = |action| move |error| Error::io(action, dir, error);
        fs::create_dir_all(dir).map_err(on_dir("making the folder"))?;
        let lock = lock(dir)?;
        let path = dir.join("etl.json");
        let stored = stored(dir, &path, &key)?;
        let mut settings = settings.to_vec();
        settings.push(Part { name: "columns".into(), value: columns.join(", ") });
        let (manifest, started) = match stored {
            Some(stored) if !fresh => {
                refuse_drift(&key, &stored.settings, &settings)?;
                let standing = standing(&stored);
                let started = match stored.finished {
                    Some(_) => Started::Finished(standing),
                    None => Started::Continued(standing),
                };
                (stored, started)
            }
            stored => {
                make_room(dir, &path, stored)?;
                let manifest = Manifest::new(&key, &settings, columns, now());
                let started = Started::New(manifest.started.clone());
                (manifest, started)
            }
        };
        let state = State::new(manifest);
        let folder = Folder { dir: Some(dir.into()), _lock: Some(lock), key, state };
        folder.write(&mut folder.state())?;
        Ok((folder, started))
    }

    /// Standard output: nothing is remembered.
    pub fn stdout(key: RunKey, columns: &[String]) -> (Folder, Started) {
        let manifest = Manifest::new(&key, &[], columns, now());
        let started = Started::New(manifest.started.clone());
        let state = State::new(manifest);
        (Folder { dir: None, _lock: None, key, state }, started)
    }

    /// Where the files are; `None` for standard output.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// The run and table.
    pub fn key(&self) -> &RunKey {
        &self.key
    }

    /// The CSV's header.
    pub fn columns(&self) -> Vec<String> {
        self.state().manifest.columns.clone()
    }

    /// The sources that it knows.
    pub fn sources(&self) -> Vec<Source> {
        self.state().manifest.sources.iter().filter_map(SourceEntry::source).collect()
    }

    /// Adds a source, or answers what it already holds of it (false).
    pub fn add_source(&self, new: &Source) -> Result<(Source, bool), Error> {
        let mut state = self.state();
        let known = state.manifest.sources.iter().find(|entry| entry.source == new.source);
        if let Some(known) = known.and_then(SourceEntry::source) {
            return Ok((known, false));
        }
        state.manifest.sources.push(SourceEntry::new(new));
        state.manifest.finished = None;
        self.write_now_and_then(&mut state)?;
        Ok((new.clone(), true))
    }

    /// Forgets a source of which nothing is done; false where something is.
    pub fn drop_source(&self, source: &str) -> Result<bool, Error> {
        let mut state = self.state();
        let dropped = state.manifest.drop_source(source);
        if dropped {
            self.write(&mut state)?;
        }
        Ok(dropped)
    }

    /// Takes note of another fingerprint of the same content.
    pub fn renew_fingerprint(&self, source: &str, fingerprint: &str) -> Result<(), Error> {
        let mut state = self.state();
        let known = state.manifest.sources.iter_mut().find(|entry| entry.source == source);
        if let Some(entry) = known {
            entry.fingerprint = fingerprint.into();
        }
        self.write_now_and_then(&mut state)
    }

    /// Adds splits behind those that it holds.
    pub fn append_splits(
        &self,
        source: &str,
        from: &Position,
        new: &[NewSplit],
        to: &Position,
        tiled: bool,
    ) -> Result<bool, Error> {
        let mut state = self.state();
        let known = state.manifest.sources.iter_mut().find(|entry| entry.source == source);
        let Some(entry) = known.filter(|entry| entry.tiled_to == from.stored() && !entry.tiled) else {
            return Ok(false);
        };
        entry.tiled_to = to.stored();
        entry.tiled = tiled;
        state.manifest.splits.extend(new.iter().map(|split| SplitEntry::new(source, split)));
        self.write_now_and_then(&mut state)?;
        Ok(true)
    }

    /// All splits, in the order of their numbers.
    pub fn splits(&self) -> Vec<Split> {
        self.state().manifest.splits.iter().filter_map(SplitEntry::split).collect()
    }

    /// The number of a split, from 1, which names its files, and the split.
    pub fn numbered(&self, key: &SplitKey) -> Option<(usize, Split)> {
        let (state, start) = (self.state(), key.start.stored());
        let splits = &state.manifest.splits;
        let index = splits.iter().position(|split| split.source == key.source && split.start == start)?;
        Some((index + 1, splits[index].split()?))
    }

    /// Before a split's files get their names: they are nobody else's from now on, whenever the process dies.
    pub(super) fn keep_number(&self, number: usize) -> Result<(), Error> {
        let mut state = self.state();
        if number <= state.splits_written { Ok(()) } else { self.write(&mut state) }
    }

    /// Writes down that a split's files are there. Soon, not at once: until then they would be written again.
    pub(crate) fn done(&self, number: usize, counts: &Counts, chunks: u64) -> Result<(), Error> {
        let mut state = self.state();
        if let Some(entry) = state.manifest.splits.get_mut(number - 1) {
            entry.finish(counts, chunks);
        }
        self.write_now_and_then(&mut state)
    }

    /// Marks it as finished if nothing is left, and answers how it stands.
    pub fn finish(&self) -> Result<Standing, Error> {
        let mut state = self.state();
        let Manifest { sources, splits, finished, .. } = &mut state.manifest;
        if finished.is_none() && sources.iter().all(|s| s.tiled) && splits.iter().all(|s| s.done) {
            *finished = Some(now());
        }
        self.write(&mut state)?;
        Ok(standing(&state.manifest))
    }

    fn write(&self, state: &mut State) -> Result<(), Error> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let path = dir.join("etl.json");
        state.manifest.write(dir, &path).map_err(|error| Error::io("writing", &path, error))?;
        state.written = Instant::now();
        state.splits_written = state.manifest.splits.len();
        Ok(())
    }

    /// Soon, not at once: writing all of it for each of many thousand files would take longer than loading them.
    fn write_now_and_then(&self, state: &mut State) -> Result<(), Error> {
        if state.written.elapsed() >= WRITE_EVERY { self.write(state) } else { Ok(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(manifest: Manifest) -> Mutex<State> {
        let splits_written = manifest.splits.len();
        Mutex::new(State { manifest, written: Instant::now(), splits_written })
    }
}

/// The ledger at `path`, if there is one. A load is known by its name and its target: the files of another one are not
/// this one's to continue, nor to remove.
fn stored(dir: &Path, path: &Path, key: &RunKey) -> Result<Option<Manifest>, Error> {
    let stored = Manifest::read(path).map_err(|error| Error::io("reading", path, error))?;
    match stored {
        Some(other) if other.name != key.name || other.target != key.target => Err(Error::Refused(format!(
            "folder {} holds the load `{}` into {}, and this one is `{}` into {}: name another folder, or remove that one",
            dir.display(),
            other.name,
            other.target,
            key.name,
            key.target
        ))),
        stored => Ok(stored),
    }
}

/// One run at a time writes into a folder; the lock ends with the process, however it ends.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| Error::io("opening", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::Busy(format!("another run writes into {}", dir.display())))
        }
        Err(TryLockError::Error(error)) => Err(Error::io("locking", &path, error)),
    }
}

/// A folder that holds something else is not ours to fill.
fn refuse_strangers(dir: &Path) -> Result<(), Error> {
    let entries = fs::read_dir(dir).map_err(|error| Error::io("reading the folder", dir, error))?;
    let ours: HashSet<&str> = [".lock", ".etl.json.part"].into();
    let strangers =
        entries.flatten().any(|entry| !entry.file_name().to_str().is_some_and(|name| ours.contains(name)));
    if strangers {
        let text = format!("folder {} is not empty and holds no etl.json: name an empty one", dir.display());
        return Err(Error::Refused(text));
    }
    Ok(())
}

/// Forgets a load. Who dies half way leaves a ledger that speaks of no file, so that none is missed.
fn make_room(dir: &Path, path: &Path, stored: Option<Manifest>) -> Result<(), Error> {
    let Some(mut stored) = stored else { return refuse_strangers(dir) };
    stored.undo();
    stored.write(dir, path).map_err(|error| Error::io("writing", path, error))?;
    remove_files(dir, stored.splits.len()).map_err(|error| Error::io("removing old files", dir, error))
}

/// The files that earlier runs made, and nothing else.
fn remove_files(dir: &Path, splits: usize) -> io::Result<()> {
    for number in 1..=splits {
        let [rows, rejects] = [format!("{number:06}.csv"), format!("{number:06}.rejects.jsonl")];
        for name in [format!(".{rows}.part"), format!(".{rejects}.part"), rows, rejects] {
            match fs::remove_file(dir.join(name)) {
                Ok(()) => failpoint::hit(Point::FileRemoved),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn standing(manifest: &Manifest) -> Standing {
    let mut counts = Counts::default();
    manifest.splits.iter().for_each(|split| counts += split.counts());
    let part = |done: usize, all: usize| (all as u64, done as u64);
    Standing {
        started: manifest.started.clone(),
        finished: manifest.finished.clone(),
        counts,
        sources: part(manifest.sources.iter().filter(|s| s.tiled).count(), manifest.sources.len()),
        splits: part(manifest.splits.iter().filter(|s| s.done).count(), manifest.splits.len()),
        chunks: manifest.splits.iter().map(|split| split.chunks).sum(),
    }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> Folder {
        let key = RunKey { name: "n".into(), target: "t".into() };
        Folder::open(dir, key, &[], &["id".into()], false).unwrap().0
    }

    fn add(folder: &Folder, source: &str) {
        let start = Position::FILE_START;
        let new = Source {
            source: source.into(),
            fingerprint: "{}".into(),
            split_bytes: 1,
            tiled_to: start.clone(),
            tiled: false,
        };
        assert!(folder.add_source(&new).unwrap().1);
        let whole = [NewSplit { start: start.clone(), end: None }];
        assert!(folder.append_splits(source, &start, &whole, &start, true).unwrap());
    }

    /// Sources and splits in `etl.json`.
    fn on_disk(dir: &Path) -> (usize, usize) {
        let manifest = Manifest::read(&dir.join("etl.json")).unwrap().unwrap();
        (manifest.sources.len(), manifest.splits.len())
    }

    #[test]
    fn a_number_is_on_disk_before_it_names_files_and_not_with_each_source() {
        let dir = tempfile::tempdir().unwrap();
        let folder = open(dir.path());
        // However slow the machine is: less than this has passed since the ledger was written.
        folder.state().written = Instant::now() + Duration::from_secs(3600);
        (0..100).for_each(|number| add(&folder, &format!("{number}.csv")));
        assert_eq!(on_disk(dir.path()), (0, 0));
        folder.keep_number(7).unwrap();
        assert_eq!(on_disk(dir.path()), (100, 100));
        add(&folder, "more.csv");
        folder.state().written = Instant::now() + Duration::from_secs(3600);
        folder.keep_number(100).unwrap();
        assert_eq!(on_disk(dir.path()), (100, 100), "it is known");
        folder.keep_number(101).unwrap();
        assert_eq!(on_disk(dir.path()), (101, 101));
    }

    #[test]
    fn a_source_is_forgotten_as_long_as_nothing_of_it_is_done_and_numbers_stay() {
        let dir = tempfile::tempdir().unwrap();
        let folder = open(dir.path());
        ["a", "b", "c"].iter().for_each(|source| add(&folder, source));
        let key = |source: &str| SplitKey { source: source.into(), start: Position::FILE_START };
        folder.done(1, &Counts::default(), 1).unwrap();
        assert!(!folder.drop_source("a").unwrap());
        assert!(folder.drop_source("b").unwrap());
        drop(folder);
        let folder = open(dir.path());
        assert_eq!(folder.numbered(&key("c")).unwrap().0, 3);
        assert!(folder.numbered(&key("b")).is_none());
        add(&folder, "b");
        assert_eq!(folder.numbered(&key("b")).unwrap().0, 4);
    }
}
