//! How rows meet those that are there already: the write modes, and the statements of each as text.
//!
//! A mode that looks at keys cannot COPY into the target. Its rows go into a temporary table of the session, with the
//! target's types and without its constraints, and from there by one INSERT into the target.
//!
//! Pure. Must not know: when the statements are sent, and what becomes of their answers.

use schemars::JsonSchema;
use serde::Serialize;

use super::identifier::quoted;
use super::table::Table;

/// What happens to a row whose primary key is in the target already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nobody looks: the server refuses it, or takes it where the table has no key.
    #[default]
    Append,
    /// The one in the target stays as it is.
    Skip,
    /// It takes the place of the one in the target.
    Upsert,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 3] = [Mode::Append, Mode::Skip, Mode::Upsert];

    /// As in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Append => "append",
            Mode::Skip => "skip",
            Mode::Upsert => "upsert",
        }
    }
}

/// The statements that write into one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// `COPY … FROM STDIN`: into the table, or into the temporary one.
    pub copy: String,
    /// The name of the one or the other, without its schema, as the server's errors say it.
    pub into: String,
    /// What follows the COPY; `None` where it writes into the table itself.
    pub through: Option<Through>,
}

/// The way through a temporary table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Through {
    /// Makes it, empty at each transaction's end, in place of the one of another target. A session has one at a time:
    /// each that it has is emptied at each `COMMIT`, which takes a millisecond or two.
    pub make: String,
    /// From there into the target. Answers `keys` (the different keys that were sent), `stored` (how many of them were
    /// written, or left as they are on purpose) and `loaded` (input rows of which a row was inserted; NULL: all).
    pub store: String,
    /// Whether `store` is told which input row each row came from, as `$1`: an `int4[]` with a number for each, empty
    /// where no input row made several.
    pub counts_origins: bool,
    /// Whether keys that are there are left alone: no answer can tell such a row from one that a trigger left out.
    pub leaves_rows: bool,
}

impl Write {
    /// For a table with these columns filled, in the order of the rows. For a mode other than append the columns of the
    /// primary key must be among them.
    pub fn new(mode: Mode, table: &Table, columns: &[String]) -> Write {
        let list = join(columns.iter().map(|name| quoted(name)));
        let copy = |into: &str| format!("COPY {into} ({list}) FROM STDIN (FORMAT csv)");
        if mode == Mode::Append {
            return Write { copy: copy(&table.qualified()), into: table.name.clone(), through: None };
        }
        let ordinal = quoted(&free_name(columns));
        // WITH NO DATA reads nothing, so it needs no right to read; types and collations are the target's.
        let make = format!(
            "DROP TABLE IF EXISTS {TEMPORARY}; \
             CREATE TEMPORARY TABLE {TEMPORARY} ON COMMIT DELETE ROWS AS SELECT {list} FROM {} WITH NO DATA; \
             ALTER TABLE {TEMPORARY} ADD COLUMN {ordinal} bigint GENERATED ALWAYS AS IDENTITY",
            table.qualified()
        );
        let key = join(table.primary_key.iter().map(|name| quoted(name)));
        let rest = columns.iter().filter(|name| !table.primary_key.contains(name)).map(|name| quoted(name));
        let set = join(rest.map(|name| format!("{name} = excluded.{name}")));
        let names = Names { target: &table.qualified(), list: &list, key, ordinal };
        let store = match (mode, set.is_empty()) {
            (Mode::Upsert, false) => names.overwrite(&set),
            (Mode::Upsert, true) => names.leave(),
            (Mode::Skip | Mode::Append, _) => names.skip(),
        };
        let leaves_rows = mode == Mode::Skip || set.is_empty();
        let through = Through { make, store, counts_origins: mode == Mode::Skip, leaves_rows };
        let into = TEMPORARY.trim_start_matches("pg_temp.").into();
        Write { copy: copy(TEMPORARY), into, through: Some(through) }
    }
}

/// The temporary table, as SQL.
const TEMPORARY: &str = "pg_temp.etl_rows";

/// What the statements are made of, quoted.
struct Names<'a> {
    target: &'a str,
    /// The columns that are filled.
    list: &'a str,
    /// Those of the primary key.
    key: String,
    /// The column with the order in which rows were sent. Numbers of a session's own sequence have no gaps.
    ordinal: String,
}

impl Names<'_> {
    /// The first row of each key is inserted where there is none of its key.
    fn skip(&self) -> String {
        let Names { key, ordinal, .. } = self;
        let origin = format!("(sent.{ordinal} - (SELECT min({ordinal}) FROM {TEMPORARY}) + 1)::int4");
        format!(
            "{} ON CONFLICT ({key}) DO NOTHING RETURNING {key}) \
             SELECT count(*) AS keys, count(*) AS stored, \
             count(DISTINCT coalesce(($1::int4[])[{origin}], sent.{ordinal})) AS loaded \
             FROM stored JOIN sent USING ({key})",
            self.insert("ASC")
        )
    }

    /// The last row of each key is inserted, or overwrites the one of its key.
    fn overwrite(&self, set: &str) -> String {
        format!(
            "{} ON CONFLICT ({}) DO UPDATE SET {set} RETURNING 1) \
             SELECT (SELECT count(*) FROM sent) AS keys, (SELECT count(*) FROM stored) AS stored, \
             NULL::bigint AS loaded",
            self.insert("DESC"),
            self.key
        )
    }

    /// Nothing but keys: to overwrite is to leave.
    fn leave(&self) -> String {
        format!(
            "{} ON CONFLICT ({}) DO NOTHING) SELECT count(*) AS keys, count(*) AS stored, \
             NULL::bigint AS loaded FROM sent",
            self.insert("DESC"),
            self.key
        )
    }

    /// One row of each key, the first or the last that was sent. In the key's order, so that streams that write the same
    /// keys wait for each other, but not in a circle.
    fn insert(&self, order: &str) -> String {
        let Names { target, list, key, ordinal } = self;
        format!(
            "WITH sent AS (SELECT DISTINCT ON ({key}) * FROM {TEMPORARY} ORDER BY {key}, {ordinal} {order}), \
             stored AS (INSERT INTO {target} ({list}) SELECT {list} FROM sent ORDER BY {key}"
        )
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// A name that no column has.
fn free_name(columns: &[String]) -> String {
    let mut name = String::from("etl_ordinal");
    while columns.contains(&name) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::postgres::table::{Kind, Persistence};

    fn table(key: &[&str]) -> Table {
        Table {
            schema: "public".into(),
            name: "Od\"d".into(),
            oid: 7,
            relfilenode: 7,
            kind: Kind::Plain,
            persistence: Persistence::Permanent,
            columns: Vec::new(),
            primary_key: key.iter().map(|name| (*name).into()).collect(),
            can_insert: true,
            row_security: false,
        }
    }

    fn write(mode: Mode, key: &[&str], columns: &[&str]) -> Write {
        let columns: Vec<String> = columns.iter().map(|name| (*name).into()).collect();
        Write::new(mode, &table(key), &columns)
    }

    #[test]
    fn append_copies_into_the_table_itself() {
        let write = write(Mode::Append, &[], &["a", "B c"]);
        assert_eq!(write.copy, r#"COPY "public"."Od""d" ("a", "B c") FROM STDIN (FORMAT csv)"#);
        assert_eq!((write.into.as_str(), write.through), ("Od\"d", None));
    }

    #[test]
    fn other_modes_copy_into_a_table_with_the_targets_types_and_an_order() {
        for mode in [Mode::Skip, Mode::Upsert] {
            let write = write(mode, &["a"], &["a", "b"]);
            assert_eq!(write.copy, r#"COPY pg_temp.etl_rows ("a", "b") FROM STDIN (FORMAT csv)"#);
            assert_eq!(write.into, "etl_rows");
            let make = r#"DROP TABLE IF EXISTS pg_temp.etl_rows; CREATE TEMPORARY TABLE pg_temp.etl_rows ON COMMIT DELETE ROWS AS SELECT "a", "b" FROM "public"."Od""d" WITH NO DATA; ALTER TABLE pg_temp.etl_rows ADD COLUMN "etl_ordinal" bigint GENERATED ALWAYS AS IDENTITY"#;
            assert_eq!(write.through.unwrap().make, make);
        }
    }

    #[test]
    fn skip_inserts_the_first_row_of_a_key_and_counts_the_input_rows_of_those() {
        let through = write(Mode::Skip, &["b", "a"], &["a", "b", "c"]).through.unwrap();
        let expected = r#"WITH sent AS (SELECT DISTINCT ON ("b", "a") * FROM pg_temp.etl_rows ORDER BY "b", "a", "etl_ordinal" ASC), stored AS (INSERT INTO "public"."Od""d" ("a", "b", "c") SELECT "a", "b", "c" FROM sent ORDER BY "b", "a" ON CONFLICT ("b", "a") DO NOTHING RETURNING "b", "a") SELECT count(*) AS keys, count(*) AS stored, count(DISTINCT coalesce(($1::int4[])[(sent."etl_ordinal" - (SELECT min("etl_ordinal") FROM pg_temp.etl_rows) + 1)::int4], sent."etl_ordinal")) AS loaded FROM stored JOIN sent USING ("b", "a")"#;
        assert_eq!(through.store, expected);
        assert!(through.counts_origins && through.leaves_rows);
    }

    #[test]
    fn upsert_writes_the_last_row_of_a_key_over_all_columns_but_those_of_the_key() {
        let through = write(Mode::Upsert, &["b", "a"], &["a", "b", "c", "d e"]).through.unwrap();
        assert!(through.store.contains(r#"ORDER BY "b", "a", "etl_ordinal" DESC)"#), "{}", through.store);
        let set =
            r#"ON CONFLICT ("b", "a") DO UPDATE SET "c" = excluded."c", "d e" = excluded."d e" RETURNING 1)"#;
        assert!(through.store.contains(set), "{}", through.store);
        assert!(!through.counts_origins && !through.leaves_rows);
    }

    #[test]
    fn upsert_of_nothing_but_keys_leaves_what_is_there() {
        let through = write(Mode::Upsert, &["b", "a"], &["a", "b"]).through.unwrap();
        assert!(through.store.contains(r#"ON CONFLICT ("b", "a") DO NOTHING)"#), "{}", through.store);
        assert!(!through.counts_origins && through.leaves_rows);
    }

    #[test]
    fn the_orders_column_has_a_name_of_its_own() {
        let columns = ["etl_ordinal", "etl_ordinal_", "a"];
        let through = write(Mode::Skip, &["a"], &columns).through.unwrap();
        assert!(through.make.contains(r#"ADD COLUMN "etl_ordinal__" bigint"#), "{}", through.make);
    }

    #[test]
    fn a_mode_is_named_as_in_a_recipe() {
        for mode in Mode::ALL {
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.name());
        }
    }
}
