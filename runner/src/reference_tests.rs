//! The committed reference is what the doc comments say, and its recipe is one.

use std::path::Path;

use super::*;
use crate::recipe::{Flags, Recipe};
use crate::recipe_keys::Keys;

fn committed(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os("ETL_BLESS").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "docs/{name} is old: run `ETL_BLESS=1 cargo test -p etl reference`");
}

#[test]
fn the_committed_reference_is_what_the_doc_comments_say() {
    committed("recipe.md", &page());
}

#[test]
fn the_committed_json_schema_is_that_of_the_settings() {
    committed("recipe.schema.json", &json_schema());
}

#[test]
fn every_setting_has_a_description_and_is_on_the_page() {
    fn look(path: &str, schema: &Value, page: &str) {
        for (name, key) in properties(schema) {
            let path = join(path, name);
            assert!(!description(key).is_empty(), "{path} has no doc comment");
            assert!(is_section(key) || page.contains(&format!("### `{name}`")), "{path}");
            look(&path, key, page);
        }
    }
    look("", &schema(), &page());
    for path in crate::recipe_layers::settings(&Keys::known()) {
        let variable = format!("`ETL_{}`", path.to_ascii_uppercase().replace('.', "__"));
        assert!(page().contains(&variable), "{variable}");
    }
}

fn parse(text: &str) -> Recipe {
    let recipe = Recipe::parse(text.as_bytes(), "r.toml".as_ref(), "/r".as_ref(), [], &Flags::default());
    recipe.unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn the_recipe_with_every_key_is_one_that_says_nothing_but_the_defaults() {
    let recipe = parse(&recipe(&schema()));
    assert_eq!(recipe.run, Default::default());
    assert!(recipe.shaping(&recipe.tables[0]).is_empty());
}

/// The recipe with every key, all uncommented but these sections and keys, which exclude others.
fn uncommented_without(sections: &[&str], keys: &[&str]) -> String {
    let mut lines = Vec::new();
    let mut section = String::new();
    for line in recipe(&schema()).lines() {
        let line = match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') || key.starts_with("  ") => key,
            _ => line,
        };
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        }
        let key = line.split(" = ").next().unwrap_or_default();
        if !sections.contains(&section.as_str()) && !keys.contains(&key) {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}

const OF_CASSANDRA: [&str; 5] = ["where", "token_range", "limit", "writetime", "ttl"];

#[test]
fn every_key_in_it_may_be_uncommented() {
    let keys = [&["max_rejects_percent"], &OF_CASSANDRA[..]].concat();
    let recipe =
        parse(&uncommented_without(&["source.cassandra", "source.cassandra.values", "target.files"], &keys));
    assert_eq!(recipe.tables[0].transforms.len(), 4);
    assert_eq!(recipe.tables[0].types.len(), 1);
}

#[test]
fn every_key_of_a_cluster_may_be_uncommented() {
    let text = uncommented_without(&["source.csv", "target.postgres"], &["max_rejects", "types", "truncate"]);
    let recipe = parse(&text.replace("data/flights-*.csv", "bank.transactions"));
    let options = &recipe.tables[0].cassandra;
    assert_eq!((options.limit, options.ttl.len()), (Some(1000), 1));
    assert!(matches!(recipe.source, crate::recipe::Source::Cassandra(_)));
}

#[test]
fn a_secret_is_shown_where_it_belongs() {
    assert!(!recipe(&schema()).contains("password ="));
    assert!(page().contains("```sh\nexport ETL_SOURCE__CASSANDRA__PASSWORD=…\n```"));
}
