//! What tables are made of.

use super::*;

fn field(name: &str, scalar: Scalar, nullable: bool) -> Field {
    Field { nullable, ..Field::nullable(name, Type::of(scalar)) }
}

fn columns() -> Vec<Field> {
    let tags = Field::nullable("tags", Type::array_of(Scalar::Text));
    vec![
        field("account", Scalar::Int64, false),
        field("branch", Scalar::Int32, false),
        field("posted", Scalar::Timestamp, false),
        field("amount", Scalar::Numeric, true),
        field("order", Scalar::Json, true),
        tags,
    ]
}

fn key() -> Vec<KeyColumn> {
    let parts = [KeyPart::Partition, KeyPart::Partition, KeyPart::Descending];
    let key = ["account", "branch", "posted"].into_iter().zip(parts).enumerate();
    key.map(|(at, (name, part))| KeyColumn { name: name.into(), part, column: Some(at), remade: false })
        .collect()
}

fn style(flavor: Flavor, names: Names) -> Style {
    Style { flavor, names, tablets: None }
}

fn write(columns: &[Field], key: &[KeyColumn], style: Style) -> Creation {
    NewTable { into: "public.transactions", columns, key }.write(style).unwrap()
}

fn problems(columns: &[Field], names: Names) -> Vec<Problem> {
    NewTable { into: "t", columns, key: &[] }.write(style(Flavor::PostgreSql, names)).unwrap_err()
}

#[test]
fn a_table_has_its_columns_types_and_key() {
    let made = write(&columns(), &key(), style(Flavor::PostgreSql, Names::Folded));
    let expected = "CREATE TABLE public.transactions (
    account bigint NOT NULL,
    branch integer NOT NULL,
    posted timestamptz NOT NULL,
    amount numeric,
    \"order\" jsonb,
    tags text[],
    PRIMARY KEY (account, branch, posted)
)";
    assert_eq!(made, Creation { statement: expected.into(), notes: Vec::new(), has_key: true });
}

#[test]
fn a_yugabytedb_hashes_the_partition_and_sorts_within_it() {
    let more = Style { tablets: Some(24), ..style(Flavor::YugabyteDb, Names::Kept) };
    let statement = write(&columns(), &key(), more).statement;
    assert!(
        statement.ends_with("PRIMARY KEY ((account, branch) HASH, posted DESC)\n) SPLIT INTO 24 TABLETS")
    );
    let mut ascending = key();
    ascending[2].part = KeyPart::Ascending;
    let statement = write(&columns(), &ascending[1..], style(Flavor::YugabyteDb, Names::Kept)).statement;
    assert!(statement.ends_with("PRIMARY KEY ((branch) HASH, posted ASC)\n)"), "{statement}");
    let without = Style { tablets: Some(24), ..style(Flavor::PostgreSql, Names::Kept) };
    assert!(write(&columns(), &[], without).statement.ends_with("tags text[]\n)"));
}

#[test]
fn a_key_that_is_not_whole_is_left_out_and_told_of() {
    let mut short = key();
    short[1].column = None;
    let made = write(&columns(), &short, style(Flavor::PostgreSql, Names::Folded));
    assert!(!made.statement.contains("PRIMARY"));
    let note = "no primary key: the source's is (`account`, `branch`, `posted`), and `branch` is not among the columns";
    assert_eq!(made.notes, [note]);
}

#[test]
fn types_that_a_yugabytedb_takes_in_no_key_are_named() {
    for (ty, name) in [
        (Type::of(Scalar::Json), "jsonb"),
        (Type::of(Scalar::Inet), "inet"),
        (Type::of(Scalar::Interval), "interval"),
        (Type::array_of(Scalar::Int32), "integer[]"),
    ] {
        let mut columns = columns();
        columns[2].ty = ty;
        let made = write(&columns, &key(), style(Flavor::YugabyteDb, Names::Folded));
        assert!(!made.statement.contains("PRIMARY"), "{made:?}");
        assert!(
            made.notes[0].ends_with(&format!("YugabyteDB takes no {name} in a key, as `posted` is")),
            "{made:?}"
        );
        let made = write(&columns, &key(), style(Flavor::PostgreSql, Names::Folded));
        assert!(made.statement.contains("PRIMARY KEY (account, branch, posted)"), "{made:?}");
    }
}

#[test]
fn a_key_column_that_a_module_made_is_used_and_told_of() {
    let mut remade = key();
    remade[0].remade = true;
    let made = write(&columns(), &remade, style(Flavor::PostgreSql, Names::Folded));
    assert!(made.statement.contains("PRIMARY KEY (account, branch, posted)"));
    assert!(made.notes[0].starts_with("column `account` of the key is made by a module"), "{made:?}");
}

#[test]
fn names_are_folded_kept_or_quoted_as_told() {
    let columns = [field("Id", Scalar::Uuid, true), field("größe", Scalar::Text, true)];
    let lines = |names| write(&columns, &[], style(Flavor::PostgreSql, names));
    let folded = lines(Names::Folded);
    assert!(folded.statement.contains("\n    id uuid,\n    \"größe\" text\n"), "{folded:?}");
    assert!(folded.notes[0].starts_with("column `Id` is `id` here: rename it"), "{folded:?}");
    let kept = lines(Names::Kept);
    assert!(kept.statement.contains("TABLE public.transactions (\n    \"Id\" uuid"), "{kept:?}");
    assert!(kept.notes.is_empty());
    let quoted = lines(Names::Quoted);
    assert!(
        quoted.statement.starts_with("CREATE TABLE \"public\".\"transactions\" (\n    \"Id\" uuid"),
        "{quoted:?}"
    );
}

#[test]
fn names_that_clash_or_are_too_long_are_named() {
    let clash = [field("Id", Scalar::Uuid, true), field("iD", Scalar::Text, true)];
    let expected =
        "columns `Id` and `iD` would both be `id`: rename one of them, or keep both with --names quote";
    assert_eq!(problems(&clash, Names::Folded), [Problem::Columns(expected.into())]);
    assert!(
        NewTable { into: "t", columns: &clash, key: &[] }
            .write(style(Flavor::PostgreSql, Names::Kept))
            .is_ok()
    );
    let long = [field(&"x".repeat(64), Scalar::Text, true)];
    let found = problems(&long, Names::Quoted);
    assert!(matches!(&found[..], [Problem::Columns(what)] if what.contains("1 to 63 bytes")), "{found:?}");
    let found =
        NewTable { into: "a b", columns: &long, key: &[] }.write(style(Flavor::PostgreSql, Names::Kept));
    assert!(matches!(&found.unwrap_err()[..], [Problem::Into(_), Problem::Columns(_)]));
}

#[test]
fn a_name_never_ends_the_comment_that_it_stands_in() {
    let columns = [field("A\nDROP TABLE x; --", Scalar::Text, true)];
    let made = write(&columns, &[], style(Flavor::PostgreSql, Names::Folded));
    assert!(made.notes.iter().all(|note| !note.contains('\n')), "{made:?}");
}
