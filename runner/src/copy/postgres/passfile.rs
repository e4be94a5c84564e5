//! `~/.pgpass`, read as libpq reads it.
//!
//! Must not know: which connection wants the password. No message shows a line of the file.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The text of a password file, or why it is ignored (`None`: there is none).
pub(super) fn read(path: &Path) -> Result<Option<String>, String> {
    let ignored = |why: &str| format!("password file `{}` is ignored: {why}", path.display());
    let Ok(file) = File::open(path) else { return Ok(None) };
    let meta = file.metadata().map_err(|e| ignored(&e.to_string()))?;
    if !meta.is_file() {
        return Err(ignored("it is not a plain file"));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(ignored("others can read it; `chmod 0600` it"));
    }
    if meta.len() > MAX_BYTES {
        return Err(ignored("it is larger than 1 MiB"));
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(|e| ignored(&e.to_string()))?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// The password of the first line that fits host, port, database and user.
pub(super) fn find(text: &str, key: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for wanted in key {
            let (field, behind) = field(rest);
            if field.raw != "*" && field.value != wanted {
                return None;
            }
            rest = behind?;
        }
        Some(field(rest).0.value).filter(|password| !password.is_empty())
    })
}

struct Field<'a> {
    /// As written: only an unescaped `*` is the wildcard.
    raw: &'a str,
    /// Without escapes.
    value: String,
}

/// One field up to the next unescaped colon, and what follows that colon.
fn field(text: &str) -> (Field<'_>, Option<&str>) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ':' => return (Field { raw: &text[..at], value }, Some(&text[at + 1..])),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (Field { raw: text, value }, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const KEY: [&str; 4] = ["h", "5433", "db", "u"];

    #[test]
    fn the_first_line_that_fits_wins_and_stars_fit_all() {
        let text = "# h:5433:db:u:comment\nother:*:*:*:a\nh:5433:*:u:b\n*:*:*:*:c\n";
        assert_eq!(find(text, KEY).as_deref(), Some("b"));
        assert_eq!(find(text, ["x", "1", "y", "z"]).as_deref(), Some("c"));
        assert_eq!(find("h:5433:db:other:x\n", KEY), None);
    }

    #[test]
    fn colons_and_backslashes_are_escaped() {
        assert_eq!(find(r"\:\:1:5433:db:u:a\:b\\c", ["::1", "5433", "db", "u"]).as_deref(), Some(r"a:b\c"));
        assert_eq!(find(r"\*:5433:db:u:x", KEY), None);
        assert_eq!(find("h:5433:db:u:left:right", KEY).as_deref(), Some("left"));
        assert_eq!(find("h:5433:db:u:", KEY), None);
        assert_eq!(find("h:5433:db", KEY), None);
    }

    #[test]
    fn a_file_that_others_can_read_is_ignored_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pgpass");
        assert_eq!(read(&path), Ok(None));
        fs::write(&path, "*:*:*:*:hush\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let note = read(&path).unwrap_err();
        assert!(note.contains("0600") && !note.contains("hush"), "{note}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path), Ok(Some("*:*:*:*:hush\n".into())));
        assert!(read(dir.path()).is_err());
    }
}
