//! The content of a gzip file: one member behind the other, and zeros that pad its end. Must not know where its bytes
//! come from.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// What the first byte of a member is.
const MAGIC: u8 = 0x1f;

/// Reads what is in all members.
pub(super) struct Gzip<R> {
    /// `None` only while one member takes over from another.
    member: Option<GzDecoder<R>>,
    /// Only zeros may follow.
    is_padding: bool,
}

/// There are bytes behind the last member.
#[derive(Debug, thiserror::Error)]
#[error("neither another member nor zeros")]
pub(super) struct Trailing;

impl<R: BufRead> Gzip<R> {
    /// Nothing was read of `input` yet.
    pub(super) fn new(input: R) -> Gzip<R> {
        Gzip { member: Some(GzDecoder::new(input)), is_padding: false }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let member = self.member.as_mut().ok_or_else(|| io::Error::other("no member is open"))?;
            // Once a member has ended it says so again and again: where the input pauses, it is asked anew.
            let length = member.read(out)?;
            if length > 0 || out.is_empty() {
                return Ok(length);
            }
            let input = member.get_mut();
            match input.fill_buf()? {
                [] => return Ok(0),
                rest @ [0, ..] => {
                    let zeros = rest.iter().take_while(|byte| **byte == 0).count();
                    self.is_padding = true;
                    input.consume(zeros);
                }
                [MAGIC, ..] if !self.is_padding => {
                    self.member = self.member.take().map(|member| GzDecoder::new(member.into_inner()));
                }
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, Trailing)),
            }
        }
    }
}
