//! Appending short values. WebAssembly's `memory.copy` of a length that is known only then is a call out of the sandbox, which
//! takes as long as copying some hundred bytes: short values are copied by loads and stores of fixed lengths instead.
//!
//! Must not know: what the bytes are.

use std::ptr;

/// Appends `value`.
#[inline]
pub(crate) fn append(value: &[u8], to: &mut Vec<u8>) {
    match value.len() {
        0..4 => value.iter().for_each(|byte| to.push(*byte)),
        4..=8 => overlapping::<4>(value, to),
        9..=16 => overlapping::<8>(value, to),
        17..=32 => overlapping::<16>(value, to),
        33..=64 => overlapping::<32>(value, to),
        _ => to.extend_from_slice(value),
    }
}

/// Appends the first `N` bytes of `value` and the last `N`, over those that they share: it has `N` to `2 * N`.
#[inline]
fn overlapping<const N: usize>(value: &[u8], to: &mut Vec<u8>) {
    let (Some(first), Some(last)) = (value.first_chunk::<N>(), value.last_chunk::<N>()) else {
        return to.extend_from_slice(value);
    };
    to.reserve(value.len());
    // SAFETY: there is room for the whole value, of which `first` is the beginning and `last` the end, and together they are all
    // of it, because it is not longer than both.
    unsafe {
        debug_assert!(value.len() <= 2 * N);
        let end = to.as_mut_ptr().add(to.len());
        ptr::copy_nonoverlapping(first.as_ptr(), end, N);
        ptr::copy_nonoverlapping(last.as_ptr(), end.add(value.len() - N), N);
        to.set_len(to.len() + value.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_length_are_appended_whole() {
        let bytes: Vec<u8> = (0..200).collect();
        for length in 0..=200 {
            let mut to = vec![7, 8];
            append(&bytes[..length], &mut to);
            assert_eq!((&to[..2], &to[2..]), (&[7, 8][..], &bytes[..length]));
        }
    }
}
