//! The recipe's reference (`docs/recipe.md`) and its JSON schema (`docs/recipe.schema.json`), made from the
//! doc comments of the settings. Its test compares the files with what is made here.

use serde_json::Value;

use crate::recipe_document::schema;
use crate::recipe_layers::SECTIONS;
use crate::recipe_lines::join;

const INTRODUCTION: &str = r#"# The recipe

A recipe says what is moved where, and what happens to it on the way: a TOML file, kept in git beside its modules.
`etl run recipe.toml` loads, or continues; `etl check recipe.toml` finds every problem before a row moves. This page
is made from the program's source. [`recipe.schema.json`](recipe.schema.json) lets editors complete and check a
recipe: put `#:schema docs/recipe.schema.json` (a path or an address) on its first line.

- **Layers.** A setting comes from its default, the recipe, the environment or a flag; the later one wins. The
  variable of `run.streams` is `ETL_RUN__STREAMS`: `ETL_`, then the key in capitals with `__` between its parts. Its
  value is written as in the recipe, but text without quotes: they would be part of it. Tables come from the recipe only.
- **Source and target** are chosen by their section in the recipe, or by the key that names them, whoever sets it:
  `source.cassandra.hosts`, `target.postgres.url`, `target.files.dir`. Variables about another source or target are
  ignored.
- **Paths** start from the recipe's folder, those of flags from the folder that the command runs in.
- **Sizes** are a whole number with `B`, `KiB`, `MiB` or `GiB` (`"64 MiB"`), **spans** of time one with `ms`, `s`,
  `min` or `h` (`"10 s"`).
- **Secrets** have no place in a recipe or a flag, and are refused there: use `PGPASSWORD`, a `.pgpass` file or
  `ETL_TARGET__POSTGRES__URL`; for Cassandra `ETL_SOURCE__CASSANDRA__PASSWORD` or `password_file`.
- **Unknown keys** are refused, with their line and the nearest key that is known.
- **Without a recipe:** `etl run --from data.csv --to postgres://host/db --into public.t --transform map.wasm`. The
  load's name in the ledger is then made from the target table and the source's path, or the name of a cluster's
  table, unless `--name` gives one.
"#;

const EXAMPLE_INTRODUCTION: &str = "
## Every key

A recipe with all keys. What begins with `#` directly in front of a key is the default, or an example where that is
nothing.
";

/// Examples of keys whose default shows nothing.
const EXAMPLES: [(&str, &str); 3] = [
    ("source.csv.null", r#"["NA"]"#),
    ("target.postgres.url", r#""postgres://etl@127.0.0.1,127.0.0.2,127.0.0.3/etl?sslmode=verify-full""#),
    ("target.files.dir", r#""out""#),
];

/// `docs/recipe.md`.
pub fn page() -> String {
    let schema = schema();
    let mut page = String::from(INTRODUCTION);
    page += EXAMPLE_INTRODUCTION;
    page += "\n```toml\n";
    page += &recipe(&schema);
    page += "```\n";
    section(&mut page, "", &schema);
    page
}

/// `docs/recipe.schema.json`.
pub fn json_schema() -> String {
    format!("{:#}\n", schema())
}

/// A key of a section, and what it holds.
type Key<'a> = (&'a String, &'a Value);

/// The keys of a table; of its items, where it is a list of tables.
fn properties(schema: &Value) -> impl Iterator<Item = Key<'_>> {
    let own = schema.get("properties").or_else(|| schema.get("items")?.get("properties"));
    own.and_then(Value::as_object).into_iter().flatten()
}

fn is_section(schema: &Value) -> bool {
    properties(schema).next().is_some()
}

/// What the doc comment says, without its line breaks.
fn description(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let paragraphs =
        text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// The section's heading, its keys, and then the sections in it.
fn section(page: &mut String, path: &str, schema: &Value) {
    let keys: Vec<Key<'_>> = properties(schema).filter(|(_, key)| !is_section(key)).collect();
    let text = description(schema);
    let heading = heading(path, schema);
    if !path.is_empty() && (!keys.is_empty() || properties(schema).count() > 1) {
        *page += &format!("\n## {heading}\n\n{text}\n");
    } else if path.is_empty() {
        *page += "\n## At the top\n";
    }
    for (name, key) in keys {
        let required = required(schema, name);
        *page += &entry(path, name, key, required);
    }
    for (name, inner) in properties(schema).filter(|(_, key)| is_section(key)) {
        section(page, &join(path, name), inner);
    }
}

fn heading(path: &str, schema: &Value) -> String {
    match path {
        "tables.transforms" => "Steps: `transforms = [ … ]`".into(),
        _ if schema.get("items").is_some() => format!("`[[{path}]]`"),
        _ => format!("`[{path}]`"),
    }
}

fn required(section: &Value, name: &str) -> bool {
    let section = section.get("items").unwrap_or(section);
    let names = section.get("required").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().any(|required| required == name))
}

/// Whether it is read and never written, and so has no place in a recipe.
fn is_secret(key: &Value) -> bool {
    key.get("writeOnly").is_some_and(|only| only == true)
}

/// One key: its name, type, default, variable, description and an example.
fn entry(section: &str, name: &str, key: &Value, required: bool) -> String {
    let default = match key.get("default") {
        _ if required => "required".to_owned(),
        Some(default) => format!("default `{}`", toml(default)),
        None => "optional".to_owned(),
    };
    let path = join(section, name);
    let root = path.split('.').next().unwrap_or_default();
    let variable = if SECTIONS.contains(&root) {
        format!(" · `ETL_{}`", path.to_ascii_uppercase().replace('.', "__"))
    } else {
        String::new()
    };
    let text = description(key);
    let example = if is_secret(key) {
        format!("```sh\nexport ETL_{}=…\n```", path.to_ascii_uppercase().replace('.', "__"))
    } else {
        format!("```toml\n{}\n```", assignment(name, &example(&path, key)))
    };
    format!("\n### `{name}`\n\n{} · {default}{variable}\n\n{text}\n\n{example}\n", type_name(key))
}

/// An example, the default, or something of the right type.
fn example(path: &str, key: &Value) -> Value {
    let ours = EXAMPLES.iter().find(|(known, _)| *known == path);
    let ours = ours.and_then(|(_, json)| serde_json::from_str(json).ok());
    let given = ours.or_else(|| key.get("examples")?.get(0).cloned());
    if let Some(value) = given.or_else(|| key.get("default").cloned()) {
        return value;
    }
    if let Some(word) = words(key).first() {
        return Value::from(word.as_str());
    }
    match types(key).first().copied() {
        Some("integer" | "number") => key.get("minimum").cloned().unwrap_or(1.into()),
        Some("boolean") => true.into(),
        Some("array") => Value::Array(Vec::new()),
        Some("object") => Value::Object(Default::default()),
        _ => Value::from("…"),
    }
}

fn default_or_example(path: &str, key: &Value) -> Value {
    // Nothing is no default where something is needed.
    let needed = key.get("minItems").is_some();
    let nothing = |value: &Value| value == "" || needed && value.as_array().is_some_and(Vec::is_empty);
    let default = key.get("default").filter(|default| !nothing(default));
    default.cloned().unwrap_or_else(|| example(path, key))
}

/// The types that a value may have, through alternatives.
fn types(key: &Value) -> Vec<&str> {
    let own = match key.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => alternatives(key).iter().flat_map(types).collect(),
    };
    let mut all = Vec::new();
    for name in own {
        if name != "null" && !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

fn alternatives(key: &Value) -> &[Value] {
    let all = ["anyOf", "oneOf"].iter().find_map(|name| key.get(*name)?.as_array());
    all.map_or(&[], Vec::as_slice)
}

/// The words that a value may be, if it is one of a few.
fn words(key: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match key.get("enum").and_then(Value::as_array) {
        Some(words) => words.iter().filter_map(text).collect(),
        None => {
            let one = key.get("const").and_then(text);
            one.into_iter().chain(alternatives(key).iter().flat_map(words)).collect()
        }
    }
}

fn type_name(key: &Value) -> String {
    match key.get("format").and_then(Value::as_str) {
        Some("size") => return "size".into(),
        Some("span") => return "span".into(),
        _ => {}
    }
    let words = words(key);
    if !words.is_empty() {
        let words: Vec<_> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
        return format!("one of {}", words.join(", "));
    }
    let names = types(key).into_iter().map(|name| match name {
        "string" => "text".to_owned(),
        "integer" => "whole number".into(),
        "boolean" => "true or false".into(),
        "array" => format!("list of {}", key.get("items").map_or("values".into(), type_name)),
        "object" => {
            format!("table of {}", key.get("additionalProperties").map_or("values".into(), values_of))
        }
        other => other.to_owned(),
    });
    names.collect::<Vec<_>>().join(" or ")
}

/// The many types of columns are told in the text, and any value is only that.
fn values_of(schema: &Value) -> String {
    if words(schema).is_empty() && !types(schema).is_empty() { type_name(schema) } else { "values".into() }
}

/// A value as TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(table) if table.is_empty() => "{}".into(),
        Value::Object(table) => {
            let pairs: Vec<_> = table.iter().map(|(key, value)| assignment(key, value)).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

fn assignment(key: &str, value: &Value) -> String {
    format!("{} = {}", join("", key), toml(value))
}

/// A recipe with every key: a comment from its description, and its default behind a `#`.
fn recipe(schema: &Value) -> String {
    let mut text = String::new();
    recipe_section(&mut text, "", schema);
    text
}

fn recipe_section(text: &mut String, path: &str, schema: &Value) {
    let keys: Vec<Key<'_>> = properties(schema).filter(|(_, key)| !is_section(key)).collect();
    if path == "tables.transforms" {
        return recipe_steps(text, schema, &keys);
    }
    if !path.is_empty() && !keys.is_empty() {
        let other = path.starts_with("source.cassandra") || path == "target.files";
        let alternative = if other { "#" } else { "" };
        *text += &format!("\n{}", comment(&description(schema), "# "));
        let (open, close) = if schema.get("items").is_some() { ("[[", "]]") } else { ("[", "]") };
        *text += &format!("{alternative}{open}{path}{close}\n");
    }
    for (name, key) in keys.into_iter().filter(|(_, key)| !is_secret(key)) {
        let mark = if required(schema, name) { "" } else { "#" };
        *text += &comment(&description(key), "# ");
        *text += &format!("{mark}{}\n", assignment(name, &default_or_example(&join(path, name), key)));
    }
    for (name, inner) in properties(schema).filter(|(_, key)| is_section(key)) {
        recipe_section(text, &join(path, name), inner);
    }
}

/// A list with one step of each kind.
fn recipe_steps(text: &mut String, schema: &Value, keys: &[Key<'_>]) {
    *text += &comment(&description(schema), "# ");
    *text += "#transforms = [\n";
    for (name, key) in keys.iter().filter(|(name, _)| *name != "options") {
        *text += &comment(&description(key), "#  # ");
        let options = keys.iter().find(|(other, _)| *name == "module" && *other == "options");
        let options = options.map(|(name, key)| format!(", {}", assignment(name, &example("", key))));
        *text +=
            &format!("#  {{ {}{} }},\n", assignment(name, &example("", key)), options.unwrap_or_default());
    }
    *text += "#]\n";
}

/// Text as comments of a bounded width.
fn comment(text: &str, mark: &str) -> String {
    const WIDTH: usize = 110;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && mark.len() + lines[last].len() + word.len() >= WIDTH {
            lines.push(word.to_owned());
        } else {
            let space = if lines[last].is_empty() { "" } else { " " };
            lines[last] = format!("{}{space}{word}", lines[last]);
        }
    }
    lines.into_iter().filter(|line| !line.is_empty()).map(|line| format!("{mark}{line}\n")).collect()
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
