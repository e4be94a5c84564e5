//! Columns after a module left out, repeated or reordered rows. Pure.

use std::cell::OnceCell;
use std::rc::Rc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_buffer::BooleanBufferBuilder;
use arrow_schema::DataType;
use arrow_select::filter::{FilterBuilder, FilterPredicate};

/// From the rows that there are now to the rows that there were at some point before.
#[derive(Clone, Debug)]
pub(super) enum Map {
    /// The same rows.
    Same,
    /// Others.
    Rows(Rc<Rows>),
}

/// For each row of now, its row of then.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) rows: UInt32Array,
    /// Where few rows were left out, it is faster to copy the runs between them; made by the first column.
    runs: OnceCell<Option<FilterPredicate>>,
}

impl Map {
    /// The rows of now were these rows.
    pub(super) fn of(rows: UInt32Array) -> Map {
        Map::Rows(Rc::new(Rows { rows, runs: OnceCell::new() }))
    }

    /// The row of then that `row` was.
    pub(super) fn at(&self, row: u32) -> u32 {
        match self {
            Map::Same => row,
            Map::Rows(map) => map.rows.values()[row as usize],
        }
    }

    /// This map, once the rows of now became those of `origin`.
    pub(super) fn then(&self, origin: &UInt32Array) -> Map {
        match self {
            Map::Same => Map::of(origin.clone()),
            Map::Rows(_) => Map::of(origin.values().iter().map(|row| self.at(*row)).collect()),
        }
    }
}

/// The rows of `array` that `map` names.
pub(super) fn gather(array: &ArrayRef, map: &Map) -> Result<ArrayRef, String> {
    let Map::Rows(map) = map else { return Ok(array.clone()) };
    let gathered = match map.runs.get_or_init(|| runs(map.rows.values(), array.len())) {
        Some(runs) if runs.count() == map.rows.len() => runs.filter(array),
        _ => arrow_select::take::take(array, &map.rows, None),
    };
    gathered.map_err(|e| e.to_string())
}

/// A mask of `rows` among `before` rows, if they are in order and at least 8 of 10.
fn runs(rows: &[u32], before: usize) -> Option<FilterPredicate> {
    let ascending = rows.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || rows.len() * 10 < before * 8 {
        return None;
    }
    let mut mask = BooleanBufferBuilder::new(before);
    mask.append_n(before, false);
    for row in rows {
        mask.set_bit(*row as usize, true);
    }
    let mask = BooleanArray::new(mask.finish(), None);
    Some(FilterBuilder::new(&mask).optimize().build())
}

/// How many bytes [`gather`] would make: a row that is repeated can be large.
pub(super) fn gathered_bytes(array: &dyn Array, rows: &[u32]) -> u64 {
    let offsets = |offsets: &[i32], row: u32| {
        let (start, end) = (offsets[row as usize], offsets[row as usize + 1]);
        (start as usize, end as usize)
    };
    match array.data_type() {
        DataType::Utf8 => variable(rows, |row| offsets(array.as_string::<i32>().value_offsets(), row)),
        DataType::Binary => variable(rows, |row| offsets(array.as_binary::<i32>().value_offsets(), row)),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let bytes = |row: u32| {
                let (start, end) = offsets(list.value_offsets(), row);
                element_bytes(list.values(), start, end)
            };
            rows.iter().map(|row| 4 + bytes(*row)).sum()
        }
        other => rows.len() as u64 * width(other),
    }
}

fn variable(rows: &[u32], range: impl Fn(u32) -> (usize, usize)) -> u64 {
    let bytes = |row: &u32| {
        let (start, end) = range(*row);
        (end - start) as u64
    };
    rows.iter().map(|row| 4 + bytes(row)).sum()
}

/// Bytes of the elements `start..end` of an array column.
fn element_bytes(values: &ArrayRef, start: usize, end: usize) -> u64 {
    let between = |offsets: &[i32]| (offsets[end] - offsets[start]) as u64;
    let count = (end - start) as u64;
    match values.data_type() {
        DataType::Utf8 => 4 * count + between(values.as_string::<i32>().value_offsets()),
        DataType::Binary => 4 * count + between(values.as_binary::<i32>().value_offsets()),
        other => count * width(other),
    }
}

/// Bytes of a value of fixed width; a boolean counts as one.
fn width(ty: &DataType) -> u64 {
    match ty {
        DataType::FixedSizeBinary(width) => u64::try_from(*width).unwrap_or(0),
        other => other.primitive_width().unwrap_or(1) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::types::Int64Type;
    use arrow_array::{BooleanArray, ListArray, StringArray};
    use std::sync::Arc;

    #[test]
    fn maps_compose_back_to_the_first_rows() {
        let first = Map::Same.then(&UInt32Array::from(vec![4, 2, 2, 0]));
        let second = first.then(&UInt32Array::from(vec![3, 3, 1]));
        assert_eq!((0..3).map(|row| second.at(row)).collect::<Vec<_>>(), [0, 0, 2]);
    }

    #[test]
    fn the_size_of_repeated_rows_is_known_before_they_are_made() {
        let text = StringArray::from(vec![Some("abc"), None, Some("")]);
        assert_eq!(gathered_bytes(&text, &[0, 0, 1, 2]), 4 * 4 + 6);
        assert_eq!(gathered_bytes(&BooleanArray::from(vec![true]), &[0; 10]), 10);
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), Some(2)]), None]);
        assert_eq!(gathered_bytes(&lists, &[0, 0, 1]), 3 * 4 + 4 * 8);
    }

    #[test]
    fn rows_are_gathered_in_the_maps_order() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]));
        let gathered = gather(&text, &Map::of(UInt32Array::from(vec![2, 1, 2]))).unwrap();
        assert_eq!(gathered.as_string::<i32>(), &StringArray::from(vec![Some("c"), None, Some("c")]));
    }

    #[test]
    fn leaving_out_few_rows_gives_the_same_as_taking_the_others() {
        let text: ArrayRef =
            Arc::new(StringArray::from_iter((0..50).map(|i| (i % 7 != 0).then(|| "x".repeat(i)))));
        for left_out in [&[][..], &[0], &[49], &[3, 4, 5, 30]] {
            let rows: UInt32Array = (0..50).filter(|row| !left_out.contains(row)).collect();
            assert!(runs(rows.values(), 50).is_some());
            let taken = arrow_select::take::take(&text, &rows, None).unwrap();
            assert_eq!(gather(&text, &Map::of(rows)).unwrap().to_data(), taken.to_data());
        }
        assert!(runs(&[0, 1, 1, 2], 4).is_none() && runs(&[1, 0], 2).is_none() && runs(&[5], 50).is_none());
    }
}
