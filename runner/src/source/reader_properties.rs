//! Any bytes, in any pieces, from any position: what the yardstick says.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use proptest::prelude::*;

use super::tests::Folder;
use super::yardstick::{self, Way, memory, text_fields};
use super::*;
use crate::schema::{Scalar, Type};
use crate::source::reference;

const NO_LIMIT: usize = 1 << 20;

fn way() -> impl Strategy<Value = Way> {
    let max_row_bytes = prop_oneof![Just(NO_LIMIT), 1usize..20];
    (1usize..4, prop_oneof![1usize..9, Just(4096)], 1u64..40, 1usize..6, max_row_bytes).prop_map(
        |(width, block_bytes, batch_bytes, max_rows, max_row_bytes)| Way {
            width,
            block_bytes,
            batch_bytes,
            max_rows,
            max_row_bytes,
        },
    )
}

/// A row of an integer and a text, as it is written, and what it is: its values, or why it is none.
type Typed = (&'static [u8], Result<(Option<i32>, Option<&'static str>), &'static str>);

fn typed_row() -> impl Strategy<Value = Typed> {
    let good: [Typed; 5] = [
        (b"1,x\n", Ok((Some(1), Some("x")))),
        (b",\n", Ok((None, None))),
        (b"\"-20\",\"\"\n", Ok((Some(-20), Some("")))),
        (
            b" 3,\"a \"\"b\"\", and some words more than thirty-two bytes\"\n",
            Ok((Some(3), Some("a \"b\", and some words more than thirty-two bytes"))),
        ),
        ("4,é\r\n".as_bytes(), Ok((Some(4), Some("é")))),
    ];
    let bad: [Typed; 5] = [
        (b"x,1\n", Err("bad_cell")),
        (b"\"\",1\n", Err("bad_cell")),
        (b"5,\xff\n", Err("bad_utf8")),
        (b"x,\xc3\n", Err("bad_utf8")),
        (b"6\n", Err("ragged")),
    ];
    prop_oneof![9 => prop::sample::select(good.to_vec()), 1 => prop::sample::select(bad.to_vec())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn rows_that_are_none_leave_no_trace_among_many(
        rows in prop::collection::vec(typed_row(), 0..300),
        max_rows in 1usize..400,
        block_bytes in prop_oneof![Just(4096usize), 30usize..200],
    ) {
        let (_folder, file) = Folder::with(&rows.iter().flat_map(|(text, _)| *text).copied().collect::<Vec<u8>>());
        let mut fields = text_fields(2);
        fields[0].ty = Type::of(Scalar::Int32);
        let stream = Stream::over(&file, None, 0, None).unwrap();
        let split = (Position::FILE_START, None);
        let settings = Settings::default();
        let mut reader =
            Reader::over(stream, &settings, (&fields, &[0, 1]), split, &memory(), block_bytes).unwrap();
        let mut rows = rows.into_iter().zip(1u64..).peekable();
        while let Some(batch) = reader.batch(max_rows).unwrap() {
            let (numbers, texts) = (batch.columns[0].as_primitive::<Int32Type>(), batch.columns[1].as_string::<i32>());
            let (mut row, mut rejects) = (0, batch.rejects.iter());
            while let Some(((_, expected), line)) = rows.next_if(|(_, line)| *line < batch.end.line()) {
                match expected {
                    Err(code) => {
                        let reject = rejects.next().unwrap();
                        prop_assert_eq!((reject.code, reject.position.line()), (code, line));
                    }
                    Ok((number, text)) => {
                        prop_assert_eq!(batch.starts.at(row).line(), line);
                        prop_assert_eq!(numbers.is_valid(row).then(|| numbers.value(row)), number);
                        prop_assert_eq!(texts.is_valid(row).then(|| texts.value(row)), text);
                        row += 1;
                    }
                }
            }
            prop_assert_eq!((row, rejects.next().is_none()), (batch.rows, true));
        }
        prop_assert!(rows.next().is_none());
    }

    #[test]
    fn any_bytes_in_any_pieces_are_read_as_the_yardstick_says(
        content in reference::file(),
        dialect in reference::dialect(),
        way in way(),
    ) {
        let (_folder, file) = Folder::with(&content);
        yardstick::agrees_from_everywhere(&file, &content, &dialect, &way);
    }

    #[test]
    fn splits_at_record_boundaries_hold_every_record_once_and_end_at_their_end(
        content in reference::file(),
        dialect in reference::dialect(),
        way in way(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (_folder, file) = Folder::with(&content);
        yardstick::agrees_on_both_sides_of_a_cut(&file, &content, &dialect, &way, |records| cut.index(records));
    }
}
