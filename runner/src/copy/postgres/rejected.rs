//! Rejects read back from the ledger's tables, one after the other: the server is asked for more as they are used.
//!
//! Must not know: what is done with them.

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::backend::Link;
use super::plan::Param;
use super::schema::Tables;
use crate::copy::error::Error;
use crate::copy::rejected::Rejected;
use crate::reject::Original;

/// Which rejects, and how much of them.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The recipe's name.
    pub name: &'a str,
    /// The target table as the ledger names it; `None`: all.
    pub table: Option<&'a str>,
    /// Characters, or bytes, of each row; `None`: all that was kept.
    pub original_length: Option<i32>,
}

/// Hands the rejects to `each`: by table and source, in the order in which they were read there. `schema` is the
/// ledger's; where it has no tables there are no rejects.
pub async fn each<E: From<Error>>(
    link: Link<'_>,
    schema: &str,
    wanted: Wanted<'_>,
    mut each: impl FnMut(Rejected) -> Result<(), E>,
) -> Result<(), E> {
    for table in Tables::of_rejects(link, schema).await? {
        let length = wanted.original_length;
        let params: [(Param<'_>, Type); 3] =
            [(&wanted.name, Type::TEXT), (&wanted.table, Type::TEXT), (&length, Type::INT4)];
        let failed = |error: tokio_postgres::Error| link.failure("reading the rejects", &error);
        let rows = link.client.query_typed_raw(&sql(&table), params).await.map_err(failed)?;
        let mut rows = pin!(rows);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            each(rejected(link, &row)?)?;
        }
    }
    Ok(())
}

/// A file's positions are `byte:line`, a table's `k`, token, `:` and key.
fn sql(table: &str) -> String {
    format!(
        "SELECT target, source, position, stage, code, reason, cut,
             CASE WHEN $3 IS NULL THEN original::text ELSE left(original::text, $3) END AS original,
             CASE WHEN $3 IS NULL THEN original_bytes ELSE substr(original_bytes, 1, $3) END AS original_bytes
         FROM {table} WHERE name = $1 AND ($2 IS NULL OR target = $2)
         ORDER BY target, source, CASE WHEN position ~ '^(k-?)?[0-9]{{1,30}}:'
             THEN split_part(ltrim(position, 'k'), ':', 1)::numeric END, position"
    )
}

fn rejected(link: Link<'_>, row: &Row) -> Result<Rejected, Error> {
    let columns: Option<String> = link.get(row, "original")?;
    let bytes: Option<Vec<u8>> = link.get(row, "original_bytes")?;
    Ok(Rejected {
        table: link.get(row, "target")?,
        source: link.get(row, "source")?,
        position: link.get(row, "position")?,
        stage: link.get(row, "stage")?,
        code: link.get(row, "code")?,
        reason: link.get(row, "reason")?,
        original: match (columns, bytes) {
            (Some(json), _) => Original::Columns(json),
            (None, Some(bytes)) => Original::Bytes(bytes),
            (None, None) => Original::Nothing,
        },
        cut: link.get(row, "cut")?,
    })
}
