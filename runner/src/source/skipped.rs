//! A record that is too long to be held: its start, its length and its lines. Pure.

use memchr::memchr_iter;

use crate::reject::MAX_ORIGINAL_BYTES;

const MAX_HEAD_BYTES: usize = MAX_ORIGINAL_BYTES + b"\r\n".len();

/// What is known of a record whose bytes are let go.
#[derive(Default)]
pub(super) struct Skipped {
    /// Its first bytes, as many as a reject keeps and a line end behind them: whether that is one is known at its end.
    pub(super) head: Vec<u8>,
    pub(super) bytes: u64,
    lone_returns: u64,
    last_is_return: bool,
}

impl Skipped {
    /// Adds the next bytes of it.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = MAX_HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.bytes += bytes.len() as u64;
        if let (true, Some(first)) = (self.last_is_return, bytes.first()) {
            self.lone_returns += u64::from(*first != b'\n');
        }
        if let Some(last) = bytes.last() {
            // What is behind it is not known yet.
            self.last_is_return = *last == b'\r';
            self.lone_returns += lone_returns(bytes) - u64::from(self.last_is_return);
        }
    }

    /// As [`lone_returns`], of all of it.
    pub(super) fn lone_returns(&self) -> u64 {
        self.lone_returns + u64::from(self.last_is_return)
    }
}

/// Carriage returns without a newline behind them.
pub(super) fn lone_returns(bytes: &[u8]) -> u64 {
    memchr_iter(b'\r', bytes).filter(|&at| bytes.get(at + 1) != Some(&b'\n')).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_add_up_to_the_whole(text in "[a\r\n]{0,20}", piece in 1usize..5) {
            let mut skipped = Skipped::default();
            text.as_bytes().chunks(piece).for_each(|bytes| skipped.add(bytes));
            prop_assert_eq!(skipped.lone_returns(), lone_returns(text.as_bytes()));
            prop_assert_eq!((skipped.bytes, skipped.head), (text.len() as u64, text.into_bytes()));
        }
    }
}
