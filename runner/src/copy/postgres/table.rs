//! What a target table is like: its columns, kind and rights.
//!
//! Must not know: what will be loaded into it, and which of our types fit.

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::identifier;
use super::partitions::PARTS;
use super::session::Connection;
use crate::copy::error::Error;

/// The first version with generated columns (YugabyteDB 2 has none).
const GENERATED_SINCE: u32 = 120_000;

/// Names that a missing one is compared with.
const MAX_NAMES: i64 = 10_000;

/// A table that rows can be loaded into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Schema, as stored.
    pub schema: String,
    /// Name, as stored.
    pub name: String,
    /// Its oid; another one is another table of the same name.
    pub oid: u32,
    /// Its file; TRUNCATE gives it a new one. 0 for a partitioned table (it has none of its own).
    pub relfilenode: u32,
    /// Plain or partitioned.
    pub kind: Kind,
    /// What a crash leaves of it; of a partitioned table, of its partitions.
    pub persistence: Persistence,
    /// In their order.
    pub columns: Vec<Column>,
    /// Columns of the primary key, in the key's order.
    pub primary_key: Vec<String>,
    /// Whether the user may insert into each column.
    pub can_insert: bool,
    /// Whether row-level security applies to the user: COPY is refused by the server then.
    pub row_security: bool,
}

/// Kinds of tables that COPY writes to. Views and foreign tables are refused: what becomes of their rows is not
/// in our transaction's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary table.
    Plain,
    /// A partitioned one: rows are routed to its partitions by the server.
    Partitioned,
}

/// What a crash of the server leaves of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Everything that was committed.
    Permanent,
    /// Nothing.
    Unlogged,
    /// The table belongs to one session.
    Temporary,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As stored.
    pub name: String,
    /// The type's internal name: `int4`, `_text` for `text[]`, `timestamptz`, an enum's or domain's own name.
    pub udt: String,
    /// As SQL writes it, with its modifiers: `numeric(10,2)`, `character varying(20)`.
    pub type_text: String,
    /// For a domain the internal name of the type below.
    pub base_udt: String,
    /// The type's precision, scale or length, packed as in `pg_attribute.atttypmod`; -1 without one. Of a domain, that of
    /// the type below.
    pub modifier: i32,
    /// NULL is refused, by the column or its domain.
    pub not_null: bool,
    /// Something is filled in when the column is left out: a default or an identity.
    pub has_default: bool,
    /// No value is taken: generated, or identity ALWAYS (which COPY alone would accept, against its meaning).
    pub always_generated: bool,
    /// Whether the user may insert into it.
    pub can_insert: bool,
}

impl Table {
    /// `"schema"."name"`, for statements.
    pub fn qualified(&self) -> String {
        format!("{}.{}", identifier::quoted(&self.schema), identifier::quoted(&self.name))
    }

    /// `schema.name`, as the ledger and its rejects name it.
    pub fn name_in_ledger(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Column {
    /// Its type with its modifiers, the same whatever the session's search path is: `numeric(10,2)`, `text[]`.
    pub fn shape(&self) -> String {
        let modifiers = self.type_text.find('(').map_or("", |at| &self.type_text[at..]);
        match self.udt.strip_prefix('_') {
            Some(element) => format!("{element}{}[]", modifiers.trim_end_matches("[]")),
            None => format!("{}{modifiers}", self.udt),
        }
    }
}

/// Looks a table up that must be there. `name` is written as in SQL; without a schema the user's search path counts.
pub async fn describe(connection: &Connection, name: &str) -> Result<Table, Error> {
    match find(connection, name).await? {
        Some(table) => Ok(table),
        None => Err(missing(connection, name).await?),
    }
}

/// Looks a table up; `None` where there is nothing of that name.
pub async fn find(connection: &Connection, name: &str) -> Result<Option<Table>, Error> {
    let (schema, table) = identifier::table(name)?;
    let relation: Vec<Row> =
        query(connection, RELATION, &[(&table, Type::TEXT), (&schema, Type::TEXT)]).await?;
    let Some(relation) = relation.first() else { return Ok(None) };
    let mut described = from_relation(connection, relation)?;
    let generated =
        if connection.server.version >= GENERATED_SINCE { "a.attgenerated <> ''" } else { "false" };
    let columns = COLUMNS.replace("{generated}", generated);
    let columns = query(connection, &columns, &[(&described.oid, Type::OID)]).await?;
    let mut key: Vec<(i16, String)> = Vec::new();
    for row in &columns {
        let column = column(connection, row)?;
        if let Some(place) = get::<Option<i16>>(connection, row, 8)? {
            key.push((place, column.name.clone()));
        }
        described.columns.push(column);
    }
    key.sort();
    described.primary_key = key.into_iter().map(|(_, name)| name).collect();
    described.can_insert = described.columns.iter().all(|column| column.can_insert);
    if described.kind == Kind::Partitioned {
        described.persistence = persistence_of_partitions(connection, &described).await?;
    }
    Ok(Some(described))
}

/// What a crash leaves of a partitioned table: its rows are in its partitions, which must all be alike.
async fn persistence_of_partitions(connection: &Connection, table: &Table) -> Result<Persistence, Error> {
    let sql = format!(
        "{} SELECT bool_or(c.relpersistence = 'u'), bool_or(c.relpersistence <> 'u'),
                min(format('%I.%I', n.nspname, c.relname)) FILTER (WHERE c.relkind = 'f')
         FROM part JOIN pg_class c ON c.oid = part.oid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind <> 'p'",
        PARTS.replace("{oid}", "$1")
    );
    let rows = query(connection, &sql, &[(&table.oid, Type::OID)]).await?;
    let Some(row) = rows.first() else { return Ok(table.persistence) };
    let shown = table.name_in_ledger();
    if let Some(foreign) = get::<Option<String>>(connection, row, 2)? {
        return Err(Error::Refused(format!(
            "`{shown}` has a partition that is a foreign table ({foreign}): its rows would not be committed with ours; load where they are kept"
        )));
    }
    match (get::<Option<bool>>(connection, row, 0)?, get::<Option<bool>>(connection, row, 1)?) {
        (Some(true), Some(true)) => Err(Error::Refused(format!(
            "`{shown}` has UNLOGGED partitions beside others: after a crash of the server it would hold less than the ledger says; make them all LOGGED, or all UNLOGGED"
        ))),
        (Some(true), _) => Ok(Persistence::Unlogged),
        (Some(false), _) => Ok(Persistence::Permanent),
        (None, _) => Ok(table.persistence),
    }
}

/// By name alone, not by `to_regclass`: that is an error without USAGE on the schema.
const RELATION: &str = "
    SELECT n.nspname::text, c.relname::text, c.oid, c.relfilenode, c.relkind::text, c.relpersistence::text,
           has_schema_privilege(n.oid, 'USAGE'), row_security_active(c.oid)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = $1 AND c.relkind NOT IN ('i', 'I', 't', 'c')
      AND CASE WHEN $2::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $2 END";

/// Domains may be stacked: the base type is found by walking down.
const COLUMNS: &str = "
    WITH RECURSIVE base AS (
        SELECT t.oid AS top, t.oid, t.typname, t.typtype, t.typbasetype, t.typnotnull,
               t.typtypmod AS modifier
        FROM pg_catalog.pg_type t
        WHERE t.oid IN (SELECT atttypid FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0)
        UNION ALL
        SELECT b.top, t.oid, t.typname, t.typtype, t.typbasetype, b.typnotnull OR t.typnotnull,
               greatest(b.modifier, t.typtypmod)
        FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype
        WHERE b.typtype = 'd'
    )
    SELECT a.attname::text, t.typname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), b.typname::text,
           a.attnotnull OR b.typnotnull, a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
           a.attidentity = 'a' OR {generated},
           has_column_privilege(a.attrelid, a.attnum, 'INSERT'),
           (SELECT k.place::int2 FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
            WHERE i.indrelid = a.attrelid AND i.indisprimary AND k.attnum = a.attnum AND k.place <= i.indnkeyatts),
           greatest(a.atttypmod, b.modifier)
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    JOIN base b ON b.top = a.atttypid AND b.typtype <> 'd'
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum";

fn from_relation(connection: &Connection, row: &Row) -> Result<Table, Error> {
    let schema: String = get(connection, row, 0)?;
    let name: String = get(connection, row, 1)?;
    let shown = format!("`{schema}.{name}`");
    let refused = |why: &str| Err(Error::Refused(format!("{shown} {why}")));
    let kind = match get::<String>(connection, row, 4)?.as_str() {
        "r" => Kind::Plain,
        "p" => Kind::Partitioned,
        "v" | "m" => return refused("is a view: name the table below it"),
        "f" => {
            return refused(
                "is a foreign table: its rows would not be committed with ours; load where they are kept",
            );
        }
        "S" => return refused("is a sequence, not a table"),
        _ => return refused("is not a table"),
    };
    let persistence = match get::<String>(connection, row, 5)?.as_str() {
        "u" => Persistence::Unlogged,
        "t" => Persistence::Temporary,
        _ => Persistence::Permanent,
    };
    if !get::<bool>(connection, row, 6)? {
        return refused("cannot be used: grant USAGE on its schema to this user");
    }
    Ok(Table {
        oid: get(connection, row, 2)?,
        relfilenode: get(connection, row, 3)?,
        row_security: get(connection, row, 7)?,
        columns: Vec::new(),
        primary_key: Vec::new(),
        can_insert: false,
        schema,
        name,
        kind,
        persistence,
    })
}

fn column(connection: &Connection, row: &Row) -> Result<Column, Error> {
    Ok(Column {
        name: get(connection, row, 0)?,
        udt: get(connection, row, 1)?,
        type_text: get(connection, row, 2)?,
        base_udt: get(connection, row, 3)?,
        modifier: get(connection, row, 9)?,
        not_null: get(connection, row, 4)?,
        has_default: get(connection, row, 5)?,
        always_generated: get(connection, row, 6)?,
        can_insert: get(connection, row, 7)?,
    })
}

async fn query(
    connection: &Connection,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>, Error> {
    connection
        .client
        .query_typed(sql, parameters)
        .await
        .map_err(|e| connection.error("describe the table", &e))
}

fn get<'a, T: tokio_postgres::types::FromSql<'a>>(
    connection: &Connection,
    row: &'a Row,
    at: usize,
) -> Result<T, Error> {
    row.try_get(at).map_err(|e| connection.error("describe the table", &e))
}

/// The error for a table that is not there, with the ones that may be meant.
pub(super) async fn missing(connection: &Connection, name: &str) -> Result<Error, Error> {
    let (schema, table) = identifier::table(name)?;
    let (schema, table) = (schema.as_deref(), table.as_str());
    let sql = "SELECT n.nspname::text, c.relname::text
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
               ORDER BY 1, 2 LIMIT $1";
    let rows = query(connection, sql, &[(&MAX_NAMES, Type::INT8)]).await?;
    let mut names = Vec::with_capacity(rows.len());
    for row in &rows {
        names.push((get::<String>(connection, row, 0)?, get::<String>(connection, row, 1)?));
    }
    let similar = similar(&names, schema, table);
    let wanted = schema.map_or_else(|| table.to_string(), |schema| format!("{schema}.{table}"));
    let hint = match similar.as_slice() {
        [] => "create it first".to_string(),
        similar => format!("create it first, or did you mean {}?", similar.join(" or ")),
    };
    Ok(Error::Refused(format!("there is no table `{wanted}` in the target database: {hint}")))
}

/// Up to three names: the same one in another schema, or one that is spelled almost so.
fn similar(names: &[(String, String)], schema: Option<&str>, table: &str) -> Vec<String> {
    let mut scored: Vec<(f64, String)> = names
        .iter()
        .map(|(in_schema, name)| {
            let same_schema = if schema.is_none_or(|schema| schema == in_schema) { 0.01 } else { 0.0 };
            let score = strsim::jaro_winkler(&name.to_lowercase(), &table.to_lowercase()) + same_schema;
            (score, format!("`{in_schema}.{name}`"))
        })
        .filter(|(score, _)| *score > 0.88)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_tables_are_those_of_another_schema_or_with_a_slip() {
        let names = [("public", "flights"), ("raw", "flight"), ("public", "airports")];
        let names = names.map(|(schema, name)| (schema.to_string(), name.to_string()));
        assert_eq!(similar(&names, Some("public"), "flihgts"), ["`public.flights`", "`raw.flight`"]);
        assert_eq!(similar(&names, Some("etl"), "airports"), ["`public.airports`"]);
        assert!(similar(&names, None, "customers").is_empty());
    }
}
