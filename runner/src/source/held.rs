//! A source that can be read only once, read again from the last position that is safe: what was read since then is
//! held, up to a limit. Must not know where its bytes come from.

use std::collections::VecDeque;
use std::io;

/// The most that is held: more than two chunks of the default size, if modules leave out little.
const MAX_HELD_BYTES: usize = 64 << 20;

/// Bytes of `T` since a safe position.
#[derive(Debug)]
pub(super) struct Held<T> {
    input: T,
    /// What was read from `from` on.
    bytes: VecDeque<u8>,
    from: u64,
    max_bytes: usize,
}

impl<T> Held<T> {
    /// Nothing was read of `input` yet.
    pub(super) fn new(input: T) -> Held<T> {
        Held { input, bytes: VecDeque::new(), from: 0, max_bytes: MAX_HELD_BYTES }
    }

    /// What is read.
    pub(super) fn input(&self) -> &T {
        &self.input
    }

    /// From where on it can be read.
    pub(super) fn begin(&self) -> u64 {
        self.from
    }

    /// Whether it can be read from `at` on.
    pub(super) fn reaches(&self, at: u64) -> bool {
        at >= self.from
    }

    /// Nobody reads what is before `safe` again.
    pub(super) fn forget(&mut self, safe: u64) {
        let length = usize::try_from(safe.saturating_sub(self.from)).unwrap_or(usize::MAX);
        let length = length.min(self.bytes.len());
        self.bytes.drain(..length);
        self.from += length as u64;
    }

    /// Reads some bytes at `at`, which is no further than what was read so far, with `read` where they are new.
    pub(super) fn read_at(
        &mut self,
        at: u64,
        out: &mut [u8],
        read: impl FnOnce(&mut T, &mut [u8]) -> io::Result<Option<usize>>,
    ) -> io::Result<Option<usize>> {
        let skip = at.checked_sub(self.from).and_then(|skip| usize::try_from(skip).ok());
        let skip = skip.filter(|skip| *skip <= self.bytes.len());
        let skip = skip.ok_or_else(|| io::Error::other("its rows cannot be read again"))?;
        if skip < self.bytes.len() {
            let length = out.len().min(self.bytes.len() - skip);
            for (to, byte) in out.iter_mut().zip(self.bytes.range(skip..skip + length)) {
                *to = *byte;
            }
            return Ok(Some(length));
        }
        let length = read(&mut self.input, out)?;
        let new = &out[..length.unwrap_or(0)];
        self.bytes.extend(new);
        if self.bytes.len() > self.max_bytes {
            // It cannot be read again from anywhere before.
            self.from += self.bytes.len() as u64;
            self.bytes.clear();
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn read(held: &mut Held<&[u8]>, at: u64, length: usize) -> io::Result<String> {
        let mut out = vec![0; length];
        let read = held.read_at(at, &mut out, |input, out| input.read(out).map(Some))?;
        Ok(String::from_utf8_lossy(&out[..read.unwrap_or(0)]).into())
    }

    #[test]
    fn what_is_not_safe_is_read_again_and_then_the_rest() {
        let mut held = Held::new(b"0123456789".as_slice());
        assert_eq!(read(&mut held, 0, 4).unwrap(), "0123");
        assert_eq!(read(&mut held, 4, 4).unwrap(), "4567");
        held.forget(2);
        assert!(held.reaches(2) && !held.reaches(1));
        assert_eq!(read(&mut held, 2, 3).unwrap(), "234");
        assert_eq!(read(&mut held, 5, 9).unwrap(), "567");
        assert_eq!(read(&mut held, 8, 9).unwrap(), "89");
        assert_eq!(read(&mut held, 10, 9).unwrap(), "");
        assert_eq!(read(&mut held, 3, 1).unwrap(), "3");
        assert!(read(&mut held, 1, 1).is_err() && read(&mut held, 11, 1).is_err());
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut held = Held { max_bytes: 5, ..Held::new(b"0123456789".as_slice()) };
        assert_eq!(read(&mut held, 0, 4).unwrap(), "0123");
        assert_eq!(read(&mut held, 4, 4).unwrap(), "4567");
        assert!(!held.reaches(4) && held.reaches(8));
        assert_eq!(read(&mut held, 8, 4).unwrap(), "89");
        assert!(held.reaches(8));
    }
}
