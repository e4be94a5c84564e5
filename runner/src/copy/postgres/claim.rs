//! Claims: which worker may load a split. A claim makes the split's epoch one larger, and a chunk is only committed
//! at the epoch and position that its worker knows, so a worker that lost its split finds out before it sends a row.
//!
//! Must not know: how a chunk is committed.

use std::hash::{BuildHasher, RandomState};

use tokio_postgres::types::Type;

use super::backend::{Link, utc};
use super::plan::{Param, Plan, count, counts};
use crate::copy::error::Error;
use crate::copy::state::{Claimed, SplitKey};
use crate::counters::Counts;
use crate::failpoint::{self, Point};
use crate::position::Position;

/// Whether the owner of ledger row `l` is alive, as far as the server `$server` can see: on the same server its
/// backend is listed; where it is listed but not shown (another role's), or on another server, it was touched a
/// short time ago.
pub(super) const LIVE_OWNER: &str = concat!(
    "CASE WHEN l.owner_server = $server THEN EXISTS (
        SELECT FROM pg_stat_activity a WHERE a.pid = l.owner_pid
        AND coalesce(",
    utc!("a.backend_start"),
    " = l.owner_backend_start, l.touched_at > clock_timestamp() - interval '30 s'))
     ELSE l.touched_at > clock_timestamp() - interval '30 s' END"
);

/// A process of ours. All its streams are one owner: who of them has which split is their own affair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Unlike any other process's.
    pub id: String,
}

impl Owner {
    /// An owner that nobody else is.
    pub fn new() -> Owner {
        // Keyed by the system's randomness; the two are independent.
        let half = || RandomState::new().hash_one(std::process::id());
        Owner { id: format!("{:016x}{:016x}", half(), half()) }
    }
}

impl Default for Owner {
    fn default() -> Self {
        Owner::new()
    }
}

/// How a split stands, whoever has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stands {
    /// Up to where it is done, as it is stored.
    pub position: String,
    /// That of its last claim.
    pub epoch: i64,
    /// Whether nothing is left to do in it.
    pub done: bool,
    /// What was committed of it.
    pub counts: Counts,
}

/// What became of an attempt to claim a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is ours.
    Claimed(Claimed),
    /// Its owner is alive, or a connection that is dying holds it: take another one and come back.
    Busy,
    /// Nothing is left to do in it.
    Done(Stands),
    /// Somebody claimed it since its epoch was read: read it again.
    Moved,
}

impl Plan {
    /// Claims a split whose epoch was last seen as `epoch`. Waits for an open transaction on it as long as the
    /// connection's `lock_timeout` says, so the position in the answer is final. One statement, by itself: what it
    /// sees of other backends is as old as its transaction.
    pub async fn claim(
        &self,
        link: Link<'_>,
        owner: &Owner,
        split: &SplitKey,
        epoch: i64,
    ) -> Result<Claim, Error> {
        let start = split.start.stored();
        let mut params = self.split_params(split, &start);
        params.extend([
            (&epoch as Param<'_>, Type::INT8),
            (&owner.id, Type::TEXT),
            (&link.backend.pid, Type::INT4),
        ]);
        let backend = link.backend;
        params.extend(
            [&backend.backend_start, &backend.server, &backend.address]
                .map(|text| (text as Param<'_>, Type::TEXT)),
        );
        let sql = format!(
            "UPDATE {} AS l SET epoch = l.epoch + 1, owner = $6, owner_pid = $7, owner_backend_start = $8,
                 owner_server = $9, owner_address = $10, touched_at = clock_timestamp()
             WHERE l.name = $1 AND l.target = $2 AND l.source = $3 AND l.start = $4 AND l.epoch = $5 AND NOT l.done
             AND (l.owner IS NULL OR l.owner = $6 OR NOT {}) AND {}
             RETURNING l.position, l.epoch, l.bound,
                 l.read, l.loaded, l.filtered, l.rejected, l.skipped, l.written",
            self.tables.ledger(),
            LIVE_OWNER.replace("$server", "$9"),
            self.is_this_load()
        );
        failpoint::hit(Point::Claiming);
        let answer = link.rows("claim", &sql, &params).await;
        failpoint::hit(Point::Claimed);
        match answer {
            Ok(rows) => match rows.first() {
                Some(row) => Ok(Claim::Claimed(claimed(link, row, (split, owner))?)),
                None => self.why_not(link, split, epoch).await,
            },
            // A connection that was lost, ours or another's, still holds the row in its transaction.
            Err(Error::Server(server)) if server.state == "55P03" => Ok(Claim::Busy),
            Err(error) => Err(error),
        }
    }

    /// Gives a split back that was not finished, so that others need not wait until its owner looks dead. Does
    /// nothing if it is not ours any more.
    pub async fn release(
        &self,
        link: Link<'_>,
        owner: &Owner,
        split: &SplitKey,
        epoch: i64,
    ) -> Result<(), Error> {
        let start = split.start.stored();
        let mut params = self.split_params(split, &start);
        params.extend([(&epoch as Param<'_>, Type::INT8), (&owner.id, Type::TEXT)]);
        let sql = format!(
            "UPDATE {} SET owner = NULL, owner_pid = NULL, owner_backend_start = NULL, owner_server = NULL,
                 owner_address = NULL, touched_at = clock_timestamp()
             WHERE name = $1 AND target = $2 AND source = $3 AND start = $4 AND epoch = $5 AND owner = $6
             AND NOT done",
            self.tables.ledger()
        );
        failpoint::hit(Point::Releasing);
        link.rows("giving a split back", &sql, &params).await?;
        failpoint::hit(Point::Released);
        Ok(())
    }

    /// Says that this process is alive, for others that cannot see its backends: call it every few seconds. Rows
    /// that an open chunk locks are passed over; that chunk touches them itself.
    pub async fn touch(&self, link: Link<'_>, owner: &Owner) -> Result<(), Error> {
        let sql = format!(
            "UPDATE {ledger} AS l SET touched_at = clock_timestamp()
             FROM (SELECT source, start FROM {ledger} WHERE name = $1 AND target = $2 AND owner = $3 AND NOT done
                   FOR UPDATE SKIP LOCKED) AS ours
             WHERE l.name = $1 AND l.target = $2 AND l.source = ours.source AND l.start = ours.start",
            ledger = self.tables.ledger()
        );
        let mut params = self.params();
        params.push((&owner.id, Type::TEXT));
        link.rows("touching the ledger", &sql, &params).await.map(|_| ())
    }

    /// How the split stands now. None if the ledger has forgotten it, or holds another load.
    pub(super) async fn standing_of(
        &self,
        link: Link<'_>,
        split: &SplitKey,
    ) -> Result<Option<Stands>, Error> {
        let start = split.start.stored();
        let sql = format!(
            "SELECT position, epoch, done, read, loaded, filtered, rejected, skipped, written
             FROM {} WHERE name = $1 AND target = $2 AND source = $3 AND start = $4 AND {}",
            self.tables.ledger(),
            self.is_this_load()
        );
        let rows = link.rows("reading the ledger again", &sql, &self.split_params(split, &start)).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (position, epoch, done) =
            (link.get(row, "position")?, link.get(row, "epoch")?, link.get(row, "done")?);
        Ok(Some(Stands { position, epoch, done, counts: counts(link, row)? }))
    }

    /// `$1` to `$4`.
    fn split_params<'a>(&'a self, split: &'a SplitKey, start: &'a String) -> Vec<(Param<'a>, Type)> {
        let mut params = self.params();
        params.extend([(&split.source as Param<'_>, Type::TEXT), (start, Type::TEXT)]);
        params
    }

    async fn why_not(&self, link: Link<'_>, split: &SplitKey, seen: i64) -> Result<Claim, Error> {
        match self.standing_of(link, split).await? {
            Some(stands) if stands.done => Ok(Claim::Done(stands)),
            Some(stands) if stands.epoch == seen => Ok(Claim::Busy),
            Some(_) => Ok(Claim::Moved),
            None => Err(self.forgotten()),
        }
    }
}

fn claimed(
    link: Link<'_>,
    row: &tokio_postgres::Row,
    (split, owner): (&SplitKey, &Owner),
) -> Result<Claimed, Error> {
    let counts = counts(link, row)?;
    if !counts.balanced() {
        return Err(Error::Bug(format!("the rows of split {split} do not add up: {counts:?}")));
    }
    Ok(Claimed {
        key: split.clone(),
        end: bound(link, row)?,
        position: position(link.get(row, "position")?)?,
        epoch: count(link, row, "epoch")?.cast_signed(),
        owner: owner.id.clone(),
        counts,
    })
}

/// A position that we wrote.
pub(super) fn position(text: &str) -> Result<Position, Error> {
    text.parse().map_err(|error| Error::Bug(format!("the ledger holds {error}")))
}

/// A split's end that we wrote.
pub(super) fn bound(link: Link<'_>, row: &tokio_postgres::Row) -> Result<Option<Position>, Error> {
    let text: Option<&str> = link.get(row, "bound")?;
    text.map(position).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_owners_are_the_same() {
        let (one, other) = (Owner::new(), Owner::new());
        assert_ne!(one, other);
        assert_eq!(one.id.len(), 32);
        assert_ne!(one.id[..16], one.id[16..]);
    }
}
