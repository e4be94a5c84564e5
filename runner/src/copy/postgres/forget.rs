//! Forgets a run, of which the ledger's rows go away and the target's stay: all at once, and not while somebody loads it.
//!
//! Must not know: who was asked.

use tokio_postgres::types::Type;

use super::backend::Link;
use super::claim::{LIVE_OWNER, Owner};
use super::identifier::literal;
use super::plan::{Param, Plan, count};
use crate::copy::error::Error;
use crate::copy::state::Standing;
use crate::failpoint::{self, Point};

impl Plan {
    /// How many rejects it has, of all its loads.
    pub async fn rejects(&self, link: Link<'_>) -> Result<u64, Error> {
        let sql = format!(
            "SELECT count(*) AS rejects FROM {} WHERE name = $1 AND target = $2",
            self.tables.reject()
        );
        let rows = link.rows("counting the rejects", &sql, &self.params()).await?;
        rows.first().map_or(Ok(0), |row| count(link, row, "rejects"))
    }

    /// Forgets the run; its rows stay in the target. Refused while another process loads it. Answers with what was
    /// forgotten.
    pub async fn forget(&self, link: Link<'_>, owner: &Owner) -> Result<Option<Standing>, Error> {
        let tables = [self.tables.run(), self.tables.reject(), self.tables.ledger(), self.tables.source()];
        self.forget_rows_of(link, owner, &tables).await
    }

    /// The same, and its rejects stay: of a load of standard input, where the rows that they hold are nowhere else.
    pub async fn forget_but_rejects(&self, link: Link<'_>, owner: &Owner) -> Result<Option<Standing>, Error> {
        let tables = [self.tables.run(), self.tables.ledger(), self.tables.source()];
        self.forget_rows_of(link, owner, &tables).await
    }

    /// The run's row comes first and by itself: who adds something to it meanwhile is waited for, and is seen behind it.
    async fn forget_rows_of(
        &self,
        link: Link<'_>,
        owner: &Owner,
        tables: &[String],
    ) -> Result<Option<Standing>, Error> {
        self.refuse_live_owner(link, owner).await?;
        let standing = self.of_any_load().standing(link).await?;
        let whose = format!("name = {} AND target = {}", literal(&self.key.name), literal(&self.key.target));
        let delete = |table: &String| format!("DELETE FROM {table} WHERE {whose}");
        let sql = tables.iter().map(delete).collect::<Vec<_>>().join("; ");
        failpoint::hit(Point::Forgetting);
        // Several statements in one message are one transaction.
        link.client.batch_execute(&sql).await.map_err(|error| link.failure("forgetting the run", &error))?;
        failpoint::hit(Point::Forgot);
        Ok(standing)
    }

    /// Refuses to go on while another process's stream lives.
    pub(super) async fn refuse_live_owner(&self, link: Link<'_>, owner: &Owner) -> Result<(), Error> {
        let sql = format!(
            "SELECT l.owner_address FROM {} l WHERE l.name = $1 AND l.target = $2 AND NOT l.done
             AND l.owner <> $3 AND {} LIMIT 1",
            self.tables.ledger(),
            LIVE_OWNER.replace("$server", "$4")
        );
        let mut params = self.params();
        params.extend([(&owner.id as Param<'_>, Type::TEXT), (&link.backend.server, Type::TEXT)]);
        let rows = link.rows("looking for other processes", &sql, &params).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let address: Option<String> = link.get(row, "owner_address")?;
        let at = address.map(|address| format!(" (through {address})")).unwrap_or_default();
        let text = format!("another process loads `{}`{at}: wait for it or stop it", self.key.name);
        Err(Error::Busy(text))
    }
}
