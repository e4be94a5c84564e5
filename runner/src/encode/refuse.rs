//! The values that have no text form which PostgreSQL accepts, found before a byte of them is sent.
//!
//! Must not know: what a server would say of a value's meaning (malformed JSON, a constraint); see `copy`.

use arrow_array::{Array, StringArray};

use super::{list, numeric};
use crate::schema::DATES;
use crate::values::{Cells, Nulls, Values, text_bytes};

/// A row that must become a reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Of the bound batch.
    pub row: u32,
    /// Of the encoder's fields.
    pub column: u32,
    /// Stable, for grouping.
    pub code: &'static str,
    /// For people; the same for each value of this code.
    pub reason: &'static str,
}

/// Why a value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A text with U+0000.
    Nul,
    /// A date, time, timestamp or number that PostgreSQL has no room for.
    OutOfRange,
    /// A numeric that is no number.
    BadNumeric,
    /// An interval finer than a microsecond.
    SubMicrosecond,
    /// An array that is no vector.
    BadVector,
}

impl Why {
    /// All of them.
    pub const ALL: [Why; 5] =
        [Why::Nul, Why::OutOfRange, Why::BadNumeric, Why::SubMicrosecond, Why::BadVector];

    /// Stable, for grouping.
    pub fn code(self) -> &'static str {
        match self {
            Why::Nul => "nul",
            Why::OutOfRange => "out_of_range",
            Why::BadNumeric => "bad_numeric",
            Why::SubMicrosecond => "sub_microsecond",
            Why::BadVector => "bad_vector",
        }
    }

    /// For people.
    pub fn reason(self) -> &'static str {
        match self {
            Why::Nul => "text with a NUL character, which PostgreSQL cannot store",
            Why::OutOfRange => "outside the range of PostgreSQL's type",
            Why::BadNumeric => "not a decimal number",
            Why::SubMicrosecond => "interval finer than a microsecond",
            Why::BadVector => "a vector without elements, or with one that is NULL, NaN or infinite",
        }
    }
}

/// The first microsecond that PostgreSQL can store, on the first day that it can. Its last lies behind all that fit an i64
/// counted from 1970.
const FIRST_TIMESTAMP: i64 = -210_866_803_200_000_000;
/// The last microsecond of a day: PostgreSQL knows `24:00:00`.
const LAST_TIME: i64 = 86_400_000_000;

/// Adds the rows of one column that must be refused.
pub(super) fn column(nulls: Nulls, cells: &Cells, column: u32, refused: &mut Vec<Refused>) {
    let mut add = |row: usize, why: Why| {
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        refused.push(Refused { row, column, code: why.code(), reason: why.reason() });
    };
    match cells {
        Cells::Scalars(values) => find(values, nulls, &mut add),
        Cells::Lists { offsets, nulls: null_elements, elements } => {
            let mut bad = Vec::new();
            find(elements, *null_elements, &mut |index, why| bad.push((index, why)));
            for (index, why) in bad {
                // Elements may lie outside all lists (a sliced array) or in a list that is NULL itself.
                let after = offsets.partition_point(|offset| usize::try_from(*offset).unwrap_or(0) <= index);
                let row = after.checked_sub(1).filter(|row| row + 1 < offsets.len());
                let holds = |row: &usize| list::range(offsets, *row).contains(&index) && !nulls.is_null(*row);
                if let Some(row) = row.filter(holds) {
                    add(row, why);
                }
            }
        }
    }
}

/// Adds the rows of a column of lists that pgvector refuses, whatever its type.
pub(super) fn vectors(nulls: Nulls, cells: &Cells, column: u32, refused: &mut Vec<Refused>) {
    let Cells::Lists { offsets, nulls: null_elements, elements } = cells else { return };
    let finite = |index: usize| match elements {
        Values::Float32(values) => values[index].is_finite(),
        Values::Float64(values) => values[index].is_finite(),
        _ => true,
    };
    for (row, number) in (0..offsets.len().saturating_sub(1)).zip(0..) {
        let mut range = list::range(offsets, row);
        let good = !range.is_empty() && range.all(|index| !null_elements.is_null(index) && finite(index));
        if !good && !nulls.is_null(row) {
            let why = Why::BadVector;
            refused.push(Refused { row: number, column, code: why.code(), reason: why.reason() });
        }
    }
}

fn find(values: &Values, nulls: Nulls, add: &mut impl FnMut(usize, Why)) {
    match values {
        Values::Text(texts) => {
            // One fast look over all of them; cell by cell only where there is a NUL.
            if memchr::memchr(0, text_bytes(texts)).is_some() {
                each_text(texts, nulls, |text| text.contains(&0).then_some(Why::Nul), add);
            }
        }
        Values::Numeric(texts) => each_text(texts, nulls, numeric::check, add),
        Values::Date(days) => {
            let ok = |days: i32| DATES.contains(&days) || matches!(days, i32::MIN | i32::MAX);
            each(days, nulls, ok, Why::OutOfRange, add);
        }
        Values::Timestamp(micros) => {
            let ok = |micros: i64| micros >= FIRST_TIMESTAMP || micros == i64::MIN;
            each(micros, nulls, ok, Why::OutOfRange, add);
        }
        Values::Time(micros) => {
            each(micros, nulls, |micros| (0..=LAST_TIME).contains(&micros), Why::OutOfRange, add);
        }
        Values::Interval(spans) => {
            each(spans, nulls, |span| span.nanoseconds % 1000 == 0, Why::SubMicrosecond, add);
        }
        Values::Boolean(_)
        | Values::Int16(_)
        | Values::Int32(_)
        | Values::Int64(_)
        | Values::Float32(_)
        | Values::Float64(_)
        | Values::Bytes(_)
        | Values::Uuid(_) => {}
    }
}

fn each<T: Copy>(
    values: &[T],
    nulls: Nulls,
    ok: impl Fn(T) -> bool,
    why: Why,
    add: &mut impl FnMut(usize, Why),
) {
    for (index, value) in values.iter().enumerate() {
        if !ok(*value) && !nulls.is_null(index) {
            add(index, why);
        }
    }
}

fn each_text(
    texts: &StringArray,
    nulls: Nulls,
    check: impl Fn(&[u8]) -> Option<Why>,
    add: &mut impl FnMut(usize, Why),
) {
    for index in 0..texts.len() {
        if nulls.is_null(index) {
            continue;
        }
        if let Some(why) = check(texts.value(index).as_bytes()) {
            add(index, why);
        }
    }
}
