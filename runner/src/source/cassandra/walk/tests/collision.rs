//! Partition keys made for a token: Murmur3 is no secret, and what it does to 16 bytes can be undone.

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// 16 bytes that, behind the 16 of `head` (or none) and before the at most 8 of `tail`, make a stored key with this
/// token. Each `variant` makes others.
pub(super) fn block(head: &[u8], tail: &[u8], token: i64, variant: u64) -> [u8; 16] {
    assert!((head.is_empty() || head.len() == 16) && tail.len() <= 8);
    let len = (head.len() + 16 + tail.len()) as u64;
    // The token is finish(a) + finish(b), with a = h1 + h2 and b = a + h2.
    let a = variant.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let b = unfinish((token as u64).wrapping_sub(finish(a)));
    let h2 = b.wrapping_sub(a);
    let h1 = a.wrapping_sub(h2);
    let (h1, h2) = (h1 ^ len ^ scramble_first(little_endian(tail)), h2 ^ len);

    let (before1, before2) = match head.split_first_chunk() {
        Some((first, second)) => {
            let h1 = step(scramble_first(u64::from_le_bytes(*first)), 27, 0, 0x52dc_e729);
            let k2 = u64::from_le_bytes(second.try_into().unwrap());
            (h1, step(scramble_second(k2), 31, h1, 0x3849_5ab5))
        }
        None => (0, 0),
    };
    let k2 = unscramble_second(unstep(h2, 31, h1, 0x3849_5ab5) ^ before2);
    let k1 = unscramble_first(unstep(h1, 27, before2, 0x52dc_e729) ^ before1);
    let mut block = [0; 16];
    block[..8].copy_from_slice(&k1.to_le_bytes());
    block[8..].copy_from_slice(&k2.to_le_bytes());
    block
}

/// The bytes of a tail, which Cassandra's Murmur3 takes as signed ones.
fn little_endian(tail: &[u8]) -> u64 {
    tail.iter().enumerate().fold(0, |k, (at, &byte)| k ^ ((byte as i8 as i64 as u64) << (8 * at)))
}

fn step(h: u64, turn: u32, other: u64, add: u64) -> u64 {
    h.rotate_left(turn).wrapping_add(other).wrapping_mul(5).wrapping_add(add)
}

fn unstep(h: u64, turn: u32, other: u64, add: u64) -> u64 {
    h.wrapping_sub(add).wrapping_mul(inverse(5)).wrapping_sub(other).rotate_right(turn)
}

fn scramble_first(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn unscramble_first(k: u64) -> u64 {
    k.wrapping_mul(inverse(C2)).rotate_right(31).wrapping_mul(inverse(C1))
}

fn scramble_second(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn unscramble_second(k: u64) -> u64 {
    k.wrapping_mul(inverse(C1)).rotate_right(33).wrapping_mul(inverse(C2))
}

const F1: u64 = 0xff51_afd7_ed55_8ccd;
const F2: u64 = 0xc4ce_b9fe_1a85_ec53;

fn finish(mut k: u64) -> u64 {
    k = (k ^ (k >> 33)).wrapping_mul(F1);
    k = (k ^ (k >> 33)).wrapping_mul(F2);
    k ^ (k >> 33)
}

/// `k ^ k >> 33` undoes itself, because 33 is more than half of the bits.
fn unfinish(mut k: u64) -> u64 {
    k = (k ^ (k >> 33)).wrapping_mul(inverse(F2));
    k = (k ^ (k >> 33)).wrapping_mul(inverse(F1));
    k ^ (k >> 33)
}

/// The factor that undoes an odd one: each of Newton's steps doubles the bits that are right.
fn inverse(odd: u64) -> u64 {
    (0..6).fold(odd, |x, _| x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x))))
}
