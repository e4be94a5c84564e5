//! A run in the ledger: what it was made from, whether it may continue, what it has done. Every operation is one
//! statement, so that a connection can be shared.
//!
//! Must not know: what the settings mean. It compares named texts.

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::backend::{Link, utc};
use super::claim::Owner;
use super::empty::with_its_file;
use super::identifier::literal;
use super::partitions;
use super::partitions::PARTS;
use super::rejects::ascii_json;
use super::schema::Tables;
use crate::copy::drift::{Part, compared, differing, hash, no_differences};
use crate::copy::error::Error;
use crate::copy::state::{RunKey, Standing, Started};
use crate::counters::Counts;
use crate::failpoint::{self, Point};

/// Which table the rows go to, as far as it can be told apart from one that was emptied or made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableId {
    /// The table's oid.
    pub oid: u32,
    /// Its file: another one after `TRUNCATE`; 0 where it has none (partitioned: see `partitions`).
    pub relfilenode: u32,
    /// Whether a server crash empties it.
    pub unlogged: bool,
}

/// What a run is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Who opens it.
    pub owner: &'a Owner,
    /// Everything that shapes rows.
    pub parts: &'a [Part],
    /// Where the rows go.
    pub table: TableId,
    /// Forget what the ledger knows of the run first; the rows in the target stay.
    pub fresh: bool,
}

/// One run's rows in the ledger.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where they are.
    pub tables: Tables,
    /// Whose they are.
    pub key: RunKey,
    /// The load that they are of: when it was started. None: whichever there is.
    pub load: Option<String>,
}

impl TableId {
    /// Identifies a table. `regclass` is its name as SQL (`public.flights`, quoted where need be). One that a server
    /// crash empties is refused unless `allow_unlogged`, a temporary one always.
    pub async fn read(link: Link<'_>, regclass: &str, allow_unlogged: bool) -> Result<TableId, Error> {
        let table = TABLE.replace("{parts}", &PARTS.replace("{oid}", "to_regclass($1)"));
        let rows = link.rows("looking for the target table", &table, &[(&regclass, Type::TEXT)]).await?;
        let missing = || Error::Refused(format!("target table {regclass} does not exist"));
        let row = rows.first().ok_or_else(missing)?;
        let unlogged: bool = link.get(row, "unlogged")?;
        if link.get::<bool>(row, "temporary")? {
            return Err(Error::Refused(format!(
                "target table {regclass} is temporary: other sessions cannot load it"
            )));
        }
        if unlogged && !allow_unlogged {
            return Err(Error::Refused(format!(
                "target table {regclass} is UNLOGGED, so a crash of the server empties it: make it LOGGED, or allow it in the recipe"
            )));
        }
        Ok(TableId { oid: link.get(row, "oid")?, relfilenode: link.get(row, "relfilenode")?, unlogged })
    }
}

impl Plan {
    /// Refuses what [`Plan::open`] would refuse, and changes nothing.
    pub async fn refuse(&self, link: Link<'_>, opening: Opening<'_>) -> Result<(), Error> {
        self.refuse_other_kind(link, opening.table).await?;
        if opening.fresh {
            return self.refuse_live_owner(link, opening.owner).await;
        }
        let Some((_, stored)) = self.of_any_load().stored(link).await? else { return Ok(()) };
        // Who began the run may have emptied the table since its file was looked at.
        let table = with_its_file(link, opening.table).await?;
        self.refuse_drift(link, &stored, opening.parts, table).await
    }

    /// Opens the run, or says what differs from what it was started with.
    pub async fn open(&self, link: Link<'_>, opening: Opening<'_>) -> Result<Started, Error> {
        self.clear(link, opening).await?;
        match self.insert(link, opening).await? {
            Some(started) => Ok(started),
            None => self.adopt(link, opening).await,
        }
    }

    /// The same for this load alone: once it is forgotten, nothing is claimed, added or finished, whatever has been begun
    /// in its place.
    pub fn of_load(&self, started: &Started) -> Plan {
        Plan { load: Some(started.at().into()), ..self.clone() }
    }

    pub(super) fn of_any_load(&self) -> Plan {
        Plan { load: None, ..self.clone() }
    }

    /// SQL: the load that this is about is the one that the ledger holds. Behind `$1` and `$2`.
    pub(super) fn is_this_load(&self) -> String {
        match &self.load {
            None => "true".into(),
            Some(started) => {
                let (run, at) = (self.tables.run(), utc!("r.started"));
                format!(
                    "EXISTS (SELECT FROM {run} r WHERE r.name = $1 AND r.target = $2 AND {at} = {})",
                    literal(started)
                )
            }
        }
    }

    /// What comes before a run is begun or continued.
    pub(super) async fn clear(&self, link: Link<'_>, opening: Opening<'_>) -> Result<(), Error> {
        self.refuse_other_kind(link, opening.table).await?;
        if opening.fresh {
            self.forget(link, opening.owner).await?;
        }
        Ok(())
    }

    /// Begins the run; none where the ledger knows it.
    pub(super) async fn insert(
        &self,
        link: Link<'_>,
        opening: Opening<'_>,
    ) -> Result<Option<Started>, Error> {
        let Opening { parts, table, .. } = opening;
        let settings = serde_json::to_string(parts).map_err(|error| Error::Bug(error.to_string()))?;
        let settings = if link.backend.every_character { settings } else { ascii_json(&settings) };
        let (hash, oid, file) = (hash(parts), i64::from(table.oid), i64::from(table.relfilenode));
        let sql = format!(
            "INSERT INTO {} AS r (name, target, settings, settings_hash, target_oid, target_relfilenode, target_partitions)
             VALUES ($1, $2, $3::json, $4, $5, $6, {}) ON CONFLICT DO NOTHING RETURNING {} AS started",
            self.tables.run(),
            partitions::known("$5"),
            utc!("r.started")
        );
        let mut params = self.params();
        params.extend([(&settings as Param<'_>, Type::TEXT), (&hash, Type::TEXT)]);
        params.extend([(&oid as Param<'_>, Type::INT8), (&file, Type::INT8)]);
        failpoint::hit(Point::RunOpening);
        let made = link.rows("opening the run", &sql, &params).await?;
        failpoint::hit(Point::RunOpened);
        made.first().map(|row| Ok(Started::New(link.get(row, "started")?))).transpose()
    }

    /// How a run that the ledger knows stands, or what differs from what it was started with.
    pub(super) async fn adopt(&self, link: Link<'_>, opening: Opening<'_>) -> Result<Started, Error> {
        let (standing, stored) = self.of_any_load().stored(link).await?.ok_or_else(|| self.forgotten())?;
        self.refuse_drift(link, &stored, opening.parts, opening.table).await?;
        let open = standing.sources.0 > standing.sources.1 || standing.splits.0 > standing.splits.1;
        if standing.finished.is_some() && !open {
            return Ok(Started::Finished(standing));
        }
        Ok(Started::Continued(standing))
    }

    /// What the run has done, if the ledger knows it: for the question before it is forgotten, and for reports.
    pub async fn standing(&self, link: Link<'_>) -> Result<Option<Standing>, Error> {
        Ok(self.stored(link).await?.map(|(standing, _)| standing))
    }

    /// Marks the run as finished, if all its sources are cut to their end and all its splits are done; otherwise it
    /// stays open. Answers with how it stands.
    pub async fn finish(&self, link: Link<'_>) -> Result<Standing, Error> {
        let sql = format!(
            "UPDATE {} SET finished = coalesce(finished, clock_timestamp()) WHERE name = $1 AND target = $2
             AND {} AND NOT EXISTS (SELECT FROM {} s WHERE s.name = $1 AND s.target = $2 AND NOT s.tiled)
             AND NOT EXISTS (SELECT FROM {} l WHERE l.name = $1 AND l.target = $2 AND NOT l.done)",
            self.tables.run(),
            self.is_this_load(),
            self.tables.source(),
            self.tables.ledger()
        );
        failpoint::hit(Point::Finishing);
        link.rows("finishing the run", &sql, &self.params()).await?;
        failpoint::hit(Point::Finished);
        let standing = self.standing(link).await?.ok_or_else(|| self.forgotten())?;
        if !standing.counts.balanced() {
            return Err(Error::Bug(format!("the run's rows do not add up: {:?}", standing.counts)));
        }
        Ok(standing)
    }

    /// The run was in the ledger, and is not any more.
    pub(super) fn forgotten(&self) -> Error {
        Error::Busy(format!(
            "run `{}` was forgotten by another process (--fresh): this one ends",
            self.key.name
        ))
    }

    /// `$1` and `$2` of every statement.
    pub(super) fn params(&self) -> Vec<(Param<'_>, Type)> {
        vec![(&self.key.name, Type::TEXT), (&self.key.target, Type::TEXT)]
    }

    async fn stored(&self, link: Link<'_>) -> Result<Option<(Standing, Stored)>, Error> {
        let sql = STORED
            .replace("{load}", &self.is_this_load())
            .replace("{run}", &self.tables.run())
            .replace("{source}", &self.tables.source())
            .replace("{ledger}", &self.tables.ledger());
        let rows = link.rows("reading the run", &sql, &self.params()).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let settings: String = link.get(row, "settings")?;
        let no_settings =
            |_| Error::Drift(format!("the ledger's settings of run `{}` are not readable", self.key.name));
        let stored = Stored {
            parts: serde_json::from_str(&settings).map_err(no_settings)?,
            hash: link.get(row, "settings_hash")?,
            oid: link.get(row, "target_oid")?,
            relfilenode: link.get(row, "target_relfilenode")?,
        };
        let standing = Standing {
            started: link.get(row, "started")?,
            finished: link.get(row, "finished")?,
            counts: counts(link, row)?,
            sources: (count(link, row, "sources")?, count(link, row, "sources_tiled")?),
            splits: (count(link, row, "splits")?, count(link, row, "splits_done")?),
            chunks: count(link, row, "chunks")?,
        };
        Ok(Some((standing, stored)))
    }

    /// `ALTER TABLE … SET LOGGED` in between: the other set of tables holds the run.
    async fn refuse_other_kind(&self, link: Link<'_>, table: TableId) -> Result<(), Error> {
        let other = self.tables.run_of_the_other_kind();
        let params: [(Param<'_>, Type); 1] = [(&other, Type::TEXT)];
        let rows =
            link.rows("looking for the run", "SELECT to_regclass($1) IS NOT NULL AS there", &params).await?;
        let there = rows.first().map(|row| link.get(row, "there")).transpose()?;
        if there != Some(true) {
            return Ok(());
        }
        let sql = format!("SELECT FROM {other} WHERE name = $1 AND target = $2");
        if link.rows("looking for the run", &sql, &self.params()).await?.is_empty() {
            return Ok(());
        }
        let (was, is) = if table.unlogged { ("LOGGED", "UNLOGGED") } else { ("UNLOGGED", "LOGGED") };
        Err(Error::Drift(format!(
            "run `{}` was started when {} was {was}, now it is {is}: make it {was} again, or give the run another name",
            self.key.name, self.key.target
        )))
    }

    async fn refuse_drift(
        &self,
        link: Link<'_>,
        stored: &Stored,
        parts: &[Part],
        table: TableId,
    ) -> Result<(), Error> {
        let mut differences = Vec::new();
        let parts = compared(&stored.parts, parts);
        if stored.hash != hash(&parts) {
            differences = differing(&stored.parts, &parts);
        }
        if stored.oid != i64::from(table.oid) {
            differences.push(format!("table {} was dropped and made again", self.key.target));
        } else if stored.relfilenode != i64::from(table.relfilenode) {
            let how = "was truncated, restored or rewritten (VACUUM FULL, CLUSTER, ALTER TABLE)";
            differences.push(format!("table {} {how}", self.key.target));
        } else {
            differences.extend(self.changed_partitions(link, table).await?);
        }
        no_differences(&self.key, &differences)
    }
}

/// A parameter of a statement.
pub(super) type Param<'a> = &'a (dyn ToSql + Sync);

/// What the run was started with.
struct Stored {
    parts: Vec<Part>,
    hash: String,
    oid: i64,
    relfilenode: i64,
}

/// A count that the ledger holds: never negative.
pub(super) fn count(link: Link<'_>, row: &Row, column: &str) -> Result<u64, Error> {
    let value: i64 = link.get(row, column)?;
    u64::try_from(value).map_err(|_| Error::Bug(format!("the ledger's `{column}` is negative")))
}

/// The six counts of a row.
pub(super) fn counts(link: Link<'_>, row: &Row) -> Result<Counts, Error> {
    Ok(Counts {
        read: count(link, row, "read")?,
        loaded: count(link, row, "loaded")?,
        filtered: count(link, row, "filtered")?,
        rejected: count(link, row, "rejected")?,
        skipped: count(link, row, "skipped")?,
        written: count(link, row, "written")?,
    })
}

/// Rows of a partitioned table are in its partitions: what it says of itself means nothing.
const TABLE: &str = "{parts}
SELECT c.oid, c.relfilenode, c.relpersistence = 't' AS temporary,
       coalesce((SELECT bool_or(q.relpersistence = 'u') FROM part p JOIN pg_class q ON q.oid = p.oid
                 WHERE q.relkind <> 'p'), c.relpersistence = 'u') AS unlogged
FROM pg_class c WHERE c.oid = to_regclass($1)::oid";

const STORED: &str = concat!(
    "SELECT r.settings::text AS settings, r.settings_hash, r.target_oid, r.target_relfilenode, ",
    utc!("r.started"),
    " AS started, ",
    utc!("r.finished"),
    " AS finished, s.*, l.* FROM {run} r
    CROSS JOIN LATERAL (SELECT count(*) AS sources, count(*) FILTER (WHERE tiled) AS sources_tiled
        FROM {source} WHERE name = r.name AND target = r.target) s
    CROSS JOIN LATERAL (SELECT count(*) AS splits, count(*) FILTER (WHERE done) AS splits_done,
        coalesce(sum(chunks), 0)::bigint AS chunks,
        coalesce(sum(read), 0)::bigint AS read, coalesce(sum(loaded), 0)::bigint AS loaded,
        coalesce(sum(filtered), 0)::bigint AS filtered, coalesce(sum(rejected), 0)::bigint AS rejected,
        coalesce(sum(skipped), 0)::bigint AS skipped, coalesce(sum(written), 0)::bigint AS written
        FROM {ledger} WHERE name = r.name AND target = r.target) l
    WHERE r.name = $1 AND r.target = $2 AND {load}"
);
