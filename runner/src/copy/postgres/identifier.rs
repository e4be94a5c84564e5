//! Names of SQL objects: read as the server reads them (unquoted ones are folded to lower case), written so that
//! the server reads the same name again.
//!
//! Pure.

use crate::copy::error::Error;

/// The longest name the server keeps, in bytes.
const MAX_BYTES: usize = 63;

/// Whether the server can hold the name as it is.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_BYTES && !name.contains('\0')
}

/// The name in double quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name as a person would write it: in double quotes only where the server would read something else without.
pub fn written(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if begins && name.bytes().all(plain) && RESERVED.binary_search(&name).is_err() {
        name.into()
    } else {
        quoted(name)
    }
}

/// Words that name no column and no table unless they are quoted (`pg_get_keywords()` up to PostgreSQL 16), ascending.
#[rustfmt::skip]
const RESERVED: [&str; 101] = [
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "binary", "both",
    "case", "cast", "check", "collate", "collation", "column", "concurrently", "constraint", "create", "cross",
    "current_catalog", "current_date", "current_role", "current_schema", "current_time", "current_timestamp",
    "current_user", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "false", "fetch",
    "for", "foreign", "freeze", "from", "full", "grant", "group", "having", "ilike", "in", "initially", "inner",
    "intersect", "into", "is", "isnull", "join", "lateral", "leading", "left", "like", "limit", "localtime",
    "localtimestamp", "natural", "not", "notnull", "null", "offset", "on", "only", "or", "order", "outer", "overlaps",
    "placing", "primary", "references", "returning", "right", "select", "session_user", "similar", "some",
    "symmetric", "system_user", "table", "tablesample", "then", "to", "trailing", "true", "union", "unique", "user",
    "using", "variadic", "verbose", "when", "where", "window", "with",
];

/// A text in single quotes, for settings whose statements take no parameters (`standard_conforming_strings` is
/// on in our sessions).
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Reads `table`, `schema.table`, `"Quoted"."Table"`: the schema, if there is one, and the table.
pub fn table(text: &str) -> Result<(Option<String>, String), Error> {
    let wrong = |why: &str| {
        Error::Refused(format!(
            "`{}` is not a table's name: {why}; write schema.table, and \"Quoted\" where case or special characters count",
            text.chars().take(200).collect::<String>()
        ))
    };
    let (first, rest) = part(text.trim()).map_err(wrong)?;
    let Some(rest) = rest else { return Ok((None, first)) };
    match part(rest).map_err(wrong)? {
        (second, None) => Ok((Some(first), second)),
        (_, Some(_)) => Err(wrong("it has more than two parts")),
    }
}

/// One part, and what follows the dot behind it.
fn part(text: &str) -> Result<(String, Option<&str>), &'static str> {
    let (name, rest) = match text.strip_prefix('"') {
        Some(body) => quoted_part(body)?,
        None => {
            let end = text.find('.').unwrap_or(text.len());
            (plain(&text[..end])?, &text[end..])
        }
    };
    if !is_name(&name) {
        return Err("a part is empty or longer than 63 bytes");
    }
    match rest.strip_prefix('.') {
        Some(rest) => Ok((name, Some(rest))),
        None if rest.is_empty() => Ok((name, None)),
        None => Err("a closing quote is followed by something else than a dot"),
    }
}

fn plain(name: &str) -> Result<String, &'static str> {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    if !name.chars().next().is_none_or(letter) {
        return Err("an unquoted part starts with a letter or `_`");
    }
    if !name.chars().all(|c| letter(c) || c.is_ascii_digit() || c == '$') {
        return Err("an unquoted part holds letters, digits, `_` and `$`");
    }
    // The server folds ASCII alone in UTF-8 databases.
    Ok(name.to_ascii_lowercase())
}

fn quoted_part(body: &str) -> Result<(String, &str), &'static str> {
    let mut name = String::new();
    let mut chars = body.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            name.push(c);
        } else if chars.next_if(|(_, next)| *next == '"').is_some() {
            name.push('"');
        } else {
            return Ok((name, &body[at + 1..]));
        }
    }
    Err("a quote is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Option<String>, String) {
        table(text).unwrap()
    }

    #[test]
    fn unquoted_names_are_folded_and_quoted_ones_kept() {
        assert_eq!(read("Public.Flights"), (Some("public".into()), "flights".into()));
        assert_eq!(read(r#""Public"."a ""b"".c""#), (Some("Public".into()), r#"a "b".c"#.into()));
        assert_eq!(read("flights"), (None, "flights".into()));
        assert_eq!(read("Über.t$1"), (Some("Über".into()), "t$1".into()));
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for text in
            ["", ".", "a.", ".b", "a.b.c", "a b", "1a", "\"a", "\"a\"b", "a;drop", "\"\"", "a\0", "a-b"]
        {
            assert!(table(text).is_err(), "{text:?}");
        }
        assert!(table(&"x".repeat(64)).is_err());
    }

    #[test]
    fn names_are_quoted_only_where_they_must_be() {
        assert!(RESERVED.is_sorted());
        for (name, expected) in [
            ("amount", "amount"),
            ("_id2", "_id2"),
            ("Amount", "\"Amount\""),
            ("2nd", "\"2nd\""),
            ("a b", "\"a b\""),
            ("größe", "\"größe\""),
            ("order", "\"order\""),
            ("a\"b", "\"a\"\"b\""),
            ("", "\"\""),
        ] {
            assert_eq!(written(name), expected);
        }
    }

    proptest! {
        #[test]
        fn a_written_name_is_read_back(name in "[^\0]{1,15}") {
            prop_assert_eq!(table(&written(&name)).unwrap(), (None, name));
        }

        #[test]
        fn a_quoted_name_is_read_back(schema in "[^\0]{1,15}", name in "[^\0]{1,15}") {
            let text = format!("{}.{}", quoted(&schema), quoted(&name));
            prop_assert_eq!(table(&text).unwrap(), (Some(schema), name));
        }
    }
}
