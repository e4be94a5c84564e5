//! A table's name as `from` has it: `keyspace.table`, as CQL reads names.
//!
//! Must not know: which tables there are.

use std::fmt;
use std::str::FromStr;

/// A table of a cluster, by the names that its description has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The keyspace, without quotes.
    pub keyspace: String,
    /// The table, without quotes.
    pub table: String,
}

/// Why a text is no table's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Not two names with a dot between them.
    #[error(
        "must be keyspace.table; a name with other characters than letters, digits and _ is written in quotes, \"My Table\""
    )]
    Form,
    /// An empty name or a long one.
    #[error("must be keyspace.table with names of 1 to 222 bytes")]
    Length,
}

/// The longest name of a keyspace or a table, in bytes: what Cassandra can make a file name of.
const MAX_NAME_BYTES: usize = 222;

impl FromStr for TableName {
    type Err = BadName;

    /// A name without quotes is folded to lower case, as CQL does; in quotes, `""` stands for one quote.
    fn from_str(text: &str) -> Result<TableName, BadName> {
        let (keyspace, rest) = name(text.trim())?;
        let (table, rest) = name(rest.strip_prefix('.').ok_or(BadName::Form)?)?;
        if !rest.is_empty() {
            return Err(BadName::Form);
        }
        if [&keyspace, &table].iter().any(|name| name.is_empty() || name.len() > MAX_NAME_BYTES) {
            return Err(BadName::Length);
        }
        Ok(TableName { keyspace, table })
    }
}

/// One name, and what follows it.
fn name(text: &str) -> Result<(String, &str), BadName> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
        return if begins { Ok((name.to_ascii_lowercase(), rest)) } else { Err(BadName::Form) };
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, behind) = rest.split_once('"').ok_or(BadName::Form)?;
        name.push_str(part);
        match behind.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None if name.chars().any(char::is_control) => return Err(BadName::Form),
            None => return Ok((name, behind)),
        }
    }
}

/// As `from` takes them, in quotes where they are needed: reading it yields the same names.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", as_typed(&self.keyspace), as_typed(&self.table))
    }
}

/// A name in quotes only where it would be read as another one without.
fn as_typed(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let starts_plain = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if starts_plain && name.bytes().all(plain) { name.into() } else { quoted(name) }
}

/// A name as a statement may hold it: in quotes always, so that no word of CQL is in the way.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<(String, String), BadName> {
        text.parse::<TableName>().map(|name| (name.keyspace, name.table))
    }

    #[test]
    fn names_without_quotes_are_folded_and_those_in_quotes_are_not() {
        let names = |keyspace: &str, table: &str| Ok((keyspace.into(), table.into()));
        assert_eq!(read("bank.transactions"), names("bank", "transactions"));
        assert_eq!(read(" Bank.Transactions_2 "), names("bank", "transactions_2"));
        assert_eq!(read("\"Ks\".\"Tab\""), names("Ks", "Tab"));
        assert_eq!(read("\"a.b\".\"c\"\"d\""), names("a.b", "c\"d"));
        assert_eq!(read("ks.\"T\""), names("ks", "T"));
    }

    #[test]
    fn what_is_not_two_names_is_refused() {
        for text in
            ["", "t", "ks.", ".t", "a.b.c", "a b.c", "1a.b", "a.1", "\"a.b", "\"a\"b.c", "a.b;", "ä.b"]
        {
            assert_eq!(read(text), Err(BadName::Form), "{text}");
        }
        assert_eq!(read("\"\".t"), Err(BadName::Length));
        assert_eq!(read("\"a\nb\".t"), Err(BadName::Form));
        assert_eq!(read(&format!("ks.{}", "t".repeat(223))), Err(BadName::Length));
    }

    proptest! {
        #[test]
        fn any_names_are_read_back_from_their_text(keyspace in "\\PC{1,20}", table in "\\PC{1,20}") {
            let name = TableName { keyspace, table };
            prop_assert_eq!(name.to_string().parse::<TableName>(), Ok(name));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = text.parse::<TableName>();
        }
    }
}
