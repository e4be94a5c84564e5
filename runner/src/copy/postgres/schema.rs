//! The ledger's tables in the target database: their names, how they are made once, and whether they may be used.
//! Must not know what is written into them.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::backend::Link;
use crate::copy::error::Error;
use crate::failpoint::{self, Point};

/// Kept as the comment of the ledger table. Other columns or another meaning is another format.
const FORMAT: &str = "etl ledger, format 2";

/// Those that are brought along: they lack columns that may be NULL. 1 knows no partitions.
const OLDER_FORMATS: [&str; 1] = ["etl ledger, format 1"];

/// How often the tables are tried to be made: processes that start at once can trip over each other.
const ATTEMPTS: u32 = 10;

/// The names of the ledger's tables, quoted.
///
/// A ledger lives in the same kind of table as its target: when a server that crashed empties UNLOGGED tables, the
/// ledger must forget what it knew of them. So there are two sets, and each is only made when it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    schema: String,
    unlogged: bool,
}

impl Tables {
    /// The tables in `schema`, made if they are not there. Two processes may do this at once.
    pub async fn ensure(link: Link<'_>, schema: &str, unlogged: bool) -> Result<Tables, Error> {
        let tables = Tables { schema: schema.into(), unlogged };
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            let standing = tables.standing(link).await?;
            if standing.complete(schema)? {
                return Ok(tables);
            }
            standing.check_may_create(schema)?;
            failpoint::hit(Point::TablesMaking);
            match link.client.batch_execute(&tables.ddl(standing.schema_exists)).await {
                Ok(()) => failpoint::hit(Point::TablesMade),
                Err(error) => {
                    let error = link.failure("making the ledger's tables", &error);
                    if !lost_a_race(&error) {
                        return Err(error);
                    }
                    last = Some(error);
                    tokio::time::sleep(Duration::from_millis(20 << attempt.min(5))).await;
                }
            }
        }
        Err(last
            .unwrap_or_else(|| Error::Bug("the ledger's tables are not there after they were made".into())))
    }

    /// The tables in `schema`, if they are there; makes nothing.
    pub async fn find(link: Link<'_>, schema: &str, unlogged: bool) -> Result<Option<Tables>, Error> {
        let tables = Tables { schema: schema.into(), unlogged };
        let there = tables.standing(link).await?.complete(schema)?;
        Ok(there.then_some(tables))
    }

    /// Whether [`Tables::ensure`] could do its work; makes nothing.
    pub async fn check(link: Link<'_>, schema: &str, unlogged: bool) -> Result<(), Error> {
        let standing = Tables { schema: schema.into(), unlogged }.standing(link).await?;
        if standing.complete(schema)? { Ok(()) } else { standing.check_may_create(schema) }
    }

    /// Those of the two sets' tables of rejects that are there, quoted.
    pub(super) async fn of_rejects(link: Link<'_>, schema: &str) -> Result<Vec<String>, Error> {
        let mut there = Vec::new();
        for unlogged in [false, true] {
            let table = Tables { schema: schema.into(), unlogged }.reject();
            let sql = "SELECT to_regclass($1) IS NOT NULL AS there";
            let rows = link.rows("looking for the rejects", sql, &[(&table, Type::TEXT)]).await?;
            if rows.first().map(|row| link.get(row, "there")).transpose()? == Some(true) {
                there.push(table);
            }
        }
        Ok(there)
    }

    /// One row for each run.
    pub(super) fn run(&self) -> String {
        self.named("run")
    }

    /// One row for each file of a run.
    pub(super) fn source(&self) -> String {
        self.named("source")
    }

    /// One row for each split of a run.
    pub(super) fn ledger(&self) -> String {
        self.named("ledger")
    }

    /// One row for each row that could not be loaded.
    pub(super) fn reject(&self) -> String {
        self.named("reject")
    }

    /// The run table of the other kind, logged or not.
    pub(super) fn run_of_the_other_kind(&self) -> String {
        Tables { schema: self.schema.clone(), unlogged: !self.unlogged }.run()
    }

    fn named(&self, table: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.plain(table)))
    }

    fn plain(&self, table: &str) -> String {
        if self.unlogged { format!("{table}_unlogged") } else { table.into() }
    }

    async fn standing(&self, link: Link<'_>) -> Result<Standing, Error> {
        let names = ["run", "source", "ledger", "reject"].map(|table| self.plain(table)).to_vec();
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&self.schema, Type::TEXT), (&names, Type::TEXT_ARRAY), (&names[2], Type::TEXT)];
        let rows = link.rows("looking for the ledger's tables", STANDING, &params).await?;
        let row = rows.first().ok_or_else(|| Error::Bug("no answer about the ledger's tables".into()))?;
        Ok(Standing {
            schema_exists: link.get(row, "schema_exists")?,
            schema_usable: link.get(row, "schema_usable")?,
            may_make_schema: link.get(row, "may_make_schema")?,
            may_make_tables: link.get(row, "may_make_tables")?,
            tables: link.get(row, "tables")?,
            not_allowed: link.get(row, "not_allowed")?,
            comment: link.get(row, "comment")?,
            ours: link.get(row, "ours")?,
        })
    }

    /// All at once, so that it is one transaction; the format comes last, so that only whole sets carry it.
    fn ddl(&self, schema_exists: bool) -> String {
        let kind = if self.unlogged { "UNLOGGED " } else { "" };
        let schema = if schema_exists {
            // CREATE SCHEMA IF NOT EXISTS asks for a privilege that nobody needs when it is there.
            String::new()
        } else {
            format!("CREATE SCHEMA IF NOT EXISTS {};\n", quoted(&self.schema))
        };
        let tables = DDL
            .replace("{kind}", kind)
            .replace("{run}", &self.run())
            .replace("{source}", &self.source())
            .replace("{ledger}", &self.ledger())
            .replace("{reject}", &self.reject())
            .replace("{format}", FORMAT);
        schema + &tables
    }
}

/// `name` as an SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Somebody else made the same at the same time.
pub(super) fn lost_a_race(error: &Error) -> bool {
    const SAME: [&str; 5] = ["23505", "42P06", "42P07", "42710", "XX000"];
    matches!(error, Error::Server(server)
        if SAME.contains(&server.state.as_str()) || server.state.starts_with("40"))
}

/// What is there already.
struct Standing {
    schema_exists: bool,
    schema_usable: bool,
    may_make_schema: bool,
    may_make_tables: bool,
    /// How many of our tables.
    tables: i64,
    /// Those of them that we may not read and write.
    not_allowed: Option<Vec<String>>,
    /// The ledger table's comment: its format.
    comment: Option<String>,
    /// Whether the ledger table looks like ours, or there is none.
    ours: bool,
}

impl Standing {
    /// Whether everything is there and may be used.
    fn complete(&self, schema: &str) -> Result<bool, Error> {
        let refused = |text: String| Err(Error::Refused(text));
        if self.schema_exists && !self.schema_usable {
            return refused(format!(
                "no USAGE privilege on the ledger's schema `{schema}`: grant it, or set another schema"
            ));
        }
        if !self.ours {
            let text = "holds a table `ledger` that is not a ledger of etl";
            return refused(format!("schema `{schema}` {text}: set another schema for the ledger"));
        }
        match self.comment.as_deref() {
            Some(FORMAT) if self.tables == 4 => {}
            Some(other) if other != FORMAT && !OLDER_FORMATS.contains(&other) => {
                let ask = "run the etl that made it, or set another schema for the ledger";
                return refused(format!(
                    "the ledger in schema `{schema}` is `{other}`, this etl needs `{FORMAT}`: {ask}"
                ));
            }
            _ => return Ok(false),
        }
        match self.not_allowed.as_deref() {
            None | Some([]) => Ok(true),
            Some(tables) => refused(format!(
                "privileges are missing on the ledger's tables in schema `{schema}`: grant SELECT, INSERT, UPDATE, DELETE on {}",
                tables.join(", ")
            )),
        }
    }

    fn check_may_create(&self, schema: &str) -> Result<(), Error> {
        if !self.schema_exists && !self.may_make_schema {
            return Err(Error::Refused(format!(
                "cannot make the ledger's schema `{schema}`: grant CREATE on the database, or create a schema that this role may create tables in and name it as the ledger's schema"
            )));
        }
        if self.schema_exists && !self.may_make_tables {
            return Err(Error::Refused(format!(
                "cannot make the ledger's tables: grant CREATE on schema `{schema}`, or set another schema for the ledger"
            )));
        }
        Ok(())
    }
}

const STANDING: &str = "\
SELECT n.oid IS NOT NULL AS schema_exists,
       coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS schema_usable,
       has_database_privilege(current_database(), 'CREATE') AS may_make_schema,
       coalesce(has_schema_privilege(n.oid, 'CREATE'), false) AS may_make_tables,
       count(c.oid) AS tables,
       array_agg(c.relname::text ORDER BY c.relname) FILTER (WHERE NOT (
           has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
           AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))) AS not_allowed,
       max(obj_description(c.oid, 'pg_class')) FILTER (WHERE c.relname = $3) AS comment,
       coalesce(bool_and(EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'epoch'))
           FILTER (WHERE c.relname = $3), true) AS ours
FROM (SELECT) AS one
LEFT JOIN pg_namespace n ON n.nspname = $1
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = ANY ($2) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
GROUP BY n.oid";

/// `name` and `target` are a run's key, with `source` a file's, with `start` a split's. Positions are opaque texts.
/// Space is left in the pages of rows that are updated often, so that no index has to be touched.
const DDL: &str = "\
CREATE {kind}TABLE IF NOT EXISTS {run} (
    name text, target text,
    settings json NOT NULL, settings_hash text NOT NULL,
    target_oid bigint NOT NULL, target_relfilenode bigint NOT NULL, target_partitions json,
    started timestamptz NOT NULL DEFAULT clock_timestamp(), finished timestamptz,
    PRIMARY KEY (name, target));
ALTER TABLE {run} ADD COLUMN IF NOT EXISTS target_partitions json;
CREATE {kind}TABLE IF NOT EXISTS {source} (
    name text, target text, source text,
    fingerprint json NOT NULL, split_bytes bigint NOT NULL,
    tiled_to text NOT NULL, tiled boolean NOT NULL DEFAULT false,
    PRIMARY KEY (name, target, source)) WITH (fillfactor = 70);
CREATE {kind}TABLE IF NOT EXISTS {reject} (
    name text NOT NULL, target text NOT NULL, source text NOT NULL, start text NOT NULL,
    position text NOT NULL, stage text NOT NULL, code text NOT NULL, reason text NOT NULL,
    original json, original_bytes bytea, cut boolean NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE {kind}TABLE IF NOT EXISTS {ledger} (
    name text, target text, source text, start text,
    ord bigint NOT NULL, bound text, position text NOT NULL, epoch bigint NOT NULL DEFAULT 0,
    owner text, owner_pid integer, owner_backend_start text, owner_server text, owner_address text,
    touched_at timestamptz,
    read bigint NOT NULL DEFAULT 0, loaded bigint NOT NULL DEFAULT 0, filtered bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0, skipped bigint NOT NULL DEFAULT 0, written bigint NOT NULL DEFAULT 0,
    chunks bigint NOT NULL DEFAULT 0, done boolean NOT NULL DEFAULT false,
    PRIMARY KEY (name, target, source, start)) WITH (fillfactor = 50);
COMMENT ON TABLE {ledger} IS '{format}';";
