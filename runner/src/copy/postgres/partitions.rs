//! The partitions of a target that the ledger knows from a run's beginning: one that was emptied, rewritten or taken
//! away since holds less than the ledger says. A partitioned table has no file of its own by which to tell.
//!
//! Those that are added later are none of its business: many a table makes them by itself.
//!
//! Must not know: what is done about a difference.

use tokio_postgres::types::Type;

use super::backend::Link;
use super::plan::{Param, Plan, TableId};
use crate::copy::error::Error;

/// So many are named, by which the others will be known too.
const NAMED: usize = 5;

/// SQL for what a run's row keeps: oid, file and name of each partition that holds rows; NULL for a table that is not
/// partitioned. `oid` is SQL for the table's.
pub(super) fn known(oid: &str) -> String {
    format!(
        "({} SELECT json_agg(json_build_object('oid', c.oid::bigint, 'file', c.relfilenode::bigint,
                 'name', format('%I.%I', n.nspname, c.relname)) ORDER BY c.oid)
             FROM part JOIN pg_class c ON c.oid = part.oid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind <> 'p')",
        PARTS.replace("{oid}", oid)
    )
}

impl Plan {
    /// A sentence for each partition that is not what it was when the run began.
    pub(super) async fn changed_partitions(
        &self,
        link: Link<'_>,
        table: TableId,
    ) -> Result<Vec<String>, Error> {
        let sql = format!(
            "{} SELECT k.known ->> 'name' AS name, c.oid IS NOT NULL AS there
             FROM {} r CROSS JOIN LATERAL json_array_elements(r.target_partitions) WITH ORDINALITY AS k (known, ord)
             LEFT JOIN (part JOIN pg_class c ON c.oid = part.oid) ON c.oid::bigint = (k.known ->> 'oid')::bigint
             WHERE r.name = $1 AND r.target = $2
             AND (c.oid IS NULL OR c.relfilenode::bigint <> (k.known ->> 'file')::bigint)
             ORDER BY k.ord",
            PARTS.replace("{oid}", "$3"),
            self.tables.run()
        );
        let mut params = self.params();
        params.push((&table.oid as Param<'_>, Type::OID));
        let rows = link.rows("comparing the partitions", &sql, &params).await?;
        let mut sentences = Vec::new();
        for row in rows.iter().take(NAMED) {
            let (name, there): (String, bool) = (link.get(row, "name")?, link.get(row, "there")?);
            let how = if there {
                "was truncated, restored or rewritten (VACUUM FULL, CLUSTER, ALTER TABLE)"
            } else {
                "is not a partition of it any more (detached or dropped)"
            };
            sentences.push(format!("partition {name} {how}"));
        }
        match rows.len() - sentences.len() {
            0 => {}
            more => sentences.push(format!("and {more} more partitions")),
        }
        Ok(sentences)
    }
}

/// The partitions of a partitioned table, at every level. Tables that inherit from another one in the old way get none
/// of its rows.
pub(super) const PARTS: &str = "\
WITH RECURSIVE part AS (
    SELECT oid FROM pg_class WHERE oid = {oid}::oid AND relkind = 'p'
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN part p ON i.inhparent = p.oid)";
