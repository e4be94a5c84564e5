//! The parts of a cell that is made of several. Each length is checked against the bytes that are left. Must not
//! know the parts' types.

use super::refuse::Why;

/// One part: `None` is NULL.
pub(super) type Part<'a> = Option<&'a [u8]>;

/// Takes an i32 length and as many bytes from the front of `rest`.
pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Result<Part<'a>, Why> {
    let (length, behind) = rest.split_first_chunk::<4>().ok_or(Why::BadCell)?;
    let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
        *rest = behind;
        return Ok(None);
    };
    let (part, behind) = behind.split_at_checked(length).ok_or(Why::BadCell)?;
    *rest = behind;
    Ok(Some(part))
}

/// Takes the number of a collection's elements, or of a map's pairs.
pub(super) fn take_count(rest: &mut &[u8]) -> Result<usize, Why> {
    let (count, behind) = rest.split_first_chunk::<4>().ok_or(Why::of_length(rest))?;
    *rest = behind;
    usize::try_from(i32::from_be_bytes(*count)).map_err(|_| Why::BadCell)
}

/// Takes an unsigned number in front of which stand as many 1 bits as it has more bytes.
pub(super) fn take_vint(rest: &mut &[u8]) -> Result<u64, Why> {
    let (first, behind) = rest.split_first().ok_or(Why::BadCell)?;
    let more = first.leading_ones();
    let (more, behind) = behind.split_at_checked(more as usize).ok_or(Why::BadCell)?;
    let first = if more.len() < 8 { u64::from(first & (0xff >> more.len())) } else { 0 };
    *rest = behind;
    Ok(more.iter().fold(first, |value, byte| value << 8 | u64::from(*byte)))
}

/// The elements of a list or a set.
#[derive(Clone)]
pub(super) struct Elements<'a> {
    left: usize,
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// Checks that `cell` has as many elements as it says, and nothing behind them.
    pub(super) fn of(cell: &'a [u8]) -> Result<Elements<'a>, Why> {
        let mut rest = cell;
        let count = take_count(&mut rest)?;
        let elements = Elements { left: count, rest };
        for _ in 0..count {
            take(&mut rest)?;
        }
        if rest.is_empty() { Ok(elements) } else { Err(Why::BadCell) }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        self.left = self.left.checked_sub(1)?;
        take(&mut self.rest).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Each has a length of four bytes.
        let most = self.left.min(self.rest.len() / 4);
        (most, Some(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_are_read_with_nulls_among_them() {
        let cell = [0, 0, 0, 3, 0, 0, 0, 1, 7, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        let found: Vec<_> = Elements::of(&cell).unwrap().collect();
        assert_eq!(found, [Some(&[7][..]), None, Some(&[][..])]);
    }

    #[test]
    fn a_count_or_a_length_that_the_cell_has_no_bytes_for_is_refused() {
        assert_eq!(Elements::of(&[]).err(), Some(Why::Empty));
        for cell in [
            &[0, 0, 0][..],
            &[0x7f, 0xff, 0xff, 0xff],
            &[0xff, 0xff, 0xff, 0xff],
            &[0, 0, 0, 1, 0, 0, 0, 2, 1],
            &[0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff, 1],
            &[0, 0, 0, 0, 1],
        ] {
            assert_eq!(Elements::of(cell).err(), Some(Why::BadCell), "{cell:?}");
        }
    }

    #[test]
    fn a_vint_has_one_to_nine_bytes() {
        for (bytes, value) in [
            (&[0x00][..], 0),
            (&[0x7f], 127),
            (&[0x80, 0x80], 128),
            (&[0xbf, 0xff], 16_383),
            (&[0xc0, 0x40, 0x00], 16_384),
            (&[0xfe, 0x80, 0, 0, 0, 0, 0, 0], 1 << 55),
            (&[0xff; 9], u64::MAX),
        ] {
            let mut rest = bytes;
            assert_eq!(take_vint(&mut rest), Ok(value));
            assert!(rest.is_empty());
            assert_eq!(take_vint(&mut &bytes[..bytes.len() - 1]), Err(Why::BadCell));
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_has_as_many_elements_as_it_says(cell: Vec<u8>, count in 0_u8..4) {
            let cell = [&[0, 0, 0, count], &cell[..]].concat();
            if let Ok(elements) = Elements::of(&cell) {
                prop_assert_eq!(elements.count(), usize::from(count));
            }
        }
    }
}
