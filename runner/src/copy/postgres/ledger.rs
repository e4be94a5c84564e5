//! The statements of a chunk, prepared once for a connection and a table: a text query would prepare itself first
//! and break the order of what is sent ahead. Must not know the order in which they are sent.

use futures_util::join;
use tokio_postgres::Statement;
use tokio_postgres::types::Type;

use super::backend::Link;
use super::plan::{Plan, TableId};
use super::rejects;
use crate::copy::error::Error;

/// What a connection needs to load splits into one table.
#[derive(Debug)]
pub struct Statements {
    /// The run that they are for.
    pub(super) plan: Plan,
    /// Locks the ledger row; fails (division by zero) where position or epoch are not as expected.
    pub(super) check: Statement,
    /// `COPY … FROM STDIN`.
    pub(super) copy: Statement,
    /// Inserts a group of rejects.
    pub(super) rejects: Statement,
    /// Moves the ledger row; fails (division by zero) where it moves none.
    pub(super) advance: Statement,
    /// The table has triggers that may leave rows out: the number of rows has to be known before `COMMIT` is sent,
    /// which costs a second round trip.
    pub(super) counts_first: bool,
}

impl Statements {
    /// Prepares them in one round trip. `copy` is the whole `COPY` statement, for the table `table`.
    pub async fn prepare(
        link: Link<'_>,
        plan: &Plan,
        table: TableId,
        copy: &str,
    ) -> Result<Statements, Error> {
        let (check_sql, advance_sql) = (check_sql(&plan.tables.ledger()), advance_sql(&plan.tables.ledger()));
        let rejects_sql = rejects::sql(&plan.tables.reject());
        let key = [Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT];
        let check_types = [&key[..], &[Type::TEXT, Type::INT8]].concat();
        let advance_types = [&check_types[..], &[Type::TEXT], &vec![Type::INT8; 6], &[Type::BOOL]].concat();
        let rejects_types = [&key[..], &rejects::TYPES].concat();
        let oid = [(&table.oid as super::plan::Param<'_>, Type::OID)];
        let client = link.client;
        let (check, copy, rejects, advance, triggers) = join!(
            client.prepare_typed(&check_sql, &check_types),
            client.prepare(copy),
            client.prepare_typed(&rejects_sql, &rejects_types),
            client.prepare_typed(&advance_sql, &advance_types),
            link.rows("looking for triggers", TRIGGERS, &oid),
        );
        let failed = |error| link.failure("preparing a stream's statements", &error);
        let counts_first = triggers?.first().map(|row| link.get(row, "may_leave_out")).transpose()?;
        Ok(Statements {
            plan: plan.clone(),
            check: check.map_err(failed)?,
            copy: copy.map_err(failed)?,
            rejects: rejects.map_err(failed)?,
            advance: advance.map_err(failed)?,
            counts_first: counts_first.unwrap_or(true),
        })
    }
}

/// `$1` to `$6`: name, target, source, start, position, epoch.
const ROW: &str =
    "name = $1 AND target = $2 AND source = $3 AND start = $4 AND position = $5 AND epoch = $6 AND NOT done";

fn check_sql(ledger: &str) -> String {
    format!("SELECT 1 / count(*) FROM (SELECT 1 FROM {ledger} WHERE {ROW} FOR UPDATE) AS expected")
}

fn advance_sql(ledger: &str) -> String {
    format!(
        "WITH moved AS (
             UPDATE {ledger} SET position = $7, read = read + $8, loaded = loaded + $9, filtered = filtered + $10,
                 rejected = rejected + $11, skipped = skipped + $12, written = written + $13,
                 done = $14, chunks = chunks + 1, touched_at = clock_timestamp()
             WHERE {ROW} RETURNING 1)
         SELECT 1 / count(*) FROM moved"
    )
}

/// Row triggers (1) for INSERT (4) that run BEFORE (2) or INSTEAD (64), on the table or one of its partitions.
const TRIGGERS: &str = "\
WITH RECURSIVE part AS (
    SELECT $1::oid AS oid
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN part p ON i.inhparent = p.oid)
SELECT EXISTS (
    SELECT FROM pg_trigger t JOIN part p ON t.tgrelid = p.oid
    WHERE t.tgtype & 5 = 5 AND t.tgtype & 66 <> 0 AND t.tgenabled <> 'D') AS may_leave_out";
