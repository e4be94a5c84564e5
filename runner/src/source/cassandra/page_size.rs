//! How many rows are asked for at once: few at first, then about a page's bytes. Must not know rows.

/// Bytes that a page should have. More gains nothing, and there are three of them for each stream.
const PAGE_BYTES: u64 = 512 * 1024;

/// A page that may be larger than this is had alone.
const LARGE_BYTES: u64 = 4 << 20;

const FIRST_ROWS: u64 = 100;
const MOST_ROWS: u64 = 10_000;

/// Learns from each page.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageSize {
    rows: u64,
    row_bytes: Option<u64>,
    /// The server could not do more at some place; it is asked for more again a while behind it.
    most: u64,
    /// Pages since then.
    good_pages: u32,
}

/// So many good pages, and the bound that a failure has set is twice as high.
const PAGES_TO_FORGET: u32 = 8;

impl PageSize {
    /// Before the first page; `row_bytes` is how large a row may be, if anything is known.
    pub(super) fn new(row_bytes: Option<u64>) -> PageSize {
        let fit = row_bytes.map_or(FIRST_ROWS, |bytes| PAGE_BYTES / bytes.max(1));
        PageSize { rows: fit.clamp(1, FIRST_ROWS), row_bytes, most: MOST_ROWS, good_pages: 0 }
    }

    /// How many rows to ask for; no more than `left`.
    pub(super) fn rows(&self, left: Option<u64>) -> i32 {
        let rows = left.map_or(self.rows, |left| self.rows.min(left)).max(1);
        // At most MOST_ROWS.
        rows as i32
    }

    /// Whether the next page may be large, as it may where nothing is known of the rows.
    pub(super) fn is_large(&self) -> bool {
        self.row_bytes.is_none_or(|bytes| bytes.saturating_mul(self.rows) > LARGE_BYTES)
    }

    /// A page had so many rows and bytes.
    pub(super) fn learn(&mut self, rows: u64, bytes: u64) {
        let row_bytes = (bytes / rows.max(1)).max(1);
        self.row_bytes = Some(row_bytes);
        self.good_pages += 1;
        if self.good_pages.is_multiple_of(PAGES_TO_FORGET) {
            self.most = self.most.saturating_mul(2).min(MOST_ROWS);
        }
        // What is behind may be wider: not much more at once.
        self.rows = (PAGE_BYTES / row_bytes).clamp(1, self.rows.saturating_mul(4)).min(self.most);
    }

    /// Asks for less from now on; false if that cannot be.
    pub(super) fn shrink(&mut self) -> bool {
        if self.rows == 1 {
            return false;
        }
        self.rows = (self.rows / 8).max(1);
        (self.most, self.good_pages) = (self.rows, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_grow_to_their_size_step_by_step() {
        let mut size = PageSize::new(None);
        assert!(size.is_large(), "nobody knows");
        let mut asked = Vec::new();
        for _ in 0..5 {
            asked.push(size.rows(None));
            size.learn(asked.last().copied().unwrap() as u64, asked.last().copied().unwrap() as u64 * 256);
        }
        assert_eq!(asked, [100, 400, 1600, 2048, 2048]);
        assert!(!size.is_large());
        size.learn(2048, 2048 * (10 << 20));
        assert_eq!(size.rows(None), 1);
        assert!(size.is_large());
    }

    #[test]
    fn wide_rows_begin_with_one() {
        assert_eq!(PageSize::new(Some(10 << 20)).rows(None), 1);
        assert!(PageSize::new(Some(10 << 20)).is_large());
        assert_eq!(PageSize::new(Some(0)).rows(None), 100);
        assert_eq!(PageSize::new(None).rows(Some(7)), 7);
    }

    #[test]
    fn what_the_server_could_not_do_is_not_asked_soon_again() {
        let mut size = PageSize::new(None);
        assert!(size.shrink());
        (1..PAGES_TO_FORGET).for_each(|_| size.learn(12, 12));
        assert_eq!(size.rows(None), 12);
        size.learn(12, 12);
        assert_eq!(size.rows(None), 24);
        assert!(size.shrink() && size.shrink() && !size.shrink());
        assert_eq!(size.rows(None), 1);
    }
}
