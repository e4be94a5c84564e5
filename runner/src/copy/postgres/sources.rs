//! A run's sources and splits in the ledger: written once, adopted by everybody else. Every operation is one
//! statement, so that a connection can be shared.
//!
//! Must not know: how a source is cut.

use tokio_postgres::types::Type;

use super::backend::Link;
use super::claim::{LIVE_OWNER, Owner, bound, position};
use super::plan::{Param, Plan, count, counts};
use crate::copy::error::Error;
use crate::copy::state::{NewSplit, Source, Split, SplitKey};
use crate::failpoint::{self, Point};
use crate::position::Position;

impl Plan {
    /// Adds a source, or adopts what another process added. A finished run is open again. Answers with what the
    /// ledger holds, and whether that is ours.
    pub async fn add_source(&self, link: Link<'_>, new: &Source) -> Result<(Source, bool), Error> {
        let (bytes, tiled_to) = (signed(new.split_bytes)?, new.tiled_to.stored());
        let sql = format!(
            "WITH {},
             made AS (
                 INSERT INTO {} (name, target, source, fingerprint, split_bytes, tiled_to, tiled)
                 SELECT $1, $2, $3, $4::json, $5, $6, $7 FROM load ON CONFLICT DO NOTHING RETURNING 1),
             opened AS (
                 UPDATE {} SET finished = NULL WHERE name = $1 AND target = $2 AND EXISTS (SELECT FROM made))
             SELECT count(*) > 0 AS made FROM made",
            self.held_load(),
            self.tables.source(),
            self.tables.run()
        );
        let mut params = self.params();
        params.extend([
            (&new.source as Param<'_>, Type::TEXT),
            (&new.fingerprint, Type::TEXT),
            (&bytes, Type::INT8),
        ]);
        params.extend([(&tiled_to as Param<'_>, Type::TEXT), (&new.tiled, Type::BOOL)]);
        failpoint::hit(Point::SourceAdding);
        let rows = link.rows("adding a source", &sql, &params).await?;
        failpoint::hit(Point::SourceAdded);
        if rows.first().map(|row| link.get(row, "made")).transpose()? == Some(true) {
            return Ok((new.clone(), true));
        }
        let stored = self.sources(link).await?.into_iter().find(|source| source.source == new.source);
        Ok((stored.ok_or_else(|| self.forgotten())?, false))
    }

    /// SQL: a query `load` that has a row if the ledger holds this load, and keeps it from being forgotten for as long as
    /// the statement takes: what is added is seen by who forgets it.
    fn held_load(&self) -> String {
        let run = self.tables.run();
        format!(
            "load AS (SELECT 1 FROM {run} WHERE name = $1 AND target = $2 AND {} FOR KEY SHARE)",
            self.is_this_load()
        )
    }

    /// The run's sources, by name.
    pub async fn sources(&self, link: Link<'_>) -> Result<Vec<Source>, Error> {
        let sql = format!(
            "SELECT source, fingerprint::text AS fingerprint, split_bytes, tiled_to, tiled FROM {}
             WHERE name = $1 AND target = $2 AND {} ORDER BY source",
            self.tables.source(),
            self.is_this_load()
        );
        let rows = link.rows("reading the sources", &sql, &self.params()).await?;
        let source = |row| {
            Ok(Source {
                source: link.get(row, "source")?,
                fingerprint: link.get(row, "fingerprint")?,
                split_bytes: count(link, row, "split_bytes")?,
                tiled_to: position(link.get(row, "tiled_to")?)?,
                tiled: link.get(row, "tiled")?,
            })
        };
        rows.iter().map(source).collect()
    }

    /// Replaces a source's fingerprint by one that means the same content (another time of modification).
    pub async fn renew_fingerprint(
        &self,
        link: Link<'_>,
        source: &str,
        fingerprint: &str,
    ) -> Result<(), Error> {
        let sql = format!(
            "UPDATE {} SET fingerprint = $4::json WHERE name = $1 AND target = $2 AND source = $3 AND {}",
            self.tables.source(),
            self.is_this_load()
        );
        let mut params = self.params();
        params.extend([(&source as Param<'_>, Type::TEXT), (&fingerprint, Type::TEXT)]);
        link.rows("renewing a fingerprint", &sql, &params).await.map(|_| ())
    }

    /// Forgets a source that is one split, or not cut yet, and of which nothing is committed: false where something is,
    /// where it is more splits (of which one could be claimed while the others are deleted), or while another process is
    /// at work on the run, which may be about to claim it. False deletes nothing.
    pub async fn drop_source(&self, link: Link<'_>, source: &str) -> Result<bool, Error> {
        match self.refuse_live_owner(link, &Owner::new()).await {
            Err(Error::Busy(_)) => return Ok(false),
            result => result?,
        }
        // Whoever claims or adds its split meanwhile changes a row, which is then looked at again.
        let sql = format!(
            "WITH known AS (
                 SELECT count(*) AS splits FROM {ledger} WHERE name = $1 AND target = $2 AND source = $3),
             gone AS (
                 DELETE FROM {ledger} AS l WHERE l.name = $1 AND l.target = $2 AND l.source = $3 AND {is_this_load}
                 AND l.chunks = 0 AND NOT l.done AND (l.owner IS NULL OR NOT {live})
                 AND (SELECT splits FROM known) = 1
                 AND EXISTS (SELECT FROM {sources} WHERE name = $1 AND target = $2 AND source = $3 AND tiled)
                 RETURNING 1)
             DELETE FROM {sources} WHERE name = $1 AND target = $2 AND source = $3 AND {is_this_load}
             AND (SELECT splits FROM known) = (SELECT count(*) FROM gone)
             AND tiled = ((SELECT splits FROM known) = 1)
             RETURNING true AS gone",
            ledger = self.tables.ledger(),
            sources = self.tables.source(),
            is_this_load = self.is_this_load(),
            live = LIVE_OWNER.replace("$server", "$4")
        );
        let mut params = self.params();
        params.extend([(&source as Param<'_>, Type::TEXT), (&link.backend.server, Type::TEXT)]);
        Ok(!link.rows("forgetting a source", &sql, &params).await?.is_empty())
    }

    /// Appends splits that tile a source from `from` to `to`, if it is cut up to `from` still: false if another
    /// process was faster, whose splits are to be adopted. `tiled` says that `to` is the source's end.
    pub async fn append_splits(
        &self,
        link: Link<'_>,
        source: &str,
        from: &Position,
        splits: &[NewSplit],
        to: &Position,
        tiled: bool,
    ) -> Result<bool, Error> {
        let starts: Vec<String> = splits.iter().map(|split| split.start.stored()).collect();
        let bounds: Vec<Option<String>> =
            splits.iter().map(|split| split.end.as_ref().map(Position::stored)).collect();
        let (from, to) = (from.stored(), to.stored());
        let mut params = self.params();
        params.extend([&source as Param<'_>, &from, &to].map(|text| (text, Type::TEXT)));
        params.extend([
            (&tiled as Param<'_>, Type::BOOL),
            (&starts, Type::TEXT_ARRAY),
            (&bounds, Type::TEXT_ARRAY),
        ]);
        let sql = format!(
            "WITH {},
             moved AS (
                 UPDATE {} SET tiled_to = $5, tiled = $6 FROM load
                 WHERE name = $1 AND target = $2 AND source = $3 AND tiled_to = $4 AND NOT tiled RETURNING 1),
             added AS (
                 INSERT INTO {ledger} (name, target, source, start, ord, bound, position)
                 SELECT $1, $2, $3, n.start, n.ord + coalesce((SELECT max(ord) FROM {ledger}
                     WHERE name = $1 AND target = $2 AND source = $3), 0), n.bound, n.start
                 FROM unnest($7::text[], $8::text[]) WITH ORDINALITY AS n (start, bound, ord)
                 WHERE EXISTS (SELECT FROM moved) RETURNING 1)
             SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM added) AS added",
            self.held_load(),
            self.tables.source(),
            ledger = self.tables.ledger()
        );
        failpoint::hit(Point::SplitsAdding);
        let rows = link.rows("adding splits", &sql, &params).await?;
        failpoint::hit(Point::SplitsAdded);
        let row = rows.first().ok_or_else(|| Error::Bug("no answer about new splits".into()))?;
        let (moved, added) = (count(link, row, "moved")?, count(link, row, "added")?);
        match (moved, added) {
            (0, 0) => Ok(false),
            (1, added) if added == splits.len() as u64 => Ok(true),
            _ => Err(Error::Bug(format!("{added} of {} splits were added", splits.len()))),
        }
    }

    /// All splits of the run, by source and place.
    pub async fn splits(&self, link: Link<'_>) -> Result<Vec<Split>, Error> {
        let sql = format!(
            "SELECT source, start, bound, position, epoch, owner_address, chunks, done,
                 read, loaded, filtered, rejected, skipped, written
             FROM {} WHERE name = $1 AND target = $2 AND {} ORDER BY source, ord",
            self.tables.ledger(),
            self.is_this_load()
        );
        let rows = link.rows("reading the splits", &sql, &self.params()).await?;
        let split = |row| {
            Ok(Split {
                key: SplitKey { source: link.get(row, "source")?, start: position(link.get(row, "start")?)? },
                end: bound(link, row)?,
                position: position(link.get(row, "position")?)?,
                epoch: link.get(row, "epoch")?,
                owner_address: link.get(row, "owner_address")?,
                counts: counts(link, row)?,
                chunks: count(link, row, "chunks")?,
                done: link.get(row, "done")?,
            })
        };
        rows.iter().map(split).collect()
    }
}

/// A number for a `bigint`.
pub(super) fn signed(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::Bug("a number is too large for the ledger".into()))
}
