//! Whether a file is still the one that was planned. Must not know what is in it.

use std::fmt::Write;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::SourceFile;

/// Bytes at each end of a file that are hashed.
const END_BYTES: u64 = 64 * 1024;

/// What tells one content of a file from another without reading all of it. Of the file as it is stored, compressed
/// or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

    /// What tells the content that a file has `now` from this one.
    pub fn difference(&self, now: &Fingerprint) -> Option<String> {
        match self {
            then if then.same_content(now) => None,
            then if then.size != now.size => {
                Some(format!("it had {} bytes and has {} now", then.size, now.size))
            }
            _ => Some("it has another content now".into()),
        }
    }

    /// Of an open file, which must not become shorter meanwhile.
    pub(super) fn of(file: &File, metadata: &Metadata) -> io::Result<Fingerprint> {
        let size = metadata.len();
        let mtime_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        let mut hash = Sha256::new();
        add(&mut hash, file, 0, size.min(END_BYTES))?;
        add(&mut hash, file, size.saturating_sub(END_BYTES), size.min(END_BYTES))?;
        Ok(Fingerprint { size, mtime_ns, hash: hexadecimal(&hash.finalize()) })
    }
}

impl SourceFile {
    /// What it was when it was found.
    pub fn fingerprint(&self) -> Fingerprint {
        self.known.as_ref().map(|known| known.fingerprint.clone()).unwrap_or_default()
    }
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
    use crate::source::{Input, inputs};
    use std::fs;

    fn of(bytes: &[u8]) -> Fingerprint {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.csv"), bytes).unwrap();
        inputs("a.csv", folder.path()).unwrap()[0].fingerprint()
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
            known: None,
        };
        let one = stdin.fingerprint();
        assert!(!one.same_content(&one));
    }
}
