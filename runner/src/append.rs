//! Appending short values, of which a row has many: for the stages that copy cell by cell. Must not know what they are.

/// As many bytes are copied at once.
const SHORT: usize = 32;

/// Appends the first `length` bytes of `bytes`. Where more follow them, a short value is copied with what is behind
/// it, and that is cut off again: a copy of a fixed length needs no call and no look at the length.
#[inline]
pub(crate) fn append(bytes: &[u8], length: usize, out: &mut Vec<u8>) {
    match bytes.first_chunk::<SHORT>() {
        Some(chunk) if length <= SHORT => {
            let end = out.len() + length;
            out.extend_from_slice(chunk);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&bytes[..length]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_first_bytes_are_appended_whatever_follows() {
        let bytes: Vec<u8> = (0..100).collect();
        for length in 0..=100 {
            for there in [length, 100] {
                let mut out = vec![7];
                append(&bytes[..there], length, &mut out);
                assert_eq!((out[0], &out[1..]), (7, &bytes[..length]));
            }
        }
    }
}
