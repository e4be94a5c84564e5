//! The file that `--report` names: tried before a row moves, because hours later is late to hear that it cannot be
//! written.
//!
//! Must not know: what is in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::recipe_secret::is_misplaced;

/// The file as it was. However the process ends, only a report that is written changes it.
#[derive(Debug)]
pub(crate) struct ReportFile {
    path: PathBuf,
    /// Open, if it was there before.
    file: Option<File>,
}

impl ReportFile {
    /// Opens the file at `path`, which is none of the files in `used`.
    pub(crate) fn open<'a>(
        path: &Path,
        used: impl IntoIterator<Item = &'a Path>,
    ) -> Result<ReportFile, Failure> {
        if is_misplaced(&path.to_string_lossy()) {
            let text = "--report names a file, and this is an address";
            return Err(Failure::Usage(text.into()));
        }
        let shown = path.display();
        if path == Path::new("-") {
            let text = "--report names a file; on standard output --json prints the report";
            return Err(Failure::Usage(text.into()));
        }
        let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        let before = identity(path);
        if before.is_some() && used.into_iter().any(|used| identity(used) == before) {
            let text = format!("--report would write over {shown}, which this load reads: name another file");
            return Err(Failure::Usage(text));
        }
        let file = match before {
            Some(_) => opened(path).map(Some),
            None => try_to_make(path).map(|()| None),
        };
        let file =
            file.map_err(|error| Failure::Usage(format!("cannot write the report {shown}: {error}")))?;
        Ok(ReportFile { path: path.into(), file })
    }

    /// Writes `text` in place of what is in it.
    pub(crate) fn write(self, text: &str) -> Result<(), Failure> {
        let ReportFile { path, file } = self;
        let file = file.map_or_else(|| opened(&path), Ok);
        let written = file.and_then(|file| replace(file, text));
        written.map_err(|source| Failure::Output { what: path.display().to_string(), source })
    }
}

fn opened(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(path)
}

/// Makes the file and removes it, the one that a link names too: nobody misses an empty file.
fn try_to_make(path: &Path) -> io::Result<()> {
    opened(path)?;
    fs::remove_file(fs::canonicalize(path)?)
}

fn replace(mut file: File, text: &str) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_until_a_report_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.json"), folder.path().join("new.json"));
        fs::write(&old, "before, and longer than what comes").unwrap();
        let link = folder.path().join("link.json");
        std::os::unix::fs::symlink(folder.path().join("linked.json"), &link).unwrap();
        let paths = [&old, &new, &link];
        let files = paths.map(|path| ReportFile::open(path, []).unwrap());
        // While they are held: a process that is killed drops nothing.
        assert_eq!(fs::read_to_string(&old).unwrap(), "before, and longer than what comes");
        assert!(!new.exists() && !link.exists() && link.is_symlink());
        for (path, file) in paths.iter().zip(files) {
            file.write("{}\n").unwrap();
            assert_eq!(fs::read_to_string(path).unwrap(), "{}\n");
        }
        assert!(link.is_symlink());
    }

    #[test]
    fn a_file_that_is_read_is_not_written_over_by_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let (recipe, link) = (folder.path().join("recipe.toml"), folder.path().join("report.json"));
        fs::write(&recipe, "x").unwrap();
        std::os::unix::fs::symlink(&recipe, &link).unwrap();
        assert!(ReportFile::open(&link, [recipe.as_path()]).is_err());
        assert!(ReportFile::open(&folder.path().join("other.json"), [recipe.as_path()]).is_ok());
        assert!(ReportFile::open(Path::new("-"), []).is_err());
        assert!(ReportFile::open(folder.path(), []).is_err(), "a folder");
        assert_eq!(fs::read_to_string(&recipe).unwrap(), "x");
    }
}
