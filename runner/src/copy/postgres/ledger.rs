//! The statements of a chunk, prepared once for a connection and a table: a text query would prepare itself first
//! and break the order of what is sent ahead. Must not know the order in which they are sent.

use futures_util::join;
use tokio_postgres::Statement;
use tokio_postgres::types::Type;

use super::backend::Link;
use super::plan::{Param, Plan, TableId};
use super::rejects;
use super::write::{Through, Write};
use crate::copy::error::Error;
use crate::copy::message::LineMap;
use crate::counters::Counts;

/// What a connection needs to load splits into one table.
#[derive(Debug)]
pub struct Statements {
    /// The run that they are for.
    pub(super) plan: Plan,
    /// Locks the ledger row; fails (division by zero) where position or epoch are not as expected.
    pub(super) check: Statement,
    /// `COPY … FROM STDIN`.
    pub(super) copy: Statement,
    /// The table that it copies into, as the server's errors name it.
    pub(super) into: String,
    /// Brings what was copied into the target, where the COPY does not.
    pub(super) store: Option<Store>,
    /// Inserts a group of rejects.
    pub(super) rejects: Statement,
    /// Moves the ledger row; fails (division by zero) where it moves none.
    pub(super) advance: Statement,
    /// What the target made of the rows has to be known before `COMMIT` is sent, which costs a second round trip: the
    /// table has triggers that may leave rows out, or the rows do not go there by COPY.
    pub(super) counts_first: bool,
}

/// See [`Through::store`].
#[derive(Debug)]
pub(super) struct Store {
    pub(super) statement: Statement,
    pub(super) counts_origins: bool,
}

impl Statements {
    /// Prepares them in one round trip; makes the temporary table before, where rows go through one. `write` is for the
    /// table `table`.
    pub async fn prepare(
        link: Link<'_>,
        plan: &Plan,
        table: TableId,
        write: &Write,
    ) -> Result<Statements, Error> {
        if let Some(through) = &write.through {
            let made = link.client.batch_execute(&through.make).await;
            made.map_err(|error| link.failure("making a temporary table", &error))?;
        }
        let (check_sql, advance_sql) = (check_sql(&plan.tables.ledger()), advance_sql(&plan.tables.ledger()));
        let rejects_sql = rejects::sql(&plan.tables.reject());
        let key = [Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT];
        let check_types = [&key[..], &[Type::TEXT, Type::INT8, Type::TEXT]].concat();
        let advance_types = [&check_types[..], &[Type::TEXT], &vec![Type::INT8; 6], &[Type::BOOL]].concat();
        let rejects_types = [&key[..], &rejects::TYPES].concat();
        let client = link.client;
        let (check, copy, rejects, advance, store, may_leave_out) = join!(
            client.prepare_typed(&check_sql, &check_types),
            client.prepare(&write.copy),
            client.prepare_typed(&rejects_sql, &rejects_types),
            client.prepare_typed(&advance_sql, &advance_types),
            store(link, write.through.as_ref()),
            may_leave_out(link, table.oid),
        );
        let failed = |error| link.failure("preparing a stream's statements", &error);
        let (store, may_leave_out) = (store.map_err(failed)?, may_leave_out?);
        if may_leave_out && write.through.as_ref().is_some_and(|through| through.leaves_rows) {
            return Err(Error::Refused(format!("{} {LEAVES_OUT}", plan.key.target)));
        }
        Ok(Statements {
            plan: plan.clone(),
            check: check.map_err(failed)?,
            copy: copy.map_err(failed)?,
            into: write.into.clone(),
            rejects: rejects.map_err(failed)?,
            advance: advance.map_err(failed)?,
            counts_first: may_leave_out || store.is_some(),
            store,
        })
    }

    /// Which input row each row of a chunk came from, where the target has to know: see [`Through::counts_origins`].
    pub(super) fn origins(&self, counts: &Counts, lines: &LineMap) -> Vec<i32> {
        let wanted = self.store.as_ref().is_some_and(|store| store.counts_origins);
        // As many rows as input rows: each made one.
        if wanted && counts.written > counts.loaded { lines.origins() } else { Vec::new() }
    }
}

/// Behind the table's name: why keys cannot be left alone in it.
pub(super) const LEAVES_OUT: &str = "has a BEFORE INSERT trigger for each row: a row that it leaves out could not be \
    told from one whose key is there; make it an AFTER trigger, or load into a table without it";

/// Whether the table or one of its partitions has triggers that may leave rows out.
pub(super) async fn may_leave_out(link: Link<'_>, table: u32) -> Result<bool, Error> {
    let oid = [(&table as Param<'_>, Type::OID)];
    let rows = link.rows("looking for triggers", TRIGGERS, &oid).await?;
    let found = rows.first().map(|row| link.get(row, "may_leave_out")).transpose()?;
    Ok(found.unwrap_or(true))
}

async fn store(link: Link<'_>, through: Option<&Through>) -> Result<Option<Store>, tokio_postgres::Error> {
    let Some(through) = through else { return Ok(None) };
    let types: &[Type] = if through.counts_origins { &[Type::INT4_ARRAY] } else { &[] };
    let statement = link.client.prepare_typed(&through.store, types).await?;
    Ok(Some(Store { statement, counts_origins: through.counts_origins }))
}

/// `$1` to `$7`: name, target, source, start, position, epoch, owner. The owner tells a worker of a load that was
/// forgotten from one of the next: their epochs are the same numbers.
const ROW: &str = "name = $1 AND target = $2 AND source = $3 AND start = $4 AND position = $5 AND epoch = $6 \
    AND owner = $7 AND NOT done";

fn check_sql(ledger: &str) -> String {
    format!("SELECT 1 / count(*) FROM (SELECT 1 FROM {ledger} WHERE {ROW} FOR UPDATE) AS expected")
}

fn advance_sql(ledger: &str) -> String {
    format!(
        "WITH moved AS (
             UPDATE {ledger} SET position = $8, read = read + $9, loaded = loaded + $10, filtered = filtered + $11,
                 rejected = rejected + $12, skipped = skipped + $13, written = written + $14,
                 done = $15, chunks = chunks + 1, touched_at = clock_timestamp()
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
