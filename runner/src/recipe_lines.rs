//! Where each key of a recipe stands in its file, so that a problem found later can point at its line.
//!
//! Must not know: what the keys mean.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in a text file, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The character in it.
    pub column: u32,
}

/// The places of a recipe's keys, by paths such as `run.streams` or `tables[0].transforms[1].module`. A key
/// that TOML would quote is quoted: `tables[0].types."a.b"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    places: BTreeMap<String, Place>,
    path_bytes: usize,
}

/// The most bytes of paths that are kept: a file made to be nasty has long keys in long keys.
const MAX_PATH_BYTES: usize = 16 << 20;

impl Lines {
    /// The place of `path`, or of the nearest thing around it that the file has.
    pub fn place_of(&self, path: &str) -> Option<Place> {
        around(path).find_map(|path| self.places.get(path)).copied()
    }

    /// The line of `path`, or of the nearest thing around it that the file has.
    pub fn line_of(&self, path: &str) -> Option<u32> {
        self.place_of(path).map(|place| place.line)
    }

    pub(crate) fn of(text: &str, root: &DeTable<'_>) -> Lines {
        let mut lines = Lines::default();
        lines.table(&Index::of(text), "", root);
        lines
    }

    fn insert(&mut self, path: &str, place: Place) {
        self.path_bytes += path.len();
        if self.path_bytes <= MAX_PATH_BYTES {
            self.places.insert(path.to_owned(), place);
        }
    }

    fn table(&mut self, index: &Index<'_>, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = join(path, key.get_ref());
            self.insert(&path, index.place(key.span()));
            self.value(index, &path, value);
        }
    }

    fn value(&mut self, index: &Index<'_>, path: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(index, path, table),
            DeValue::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    let path = format!("{path}[{at}]");
                    self.insert(&path, index.place(item.span()));
                    self.value(index, &path, item);
                }
            }
            _ => {}
        }
    }
}

/// `path` and everything around it: `a[0].b`, `a[0]`, `a`.
pub(crate) fn around(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rfind(['.', '[']).map(|end| &path[..end]))
}

/// The path of `key` inside `path`.
pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let dot = if path.is_empty() { "" } else { "." };
    if bare { format!("{path}{dot}{key}") } else { format!("{path}{dot}{key:?}") }
}

/// The starts of a text's lines.
pub(crate) struct Index<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Index<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Index { text, starts: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect() }
    }

    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        let line = self.starts.partition_point(|start| *start <= span.start);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(start..span.start).unwrap_or_default().chars().count();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { line: number(line), column: number(before + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"ä\"\n\n[run]\n  streams = 4\n[source.csv]\nnull = [\n  \"NA\",\n]\n\n[[tables]]\n\
                        from = \"a\"\n\n[[tables]]\ntypes = { \"a.b\" = \"x\", c = \"y\" }\ntransforms = [\n  \
                        { drop = [] },\n  { module = \"m\" },\n]\n";

    fn lines() -> Lines {
        Lines::of(TEXT, DeTable::parse(TEXT).unwrap().get_ref())
    }

    #[test]
    fn every_key_and_element_has_its_place() {
        let lines = lines();
        for (path, line, column) in [
            ("name", 1, 1),
            ("run", 3, 2),
            ("run.streams", 4, 3),
            ("source.csv", 5, 9),
            ("source.csv.null[0]", 7, 3),
            ("tables[0]", 10, 1),
            ("tables[1]", 13, 1),
            ("tables[1].types.\"a.b\"", 14, 11),
            ("tables[1].types.c", 14, 24),
            ("tables[1].transforms[1]", 17, 3),
            ("tables[1].transforms[1].module", 17, 5),
        ] {
            assert_eq!(lines.place_of(path), Some(Place { line, column }), "{path}");
        }
    }

    #[test]
    fn a_key_that_the_file_lacks_has_the_place_of_what_is_around_it() {
        let lines = lines();
        assert_eq!(lines.line_of("tables[1].transforms[1].options.x"), Some(17));
        assert_eq!(lines.line_of("tables[1].into"), Some(13));
        assert_eq!(lines.line_of("target.postgres.url"), None);
    }
}
