//! Text that somebody else wrote (a module, a row), made fit for terminals, logs and the ledger: bounded, and without control characters.
//! Must not know: which text it is.

/// The longest text of a module in an error.
pub(crate) const MAX_MESSAGE_BYTES: usize = 500;
/// The longest name (of an import, an export, a function, a column) in an error.
pub(crate) const MAX_NAME_BYTES: usize = 100;

/// At most `max_bytes` of `text`, with `…` behind what was cut, its control characters escaped.
pub(crate) fn shown(text: &str, max_bytes: usize) -> String {
    let (mut out, whole) = escaped(text, max_bytes);
    if !whole {
        out.push('…');
    }
    out
}

/// A name in an error.
pub(crate) fn name(text: &str) -> String {
    shown(text, MAX_NAME_BYTES)
}

/// The start of `text` that has at most `max_bytes` once escaped, cut between characters; and whether it is all.
pub(crate) fn escaped(text: &str, max_bytes: usize) -> (String, bool) {
    let mut out = String::with_capacity(text.len().min(max_bytes));
    for c in text.chars() {
        let before = out.len();
        if is_unsafe(c) {
            out.extend(c.escape_unicode())
        } else {
            out.push(c)
        }
        if out.len() > max_bytes {
            out.truncate(before);
            return (out, false);
        }
    }
    (out, true)
}

/// All of `text` in one line, for a comment, which a line end would end.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect()
}

/// Whether a character could change how a terminal shows its neighbours, or cannot be stored.
fn is_unsafe(c: char) -> bool {
    let direction = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || direction || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Names for an error: the first few, and how many there are.
pub(crate) fn names<'a>(all: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<&str> = all.into_iter().collect();
    if all.is_empty() {
        return "nothing".into();
    }
    let first: Vec<String> = all.iter().take(12).map(|n| format!("`{}`", name(n))).collect();
    let rest = all.len() - first.len();
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_changes_of_direction_are_escaped() {
        assert_eq!(shown("a\u{1b}[31m\0\n\u{202e}ü", 100), "a\\u{1b}[31m\\u{0}\\u{a}\\u{202e}ü");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shown("äää", 5), "ää…");
        assert_eq!(shown("äää", 6), "äää");
        assert_eq!(shown("ab\0", 4), "ab…");
    }

    #[test]
    fn many_names_are_counted_instead_of_listed() {
        let many: Vec<String> = (0..15).map(|i| i.to_string()).collect();
        assert!(names(many.iter().map(String::as_str)).ends_with("`11` and 3 more"));
        assert_eq!(names([]), "nothing");
    }
}
