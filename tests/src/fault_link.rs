//! One connection through a [`crate::faults::FaultProxy`]: two pumps that know where messages end.
//!
//! Must not know which faults are asked for, only what becomes of the next bytes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::faults::{Cut, Direction, Fate, Flow, Mode, Shared};
use crate::frames::{Frames, Kind};

/// A server's side of a connection whose client is gone, with the `COMMIT` that was held back. Dropping it ends it.
#[derive(Debug)]
pub struct Zombie {
    pub(crate) server: TcpStream,
    pub(crate) commit: Vec<u8>,
}

impl Zombie {
    /// Sends the `COMMIT` now, and waits until the server answered or ended. Whether it committed.
    pub async fn commit(mut self) -> bool {
        if self.server.write_all(&self.commit).await.is_err() {
            return false;
        }
        // Some of what the server said before may be half read: its words are looked for, not its messages.
        let (mut said, mut buffer) = (Vec::new(), vec![0; 4096]);
        let says = |said: &[u8], word: &[u8]| said.windows(word.len()).any(|part| part == word);
        let answer = async {
            while let Ok(length @ 1..) = self.server.read(&mut buffer).await {
                said.extend_from_slice(&buffer[..length]);
                if says(&said, b"COMMIT\0") || says(&said, b"ROLLBACK\0") {
                    break;
                }
            }
            says(&said, b"COMMIT\0")
        };
        tokio::time::timeout(Duration::from_secs(60), answer).await.expect("an answer to COMMIT")
    }
}

/// How a connection ended.
pub(crate) enum End {
    /// One side closed it.
    Closed,
    /// Both sides are to be cut.
    Cut(Cut),
    /// The client is reset; the server gets to the end of what it was sent.
    CutClient,
    /// The client is reset; the server's side stays, with this held back.
    Zombie(Vec<u8>),
}

type Halves = (OwnedReadHalf, OwnedWriteHalf);

/// What both pumps of a connection share.
pub(crate) struct Link<'a> {
    shared: &'a Shared,
    /// The server answers by a single byte next.
    one_byte: AtomicBool,
    /// The answer to `COMMIT` is to be swallowed.
    swallow: AtomicBool,
}

impl<'a> Link<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Link<'a> {
        Link { shared, one_byte: AtomicBool::new(false), swallow: AtomicBool::new(false) }
    }

    /// Carries bytes until the connection ends.
    pub(crate) async fn carry(&self, client: &mut Halves, server: &mut Halves) -> End {
        let mut flow = self.shared.flow.subscribe();
        let before = flow.borrow().cuts;
        tokio::select! {
            biased;
            now = flow.wait_for(|flow| flow.cuts != before) => End::Cut(now.map_or(Cut::Rst, |flow| flow.how)),
            end = self.pump(&mut client.0, &mut server.1, Direction::ToServer) => end,
            end = self.pump(&mut server.0, &mut client.1, Direction::ToClient) => end,
        }
    }

    async fn pump(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, direction: Direction) -> End {
        let mut flow = self.shared.flow.subscribe();
        let mut buffer = vec![0; 64 * 1024];
        let mut frames = match direction {
            Direction::ToServer => Frames::of_a_client(),
            Direction::ToClient => Frames::of_a_server(),
        };
        loop {
            let _ = flowing(&mut flow).await;
            let Ok(length @ 1..) = from.read(&mut buffer).await else { return End::Closed };
            if flowing(&mut flow).await == Mode::BlackHole {
                continue;
            }
            frames.push(&buffer[..length]);
            let sent = match direction {
                Direction::ToServer => self.up(&mut frames, to).await,
                Direction::ToClient => self.down(&mut frames, to).await,
            };
            if let Err(end) = sent {
                return end;
            }
        }
    }

    /// What the client said.
    async fn up(&self, frames: &mut Frames, to: &mut OwnedWriteHalf) -> Result<(), End> {
        while let Some((kind, bytes)) = frames.message() {
            if kind == Kind::AsksForEncryption {
                self.one_byte.store(true, Ordering::SeqCst);
            }
            let fate = if kind == Kind::Commit { self.shared.commit() } else { None };
            match fate {
                Some(Fate::NeverArrives) => return Err(End::CutClient),
                Some(Fate::Withheld) => return Err(End::Zombie(bytes.to_vec())),
                Some(Fate::AnswerLost) => self.swallow.store(true, Ordering::SeqCst),
                Some(Fate::Overtaken) | None => {}
            }
            self.send(bytes, to, Direction::ToServer).await?;
            if fate == Some(Fate::Overtaken) {
                return Err(End::CutClient);
            }
        }
        Ok(())
    }

    /// What the server said.
    async fn down(&self, frames: &mut Frames, to: &mut OwnedWriteHalf) -> Result<(), End> {
        if self.one_byte.load(Ordering::SeqCst) {
            let Some(byte) = frames.byte() else { return Ok(()) };
            assert_eq!(byte, b'N', "the server behind a fault proxy has no TLS");
            self.one_byte.store(false, Ordering::SeqCst);
            self.send(&[byte], to, Direction::ToClient).await?;
        }
        while let Some((kind, bytes)) = frames.message() {
            match kind {
                Kind::Committed if self.swallow.load(Ordering::SeqCst) => return Err(End::Cut(Cut::Rst)),
                // It was refused before it came so far: the client may know.
                Kind::RolledBack => self.swallow.store(false, Ordering::SeqCst),
                _ => {}
            }
            self.send(bytes, to, Direction::ToClient).await?;
        }
        Ok(())
    }

    async fn send(&self, bytes: &[u8], to: &mut OwnedWriteHalf, direction: Direction) -> Result<(), End> {
        let (allowed, cut) = self.shared.allow(direction, bytes.len());
        let sent = to.write_all(&bytes[..allowed]).await;
        match (cut, sent) {
            (Some(how), _) => Err(End::Cut(how)),
            (None, Err(_)) => Err(End::Closed),
            (None, Ok(())) => Ok(()),
        }
    }
}

/// Waits while everything is paused.
async fn flowing(flow: &mut watch::Receiver<Flow>) -> Mode {
    match flow.wait_for(|flow| flow.mode != Mode::Paused).await {
        Ok(flow) => flow.mode,
        Err(_) => Mode::Open,
    }
}
