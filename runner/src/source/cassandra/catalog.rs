//! The table of CQL's types in `docs/types.md`, made from what the decoder does. Must not know a real table.

use super::cql_parse::{TypeError, parse};
use super::cql_type::Udts;
use super::decode::Decoder;
use super::refuse::Why;
use super::values::Values;
use crate::loads;

/// For each kind of type an example, and what a cell of it can be refused for.
const KINDS: [(&str, &[&str], &[Why]); 20] = [
    ("`ascii`, `text`, `varchar`", &["text"], &[Why::BadUtf8, Why::Nul, Why::TooLong]),
    ("`tinyint`, `smallint`", &["smallint"], &[Why::BadCell, Why::Empty]),
    ("`int`", &["int"], &[Why::BadCell, Why::Empty]),
    ("`bigint`, `counter`", &["bigint"], &[Why::BadCell, Why::Empty]),
    ("`varint`", &["varint"], &[Why::Empty, Why::OutOfRange]),
    ("`decimal`", &["decimal"], &[Why::BadCell, Why::Empty, Why::OutOfRange]),
    ("`float`", &["float"], &[Why::BadCell, Why::Empty]),
    ("`double`", &["double"], &[Why::BadCell, Why::Empty]),
    ("`boolean`", &["boolean"], &[Why::BadCell, Why::Empty]),
    ("`uuid`, `timeuuid`", &["uuid"], &[Why::BadCell, Why::Empty]),
    ("`inet`", &["inet"], &[Why::BadCell, Why::Empty]),
    ("`timestamp`", &["timestamp"], &[Why::BadCell, Why::Empty, Why::OutOfRange]),
    ("`date`", &["date"], &[Why::BadCell, Why::Empty, Why::OutOfRange]),
    ("`time`", &["time"], &[Why::BadCell, Why::Empty, Why::OutOfRange, Why::SubMicrosecond]),
    ("`duration`", &["duration"], &[Why::BadCell, Why::Empty, Why::SubMicrosecond]),
    ("`blob`", &["blob"], &[Why::TooLong]),
    (
        "`list<int>`, `set<int>`, and so of each type above",
        &["list<int>"],
        &[
            Why::BadCell,
            Why::Empty,
            Why::BadUtf8,
            Why::Nul,
            Why::OutOfRange,
            Why::SubMicrosecond,
            Why::TooLong,
        ],
    ),
    ("`vector<float, n>`", &["vector<float, 3>"], &[Why::BadCell, Why::Empty]),
    (
        "`map`, `tuple`, users' types, what is nested, any other `vector`",
        &["map<text, int>", "tuple<int>", "a_users_type", "list<frozen<set<int>>>", "vector<int, 3>"],
        &[Why::BadCell, Why::EmptyKey, Why::BadUtf8, Why::Nul, Why::OutOfRange, Why::TooLong],
    ),
    ("`'org.apache.cassandra.db.marshal.…'`", &["'org.apache.cassandra.db.marshal.EmptyType'"], &[]),
];

/// The table.
pub fn markdown() -> Result<String, TypeError> {
    let udts = Udts::from([("a_users_type".into(), vec![("a".into(), "int".into())])]);
    let mut text = String::from(
        "| CQL | what a module sees | loads into, for example | a row is rejected for |\n|---|---|---|---|\n",
    );
    for (name, examples, whys) in KINDS {
        let mut seen: Vec<String> = Vec::new();
        let mut targets: Vec<String> = Vec::new();
        for example in examples {
            let Ok(decoder) = Decoder::new(&parse(example, &udts)?, &Values::default(), false) else {
                continue;
            };
            add(&mut seen, format!("`{}`", decoder.ty()));
            loads::names(decoder.ty())
                .into_iter()
                .for_each(|target| add(&mut targets, format!("`{target}`")));
        }
        let (seen, targets) = match seen.is_empty() {
            false => (seen.join(", "), targets.join(", ")),
            true => ("refused before a row moves: leave the column out".into(), String::new()),
        };
        let mut codes: Vec<String> = Vec::new();
        whys.iter().for_each(|why| add(&mut codes, format!("`{}`", why.code())));
        text.push_str(&format!("| {name} | {seen} | {targets} | {} |\n", codes.join(", ")));
    }
    Ok(text)
}

fn add(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::cassandra::cql_type::Native;

    #[test]
    fn each_type_without_parts_has_its_row() {
        for native in Native::ALL {
            let name = format!("`{}`", native.name());
            assert_eq!(KINDS.iter().filter(|(kind, ..)| kind.contains(&name)).count(), 1, "{name}");
        }
        for why in Why::ALL {
            assert!(KINDS.iter().any(|(.., whys)| whys.contains(&why)), "{why:?}");
        }
    }

    #[test]
    fn the_kinds_of_one_row_are_all_seen_alike() {
        for (name, ..) in KINDS.iter().take(16) {
            let natives = name.split('`').filter_map(Native::named);
            let mut types: Vec<_> = natives
                .map(|native| parse(native.name(), &Udts::new()).unwrap())
                .map(|ty| Decoder::new(&ty, &Values::default(), false).unwrap().ty())
                .collect();
            types.dedup();
            assert!(types.len() <= 1, "{name}");
        }
    }

    /// `ETL_BLESS=1 cargo test -p etl catalog` writes the block anew.
    #[test]
    fn the_table_in_the_docs_is_this_one() {
        const START: &str = "<!-- generated from runner/src/source/cassandra/catalog.rs: ETL_BLESS=1 cargo test -p etl catalog -->\n";
        const END: &str = "<!-- end -->";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/types.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (head, rest) = page.split_once(START).unwrap();
        let (table, tail) = rest.split_once(END).unwrap();
        let made = markdown().unwrap();
        if std::env::var_os("ETL_BLESS").is_some() {
            std::fs::write(path, format!("{head}{START}{made}{END}{tail}")).unwrap();
        } else {
            assert_eq!(table, made, "docs/types.md is old: run this test with ETL_BLESS=1");
        }
    }
}
