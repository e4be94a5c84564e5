//! Empties the target of a run in the transaction that begins its ledger.
//!
//! `TRUNCATE`, not `DELETE`: it is as fast for a billion rows as for one, and leaves nothing behind for vacuum. It gives
//! the table (and each partition) another file, by which a ledger knows a table that was emptied behind its back; so the
//! ledger's row takes note of the files as they are *behind* the TRUNCATE, in the same transaction. The row comes first:
//! only one process can win it, and who does not win empties nothing.
//!
//! Must not know: who was asked, and how.

use tokio_postgres::types::Type;

use super::backend::Link;
use super::partitions;
use super::plan::{Opening, Param, Plan, TableId};
use super::table::{Kind, Table};
use crate::copy::error::Error;
use crate::copy::state::Started;

/// Everything that keeps a table from being emptied; each begins behind the table's name.
pub async fn obstacles(link: Link<'_>, table: &Table) -> Result<Vec<String>, Error> {
    let rows = link
        .rows("looking for what is in the way of TRUNCATE", REFERENCES, &[(&table.oid, Type::OID)])
        .await?;
    let mut found = Vec::new();
    for row in &rows {
        let (from, constraint): (String, String) =
            (link.get(row, "from_table")?, link.get(row, "constraint")?);
        found.push(format!(
            "cannot be emptied: rows of {from} may refer to its rows (foreign key `{constraint}`), and PostgreSQL's TRUNCATE \
             asks for no such table; delete the rows yourself, or drop the foreign key"
        ));
    }
    let may = "SELECT has_table_privilege($1, 'TRUNCATE') AS may";
    let rows = link.rows("looking for the right to TRUNCATE", may, &[(&table.oid, Type::OID)]).await?;
    let may = rows.first().map(|row| link.get(row, "may")).transpose()?;
    if may != Some(true) {
        found.push("cannot be emptied without another right: GRANT TRUNCATE".into());
    }
    Ok(found)
}

/// Empties a table. Tables that inherit from it the old way are others, and keep their rows.
pub fn truncate(table: &Table) -> String {
    let only = match table.kind {
        Kind::Plain => "ONLY ",
        Kind::Partitioned => "",
    };
    format!("TRUNCATE {only}{}", table.qualified())
}

/// What empties a table, and whether it may.
#[derive(Clone, Copy, Debug)]
pub struct Emptying<'a> {
    /// `TRUNCATE …`, or nothing for a table that was made just now.
    pub statement: &'a str,
    /// Somebody said yes to it; where the ledger knew the run a moment ago, nobody was asked.
    pub confirmed: bool,
}

impl Plan {
    /// As [`Plan::open`], and a run that the ledger does not know, or forgets, begins with an empty table: all of it or
    /// nothing. Answers the table as it is then. For a connection that nobody else uses meanwhile.
    pub async fn open_emptied(
        &self,
        link: Link<'_>,
        opening: Opening<'_>,
        emptying: Emptying<'_>,
    ) -> Result<(Started, TableId), Error> {
        // Whatever the session's default is: who waited for another process's row has to see what became of it.
        statement(link, "BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let begun = self.begin_emptied(link, opening, emptying).await;
        match begun {
            Ok(Some((started, table))) => {
                statement(link, "COMMIT").await?;
                Ok((started, table))
            }
            Ok(None) => {
                statement(link, "ROLLBACK").await?;
                // Who began the run may have emptied the table since its file was looked at.
                let table = with_its_file(link, opening.table).await?;
                Ok((self.adopt(link, Opening { table, ..opening }).await?, table))
            }
            Err(error) => {
                // Whatever it answers: what failed before is the cause.
                let _ = statement(link, "ROLLBACK").await;
                Err(error)
            }
        }
    }

    /// `None` where the ledger knows the run already.
    async fn begin_emptied(
        &self,
        link: Link<'_>,
        opening: Opening<'_>,
        emptying: Emptying<'_>,
    ) -> Result<Option<(Started, TableId)>, Error> {
        self.clear(link, opening).await?;
        let Some(started) = self.insert(link, opening).await? else { return Ok(None) };
        if !emptying.confirmed {
            return Err(self.forgotten());
        }
        link.client
            .batch_execute(emptying.statement)
            .await
            .map_err(|error| link.failure("TRUNCATE", &error))?;
        let table = with_its_file(link, opening.table).await?;
        let file = i64::from(table.relfilenode);
        let sql = format!(
            "UPDATE {} SET target_relfilenode = $3, target_partitions = {} WHERE name = $1 AND target = $2",
            self.tables.run(),
            partitions::known("$4")
        );
        let mut params = self.params();
        params.extend([(&file as Param<'_>, Type::INT8), (&table.oid, Type::OID)]);
        link.rows("taking note of the emptied table", &sql, &params).await?;
        Ok(Some((started, table)))
    }
}

/// The table with the file that it has now.
pub(super) async fn with_its_file(link: Link<'_>, table: TableId) -> Result<TableId, Error> {
    let sql = "SELECT relfilenode FROM pg_class WHERE oid = $1";
    let rows = link.rows("looking for the target table's file", sql, &[(&table.oid, Type::OID)]).await?;
    let gone = || Error::Refused("the target table was dropped just now".into());
    Ok(TableId { relfilenode: link.get(rows.first().ok_or_else(gone)?, "relfilenode")?, ..table })
}

async fn statement(link: Link<'_>, sql: &'static str) -> Result<(), Error> {
    link.client.batch_execute(sql).await.map_err(|error| link.failure(sql, &error))
}

/// Foreign keys (of other tables) to the table or one of its partitions.
const REFERENCES: &str = "\
WITH RECURSIVE part AS (
    SELECT $1::oid AS oid
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN part p ON i.inhparent = p.oid)
SELECT c.conrelid::regclass::text AS from_table, c.conname::text AS constraint
FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
WHERE c.contype = 'f' AND c.confrelid IN (SELECT oid FROM part) AND c.conrelid NOT IN (SELECT oid FROM part)
    AND NOT r.relispartition
ORDER BY 1, 2 LIMIT 3";
