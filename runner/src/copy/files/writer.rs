//! Writes one split: the counterpart of a database's COPY, with the same messages and the same gate.
//!
//! Must not know: what the rows are.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use tokio::sync::mpsc::Receiver;
use tokio::task::block_in_place;

use super::folder::Folder;
use crate::copy::error::Error;
use crate::copy::ledger::{Committed, Gate, Loaded, OnCommit, SplitKey, Waited};
use crate::copy::message::{ChunkEnd, Message};
use crate::copy::rejected::{cell, hex, json_line};
use crate::counters::{Asides, Counts, Live};
use crate::failpoint::{self, Point};
use crate::position::Position;
use crate::reject::{Original, Reject, Tally};

/// Files of rejects beside standard output: more of them nobody wants to look through.
const MOST_BESIDE_STDOUT: u32 = 99_999;

/// Where a stream's rows go.
#[derive(Debug)]
pub struct Destination<'a> {
    /// The table's folder.
    pub folder: &'a Folder,
    /// The run's limit of rejects.
    pub gate: &'a Gate,
    /// Told of the first byte.
    pub live: &'a Live,
}

impl Destination<'_> {
    /// Writes a split until its worker says that it is done, or stops: then nothing of it stays.
    pub async fn load(
        &self,
        key: &SplitKey,
        receiver: &mut Receiver<Message>,
        on_commit: OnCommit<'_>,
    ) -> Result<Loaded, Error> {
        let (number, _) = self
            .folder
            .numbered(key)
            .ok_or_else(|| Error::Bug(format!("split {key} is not in the folder's ledger")))?;
        let mut split = SplitWriter::create(self, number)?;
        let mut totals = Totals { position: key.start.clone(), ..Totals::default() };
        let mut admitted = Vec::new();
        while let Some(message) = receiver.recv().await {
            match message {
                Message::Rows(rows) => {
                    self.live.first_copy();
                    totals.bytes += rows.len() as u64;
                    let sending = Instant::now();
                    block_in_place(|| split.rows(&rows))?;
                    totals.waited.send += sending.elapsed();
                }
                Message::End(end) => {
                    admitted.push(self.gate.admit(&key.source, &end.counts, &end.rejects)?);
                    block_in_place(|| split.rejects(&end.rejects))?;
                    totals.add(&end);
                    if end.done {
                        block_in_place(|| {
                            self.folder.keep_number(number)?;
                            split.finish()
                        })?;
                        failpoint::hit(Point::FilesNamed);
                        self.folder.done(number, &totals.counts, totals.chunks)?;
                        let target = &self.folder.key().target;
                        admitted.into_iter().for_each(|chunk| chunk.committed(target, key));
                        on_commit(&totals.committed());
                        return Ok(totals.loaded(true));
                    }
                }
            }
        }
        Ok(totals.loaded(false))
    }
}

/// What was written of a split.
struct Totals {
    position: Position,
    counts: Counts,
    rows: u64,
    chunks: u64,
    bytes: u64,
    source_bytes: u64,
    asides: Asides,
    rejects: Tally,
    waited: Waited,
}

impl Default for Totals {
    fn default() -> Self {
        Totals {
            position: Position::FILE_START,
            counts: Counts::default(),
            rows: 0,
            chunks: 0,
            bytes: 0,
            source_bytes: 0,
            asides: Asides::default(),
            rejects: Tally::default(),
            waited: Waited::default(),
        }
    }
}

impl Totals {
    fn add(&mut self, end: &ChunkEnd) {
        self.position = end.end.clone();
        self.counts += end.counts;
        self.rows += end.rows;
        self.chunks += 1;
        self.source_bytes += end.source_bytes;
        self.asides += end.asides;
        end.rejects.iter().for_each(|reject| self.rejects.add(reject));
    }

    fn committed(&self) -> Committed {
        Committed {
            position: self.position.clone(),
            counts: self.counts,
            rows: self.rows,
            bytes: self.bytes,
            source_bytes: self.source_bytes,
            asides: self.asides,
            rejects: self.rejects.clone(),
            waited: self.waited,
        }
    }

    fn loaded(&self, done: bool) -> Loaded {
        Loaded {
            position: self.position.clone(),
            done,
            chunks: self.chunks,
            counts: self.counts,
            bytes: self.bytes,
            waited: self.waited,
        }
    }
}

/// The files of one split while they are written.
struct SplitWriter {
    /// `None`: standard output.
    dir: Option<PathBuf>,
    number: usize,
    rows: Out,
    rejects: Option<Part>,
}

enum Out {
    File(Part),
    Stdout(io::Stdout),
}

/// A file under the name that it has until it is complete. Removed when it is dropped before.
struct Part {
    path: PathBuf,
    file: BufWriter<File>,
}

impl SplitWriter {
    fn create(destination: &Destination<'_>, number: usize) -> Result<SplitWriter, Error> {
        let folder = destination.folder;
        let mut header = Vec::new();
        for (index, column) in folder.columns().iter().enumerate() {
            header.extend_from_slice(if index == 0 { b"" } else { b"," });
            header.extend_from_slice(cell(column).as_bytes());
        }
        header.push(b'\n');
        let rows = match folder.dir() {
            Some(dir) => Out::File(Part::create(dir.join(format!(".{number:06}.csv.part")))?),
            None => Out::Stdout(io::stdout()),
        };
        let mut writer =
            SplitWriter { dir: folder.dir().map(Path::to_path_buf), number, rows, rejects: None };
        if writer.dir.is_some() || number == 1 {
            writer.rows(&header)?;
        }
        Ok(writer)
    }

    fn rows(&mut self, rows: &[u8]) -> Result<(), Error> {
        match &mut self.rows {
            Out::File(part) => part.write(rows),
            Out::Stdout(out) => out.write_all(rows).map_err(on_stdout),
        }
    }

    fn rejects(&mut self, rejects: &[Reject]) -> Result<(), Error> {
        if rejects.is_empty() {
            return Ok(());
        }
        let path = match &self.dir {
            Some(dir) => dir.join(format!(".{:06}.rejects.jsonl.part", self.number)),
            None => {
                PathBuf::from(format!(".etl-rejects-{}-{:06}.jsonl.part", std::process::id(), self.number))
            }
        };
        let part = match &mut self.rejects {
            Some(part) => part,
            none => none.insert(Part::create(path)?),
        };
        for reject in rejects {
            part.write(line(reject).as_bytes())?;
        }
        Ok(())
    }

    /// Syncs both, so that a full disk leaves neither, and renames: rejects first, the CSV last.
    fn finish(mut self) -> Result<(), Error> {
        if let Out::File(rows) = &mut self.rows {
            rows.sync()?;
        }
        let name =
            |ending: &str| self.dir.as_ref().map(|dir| dir.join(format!("{:06}.{ending}", self.number)));
        failpoint::hit(Point::FilesNaming);
        match (self.rejects, name("rejects.jsonl")) {
            (Some(rejects), Some(path)) => rejects.finish(&path)?,
            (Some(rejects), None) => rejects.finish(&beside_stdout()?)?,
            (None, Some(path)) => remove_old(&path)?,
            (None, None) => {}
        }
        failpoint::hit(Point::RejectsNamed);
        match (self.rows, name("csv")) {
            (Out::File(rows), Some(path)) => rows.finish(&path),
            (Out::File(_), None) => Err(Error::Bug("a file without a folder".into())),
            (Out::Stdout(mut out), _) => out.flush().map_err(on_stdout),
        }
    }
}

fn on_stdout(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::ReaderGone,
        _ => Error::io("writing", Path::new("standard output"), error),
    }
}

/// A name for rejects of rows on standard output that nobody has in the working directory: taken by an empty file.
fn beside_stdout() -> Result<PathBuf, Error> {
    for number in 1..=MOST_BESIDE_STDOUT {
        let path = PathBuf::from(format!("etl-rejects-{number:06}.jsonl"));
        match File::create_new(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("creating", &path, error)),
        }
    }
    Err(Error::Refused("the working directory is full of etl-rejects-….jsonl: remove some".into()))
}

/// Rejects of an attempt that was not finished.
fn remove_old(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("removing", path, error)),
        _ => Ok(()),
    }
}

impl Part {
    fn create(path: PathBuf) -> Result<Part, Error> {
        let file = File::create(&path).map_err(|error| Error::io("creating", &path, error))?;
        Ok(Part { file: BufWriter::with_capacity(64 * 1024, file), path })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|error| Error::io("writing", &self.path, error))
    }

    fn sync(&mut self) -> Result<(), Error> {
        let sync = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        sync.map_err(|error| Error::io("writing", &self.path, error))
    }

    fn finish(mut self, to: &Path) -> Result<(), Error> {
        self.sync()?;
        fs::rename(&self.path, to).map_err(|error| Error::io("renaming to", to, error))?;
        let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| Error::io("syncing", dir, error))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After a rename there is nothing under this name.
        let _ = fs::remove_file(&self.path);
    }
}

/// One reject as a line of JSON.
fn line(reject: &Reject) -> String {
    let Reject { position, stage, code, reason, original, cut } = reject;
    let start = json!({
        "position": position.stored(), "line": position.line(), "stage": stage.name(), "code": code,
        "reason": reason, "cut": cut,
    });
    let (key, value) = match original {
        // Already JSON, with numbers that a parser would round.
        Original::Columns(json) => ("original", json.clone()),
        Original::Bytes(bytes) => ("original_bytes", json!(hex(bytes)).to_string()),
        Original::Nothing => ("original", "null".into()),
    };
    json_line(&start, key, &value)
}
