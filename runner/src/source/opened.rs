//! An open file, and whether it is still the one that this run found: what it is is compared with the handle that is
//! read, not with the name. Must not know what is in it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::{Error, Fingerprint, Input, SourceFile};

/// What a file was when this run found it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Known {
    stat: Stat,
    pub(super) fingerprint: Fingerprint,
}

/// What the file system says of a file: as long as it says the same, nobody wrote to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stat {
    device: u64,
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    /// Of its inode: who writes and then sets the time back changes it nevertheless.
    ctime: (i64, i64),
}

/// A file that is read.
#[derive(Debug)]
pub struct Opened {
    file: Arc<File>,
    key: String,
    known: Option<Arc<Known>>,
    /// What it was when it was last found unchanged.
    seen: Option<Stat>,
}

impl Known {
    /// Of a file that was just opened.
    pub(super) fn of(file: &File) -> io::Result<Known> {
        let metadata = file.metadata()?;
        Ok(Known { stat: Stat::of(&metadata), fingerprint: Fingerprint::of(file, &metadata)? })
    }
}

impl Stat {
    fn of(metadata: &Metadata) -> Stat {
        Stat {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Opened {
    /// Opens `file`, if it is still what it was when it was found.
    pub fn open(file: &SourceFile) -> Result<Opened, Error> {
        let Input::File(path) = &file.input else {
            return Err(Error::Internal("standard input has no name to open it by"));
        };
        let opened = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NoFile { path: path.clone() },
            _ => Error::Read { file: file.key.clone(), source },
        })?;
        let known = file.known.clone();
        let seen = known.as_ref().map(|known| known.stat);
        let mut opened = Opened { file: Arc::new(opened), key: file.key.clone(), known, seen };
        opened.check()?;
        Ok(opened)
    }

    /// The handle, to be read from.
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Whether what was read of it so far is of the file that was found: an error names what is different now. One that
    /// was only touched, or replaced by its copy, is the same.
    pub fn check(&mut self) -> Result<(), Error> {
        let Some(known) = &self.known else { return Ok(()) };
        let failed = |source| Error::Read { file: self.key.clone(), source };
        let metadata = self.file.metadata().map_err(failed)?;
        let now = Some(Stat::of(&metadata));
        if now == self.seen {
            return Ok(());
        }
        let what = match Fingerprint::of(&self.file, &metadata) {
            Ok(fingerprint) => known.fingerprint.difference(&fingerprint),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Some("it is being written".into()),
            Err(error) => return Err(failed(error)),
        };
        if let Some(what) = what {
            return Err(Error::Changed { file: self.key.clone(), what });
        }
        self.seen = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Seek, SeekFrom, Write};
    use std::path::PathBuf;
    use std::time::SystemTime;

    use super::*;
    use crate::source::inputs;

    /// A file of 200,000 bytes that was found, and its path.
    fn found() -> (tempfile::TempDir, SourceFile, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, vec![b'x'; 200_000]).unwrap();
        let file = inputs("a.csv", folder.path()).unwrap().remove(0);
        (folder, file, path)
    }

    fn what(result: Result<(), Error>) -> String {
        match result {
            Err(Error::Changed { file, what }) if file == "a.csv" => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_that_was_touched_or_replaced_by_its_copy_is_the_same() {
        let (folder, file, path) = found();
        let mut opened = Opened::open(&file).unwrap();
        let write = File::options().write(true).open(&path).unwrap();
        write.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        opened.check().unwrap();
        fs::copy(&path, folder.path().join("copy")).unwrap();
        fs::rename(folder.path().join("copy"), &path).unwrap();
        opened.check().unwrap();
        Opened::open(&file).unwrap().check().unwrap();
    }

    #[test]
    fn a_file_that_grew_or_was_cut_off_is_another_one() {
        let (_folder, file, path) = found();
        let mut opened = Opened::open(&file).unwrap();
        File::options().append(true).open(&path).unwrap().write_all(b"y").unwrap();
        let grew = "it had 200000 bytes and has 200001 now";
        assert_eq!(what(opened.check()), grew);
        assert_eq!(what(opened.check()), grew);
        assert_eq!(what(Opened::open(&file).map(|_| ())), grew);
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert_eq!(what(opened.check()), "it had 200000 bytes and has 0 now");
    }

    #[test]
    fn a_file_that_was_replaced_is_read_to_its_end_and_not_opened_again() {
        let (folder, file, path) = found();
        let mut opened = Opened::open(&file).unwrap();
        let new = folder.path().join("new");
        fs::write(&new, vec![b'y'; 200_000]).unwrap();
        fs::rename(new, &path).unwrap();
        opened.check().unwrap();
        assert_eq!(what(Opened::open(&file).map(|_| ())), "it has another content now");
        fs::remove_file(&path).unwrap();
        opened.check().unwrap();
        assert!(matches!(Opened::open(&file), Err(Error::NoFile { .. })));
    }

    #[test]
    fn who_writes_in_place_and_sets_the_time_back_is_noticed_at_either_end() {
        let (_folder, file, path) = found();
        for place in [0, 199_999] {
            let before = fs::metadata(&path).unwrap().modified().unwrap();
            let mut opened = Opened::open(&file).unwrap();
            let mut write = File::options().write(true).open(&path).unwrap();
            let mut set = |byte: &[u8]| {
                write.seek(SeekFrom::Start(place)).unwrap();
                write.write_all(byte).unwrap();
                write.set_modified(before).unwrap();
            };
            set(b"y");
            assert_eq!(what(opened.check()), "it has another content now");
            set(b"x");
            opened.check().unwrap();
        }
    }
}
