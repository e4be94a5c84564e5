//! The rows of one page as they came: all cells, one behind the other, in the wire's form. Must not know what they
//! mean.
//!
//! Source: the CQL binary protocol v4, 4.2.5.2 Rows: `<rows_content>` is rows × columns of `[bytes]`, each a
//! big-endian `i32` length, negative for null, and so many bytes.

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

/// A page, with the places of its cells.
#[derive(Debug)]
pub(super) struct Page {
    bytes: Bytes,
    /// Where each cell's bytes start, and how many there are; -1 for null. Rows one behind the other.
    cells: Vec<(u32, i32)>,
    width: usize,
    rows: usize,
    /// Held while the page is larger than others may be at the same time.
    _permit: Option<OwnedSemaphorePermit>,
}

/// Bytes that are no page.
#[derive(Debug, thiserror::Error)]
#[error("the server sent a page that is broken")]
pub(super) struct Broken;

impl Page {
    /// `rows` rows of `width` cells each, in exactly these bytes.
    pub(super) fn new(bytes: Bytes, rows: usize, width: usize) -> Result<Page, Broken> {
        let count = rows.checked_mul(width).ok_or(Broken)?;
        // Each cell has a length at least, so a wrong number of rows cannot make us allocate more than was sent.
        if count > bytes.len() / 4 || u32::try_from(bytes.len()).is_err() {
            return Err(Broken);
        }
        let mut cells = Vec::with_capacity(count);
        let mut at = 0;
        for _ in 0..count {
            let length = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or(Broken)?;
            let length = i32::from_be_bytes(*length);
            at += 4;
            cells.push((at as u32, length));
            at += usize::try_from(length).unwrap_or(0);
        }
        if at != bytes.len() {
            return Err(Broken);
        }
        Ok(Page { bytes, cells, width, rows, _permit: None })
    }

    /// A page without rows.
    pub(super) fn empty(width: usize) -> Page {
        Page { bytes: Bytes::new(), cells: Vec::new(), width, rows: 0, _permit: None }
    }

    /// The same page, which holds a permit as long as it lives.
    pub(super) fn with_permit(self, permit: Option<OwnedSemaphorePermit>) -> Page {
        Page { _permit: permit, ..self }
    }

    /// How many rows it has.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A cell; `None` is null.
    pub(super) fn cell(&self, row: usize, column: usize) -> Option<&[u8]> {
        let (start, length) = self.cells[row * self.width + column];
        let length = usize::try_from(length).ok()?;
        Some(&self.bytes[start as usize..start as usize + length])
    }

    /// One column of some rows.
    pub(super) fn column(
        &self,
        column: usize,
        rows: std::ops::Range<usize>,
    ) -> impl Iterator<Item = Option<&[u8]>> + Clone {
        rows.map(move |row| self.cell(row, column))
    }

    /// The first `cells` cells of a row with their lengths, as they came.
    pub(super) fn head(&self, row: usize, cells: usize) -> &[u8] {
        let start = self.cells[row * self.width].0 as usize - 4;
        let end = if cells == 0 { start } else { self.end(row, cells - 1) };
        &self.bytes[start..end]
    }

    /// Bytes from the start of row `from` to the end of row `to - 1`.
    pub(super) fn bytes_of(&self, from: usize, to: usize) -> usize {
        if from >= to {
            return 0;
        }
        self.end(to - 1, self.width - 1) - (self.cells[from * self.width].0 as usize - 4)
    }

    fn end(&self, row: usize, column: usize) -> usize {
        let (start, length) = self.cells[row * self.width + column];
        start as usize + usize::try_from(length).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(cells: &[Option<Vec<u8>>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for cell in cells {
            let length = cell.as_ref().map_or(-1, |cell| cell.len() as i32);
            bytes.extend(length.to_be_bytes());
            bytes.extend(cell.iter().flatten());
        }
        bytes
    }

    proptest! {
        #[test]
        fn every_cell_is_found(width in 1usize..5, cells in proptest::collection::vec(any::<Option<Vec<u8>>>(), 0..40)) {
            let rows = cells.len() / width;
            let cells = &cells[..rows * width];
            let bytes = wire(cells);
            let page = Page::new(Bytes::from(bytes.clone()), rows, width).unwrap();
            for (at, cell) in cells.iter().enumerate() {
                prop_assert_eq!(page.cell(at / width, at % width), cell.as_deref());
            }
            for row in 0..rows {
                prop_assert_eq!(page.head(row, width), wire(&cells[row * width..(row + 1) * width]));
                prop_assert_eq!(page.head(row, 1), wire(&cells[row * width..=row * width]));
            }
            prop_assert_eq!(page.bytes_of(0, rows), bytes.len());
        }

        #[test]
        fn bytes_that_are_no_page_are_refused(bytes: Vec<u8>, rows in 0usize..1000, width in 1usize..100) {
            if let Ok(page) = Page::new(Bytes::from(bytes.clone()), rows, width) {
                prop_assert_eq!(page.bytes_of(0, rows), bytes.len());
            }
        }
    }

    #[test]
    fn a_page_with_too_few_or_too_many_bytes_is_refused() {
        let bytes = wire(&[Some(vec![1, 2]), None]);
        assert!(Page::new(Bytes::from(bytes.clone()), 1, 2).is_ok());
        assert!(Page::new(Bytes::from(bytes.clone()), 1, 1).is_err());
        assert!(Page::new(Bytes::from(bytes.clone()), 2, 2).is_err());
        assert!(Page::new(Bytes::from(bytes[..5].to_vec()), 1, 1).is_err());
        assert!(Page::new(Bytes::new(), usize::MAX, 2).is_err());
    }
}
