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
    let (_, column) = place_of_copy(&whole, None);
    assert_eq!(column, None, "of which table?");
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

/// As PostgreSQL's `CopyFromErrorCallback` writes it. Of columns names with a comma, a colon or a line end are not
/// looked for; of tables only where it is not known which one it is.
fn is_found(refused: &Refused<'_>) {
    let Refused { table, line, column, value, inside_a_trigger } = refused;
    let odd = |name: &str| name.contains([',', '、', ':', '\n', '\r']);
    if column.is_some_and(odd) {
        return;
    }
    let value = &value[..value.floor_char_boundary(100)];
    let copy = match column {
        Some(column) => format!("COPY {table}, line {line}, column {column}: \"{value}\""),
        None => format!("COPY {table}, line {line}: \"{value}\""),
    };
    let frame = if *inside_a_trigger { "PL/pgSQL function f() line 3 at RAISE\n" } else { "" };
    for into in [Some(*table), None] {
        if into.is_none() && odd(table) {
            return;
        }
        let (found_line, found_column) = place_of_copy(&format!("{frame}{copy}"), into);
        assert_eq!(found_line, Some(*line));
        if frame.is_empty() && into.is_some() {
            assert_eq!(found_column.as_deref(), *column);
        }
        // A server in another language: whatever the row holds, it is no column.
        let translated = place_of_copy(&format!("COPY {table}, Zeile {line}: \"{value}\""), into).1;
        assert_eq!(translated, None);
    }
}
