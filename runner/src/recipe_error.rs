//! What can be wrong with a recipe: all of it at once, each with its place, the key, and what to do. Never a
//! value: the wrong one may be a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::recipe_lines::{Lines, Place, around, join};
use crate::recipe_secret::is_misplaced;
use crate::units::SettingProblem;
use crate::untrusted;

/// The largest recipe that is read, in bytes.
pub(crate) const MAX_RECIPE_BYTES: u64 = 1 << 20;

/// Why there is no recipe.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of something in the place of the file. It may hold a password, so it is not shown.
    #[error(
        "an address stands where the recipe's file belongs: name the file; a database goes behind --to, and \
         `etl init` writes a recipe for a cluster"
    )]
    Address,
    /// The file cannot be read.
    #[error("cannot read the recipe {}", path.display())]
    Read {
        /// As it was given.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file cannot be a recipe.
    #[error("{} is larger than {MAX_RECIPE_BYTES} bytes: is it a recipe?", path.display())]
    TooLarge {
        /// As it was given.
        path: PathBuf,
    },
    /// It says what no recipe may say.
    #[error("{}", Listed(.0))]
    Invalid(Vec<Problem>),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Who said it.
    pub origin: Origin,
    /// The key, e.g. `run.streams`; empty where the whole file is meant.
    pub key: String,
    /// What is wrong and what to do.
    pub what: String,
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The recipe.
    File {
        /// As it was given.
        path: PathBuf,
        /// `None` where something is missing.
        place: Option<Place>,
    },
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
    /// Nobody said anything, and somebody had to.
    Nobody,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File { path, place } => {
                write!(f, "{}:", path.display())?;
                if let Some(Place { line, column }) = place {
                    write!(f, "{line}:{column}:")?;
                }
                write!(f, " ")?;
            }
            Origin::Variable(name) => return write!(f, "{name}: {}", self.what),
            Origin::Flag(name) => return write!(f, "{name}: {}", self.what),
            Origin::Nobody => {}
        }
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

/// The most problems that are printed.
const MAX_LISTED: usize = 50;

/// One problem on its line, several below a line that counts them.
struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = self.0 {
            return problem.fmt(f);
        }
        write!(f, "{} problems in the recipe", self.0.len())?;
        self.0.iter().take(MAX_LISTED).try_for_each(|problem| write!(f, "\n  {problem}"))?;
        match self.0.len().saturating_sub(MAX_LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// Who said what, and what was found wrong so far.
pub(crate) struct Diagnosis {
    /// The recipe's file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// Where its keys are.
    pub(crate) lines: Lines,
    /// Variables and flags by the key that they set.
    pub(crate) set: BTreeMap<String, Origin>,
    /// In the order found.
    pub(crate) problems: Vec<Problem>,
}

impl Diagnosis {
    pub(crate) fn new(file: Option<&Path>) -> Self {
        let file = file.map(Path::to_path_buf);
        Diagnosis { file, lines: Lines::default(), set: BTreeMap::new(), problems: Vec::new() }
    }

    /// Adds a problem with the key at `path`.
    pub(crate) fn wrong(&mut self, path: &str, what: impl Into<String>) {
        let origin = self.origin(path);
        self.problems.push(Problem { origin, key: shown(path), what: what.into() });
    }

    /// Adds the problems with keys of `section`.
    pub(crate) fn wrong_in(&mut self, section: &str, problems: Vec<SettingProblem>) {
        for (key, what) in problems {
            let path = join(section, key);
            // A value of the wrong kind was told of, and is not missing.
            if !self.problems.iter().any(|problem| problem.key.starts_with(&path)) {
                self.wrong(&path, what);
            }
        }
    }

    /// Adds a problem that no key in use stands for.
    pub(crate) fn wrong_at(&mut self, origin: Origin, key: &str, what: impl Into<String>) {
        self.problems.push(Problem { origin, key: shown(key), what: what.into() });
    }

    /// Whoever had the last word on the key at `path`.
    fn origin(&self, path: &str) -> Origin {
        if let Some(origin) = around(path).find_map(|path| self.set.get(path)) {
            return origin.clone();
        }
        self.in_file(path)
    }

    /// The file's word on the key at `path`, whoever else has one.
    pub(crate) fn in_file(&self, path: &str) -> Origin {
        let place = self.lines.place_of(path);
        self.file.clone().map_or(Origin::Nobody, |path| Origin::File { path, place })
    }

    /// The problems as an error, in the order of the file; the file's lines where there are none.
    pub(crate) fn verdict(mut self) -> Result<Lines, Error> {
        if self.problems.is_empty() {
            return Ok(self.lines);
        }
        self.problems.sort_by_key(|problem| match problem.origin {
            Origin::File { place, .. } => (0, place),
            _ => (1, None),
        });
        Err(Error::Invalid(self.problems))
    }
}

/// A key for people: short, in one line, and no address with a password that slipped into a key's place.
fn shown(path: &str) -> String {
    const MAX_BYTES: usize = 120;
    if is_misplaced(path) {
        return "(an address in a key's place)".into();
    }
    untrusted::shown(path, MAX_BYTES)
}

/// The candidate that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const MAX_WORD_BYTES: usize = 64;
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('-', "_");
    let far = |candidate: &str| strsim::damerau_levenshtein(&word, candidate);
    let near = candidates.into_iter().map(|c| (far(c), c)).min()?;
    let allowed = (word.len().max(near.1.len()) / 3).max(1);
    (near.0 <= allowed).then_some(near.1)
}

/// `, did you mean …?`, or what there is to choose from.
pub(crate) fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, candidates.clone()) {
        Some(candidate) => format!(", did you mean `{candidate}`?"),
        None => {
            let all: Vec<_> = candidates.into_iter().map(|c| format!("`{c}`")).collect();
            if all.is_empty() { String::new() } else { format!(": use one of {}", all.join(", ")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_near_when_a_letter_or_two_differ() {
        let known = ["streams", "memory", "max_rejects"];
        assert_eq!(nearest("stream", known), Some("streams"));
        assert_eq!(nearest("max-rejects", known), Some("max_rejects"));
        assert_eq!(nearest("MEMROY", known), Some("memory"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), known), None);
    }

    #[test]
    fn a_key_with_an_address_or_control_characters_is_not_printed_as_it_is() {
        assert_eq!(shown("target.\"postgres://a:secret@h\""), "(an address in a key's place)");
        assert_eq!(shown("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert!(shown(&"k".repeat(1000)).chars().count() <= 121);
    }
}
