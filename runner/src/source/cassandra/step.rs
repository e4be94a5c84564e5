//! How many rows are decoded before it is looked how much was built of them. Must not know rows.

/// So many rows at most: what is built of them before it is known how large it is.
const MOST_ROWS: usize = 256;

/// Grows from one row on, as far as rows are like those before them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    last: usize,
    /// Bytes that were built before the last step.
    before: usize,
}

impl Step {
    /// How many rows are next, one at least, after so many rows became so many bytes, of which `limit` are wanted.
    pub(super) fn next(&mut self, rows: usize, bytes: usize, limit: usize) -> usize {
        let row_bytes = bytes.checked_div(rows).unwrap_or(0).max(1);
        let fit = limit.saturating_sub(bytes) / row_bytes;
        self.last = fit.clamp(1, self.last.saturating_mul(4).clamp(1, MOST_ROWS));
        self.before = bytes;
        self.last
    }

    /// Whether the last step alone built more than `limit`, now that there are so many bytes: of one row that is larger
    /// than a batch, or of rows that suddenly are much wider.
    pub(super) fn is_large(self, bytes: usize, limit: usize) -> bool {
        bytes.saturating_sub(self.before) > limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 256 * 1024;

    /// The steps until `LIMIT` bytes are built, where each row becomes so many; and whether the last one was large.
    fn steps(row_bytes: impl Fn(usize) -> usize) -> (Vec<usize>, usize, bool) {
        let (mut step, mut all, mut rows, mut bytes) = (Step::default(), Vec::new(), 0, 0);
        while bytes <= LIMIT && rows < 1000 {
            let more = step.next(rows, bytes, LIMIT);
            bytes += (rows..rows + more).map(&row_bytes).sum::<usize>();
            rows += more;
            all.push(more);
        }
        (all, bytes, step.is_large(bytes, LIMIT))
    }

    #[test]
    fn rows_like_those_before_them_take_few_steps_and_fill_a_batch() {
        assert_eq!(steps(|_| 100).0, [1, 4, 16, 64, 256, 256, 256, 256]);
        assert_eq!(steps(|_| 20_000), (vec![1, 4, 8, 1], 280_000, false));
        assert_eq!(steps(|_| 100 << 20).0, [1]);
        assert_eq!(steps(|_| 0).0.len(), 8);
    }

    #[test]
    fn rows_that_are_suddenly_wider_are_few() {
        let (_, bytes, _) = steps(|row| if row < 100 { 10 } else { 20_000 });
        assert!(bytes <= LIMIT + MOST_ROWS * 20_000, "{bytes}");
    }

    #[test]
    fn only_a_row_that_is_larger_than_a_batch_is_large_wherever_it_comes() {
        for row_bytes in [0, 1, 480, 20_000, LIMIT - 1, LIMIT] {
            assert!(!steps(|_| row_bytes).2, "{row_bytes}");
        }
        assert!(!steps(|row| row % 3 * 10_000).2);
        for large in [0, 1, 300] {
            assert!(steps(|row| if row == large { LIMIT + 1 } else { 480 }).2, "{large}");
        }
    }
}
