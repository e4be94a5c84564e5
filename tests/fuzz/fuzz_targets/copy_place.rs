//! The line and the column that a server names in a CONTEXT are found, whatever it says around them; a value is never
//! taken for either.

#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use etl::copy::postgres::fuzz::place_of_copy;
use libfuzzer_sys::fuzz_target;

struct Refused<'a> {
    table: &'a str,
    line: u64,
    column: Option<&'a str>,
    value: &'a str,
    inside_a_trigger: bool,
}

fuzz_target!(|data: &[u8]| {
    let whole = String::from_utf8_lossy(data);
    let (_, column) = place_of_copy(&whole);
    assert!(column.is_none_or(|column| whole.contains(&column)));
    if let Ok(refused) = refused(&mut Unstructured::new(data)) {
        is_found(&refused);
    }
});

fn refused<'a>(bytes: &mut Unstructured<'a>) -> Result<Refused<'a>> {
    Ok(Refused {
        table: Arbitrary::arbitrary(bytes)?,
        line: Arbitrary::arbitrary(bytes)?,
        column: Arbitrary::arbitrary(bytes)?,
        inside_a_trigger: Arbitrary::arbitrary(bytes)?,
        value: Arbitrary::arbitrary(bytes)?,
    })
}

/// As PostgreSQL's `CopyFromErrorCallback` writes it. Names with a comma, a colon or a line end are not looked for.
fn is_found(refused: &Refused<'_>) {
    let Refused { table, line, column, value, inside_a_trigger } = refused;
    if [Some(table), column.as_ref()]
        .into_iter()
        .flatten()
        .any(|name| name.contains([',', '、', ':', '\n', '\r']))
    {
        return;
    }
    let value = &value[..value.floor_char_boundary(100)];
    let copy = match column {
        Some(column) => format!("COPY {table}, line {line}, column {column}: \"{value}\""),
        None => format!("COPY {table}, line {line}: \"{value}\""),
    };
    let frame = if *inside_a_trigger { "PL/pgSQL function f() line 3 at RAISE\n" } else { "" };
    let (found_line, found_column) = place_of_copy(&format!("{frame}{copy}"));
    assert_eq!(found_line, Some(*line));
    if frame.is_empty() {
        assert_eq!(found_column.as_deref(), *column);
    }
}
