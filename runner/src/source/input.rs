//! Which files a table is read from: a path, a pattern or standard input. Must not know what is in them, except
//! for the first bytes that tell a compressed file.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Error, Known, stdin};

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A regular file, by its canonical path.
    File(PathBuf),
    /// Standard input, which can be read once.
    Stdin,
}

/// How the bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, also of several members.
    Gzip,
    /// Zstandard, also of several frames.
    Zstd,
}

/// One file of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceFile {
    /// What is read.
    pub input: Input,
    /// Its name in ledger and messages: relative to the recipe when it lies below it, else canonical.
    pub key: String,
    /// Compressed files are one split each, and their positions are offsets in the decompressed bytes.
    pub compression: Compression,
    /// What it was when it was found. `None` for standard input, and where nobody looks whether it changes.
    pub known: Option<Arc<Known>>,
}

impl SourceFile {
    /// Whether it can be read from any position on without reading what is before it.
    pub fn seekable(&self) -> bool {
        matches!(self.input, Input::File(_)) && self.compression == Compression::None
    }
}

/// The files that `from` names, sorted by key, each once by identity. `from` is `-`, a path, or a pattern; relative
/// ones start at `base`, the recipe's folder.
pub fn inputs(from: &str, base: &Path) -> Result<Vec<SourceFile>, Error> {
    if from == "-" {
        let compression = compression(&stdin::first_bytes()?);
        return Ok(vec![SourceFile { input: Input::Stdin, key: "-".into(), compression, known: None }]);
    }
    let canonical_base = base.canonicalize().map_err(|source| read_error(base, source))?;
    let mut files = Vec::new();
    for path in paths(from, base)? {
        files.push(open(&path, &canonical_base)?);
    }
    files.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
    let mut seen = HashSet::new();
    files.retain(|(identity, _)| seen.insert(*identity));
    Ok(files.into_iter().map(|(_, file)| file).collect())
}

/// A path that exists is meant literally, even when it looks like a pattern.
fn paths(from: &str, base: &Path) -> Result<Vec<PathBuf>, Error> {
    let path = base.join(from);
    if path.symlink_metadata().is_ok() {
        return Ok(vec![path]);
    }
    if !from.contains(['*', '?', '[']) {
        return Err(Error::NoFile { path });
    }
    let base = glob::Pattern::escape(&base.to_string_lossy());
    let pattern = Path::new(&base).join(from).to_string_lossy().into_owned();
    let matches = glob::glob(&pattern).map_err(|source| Error::Pattern { pattern: from.into(), source })?;
    let mut paths = Vec::new();
    for path in matches {
        paths.push(path.map_err(|error| {
            let file = error.path().display().to_string();
            Error::Read { file, source: error.into() }
        })?);
    }
    if paths.is_empty() { Err(Error::NoMatch { pattern: from.into() }) } else { Ok(paths) }
}

/// The file with its device and inode, which are its identity: links do not make it another one.
fn open(path: &Path, base: &Path) -> Result<((u64, u64), SourceFile), Error> {
    let canonical = path.canonicalize().map_err(|source| read_error(path, source))?;
    let metadata = fs::metadata(&canonical).map_err(|source| read_error(path, source))?;
    if metadata.is_dir() {
        return Err(Error::Directory { path: path.into() });
    }
    if !metadata.is_file() {
        return Err(Error::NotRegular { path: path.into() });
    }
    let key = canonical.strip_prefix(base).unwrap_or(&canonical);
    let key = key.to_str().ok_or_else(|| Error::NameNotUtf8 { path: path.into() })?.to_owned();

    let mut head = Vec::new();
    let mut file = File::open(&canonical).map_err(|source| read_error(path, source))?;
    // Before anything else is read of it: whatever changes from now on is noticed.
    let known = Known::of(&file).map_err(|source| read_error(path, source))?;
    let head_bytes = (&mut file).take(MAGIC_BYTES).read_to_end(&mut head);
    head_bytes.map_err(|source| read_error(path, source))?;
    let (compression, known) = (compression(&head), Some(Arc::new(known)));
    let file = SourceFile { input: Input::File(canonical), key, compression, known };
    Ok(((metadata.dev(), metadata.ino()), file))
}

fn read_error(path: &Path, source: std::io::Error) -> Error {
    match source.kind() {
        ErrorKind::NotFound => Error::NoFile { path: path.into() },
        _ => Error::Read { file: path.display().to_string(), source },
    }
}

/// Bytes that [`compression`] needs to see.
pub(super) const MAGIC_BYTES: u64 = 4;

/// No CSV file in UTF-8 starts with these bytes.
fn compression(head: &[u8]) -> Compression {
    match head {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        // A frame, or one that is skipped over.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "a\n1\n").unwrap();
        }
        folder
    }

    fn keys(from: &str, base: &Path) -> Vec<String> {
        inputs(from, base).unwrap().into_iter().map(|file| file.key).collect()
    }

    #[test]
    fn a_file_below_the_recipe_is_named_relative_to_it_and_another_by_its_whole_path() {
        let folder = folder(&["here/data/a.csv", "there/b.csv"]);
        let base = folder.path().join("here");
        assert_eq!(keys("data/a.csv", &base), ["data/a.csv"]);
        assert_eq!(keys("./data/../data/a.csv", &base), ["data/a.csv"]);
        let other = folder.path().join("there/b.csv").canonicalize().unwrap();
        assert_eq!(keys("../there/b.csv", &base), [other.to_str().unwrap()]);
        assert_eq!(keys(other.to_str().unwrap(), &base), [other.to_str().unwrap()]);
    }

    #[test]
    fn a_pattern_names_its_files_in_order_and_each_file_once() {
        let folder = folder(&["b.csv", "a.csv", "deep/c.csv", "notes.txt"]);
        symlink(folder.path().join("b.csv"), folder.path().join("z.csv")).unwrap();
        fs::hard_link(folder.path().join("a.csv"), folder.path().join("linked.csv")).unwrap();
        assert_eq!(keys("*.csv", folder.path()), ["a.csv", "b.csv"]);
        assert_eq!(keys("**/*.csv", folder.path()), ["a.csv", "b.csv", "deep/c.csv"]);
    }

    #[test]
    fn brackets_in_the_recipes_folder_or_in_a_files_name_are_no_pattern() {
        let folder = folder(&["x[1]/a[2].csv"]);
        let base = folder.path().join("x[1]");
        assert_eq!(keys("a[2].csv", &base), ["a[2].csv"]);
        assert_eq!(keys("*.csv", &base), ["a[2].csv"]);
    }

    #[test]
    fn what_names_no_file_is_refused_by_name() {
        let folder = folder(&["sub/a.csv"]);
        let error = |from| inputs(from, folder.path()).unwrap_err();
        assert!(matches!(error("missing.csv"), Error::NoFile { path } if path.ends_with("missing.csv")));
        assert!(matches!(error("*.tsv"), Error::NoMatch { pattern } if pattern == "*.tsv"));
        assert!(matches!(error("a***"), Error::Pattern { .. }));
        assert!(matches!(error("sub"), Error::Directory { path } if path.ends_with("sub")));
        assert!(matches!(error("*"), Error::Directory { .. }));
        assert!(matches!(error("/dev/null"), Error::NotRegular { .. }));
    }

    #[test]
    fn a_compressed_file_is_known_by_its_first_bytes_and_not_by_its_name() {
        let folder = folder(&["plain.gz"]);
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write("g.csv", &[0x1f, 0x8b, 8, 0]);
        write("z.csv", &[0x28, 0xb5, 0x2f, 0xfd, 0]);
        write("short.csv", &[0x28]);
        let found = |name| inputs(name, folder.path()).unwrap()[0].compression;
        assert_eq!(found("plain.gz"), Compression::None);
        assert_eq!(found("short.csv"), Compression::None);
        assert_eq!(found("g.csv"), Compression::Gzip);
        assert_eq!(found("z.csv"), Compression::Zstd);
    }
}
