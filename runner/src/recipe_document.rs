//! A recipe as it may be typed: every key with its meaning, from which the reference, the JSON schema and the
//! list of known keys are made.
//!
//! Must not know: how a recipe is read. [`crate::recipe`] holds what it means.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use crate::copy::postgres::write::Mode;
use crate::recipe_run::RunSettings;
use crate::recipe_tables::{Create, Truncate};
use crate::schema::{Scalar, Type};
use crate::{copy, reject, source, transform};

/// What is moved where, and what happens to it on the way.
#[derive(JsonSchema)]
#[schemars(title = "A recipe of etl", deny_unknown_fields)]
pub struct Document {
    /// The recipe's name in the ledger: the same command with the same name continues the load. Letters,
    /// digits, `-`, `_` and `.`, which does not come first; at most 100 bytes.
    #[schemars(length(min = 1, max = 100), pattern("^[A-Za-z0-9_-][A-Za-z0-9._-]*$"), example = &"flights")]
    pub name: String,
    /// What the rows are read from: one of the two. Without any, CSV files as they usually are.
    #[serde(default)]
    pub source: SourceKeys,
    /// Where the rows go: one of the two. Without any, files in `etl-out/NAME` beside the recipe.
    #[serde(default)]
    pub target: TargetKeys,
    /// The limits of modules: what one may use before it is stopped.
    #[serde(default)]
    pub transform: transform::Settings,
    /// What is kept of rows that could not be loaded.
    #[serde(default)]
    pub rejects: reject::Settings,
    /// How much at once, how much in one transaction, and how many bad rows are too many.
    #[serde(default)]
    pub run: RunSettings,
    /// The tables to load, one `[[tables]]` each.
    #[schemars(length(min = 1))]
    pub tables: Vec<TableKeys>,
}

/// What the rows are read from.
#[derive(Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceKeys {
    /// How the CSV files are written.
    pub csv: source::csv::Settings,
    /// A cluster of Apache Cassandra or ScyllaDB instead of files, and how much of it a run may take.
    pub cassandra: source::cassandra::Settings,
}

/// Where the rows go.
#[derive(Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetKeys {
    /// PostgreSQL, or a database that speaks like it.
    pub postgres: copy::postgres::Settings,
    /// Files instead of a database: the same path without a server, one CSV file for each split.
    pub files: copy::files::Settings,
}

/// One table.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TableKeys {
    /// The file or files with its rows: a path or a glob, relative to the recipe's folder, or `-` for standard
    /// input. With `[source.cassandra]` the table, `keyspace.table`: as in CQL, a name is folded to lower case
    /// unless it is in quotes, `"Bank"."Transactions"`.
    #[schemars(length(min = 1), example = &"data/flights-*.csv")]
    pub from: String,
    /// The target table, with its schema: `public.flights`. For the files target, the name of the folder.
    #[schemars(length(min = 1), example = &"public.flights")]
    pub into: String,
    /// Types of columns of CSV files, where they are to be more than text: a column that is not named here stays text, which
    /// loads into a column of any type (the server parses it). `boolean`, `int16`, `int32`, `int64`, `float32`,
    /// `float64`, `numeric`, `text`, `bytes`, `uuid`, `date`, `time`, `timestamp`, `interval`, `inet`, `json`; with
    /// `[]` behind it, a list of such values.
    #[serde(default)]
    #[schemars(schema_with = "types_of_columns", example = one("year", "int32"))]
    pub types: BTreeMap<String, String>,
    /// Only with `[source.cassandra]`: a condition on columns that are not of the primary key, in CQL; only rows for
    /// which it holds are read. The cluster must look at all others too (`ALLOW FILTERING`, which is added).
    #[schemars(length(min = 1), example = &"amount > 0 AND currency = 'EUR'")]
    pub r#where: Option<String>,
    /// Only with `[source.cassandra]`, for trials, whose rows go to files in `etl-out/NAME-trial` unless `--to` names
    /// the target: only rows whose token is behind the first number, up to the
    /// second. All tokens are -9223372036854775808 to 9223372036854775807.
    #[schemars(with = "Option<[i64; 2]>", example = [0_i64, 1_000_000_000_000_000_i64])]
    pub token_range: Option<(i64, i64)>,
    /// Only with `[source.cassandra]`, for trials, as `token_range`: no more rows than this, whichever come first.
    #[schemars(range(min = 1), example = 1000)]
    pub limit: Option<u64>,
    /// Only with `[source.cassandra]`: new columns with the time at which another column was written,
    /// `new = "column"`, as `timestamp`. A column of the primary key and most collections have none.
    #[serde(default)]
    #[schemars(example = one("amount_written", "amount"))]
    pub writetime: BTreeMap<String, String>,
    /// Only with `[source.cassandra]`: new columns with the seconds that another column has left to live,
    /// `new = "column"`, NULL where it lives for ever.
    #[serde(default)]
    #[schemars(example = one("amount_ttl", "amount"))]
    pub ttl: BTreeMap<String, String>,
    /// What happens to each row, in this order. Each step is one of `drop`, `rename`, `constant` or `module`.
    pub transforms: Option<Vec<StepKeys>>,
    /// Columns of the target that may round, cut or pad what they get: `numeric(p, s)`, `timestamp(n)`, `time(n)`,
    /// `interval(n)`, `real` and `double precision` round, `varchar(n)` cuts blanks, `char(n)` pads, all without a word.
    /// A column that would do so to a value of its type is refused unless it is named here.
    #[serde(default)]
    #[schemars(length(min = 1), example = ["amount"])]
    pub round: Vec<String>,
    /// `"if-missing"`: a run makes the target table where there is none of its name, by the statement that `etl ddl`
    /// prints with all names as they are; `etl check` says so. A table that is there is never altered. Without it the
    /// table must be there. It has no meaning for files.
    #[schemars(example = &"if-missing")]
    pub create: Option<Create>,
    /// What happens to a row whose primary key is in the target already: `"append"` does not look, and the server refuses
    /// the row; `"skip"` leaves the one that is there, and counts the input row as skipped; `"upsert"` overwrites the
    /// columns that the rows fill. The last two need a primary key that the rows fill, and write to a database. Of rows
    /// with the same key in one split `"skip"` keeps the first, `"upsert"` the last; of rows in different splits, which
    /// streams load at the same time, it is not defined which one stays.
    #[serde(default)]
    pub write: Mode,
    /// `"first-run"`: the target table is emptied (`TRUNCATE`) in the transaction that begins the load's ledger. Never when
    /// a load continues, and again only with `--fresh`. A run asks before, or takes `--yes`.
    #[schemars(example = &"first-run")]
    pub truncate: Option<Truncate>,
    /// Loads an UNLOGGED table although it loses its rows when the server crashes; the ledger is then UNLOGGED
    /// as well.
    #[serde(default)]
    pub allow_unlogged: bool,
}

/// One step: exactly one of its four kinds.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StepKeys {
    /// Columns that go no further.
    #[schemars(example = &["hour", "minute"])]
    pub drop: Option<Vec<String>>,
    /// New names of columns: `old = "new"`.
    #[schemars(example = one("dest", "destination"))]
    pub rename: Option<BTreeMap<String, String>>,
    /// New columns with the same value in every row. Text becomes `text`, a whole number `int64`, another number
    /// `float64`, `true` and `false` `boolean`; a date, a time, or a date with a time become `date`, `time` and
    /// `timestamp` (UTC where no offset is written).
    #[serde(default)]
    #[schemars(schema_with = "constants", example = one("source", "nyc"))]
    pub constant: Option<BTreeMap<String, Value>>,
    /// The file of a WebAssembly module, relative to the recipe's folder.
    #[schemars(example = &"flights.wasm")]
    pub module: Option<String>,
    /// Options of the module, which says what it takes. A text is handed over as it is, anything else as JSON.
    #[serde(default)]
    #[schemars(schema_with = "options", example = one("cancelled", "flag"))]
    pub options: Option<BTreeMap<String, Value>>,
}

/// A table with one key, for examples.
fn one(key: &str, value: &str) -> Value {
    [(key, value)].into_iter().collect()
}

fn types_of_columns(_: &mut SchemaGenerator) -> Schema {
    let scalars = Scalar::ALL.into_iter().flat_map(|s| [Type::of(s), Type::array_of(s)]);
    let names: Vec<String> = scalars.map(|ty| ty.to_string()).collect();
    json_schema!({ "type": "object", "additionalProperties": { "type": "string", "enum": names } })
}

fn constants(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } })
}

fn options(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": true })
}

/// The JSON schema of a recipe, in one piece.
pub(crate) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Document>().to_value();
    tidy(&mut schema);
    if let Some(step) = schema.pointer_mut("/properties/tables/items/properties/transforms/items") {
        let kinds = ["drop", "rename", "constant", "module"].map(|kind| json_schema!({ "required": [kind] }));
        step["oneOf"] = kinds.into_iter().map(Schema::to_value).collect();
    }
    schema
}

/// Takes away what only says that nothing is said: defaults that are empty, defaults of whole sections, and
/// null, which TOML has not.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") || map.get("default").is_some_and(is_empty) {
                map.remove("default");
            }
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    map["type"] = only.clone();
                }
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_every_section_and_refuses_other_keys() {
        let schema = schema();
        for path in ["", "/properties/source", "/properties/run", "/properties/tables/items"] {
            let section = schema.pointer(path).unwrap();
            assert_eq!(section["additionalProperties"], Value::Bool(false), "{path}");
        }
        assert!(schema.pointer("/properties/source/properties/csv/properties/null").is_some());
        assert_eq!(schema["required"], serde_json::json!(["name", "tables"]));
    }

    #[test]
    fn the_description_of_types_names_every_one() {
        let schema = schema();
        let types =
            schema.pointer("/properties/tables/items/properties/types/description").unwrap().to_string();
        for scalar in Scalar::ALL {
            assert!(types.contains(&format!("`{scalar}`")), "{scalar}");
        }
    }

    #[test]
    fn a_type_of_a_column_is_one_of_all_types() {
        let schema = schema();
        let types = &schema["properties"]["tables"]["items"]["properties"]["types"]["additionalProperties"];
        assert_eq!(types["enum"].as_array().unwrap().len(), 32);
    }
}
