//! `CREATE TABLE` for a target that is not there yet.
//!
//! Pure. Must not know: where columns and key come from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::identifier::{self, is_name, quoted, written};
use super::session::Connection;
use crate::loads::column;
use crate::schema::{Field, Scalar, Type};
use crate::untrusted;

/// Whose SQL is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// PostgreSQL's.
    PostgreSql,
    /// YugabyteDB's: keys are hashed and sorted, tables are cut into tablets.
    YugabyteDb,
}

impl Flavor {
    /// That of a server.
    pub fn of(connection: &Connection) -> Flavor {
        if connection.server.yugabyte { Flavor::YugabyteDb } else { Flavor::PostgreSql }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Flavor::PostgreSql => "PostgreSQL",
            Flavor::YugabyteDb => "YugabyteDB",
        }
    }
}

/// How columns are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// As they are.
    Kept,
    /// As they are, always in quotes.
    Quoted,
    /// In lower case, as SQL reads names without quotes.
    Folded,
}

/// How a statement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whose SQL.
    pub flavor: Flavor,
    /// Which names.
    pub names: Names,
    /// How many tablets a YugabyteDB begins with; without it as many as it likes.
    pub tablets: Option<u32>,
}

/// A column of the source's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// In the source.
    pub name: String,
    /// Its part in the key.
    pub part: KeyPart,
    /// The column that it is in the new table, if it is one.
    pub column: Option<usize>,
    /// Whether a module made that column, under the name.
    pub remade: bool,
}

/// What a column does in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// It decides where a row is.
    Partition,
    /// Rows of a partition are sorted by it.
    Ascending,
    /// The same, larger values first.
    Descending,
}

/// A table that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewTable<'a> {
    /// Its name as in a recipe.
    pub into: &'a str,
    /// At least one, with different names.
    pub columns: &'a [Field],
    /// Of its source, the partition's columns first; empty where there is none.
    pub key: &'a [KeyColumn],
}

/// What makes a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creation {
    /// `CREATE TABLE …`, without a semicolon.
    pub statement: String,
    /// What whoever reads it should know; each fits on a line.
    pub notes: Vec<String>,
    /// Whether the table has a primary key.
    pub has_key: bool,
}

/// Why there is no statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The table's name.
    Into(String),
    /// Its columns.
    Columns(String),
}

impl NewTable<'_> {
    /// Writes the statement, or tells everything that is in its way.
    pub fn write(&self, style: Style) -> Result<Creation, Vec<Problem>> {
        let mut problems = Vec::new();
        let into =
            identifier::table(self.into).map_err(|error| problems.push(Problem::Into(error.to_string())));
        let (names, folded) = self.names(style.names, &mut problems);
        let (Ok((schema, table)), []) = (into, problems.as_slice()) else { return Err(problems) };
        let write = |name: &str| if style.names == Names::Quoted { quoted(name) } else { written(name) };
        let mut lines: Vec<String> = Vec::new();
        for (field, name) in self.columns.iter().zip(&names) {
            let not_null = if field.nullable { "" } else { " NOT NULL" };
            lines.push(format!("{} {}{not_null}", write(name), column(field.ty)));
        }
        let mut notes = folded;
        let names: Vec<String> = names.iter().map(|name| write(name)).collect();
        let key = self.primary_key(style.flavor, &names, &mut notes);
        let has_key = key.is_some();
        lines.extend(key);
        let schema = schema.map_or(String::new(), |schema| format!("{}.", write(&schema)));
        let mut statement =
            format!("CREATE TABLE {schema}{} (\n    {}\n)", write(&table), lines.join(",\n    "));
        if let (Flavor::YugabyteDb, Some(tablets)) = (style.flavor, style.tablets) {
            // Writing into a String cannot fail.
            let _ = write!(statement, " SPLIT INTO {tablets} TABLETS");
        }
        Ok(Creation { statement, notes, has_key })
    }

    /// The columns' names, with a note on each that is another one now.
    fn names(&self, names: Names, problems: &mut Vec<Problem>) -> (Vec<String>, Vec<String>) {
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        let (mut all, mut notes) = (Vec::new(), Vec::new());
        for Field { name, .. } in self.columns {
            let new = if names == Names::Folded { name.to_ascii_lowercase() } else { name.clone() };
            if !is_name(&new) {
                let what = "is no name that PostgreSQL keeps (1 to 63 bytes, no NUL): rename it";
                problems.push(Problem::Columns(format!("column {} {what}", shown(name))));
            }
            if let Some(other) = taken.insert(new.clone(), name) {
                let (name, other, new) = (shown(name), shown(other), shown(&new));
                problems.push(Problem::Columns(format!(
                    "columns {other} and {name} would both be {new}: rename one of them, or keep both with --names quote"
                )));
            }
            if new != *name {
                let (name, new) = (shown(name), shown(&new));
                notes.push(format!(
                    "column {name} is {new} here: rename it in the recipe's transforms too, or use --names quote"
                ));
            }
            all.push(new);
        }
        (all, notes)
    }

    /// `PRIMARY KEY (…)` over the columns that are named so, or a note why there is none.
    fn primary_key(&self, flavor: Flavor, names: &[String], notes: &mut Vec<String>) -> Option<String> {
        let all = || self.key.iter().map(|key| shown(&key.name)).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::with_capacity(self.key.len());
        let mut in_the_way = Vec::new();
        for key in self.key {
            let place = key.column.and_then(|at| Some((self.columns.get(at)?, names.get(at)?)));
            let Some((field, name)) = place else {
                in_the_way.push(format!("{} is not among the columns", shown(&key.name)));
                continue;
            };
            if flavor == Flavor::YugabyteDb && !fits_a_yugabyte_key(field.ty) {
                let ty = column(field.ty);
                in_the_way.push(format!("YugabyteDB takes no {ty} in a key, as {} is", shown(&field.name)));
            }
            if key.remade {
                notes.push(format!(
                    "column {} of the key is made by a module: are its values as different as the source's?",
                    shown(&field.name)
                ));
            }
            parts.push((key.part, name.as_str()));
        }
        if !in_the_way.is_empty() {
            notes.push(format!("no primary key: the source's is ({}), and {}", all(), in_the_way.join(", ")));
            return None;
        }
        (!parts.is_empty()).then(|| format!("PRIMARY KEY ({})", key_list(flavor, &parts)))
    }
}

/// `a, b, c`, or `(a, b) HASH, c DESC`.
fn key_list(flavor: Flavor, parts: &[(KeyPart, &str)]) -> String {
    let names = |wanted: &dyn Fn(KeyPart) -> bool| {
        parts.iter().filter(|(part, _)| wanted(*part)).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    };
    if flavor == Flavor::PostgreSql {
        return names(&|_| true);
    }
    let mut list = format!("({}) HASH", names(&|part| part == KeyPart::Partition));
    for (part, name) in parts {
        let order = match part {
            KeyPart::Partition => continue,
            KeyPart::Ascending => "ASC",
            KeyPart::Descending => "DESC",
        };
        // Writing into a String cannot fail.
        let _ = write!(list, ", {name} {order}");
    }
    list
}

/// YugabyteDB has no order for the others ("PRIMARY KEY containing column of type … not yet supported").
fn fits_a_yugabyte_key(ty: Type) -> bool {
    !ty.array && !matches!(ty.scalar, Scalar::Json | Scalar::Inet | Scalar::Interval)
}

/// A name for a message or a comment, which it must not end.
fn shown(name: &str) -> String {
    format!("`{}`", untrusted::name(name))
}

#[cfg(test)]
#[path = "create_table_tests.rs"]
mod tests;
