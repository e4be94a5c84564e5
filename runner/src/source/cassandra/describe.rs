//! What a cluster's own tables say about a table: its columns, its key, its types, whether it can be read at all.
//! Must not know rows.
//!
//! Source: `system_schema.{tables,columns,dropped_columns,types,views}` of Apache Cassandra 3.0 and later, which ScyllaDB has too.

use std::collections::HashMap;

use scylla::client::session::Session;
use scylla::deserialize::row::DeserializeRow;
use scylla::serialize::row::SerializeRow;
use scylla::value::CqlTimestamp;
use uuid::Uuid;

use super::Error;
use super::cql_parse;
use super::cql_type::{CqlType, Udts};
use super::name::TableName;

/// What a table is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Another one after the table was dropped and made again.
    pub id: Uuid,
    /// The partition key in its order, then the clustering columns in theirs, then the others by name.
    pub columns: Vec<Column>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As it is stored.
    pub name: String,
    /// Its part in the table.
    pub kind: Kind,
    /// Of its values.
    pub ty: CqlType,
    /// When one of its name was dropped last, in milliseconds since 1970: what was written before is not seen any more.
    pub dropped: Option<i64>,
}

/// A column's part in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of the partition key.
    Partition,
    /// One of the key inside a partition.
    Clustering {
        /// Larger values come first.
        descending: bool,
    },
    /// One value for all rows of a partition.
    Static,
    /// Any other.
    Regular,
}

impl Description {
    /// Columns of the partition key.
    pub fn partition(&self) -> usize {
        self.columns.iter().filter(|column| column.kind == Kind::Partition).count()
    }

    /// Columns of the whole primary key, which are the first ones.
    pub fn key(&self) -> usize {
        self.columns.iter().filter(|column| column.is_key()).count()
    }
}

impl Column {
    /// Whether it is one of the primary key.
    pub fn is_key(&self) -> bool {
        matches!(self.kind, Kind::Partition | Kind::Clustering { .. })
    }
}

/// More columns than PostgreSQL's tables have cannot be loaded.
const MAX_COLUMNS: usize = 1600;

/// The id of a table, by keyspace and name.
pub(super) const ID: &str = "SELECT id FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";

/// Columns of a table that were dropped, with the last time. One that was added again is there as well.
pub(super) const DROPPED: &str = "SELECT column_name, dropped_time FROM system_schema.dropped_columns WHERE keyspace_name = ? AND table_name = ?";

/// Asks the cluster about a table.
pub async fn describe(session: &Session, name: &TableName) -> Result<Description, Error> {
    let table = "SELECT id, flags FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
    let tables: Vec<(Uuid, Option<Vec<String>>)> =
        rows(session, table, (&name.keyspace, &name.table)).await?;
    let Some((id, flags)) = tables.into_iter().next() else { return Err(missing(session, name).await?) };
    if is_compact(&flags.unwrap_or_default()) {
        return Err(Error::CompactStorage { table: name.to_string() });
    }
    let types = "SELECT type_name, field_names, field_types FROM system_schema.types WHERE keyspace_name = ?";
    let types: Vec<(String, Vec<String>, Vec<String>)> = rows(session, types, (&name.keyspace,)).await?;
    let udts: Udts = types
        .into_iter()
        .map(|(name, names, types)| (name, names.into_iter().zip(types).collect()))
        .collect();
    // Before the columns: who reads a page compares with it.
    let dropped: Vec<(String, CqlTimestamp)> = rows(session, DROPPED, (&name.keyspace, &name.table)).await?;
    let dropped: HashMap<String, i64> = dropped.into_iter().map(|(name, time)| (name, time.0)).collect();
    let columns = "SELECT column_name, kind, position, clustering_order, type \
                   FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?";
    let mut found: Vec<(String, String, i32, String, String)> =
        rows(session, columns, (&name.keyspace, &name.table)).await?;
    if found.len() > MAX_COLUMNS {
        return Err(Error::TooManyColumns { table: name.to_string(), columns: found.len() });
    }
    found.sort_by(|a, b| order(&a.1, a.2, &a.0).cmp(&order(&b.1, b.2, &b.0)));
    let columns = found.into_iter().map(|(column, kind, _, descending, ty)| {
        let parsed = cql_parse::parse(&ty, &udts);
        let ty = parsed.map_err(|source| Error::Type {
            table: name.to_string(),
            column: column.clone(),
            source,
        })?;
        let dropped = dropped.get(&column).copied();
        Ok(Column { name: column, kind: self::kind(&kind, &descending), ty, dropped })
    });
    Ok(Description { id, columns: columns.collect::<Result<_, Error>>()? })
}

/// Whether a table with these flags was made WITH COMPACT STORAGE: its columns are not what they seem, and parts of its
/// key may be missing. Only a table of CQL 3 is compound, and neither dense nor super.
fn is_compact(flags: &[String]) -> bool {
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    !has("compound") || has("dense") || has("super")
}

/// The tables of a keyspace that users made, in the order of their names, at least one. Views are none.
pub(super) async fn of_keyspace(session: &Session, keyspace: &str) -> Result<Vec<TableName>, Error> {
    let users = keyspaces(session).await?;
    let tables = if users.iter().any(|known| known == keyspace) {
        tables(session, keyspace).await?
    } else {
        Vec::new()
    };
    if tables.is_empty() {
        return Err(Error::NoKeyspace { keyspace: keyspace.into(), known: listed(&users) });
    }
    let named = tables.into_iter().map(|table| TableName { keyspace: keyspace.into(), table });
    Ok(named.collect())
}

/// Keyspaces that users made, in their order.
async fn keyspaces(session: &Session) -> Result<Vec<String>, Error> {
    let query = "SELECT keyspace_name FROM system_schema.keyspaces";
    let mut names: Vec<String> =
        rows(session, query, ()).await?.into_iter().map(|(name,): (String,)| name).collect();
    names.retain(|name| name != "system" && !name.starts_with("system_"));
    names.sort();
    Ok(names)
}

/// The names of a keyspace's tables, in their order.
async fn tables(session: &Session, keyspace: &str) -> Result<Vec<String>, Error> {
    let query = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let mut names: Vec<String> =
        rows(session, query, (keyspace,)).await?.into_iter().map(|(name,): (String,)| name).collect();
    names.sort();
    Ok(names)
}

fn order<'a>(kind: &str, position: i32, name: &'a str) -> (u8, i32, &'a str) {
    match kind {
        "partition_key" => (0, position, ""),
        "clustering" => (1, position, ""),
        _ => (2, 0, name),
    }
}

fn kind(kind: &str, order: &str) -> Kind {
    match kind {
        "partition_key" => Kind::Partition,
        "clustering" => Kind::Clustering { descending: order.eq_ignore_ascii_case("desc") },
        "static" => Kind::Static,
        _ => Kind::Regular,
    }
}

/// Why there is no such table, as well as the cluster can tell.
async fn missing(session: &Session, name: &TableName) -> Result<Error, Error> {
    let view = "SELECT base_table_name FROM system_schema.views WHERE keyspace_name = ? AND view_name = ?";
    let views: Vec<(String,)> = rows(session, view, (&name.keyspace, &name.table)).await?;
    if let Some((base,)) = views.into_iter().next() {
        return Ok(Error::View { view: name.to_string(), base });
    }
    let (mut known, mut what) = (tables(session, &name.keyspace).await?, "tables");
    if known.is_empty() {
        let all = keyspaces(session).await?;
        if !all.contains(&name.keyspace) {
            (known, what) = (all, "keyspaces");
        }
    }
    Ok(Error::NoTable { table: name.to_string(), what, known: listed(&known) })
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    if names.is_empty() {
        return "none".into();
    }
    let mut list = names.iter().take(MOST).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        list += &format!(" and {} more", names.len() - MOST);
    }
    list
}

/// All rows of a small answer.
pub(super) async fn rows<R>(
    session: &Session,
    query: &str,
    values: impl SerializeRow,
) -> Result<Vec<R>, Error>
where
    R: for<'frame> DeserializeRow<'frame, 'frame>,
{
    let result = session.query_unpaged(query, values).await.map_err(Error::asking)?;
    let unreadable = || Error::Internal("the cluster's own tables are not as expected");
    let result = result.into_rows_result().map_err(|_| unreadable())?;
    result.rows::<R>().map_err(|_| unreadable())?.map(|row| row.map_err(|_| unreadable())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_comes_first_in_its_order() {
        let mut columns =
            [("regular", -1, "a"), ("clustering", 1, "d"), ("clustering", 0, "e"), ("partition_key", 0, "z")];
        columns.sort_by(|a, b| order(a.0, a.1, a.2).cmp(&order(b.0, b.1, b.2)));
        assert_eq!(columns.map(|(_, _, name)| name), ["z", "e", "d", "a"]);
        assert_eq!(kind("clustering", "DESC"), Kind::Clustering { descending: true });
        assert_eq!(kind("static", "none"), Kind::Static);
    }

    #[test]
    fn tables_with_compact_storage_are_known_by_their_flags() {
        let compact =
            |flags: &[&str]| is_compact(&flags.iter().map(|flag| flag.to_string()).collect::<Vec<_>>());
        assert!(!compact(&["compound"]) && !compact(&["counter", "compound"]));
        // No clustering column, one, two, and a super column family of the time before.
        for flags in
            [&[][..], &["dense"], &["compound", "dense"], &["super", "dense"], &["super", "compound"]]
        {
            assert!(compact(flags), "{flags:?}");
        }
    }

    #[test]
    fn long_lists_of_names_are_cut() {
        let names: Vec<String> = (0..25).map(|number| format!("t{number}")).collect();
        assert!(listed(&names).ends_with("`t19` and 5 more"));
        assert_eq!(listed(&[]), "none");
    }
}
