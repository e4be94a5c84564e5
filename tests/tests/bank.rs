//! The story of `examples/cassandra-to-yugabyte`, as its README tells it, by content: what is in the target is what
//! another reader and another program make of the source, the rejects are those that must be, and a second run loads
//! nothing.

use std::path::{Path, PathBuf};

use etl_tests::bank;
use etl_tests::bed::Bed;
use etl_tests::cassandra::Keyspace;
use etl_tests::customers::{Row, assert_same, records, rows_of};
use etl_tests::harness::{Etl, guest};
use etl_tests::{cql_text, json_text};
use serde_json::Value;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/cassandra-to-yugabyte").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(example(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What the source holds, in the order of [`Posting::of`].
const SOURCE: &str = "SELECT account, month, posted, sequence, holder, amount, currency, code, other, reference, valued, \
                      details, tags FROM transactions";

const TARGET: &str = "SELECT account, month, posted, sequence, holder, amount, currency, reference, valued, details, \
                      tags, bank, number, kind, other_name, other_account, other_country FROM public.transactions";

const KINDS: [(&str, &str); 6] = [
    ("005", "direct debit"),
    ("020", "transfer out"),
    ("051", "transfer in"),
    ("053", "salary"),
    ("083", "cash"),
    ("805", "fee"),
];

/// Why a row is a reject, as the report has it.
fn wrong(row: &Row) -> Option<&'static str> {
    let text = |at: usize| row[at].as_deref().unwrap_or_default();
    // What cannot be read comes before what a module says.
    if text(9).contains('\0') {
        return Some("column `reference`: text with a NUL character, which PostgreSQL cannot store");
    }
    if text(10).split('-').next().is_some_and(|year| year.len() > 6) {
        return Some("column `valued`: outside the range of PostgreSQL's type");
    }
    let (account, amount) = (text(0), text(5));
    let moved: u128 = format!("{}1314{}", &account[4..], &account[2..4]).parse().expect("digits");
    if moved % 97 != 1 {
        return Some("account has wrong check digits");
    }
    let most = if text(6) == "JPY" { 0 } else { 2 };
    if amount.rfind('.').is_some_and(|point| amount.len() - point - 1 > most) {
        return Some("amount is finer than the currency's smallest unit");
    }
    KINDS.iter().all(|(code, _)| *code != text(7)).then_some("unknown code")
}

/// What the target must hold of a row of the source.
fn booked(row: &Row) -> Row {
    let account = row[0].as_deref().expect("a key");
    let kind = KINDS.iter().find(|(code, _)| row[7].as_deref() == Some(code)).expect("a known code").1;
    let other: Value =
        row[8].as_deref().map_or(Value::Null, |json| serde_json::from_str(json).expect("JSON"));
    let of_other = |name: &str| other[name].as_str().map(String::from);
    let mut booked: Row = [&row[..7], &row[9..]].concat();
    booked.extend([Some(account[4..12].into()), Some(account[12..].into()), Some(kind.into())]);
    booked.extend(["name", "iban", "country"].map(of_other));
    booked
}

async fn loaded(bed: &Bed) -> Vec<Row> {
    let mut rows = rows_of(&bed.client, TARGET).await;
    rows.iter_mut().for_each(|row| row[9] = row[9].as_deref().map(json_text::compact));
    rows.sort();
    rows
}

/// The example's files in a folder of their own; `etl` is told where the servers are, as `make demo-cassandra` does.
async fn bed(keyspace: &Keyspace) -> Bed {
    let bed = Bed::new("bank_story").await;
    bed.sql("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'").await;
    bed.folder.write("recipe.toml", read("recipe.toml"));
    bed.folder.write("bank.wasm", std::fs::read(guest("rust", "bank")).expect("a module"));
    assert!(bank::write(&keyspace.session).await);
    assert!(!bank::write(&keyspace.session).await, "written a second time");
    bed
}

fn etl(bed: &Bed, keyspace: &Keyspace, arguments: &[&str]) -> Etl {
    let url = bed.server.url("127.0.0.1,127.0.0.2,127.0.0.3", &bed.database);
    let port = keyspace.access.port().to_string();
    bed.folder.etl(arguments).env("ETL_TARGET__POSTGRES__URL", url).env("ETL_SOURCE__CASSANDRA__PORT", port)
}

#[tokio::test]
async fn a_banks_postings_arrive_whole_and_what_is_wrong_with_some_is_told() {
    let keyspace = Keyspace::new("bank").await;
    let bed = bed(&keyspace).await;
    let etl = |arguments: &[&str]| etl(&bed, &keyspace, arguments).run();

    let address = format!("cassandra://{}/bank", keyspace.access.hosts[0]);
    etl(&["init", &address, "--output", "start.toml"]).code(0).says(&["start.toml: 1 of 1 tables"]);
    let start = std::fs::read_to_string(bed.folder.path("start.toml")).expect("a recipe");
    assert!(start.contains("from = \"bank.transactions\"\ninto = \"public.transactions\"\n"), "{start}");
    let without_module = etl(&["ddl", "start.toml"]).code(0).stdout;
    assert!(without_module.contains("    other jsonb,\n"), "{without_module}");

    let yugabyte = etl(&["ddl", "--for", "yugabytedb", "--tablets", "12"]).code(0).stdout;
    let key = "PRIMARY KEY ((account, month) HASH, posted DESC, sequence ASC)\n) SPLIT INTO 12 TABLETS;";
    assert!(yugabyte.contains(key), "{yugabyte}");
    etl(&["check"]).code(11).says(&["public.transactions"]);
    bed.sql(&etl(&["ddl"]).code(0).stdout).await;
    assert!(etl(&["check"]).code(0).stdout.contains("no problem found"));

    let source = cql_text::rows_of(&keyspace.session, SOURCE).await;
    let (rows, empty): (Vec<Row>, Vec<Row>) = source.into_iter().partition(|row| row[2].is_some());
    assert_eq!((rows.len() as u64, empty.len() as u64), (bank::ROWS, bank::EMPTY_MONTHS));
    let (bad, good): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| wrong(row).is_some());
    let mut expected: Vec<Row> = good.iter().map(booked).collect();
    expected.sort();

    etl(&["run"])
        .code(8)
        .says(&["bank: done, with rejects", "100 transform/module: account has wrong check digits"]);
    assert_same(&expected, &loaded(&bed).await);
    assert_eq!(bed.is_finished().await, bank::ROWS as i64);
    // Each reject is the row that must be one, for the reason that it must have.
    // PostgreSQL takes no json apart that has a NUL in it.
    let rejects = "SELECT o->>'account', o->>'posted', o->>'sequence', reason FROM etl.reject, \
                   LATERAL (SELECT replace(original::text, '\\u0000', '')::json) AS without (o)";
    let mut rejects = rows_of(&bed.client, rejects).await;
    let mut wanted: Vec<Row> = bad
        .iter()
        .map(|row| vec![row[0].clone(), row[2].clone(), row[3].clone(), wrong(row).map(String::from)])
        .collect();
    rejects.sort();
    wanted.sort();
    assert_same(&wanted, &rejects);
    assert_eq!(
        rows_of(&bed.client, &read("totals.sql")).await,
        records(read("expected.csv").as_bytes())[1..]
    );

    etl(&["run"]).code(8).says(&["bank: was done before, nothing to load"]);
    assert_same(&expected, &loaded(&bed).await);
}
