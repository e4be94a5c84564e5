//! What a recipe says of one table of a cluster besides its name.
//!
//! Must not know: the table's columns.

use std::collections::BTreeMap;

/// Which rows are read, and what is read besides the columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A condition on columns that are not of the key, checked with [`check_filter`].
    pub filter: Option<String>,
    /// Only rows with a token behind the first, up to the second; the first is smaller.
    pub token_range: Option<(i64, i64)>,
    /// No more rows than this, at least 1.
    pub limit: Option<u64>,
    /// New columns with the time at which another column was written: new name to column.
    pub writetime: BTreeMap<String, String>,
    /// New columns with the seconds that another column has left to live: new name to column.
    pub ttl: BTreeMap<String, String>,
}

impl Options {
    /// Whether only some rows are read, whichever these are: no load of the table.
    pub fn is_trial(&self) -> bool {
        self.token_range.is_some() || self.limit.is_some()
    }
}

/// The longest condition, in bytes.
const MAX_FILTER_BYTES: usize = 10_000;

/// Refuses a condition that would not stay one: it stands in front of what bounds a page, which it must neither end
/// nor comment out.
pub fn check_filter(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_FILTER_BYTES {
        return Err("must have at most 10,000 bytes");
    }
    if text.contains('\0') {
        return Err("must not hold a NUL character");
    }
    let bare = without_quoted(text).ok_or("has a quote that is not closed")?;
    if ["--", "//", "/*", ";", "$$"].iter().any(|mark| bare.contains(mark)) {
        return Err("must be a condition alone, without comments, `;` or `$$`");
    }
    let mut words = bare.split(|c: char| !c.is_alphanumeric() && c != '_');
    if words.any(|word| ["where", "limit", "by", "allow"].contains(&word.to_ascii_lowercase().as_str())) {
        return Err(
            "must be a condition alone, without WHERE, ORDER BY, GROUP BY, LIMIT or ALLOW FILTERING, which is added",
        );
    }
    Ok(())
}

/// The text without what stands in quotes; `None` where a quote is not closed. A doubled quote ends one text and
/// begins another, which leaves out the same.
fn without_quoted(text: &str) -> Option<String> {
    let mut bare = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '"']) {
        let (before, quoted) = rest.split_at(at);
        let quote = quoted.chars().next()?;
        let (_, behind) = quoted[1..].split_once(quote)?;
        // A blank, or what stands on both sides would become one word.
        bare.push_str(before);
        bare.push(' ');
        rest = behind;
    }
    bare.push_str(rest);
    Some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_pass_whatever_stands_in_quotes() {
        for text in [
            "amount > 5",
            "code IN ('a', 'b') AND kind = 'it''s; --'",
            "\"limit\" = 3",
            "note = '/* LIMIT \" */' AND \"allow;\"\"by\" = 1",
            "by_whom = 'x' AND limits >= 2",
        ] {
            assert_eq!(check_filter(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_would_end_the_condition_or_hide_what_follows_is_refused() {
        for text in [
            "a = 1;",
            "a = 1 --",
            "a = 1 // x",
            "a = 1 /* x",
            "a = $$x$$",
            "a = 1 LIMIT 5",
            "a = 1 order by b",
            "a = 1 ALLOW FILTERING",
            "WHERE a = 1",
            "a = 'x",
            "a = \"x",
            "a = 'x' 'y'; '",
            "a = 1\0",
        ] {
            assert!(check_filter(text).is_err(), "{text}");
        }
        assert!(check_filter(&"a".repeat(10_001)).is_err());
    }
}
