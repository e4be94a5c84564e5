//! 64 bytes at a time: where a byte occurs, as bits, and what quotes do that all count. Must not know cuts.

/// Bytes of a file, as many as an integer has bits; the first byte is the lowest bit.
pub(crate) type Word = [u8; 64];

/// Where `byte` occurs.
#[inline]
pub(crate) fn places(word: &Word, byte: u8) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;
    /// Brings the highest bits of eight bytes together in the highest byte.
    const GATHER: u64 = 0x0002_0408_1020_4081;
    let pattern = LOW * u64::from(byte);
    let (parts, _) = word.as_chunks();
    parts.iter().rev().fold(0, |places, &part| {
        let differs = u64::from_le_bytes(part) ^ pattern;
        // The highest bit of each byte that differs in no bit.
        let same = !(((differs & !HIGH) + !HIGH) | differs) & HIGH;
        places << 8 | same.wrapping_mul(GATHER) >> 56
    })
}

/// For each place, whether it or an odd number of `bits` up to it is set: the inside of quotes that open at
/// the first bit, close at the second, and so on.
#[inline]
pub(crate) fn odd_so_far(bits: u64) -> u64 {
    [1, 2, 4, 8, 16, 32].iter().fold(bits, |odd, shift| odd ^ odd << shift)
}

/// The places of the set bits, ascending.
#[inline]
pub(crate) fn each(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        place
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_are_where_the_byte_is(bytes in prop::collection::vec(any::<u8>(), 64), at in 0..64_usize, near in 0..3_u8) {
            let word: Word = bytes.try_into().unwrap();
            let byte = word[at].wrapping_add(near).wrapping_sub(1);
            let found: Vec<_> = each(places(&word, byte)).collect();
            prop_assert_eq!(found, (0..64).filter(|&at| word[at] == byte).collect::<Vec<_>>());
        }

        #[test]
        fn odd_so_far_counts_the_bits_up_to_each_place(bits in any::<u64>()) {
            let odd: Vec<_> = each(odd_so_far(bits)).collect();
            let counted = (0..64).filter(|&at| (bits << (63 - at)).count_ones() % 2 == 1);
            prop_assert_eq!(odd, counted.collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_byte_is_told_from_its_neighbours() {
        for byte in 0..=u8::MAX {
            let word: Word = std::array::from_fn(|at| byte.wrapping_add(at as u8));
            assert_eq!(places(&word, byte), 1, "{byte}");
        }
    }
}
