//! The line that PostgreSQL names in a COPY error is the one that `encode` counted.

use etl::encode::{Encoder, first_record_lines};
use etl::schema::{Field, Scalar, Type};
use etl_tests::versions::Tried;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::cell::{Cell, arrow};
use super::{cases, copy};

#[test]
fn the_line_of_a_refused_row_is_the_last_that_was_counted_for_it() {
    let runtime = Runtime::new().unwrap();
    Tried::all().for_each(|tried| the_line_is_the_same_on(&tried, &runtime));
}

fn the_line_is_the_same_on(tried: &Tried, runtime: &Runtime) {
    let client = runtime.block_on(tried.server.database("encode_lines"));
    runtime.block_on(client.batch_execute("CREATE TABLE t (number integer, note text)")).unwrap();
    let notes = prop::collection::vec(prop::option::weighted(0.9, "[a\n\r\",]{0,8}"), 1..30);
    let result = cases(100, tried).run(&(notes, any::<prop::sample::Index>()), |(notes, bad)| {
        let bad = bad.index(notes.len());
        let number = |row| Some(Cell::Text(if row == bad { "no number" } else { "1" }.into()));
        let numbers: Vec<_> = (0..notes.len()).map(number).collect();
        let notes: Vec<_> = notes.into_iter().map(|note| note.map(Cell::Text)).collect();

        let fields = ["number", "note"].map(|name| Field::nullable(name, Type::of(Scalar::Text)));
        let columns = [arrow(Scalar::Text, &numbers), arrow(Scalar::Text, &notes)];
        let encoder = Encoder::new(&fields);
        let rows = encoder.bind(&columns).unwrap();
        let (mut csv, mut expected) = (Vec::new(), 0);
        for row in 0..notes.len() {
            let lines = rows.encode_row(row, &mut csv);
            if row <= bad {
                expected += if row == 0 { first_record_lines(&csv) } else { lines };
            }
        }
        let error = runtime.block_on(copy(&client, "t", csv)).expect_err("it is no number");
        let context = error.as_db_error().and_then(|error| error.where_()).unwrap();
        prop_assert!(context.starts_with(&format!("COPY t, line {expected}, ")), "{expected}: {context}");
        Ok(())
    });
    result.unwrap();
}
