//! Whether a file is still the one that was planned. Must not know what is in it.

use std::fmt::Write;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Error, Input, SourceFile};

/// Bytes at each end of a file that are hashed.
const END_BYTES: u64 = 64 * 1024;

/// What tells one content of a file from another without reading all of it. Of the file as it is stored, compressed
/// or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Its length.
    pub size: u64,
    /// When it was last written, in nanoseconds since 1970. Alone it says nothing: a copy has another.
    pub mtime_ns: i64,
    /// SHA-256 of its first and its last 64 KiB, in hexadecimal. Empty for standard input, which has none.
    pub hash: String,
}

impl Fingerprint {
    /// Whether both are of the same content, whenever it was written. Standard input never is.
    pub fn same_content(&self, other: &Fingerprint) -> bool {
        !self.hash.is_empty() && self.size == other.size && self.hash == other.hash
    }
}

/// The fingerprint of `file` now.
pub fn fingerprint(file: &SourceFile) -> Result<Fingerprint, Error> {
    let Input::File(path) = &file.input else {
        return Ok(Fingerprint { size: 0, mtime_ns: 0, hash: String::new() });
    };
    let read = || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let size = metadata.len();
        let mtime_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        let mut hash = Sha256::new();
        add(&mut hash, &file, 0, size.min(END_BYTES))?;
        add(&mut hash, &file, size.saturating_sub(END_BYTES), size.min(END_BYTES))?;
        Ok(Fingerprint { size, mtime_ns, hash: hexadecimal(&hash.finalize()) })
    };
    read().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::NoFile { path: path.clone() },
        _ => Error::Read { file: file.key.clone(), source },
    })
}

fn add(hash: &mut Sha256, file: &File, from: u64, length: u64) -> io::Result<()> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, from)?;
    hash.update(&bytes);
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::inputs;
    use std::fs;

    fn of(bytes: &[u8]) -> Fingerprint {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.csv"), bytes).unwrap();
        fingerprint(&inputs("a.csv", folder.path()).unwrap()[0]).unwrap()
    }

    #[test]
    fn a_copy_has_the_same_content() {
        let file = vec![b'x'; 200_000];
        let (one, mut two) = (of(&file), of(&file));
        two.mtime_ns = one.mtime_ns + 1;
        assert!(one.same_content(&two));
        assert_eq!(one.size, 200_000);
    }

    #[test]
    fn another_length_head_or_tail_is_another_content() {
        let file = vec![b'x'; 200_000];
        let changed = |at: usize| {
            let mut file = file.clone();
            file[at] = b'y';
            of(&file)
        };
        assert!(!of(&file).same_content(&changed(0)));
        assert!(!of(&file).same_content(&changed(65_535)));
        assert!(!of(&file).same_content(&changed(199_999)));
        assert!(!of(&file).same_content(&of(&file[1..])));
        assert!(of(b"").same_content(&of(b"")));
    }

    #[test]
    fn standard_input_is_never_the_same() {
        let stdin = SourceFile {
            input: Input::Stdin,
            key: "-".into(),
            compression: crate::source::Compression::None,
        };
        let one = fingerprint(&stdin).unwrap();
        assert!(!one.same_content(&one));
    }

    #[test]
    fn a_file_that_vanished_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.csv"), "a\n").unwrap();
        let file = inputs("a.csv", folder.path()).unwrap().remove(0);
        drop(folder);
        assert!(matches!(fingerprint(&file), Err(Error::NoFile { path }) if path.ends_with("a.csv")));
    }
}
