//! What can go wrong with a cluster, in our words. Must not hold a secret or a row's values.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use scylla::errors::{ExecutionError, PrepareError, RequestAttemptError};

use super::cluster::NotPrepared;
use super::cql_parse::TypeError;
use super::key::BadKey;
use super::reason::Reason;
use crate::tls;
use crate::units::Span;

/// An error of a source that is a cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting of `[source.cassandra]` that cannot be used.
    #[error("`source.cassandra.{key}` {problem}")]
    Setting {
        /// The setting's key.
        key: &'static str,
        /// What is wrong with it and what would be right.
        problem: Cow<'static, str>,
    },
    /// The file with the password cannot be read.
    #[error("`source.cassandra.password_file`: cannot read `{}`", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file for TLS that cannot be used, or no authorities.
    #[error("`source.cassandra.{key}` cannot be used")]
    Tls {
        /// The setting's key.
        key: &'static str,
        /// Which file, and what is wrong with it.
        #[source]
        source: tls::Error,
    },
    /// No host that could be connected to.
    #[error("cannot connect to Cassandra: {}", listed(failures))]
    NoHost {
        /// Hosts, and what happened there.
        failures: Vec<(String, Reason)>,
    },
    /// A host was connected to, but the cluster as a whole, or a node of it, took too long.
    #[error(
        "the cluster did not answer within {limit}: a node may hang; if it is only slow, raise `source.cassandra.{key}`"
    )]
    Timeout {
        /// How long it was waited for.
        limit: Span,
        /// The setting's key: `connect_timeout`, or `request_timeout`.
        key: &'static str,
    },
    /// Hosts answered, but asking the cluster failed.
    #[error("cannot read {what}: {reason}")]
    Read {
        /// Whose rows were asked for.
        what: &'static str,
        /// Why there are none.
        reason: Reason,
    },
    /// A datacenter that the cluster does not have.
    #[error(
        "the cluster has no datacenter `{datacenter}`: set `source.cassandra.datacenter` to one of {}",
        names(known)
    )]
    NoDatacenter {
        /// As in the recipe.
        datacenter: String,
        /// Those that there are, ascending.
        known: Vec<String>,
    },
    /// Several datacenters, and no telling which one is ours.
    #[error(
        "the cluster has several datacenters: set `source.cassandra.datacenter` to the one to read from, {}",
        names(known)
    )]
    WhichDatacenter {
        /// Those that there are, ascending.
        known: Vec<String>,
    },
    /// Tokens that are not Murmur3's.
    #[error(
        "the cluster's partitioner is `{partitioner}`: only Murmur3Partitioner is supported, the default since Cassandra 1.2"
    )]
    Partitioner {
        /// Its class.
        partitioner: String,
    },
    /// A table that is not there.
    #[error("there is no table {table}: the {what} there are {known}")]
    NoTable {
        /// As in the recipe.
        table: String,
        /// `tables` of the keyspace, or `keyspaces` where there is no such keyspace.
        what: &'static str,
        /// Their names.
        known: String,
    },
    /// A keyspace that is not there, has no tables, or is the cluster's own.
    #[error("there are no tables of users in keyspace `{keyspace}`: the keyspaces there are {known}")]
    NoKeyspace {
        /// As it was given.
        keyspace: String,
        /// The names of those that users made.
        known: String,
    },
    /// Its rows are those of another table.
    #[error("{view} is a materialized view: load its base table `{base}`")]
    View {
        /// As in the recipe.
        view: String,
        /// What it shows.
        base: String,
    },
    /// From before CQL 3.
    #[error(
        "{table} was made WITH COMPACT STORAGE: ALTER TABLE … DROP COMPACT STORAGE, or copy it into another table"
    )]
    CompactStorage {
        /// The table.
        table: String,
    },
    /// More than PostgreSQL's tables have.
    #[error("{table} has {columns} columns, but a table has at most 1600")]
    TooManyColumns {
        /// The table.
        table: String,
        /// How many it has.
        columns: usize,
    },
    /// A column's type that is not understood.
    #[error("column `{column}` of {table}")]
    Type {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What is not understood.
        #[source]
        source: TypeError,
    },
    /// A column whose type is a class of the server's own.
    #[error(
        "column `{column}` of {table} is of the server's own class `{class}`, which cannot be read: leave it out with {{ drop = [\"{column}\"] }}"
    )]
    CustomType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The class.
        class: String,
    },
    /// A column that we would see masked.
    #[error(
        "column `{column}` of {table} is masked for the user, so other values would be loaded: GRANT UNMASK ON {table} to the user{}",
        or_drop(column, *is_key)
    )]
    Masked {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// It is one of the primary key, which is read in any case.
        is_key: bool,
    },
    /// A column whose `writetime` or `ttl` there is not.
    #[error("{function} of column `{column}` of {table} cannot be had: {why}")]
    NoExtra {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// `writetime` or `ttl`.
        function: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// A new column with the name of another.
    #[error("there is a column `{column}` in {table} already: give the new one another name")]
    TwoColumns {
        /// The table.
        table: String,
        /// The name.
        column: String,
    },
    /// The cluster refuses to read the table at all.
    #[error("the cluster refuses to read {table}: {reason}{}", server_says(words))]
    Statement {
        /// The table.
        table: String,
        /// What kind of refusal it is.
        reason: Reason,
        /// What the server says of the statement, in which there is no value of a row.
        words: String,
    },
    /// A request that the cluster refuses.
    #[error(
        "the cluster refuses to read on: {reason}; was the table altered or dropped, or a permission revoked?"
    )]
    Refused {
        /// Why.
        reason: Reason,
    },
    /// A table that is another one now.
    #[error(
        "{table} was altered while it was read: its rows are not what was planned; load it again with --fresh"
    )]
    Changed {
        /// The table.
        table: String,
    },
    /// A table that has gone, and another one of its name is there.
    #[error(
        "{table} was dropped while it was read, and perhaps made again: its rows are not what was planned; load it again with --fresh"
    )]
    Remade {
        /// The table.
        table: String,
    },
    /// No answer, however often it was asked.
    #[error("{table} cannot be read on behind token {token}: {reason}")]
    GaveUp {
        /// The table.
        table: String,
        /// Where.
        token: i64,
        /// What happened last.
        reason: Reason,
    },
    /// Rows that no node can read.
    #[error(
        "{table} cannot be read behind token {start} up to {end}: {reason}; lower gc_grace_seconds and compact the table, or raise tombstone_failure_threshold"
    )]
    Unreadable {
        /// The table.
        table: String,
        /// The range begins behind this token.
        start: i64,
        /// Its last one.
        end: i64,
        /// What happened last.
        reason: Reason,
    },
    /// An answer that is not as the protocol has it.
    #[error("the server sent a page that is broken")]
    BrokenPage,
    /// A row that was not asked for, or none.
    #[error("the server sent a row with a key that cannot be right")]
    Key {
        /// What is wrong.
        #[source]
        source: BadKey,
    },
    /// A position that is not one of the table's.
    #[error("the ledger's position does not fit the table")]
    Position {
        /// What is wrong.
        #[source]
        source: BadKey,
    },
    /// Should not happen.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl Error {
    /// The cluster's own tables could not be asked.
    pub(super) fn asking(error: ExecutionError) -> Error {
        Error::Read { what: "system_schema", reason: Reason::of_read(&error) }
    }

    /// A key that came is not as keys are.
    pub(super) fn key(source: BadKey) -> Error {
        Error::Key { source }
    }

    /// A statement on `table` was refused, in the server's words: they are about names and the recipe's `where`.
    pub(super) fn statement(table: &str, error: &NotPrepared) -> Error {
        let error = match error {
            NotPrepared::Refused(error) => error,
            NotPrepared::Late(limit) => return Error::Timeout { limit: *limit, key: "request_timeout" },
        };
        let words = match error {
            PrepareError::AllAttemptsFailed { first_attempt: RequestAttemptError::DbError(_, words) } => {
                words
            }
            _ => "",
        };
        let words = words.chars().filter(|c| !c.is_control()).take(300).collect();
        Error::Statement { table: table.into(), reason: Reason::of_prepare(error), words }
    }
}

fn server_says(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" (\"{words}\")") }
}

fn or_drop(column: &str, is_key: bool) -> String {
    if is_key { String::new() } else { format!(", or leave the column out with {{ drop = [\"{column}\"] }}") }
}

/// What happened at each host; hosts with the same reason together.
fn listed(failures: &[(String, Reason)]) -> String {
    let mut groups: Vec<(Vec<&str>, &Reason)> = Vec::new();
    for (host, reason) in failures {
        match groups.iter_mut().find(|(_, other)| *other == reason) {
            Some((hosts, _)) => hosts.push(host),
            None => groups.push((vec![host], reason)),
        }
    }
    let groups = groups.iter().map(|(hosts, reason)| format!("{}: {reason}", hosts.join(", ")));
    groups.collect::<Vec<_>>().join("; ")
}

/// The first names of what may be many, from a server: quoted, without control characters.
fn names(all: &[String]) -> String {
    const MOST: usize = 20;
    let shown = all.iter().take(MOST).map(|name| format!("`{}`", name.escape_debug()));
    let more = if all.len() > MOST { ", …" } else { "" };
    shown.collect::<Vec<_>>().join(", ") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_the_same_reason_are_told_together() {
        let failures = vec![
            ("a:9042".into(), Reason::Refused),
            ("b:9042".into(), Reason::WrongPassword),
            ("c:9042".into(), Reason::Refused),
        ];
        let text = Error::NoHost { failures }.to_string();
        let refused = Reason::Refused;
        assert!(
            text.starts_with(&format!("cannot connect to Cassandra: a:9042, c:9042: {refused}; b:9042: "))
        );
    }

    #[test]
    fn names_of_datacenters_are_shown_without_control_characters_and_not_without_end() {
        let known: Vec<String> = (0..30).map(|at| format!("dc{at:02}\n")).collect();
        let text = Error::WhichDatacenter { known }.to_string();
        assert!(text.ends_with("`dc19\\n`, …"), "{text}");
    }
}
