//! What keeps a table from being written to as a recipe says, told before a row moves. Must not know how it is written.

use tokio_postgres::types::Type;

use super::backend::Link;
use super::identifier::written;
use super::ledger::{LEAVES_OUT, may_leave_out};
use super::plan::Param;
use super::table::Table;
use super::write::{Mode, Write};
use crate::copy::error::Error;

/// Everything that keeps rows with these columns out of a table in a mode; each begins behind the table's name.
pub async fn obstacles(
    link: Link<'_>,
    mode: Mode,
    table: &Table,
    columns: &[String],
) -> Result<Vec<String>, Error> {
    if mode == Mode::Append {
        return Ok(Vec::new());
    }
    let name = mode.name();
    if table.primary_key.is_empty() {
        return Ok(vec![format!("has no primary key, and write = \"{name}\" goes by it")]);
    }
    let unfilled = table.primary_key.iter().filter(|key| !columns.contains(key));
    let mut found: Vec<String> = unfilled
        .map(|key| {
            format!("has `{key}` in its primary key, which nothing fills: write = \"{name}\" goes by it")
        })
        .collect();
    let set: Vec<&String> = match mode {
        Mode::Upsert => columns.iter().filter(|column| !table.primary_key.contains(column)).collect(),
        Mode::Append | Mode::Skip => Vec::new(),
    };
    // To read `excluded` is to read the column.
    let read: Vec<&String> = table.primary_key.iter().chain(set.iter().copied()).collect();
    let params: [(Param<'_>, Type); 3] =
        [(&table.oid, Type::OID), (&read, Type::TEXT_ARRAY), (&set, Type::TEXT_ARRAY)];
    let rows = link.rows("looking for what is in the way of writing", FACTS, &params).await?;
    let row = rows.first().ok_or_else(|| Error::Bug("no answer about the target table".into()))?;
    if link.get(row, "deferrable")? {
        found.push(
            "has a DEFERRABLE primary key, which ON CONFLICT cannot go by: make it NOT DEFERRABLE".into(),
        );
    }
    if link.get(row, "rules")? {
        found.push(
            "has a rule for INSERT or UPDATE, with which PostgreSQL takes no ON CONFLICT: drop the rule"
                .into(),
        );
    }
    for (right, column) in [("SELECT", "unreadable"), ("UPDATE", "fixed")] {
        let columns: Vec<String> = link.get(row, column)?;
        if !columns.is_empty() {
            let columns: Vec<String> = columns.iter().map(|column| written(column)).collect();
            found.push(format!(
                "cannot be written to with write = \"{name}\" without another right: GRANT {right} ({})",
                columns.join(", ")
            ));
        }
    }
    if !link.get::<bool>(row, "temporary")? {
        found.push(format!(
            "cannot be written to with write = \"{name}\" without a temporary table: GRANT TEMPORARY on the database"
        ));
    }
    let leaves_rows = Write::new(mode, table, columns).through.is_some_and(|through| through.leaves_rows);
    if leaves_rows && may_leave_out(link, table.oid).await? {
        found.push(LEAVES_OUT.into());
    }
    Ok(found)
}

/// `$1` is the table, `$2` the columns that are read, `$3` those that are overwritten. Rules for UPDATE (2) and INSERT (3).
const FACTS: &str = "\
SELECT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = $1 AND c.contype = 'p' AND c.condeferrable) AS deferrable,
    EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = $1 AND r.ev_type IN ('2', '3') AND r.ev_enabled <> 'D') AS rules,
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = $1 AND a.attname = ANY ($2::text[])
        AND NOT has_column_privilege(a.attrelid, a.attnum, 'SELECT') ORDER BY a.attnum) AS unreadable,
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = $1 AND a.attname = ANY ($3::text[])
        AND NOT has_column_privilege(a.attrelid, a.attnum, 'UPDATE') ORDER BY a.attnum) AS fixed,
    has_database_privilege(current_database(), 'TEMPORARY') AS temporary";
