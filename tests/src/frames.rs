//! PostgreSQL's messages as far as a proxy needs them: where one ends, and which are a `COMMIT` and its answer.
//!
//! Must not know where they come from and what is done with them. There is no TLS: who offers it is told no.

/// Ends a stream that is no stream of PostgreSQL's messages, instead of waiting for a message of gigabytes.
const LONGEST: usize = 1 << 30;

const TLS_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// The bytes of one direction, cut into messages.
#[derive(Debug)]
pub struct Frames {
    buffer: Vec<u8>,
    taken: usize,
    /// The messages have no type yet: a client's first ones.
    opening: bool,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client asks for encryption, which is answered by a single byte.
    AsksForEncryption,
    /// The query `COMMIT`.
    Commit,
    /// The server's answer to it: it is committed.
    Committed,
    /// A transaction was rolled back, which is also an answer to `COMMIT`.
    RolledBack,
    /// Anything else.
    Other,
}

impl Frames {
    /// What a client says.
    pub fn of_a_client() -> Frames {
        Frames { buffer: Vec::new(), taken: 0, opening: true }
    }

    /// What a server says.
    pub fn of_a_server() -> Frames {
        Frames { buffer: Vec::new(), taken: 0, opening: false }
    }

    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message with its bytes, if it is there.
    pub fn message(&mut self) -> Option<(Kind, &[u8])> {
        let (opening, from) = (self.opening, self.taken);
        let rest = &self.buffer[from..];
        let head = if opening { 0 } else { 1 };
        let length = number(rest, head)? as usize;
        assert!((4..LONGEST).contains(&length), "no PostgreSQL message: a length of {length}");
        let frame = rest.get(..head + length)?;
        let kind = kind(frame, opening);
        self.opening = opening && kind == Kind::AsksForEncryption;
        self.taken += frame.len();
        Some((kind, &self.buffer[from..self.taken]))
    }

    /// The next byte alone: the answer to a request for encryption.
    pub fn byte(&mut self) -> Option<u8> {
        let byte = *self.buffer.get(self.taken)?;
        self.taken += 1;
        Some(byte)
    }

    /// What is left.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }
}

fn kind(frame: &[u8], opening: bool) -> Kind {
    if opening {
        let asks = matches!(number(frame, 4), Some(TLS_REQUEST | GSS_REQUEST));
        return if asks { Kind::AsksForEncryption } else { Kind::Other };
    }
    // Client and server use `C` for different messages; a client's names a statement and begins with its kind.
    match (frame[0], &frame[5..]) {
        (b'Q', b"COMMIT\0") => Kind::Commit,
        (b'C', b"COMMIT\0") => Kind::Committed,
        (b'C', b"ROLLBACK\0") => Kind::RolledBack,
        _ => Kind::Other,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().expect("four bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
    }

    #[test]
    fn messages_are_found_however_they_arrive() {
        let tls = [8_u32.to_be_bytes(), TLS_REQUEST.to_be_bytes()].concat();
        let start = [&13_u32.to_be_bytes()[..], &196_608_u32.to_be_bytes(), b"user\0"].concat();
        let said = [tls, start, message(b'd', b"COMMIT\0"), message(b'Q', b"COMMIT\0")].concat();
        for step in [1, 3, said.len()] {
            let mut frames = Frames::of_a_client();
            let mut kinds = Vec::new();
            for part in said.chunks(step) {
                frames.push(part);
                while let Some((kind, _)) = frames.message() {
                    kinds.push(kind);
                }
            }
            assert_eq!(kinds, [Kind::AsksForEncryption, Kind::Other, Kind::Other, Kind::Commit]);
            assert!(frames.rest().is_empty());
        }
    }

    #[test]
    fn an_answer_to_commit_is_told_from_a_roll_back() {
        let mut frames = Frames::of_a_server();
        frames.push(b"N");
        assert_eq!(frames.byte(), Some(b'N'));
        frames.push(&message(b'C', b"COMMIT\0"));
        frames.push(&message(b'C', b"ROLLBACK\0"));
        assert_eq!(frames.message().map(|(kind, bytes)| (kind, bytes.len())), Some((Kind::Committed, 12)));
        assert_eq!(frames.message().map(|(kind, _)| kind), Some(Kind::RolledBack));
        assert_eq!(frames.message(), None);
        assert_eq!(frames.byte(), None);
    }
}
