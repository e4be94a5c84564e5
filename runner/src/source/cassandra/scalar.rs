//! One cell of a type without parts, except for numbers of any length and for points and spans of time. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::refuse::Why;
use super::values::Nul;

/// The bytes of a type that has always as many.
#[inline]
pub(super) fn fixed<const N: usize>(cell: &[u8]) -> Result<[u8; N], Why> {
    cell.try_into().map_err(|_| Why::of_length(cell))
}

/// Any byte but 0 is true, as Cassandra has it.
#[inline]
pub(super) fn boolean(cell: &[u8]) -> Result<bool, Why> {
    fixed(cell).map(|[byte]| byte != 0)
}

/// 4 or 16 bytes. One of 16 stays an IPv6 address, also where it stands for an IPv4 one.
pub(super) fn inet(cell: &[u8]) -> Result<IpAddr, Why> {
    if let Ok(bytes) = <[u8; 4]>::try_from(cell) {
        return Ok(Ipv4Addr::from(bytes).into());
    }
    Ok(Ipv6Addr::from(fixed::<16>(cell)?).into())
}

/// A text, and whether it has a NUL for which something must be done.
pub(super) fn text(cell: &[u8], nul: Nul) -> Result<(&str, bool), Why> {
    let text = simdutf8::basic::from_utf8(cell).map_err(|_| Why::BadUtf8)?;
    match memchr::memchr(0, cell) {
        None => Ok((text, false)),
        Some(_) if nul == Nul::Reject => Err(Why::Nul),
        Some(_) => Ok((text, true)),
    }
}

/// The pieces of a text between its NULs, and what stands for each NUL.
pub(super) fn without_nuls(text: &str, nul: Nul) -> (impl Iterator<Item = &str>, &'static str) {
    (text.split('\0'), if nul == Nul::Replace { "\u{fffd}" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_stays_an_ipv6_address() {
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4];
        assert_eq!(inet(&mapped).unwrap().to_string(), "::ffff:1.2.3.4");
        assert_eq!(inet(&[1, 2, 3, 4]).unwrap().to_string(), "1.2.3.4");
        assert_eq!(inet(&[]), Err(Why::Empty));
        assert_eq!(inet(&[1; 5]), Err(Why::BadCell));
    }

    #[test]
    fn any_byte_but_zero_is_true() {
        assert_eq!((boolean(&[0]), boolean(&[1]), boolean(&[9])), (Ok(false), Ok(true), Ok(true)));
        assert_eq!((boolean(&[]), boolean(&[0, 1])), (Err(Why::Empty), Err(Why::BadCell)));
    }

    #[test]
    fn a_text_with_a_nul_is_refused_unless_told_otherwise() {
        assert_eq!(text(b"a\0b", Nul::Reject), Err(Why::Nul));
        assert_eq!(text(b"a\0b", Nul::Strip), Ok(("a\0b", true)));
        assert_eq!(text(b"", Nul::Reject), Ok(("", false)));
        assert_eq!(text(b"\xff\0", Nul::Strip), Err(Why::BadUtf8));
    }
}
