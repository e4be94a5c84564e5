//! Standard input: a thread reads it, so that waiting for bytes can be given up, and what was looked at before the
//! reader opened is read once more. Must not know what the bytes mean.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Error, input};

const BLOCK_BYTES: usize = 64 * 1024;

/// Who only wants to read on asks again after it.
const LONG: Duration = Duration::from_secs(60);

/// A place in a stream of bytes that somebody else's thread reads.
#[derive(Debug)]
pub(super) struct Feed {
    shared: Arc<Mutex<Shared>>,
    at: usize,
    /// Bytes that were handed out are kept, for the one who opens it next.
    keep: bool,
}

#[derive(Debug)]
struct Shared {
    /// An empty one is the end.
    blocks: Receiver<io::Result<Vec<u8>>>,
    ended: bool,
    head: Vec<u8>,
    taken: bool,
}

static STDIN: OnceLock<Arc<Mutex<Shared>>> = OnceLock::new();

fn standard_input() -> &'static Arc<Mutex<Shared>> {
    STDIN.get_or_init(|| start(io::stdin()))
}

/// The bytes that tell a compressed stream.
pub(super) fn first_bytes() -> Result<Vec<u8>, Error> {
    let mut head = Vec::new();
    let stdin = look()?.take(input::MAGIC_BYTES).read_to_end(&mut head);
    stdin.map_err(|source| Error::Read { file: "-".into(), source })?;
    Ok(head)
}

/// Standard input from its start, to be opened again.
pub(super) fn look() -> Result<Feed, Error> {
    Feed::look(standard_input()).ok_or(Error::StdinTaken)
}

/// Standard input from its start, for good.
pub(super) fn take() -> Result<Feed, Error> {
    Feed::take_all(standard_input()).ok_or(Error::StdinTaken)
}

fn start(input: impl Read + Send + 'static) -> Arc<Mutex<Shared>> {
    let (sender, blocks) = sync_channel(1);
    // It ends with its input, or with the process: nobody can interrupt a read of standard input.
    thread::spawn(move || pump(input, &sender));
    Arc::new(Mutex::new(Shared { blocks, ended: false, head: Vec::new(), taken: false }))
}

fn pump(mut input: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut block = vec![0; BLOCK_BYTES];
        let block = match input.read(&mut block) {
            Ok(length) => {
                block.truncate(length);
                Ok(block)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let goes_on = block.as_ref().is_ok_and(|block| !block.is_empty());
        if sender.send(block).is_err() || !goes_on {
            return;
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feed {
    fn look(shared: &Arc<Mutex<Shared>>) -> Option<Feed> {
        let free = !lock(shared).taken;
        free.then(|| Feed { shared: Arc::clone(shared), at: 0, keep: true })
    }

    fn take_all(shared: &Arc<Mutex<Shared>>) -> Option<Feed> {
        let taken = std::mem::replace(&mut lock(shared).taken, true);
        (!taken).then(|| Feed { shared: Arc::clone(shared), at: 0, keep: false })
    }

    /// Reads some bytes, 0 at the end; `None` when none came within `patience`.
    pub(super) fn read_within(&mut self, out: &mut [u8], patience: Duration) -> io::Result<Option<usize>> {
        let mut shared = lock(&self.shared);
        if self.at == shared.head.len() && !shared.ended {
            let block = match shared.blocks.recv_timeout(patience) {
                Ok(block) => block?,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                // An end is told. Who takes this for one loses the rows behind it.
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("internal error: nobody reads standard input any more"));
                }
            };
            shared.ended = block.is_empty();
            if self.keep {
                shared.head.extend_from_slice(&block);
            } else {
                (shared.head, self.at) = (block, 0);
            }
        }
        let length = out.len().min(shared.head.len() - self.at);
        out[..length].copy_from_slice(&shared.head[self.at..self.at + length]);
        self.at += length;
        Ok(Some(length))
    }
}

impl Read for Feed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(length) = self.read_within(out, LONG)? {
                return Ok(length);
            }
        }
    }
}

#[cfg(test)]
impl Feed {
    /// As standard input, of something else.
    pub(super) fn of(input: impl Read + Send + 'static) -> Feed {
        Feed::take_all(&start(input)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_looked_at_is_read_again_and_then_the_rest() {
        let (reader, mut writer) = io::pipe().unwrap();
        let shared = start(reader);
        writer.write_all(b"head").unwrap();
        let mut head = [0; 3];
        Feed::look(&shared).unwrap().read_exact(&mut head).unwrap();
        assert_eq!(&head, b"hea");
        let mut again = [0; 2];
        Feed::look(&shared).unwrap().read_exact(&mut again).unwrap();
        assert_eq!(&again, b"he");

        let mut feed = Feed::take_all(&shared).unwrap();
        writer.write_all(b" and rest").unwrap();
        drop(writer);
        let mut all = String::new();
        feed.read_to_string(&mut all).unwrap();
        assert_eq!(all, "head and rest");
        assert_eq!(feed.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn it_is_taken_only_once() {
        let shared = start(io::empty());
        assert!(Feed::take_all(&shared).is_some());
        assert!(Feed::take_all(&shared).is_none());
        assert!(Feed::look(&shared).is_none());
    }

    #[test]
    fn patience_ends_when_no_byte_comes() {
        let (reader, writer) = io::pipe().unwrap();
        let mut feed = Feed::of(reader);
        assert_eq!(feed.read_within(&mut [0; 8], Duration::from_millis(1)).unwrap(), None);
        drop(writer);
        assert_eq!(feed.read(&mut [0; 8]).unwrap(), 0);
    }

    /// Some bytes, then an error, or the end of the thread.
    struct Broken {
        bytes: &'static [u8],
        panics: bool,
    }

    impl Read for Broken {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.bytes.read(out)? {
                0 if self.panics => std::panic::resume_unwind(Box::new("no message")),
                0 => Err(io::ErrorKind::ConnectionReset.into()),
                length => Ok(length),
            }
        }
    }

    #[test]
    fn what_breaks_off_is_never_taken_for_the_end() {
        for (panics, first) in [(false, io::ErrorKind::ConnectionReset), (true, io::ErrorKind::Other)] {
            let mut feed = Feed::of(Broken { bytes: b"1\n2", panics });
            assert_eq!(feed.read(&mut [0; 8]).unwrap(), 3);
            assert_eq!(feed.read(&mut [0; 8]).unwrap_err().kind(), first);
            for _ in 0..2 {
                assert_eq!(feed.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::Other);
            }
        }
    }

    #[test]
    fn an_end_that_was_looked_at_is_still_the_end() {
        let shared = start(b"x".as_slice());
        for _ in 0..2 {
            let mut all = String::new();
            Feed::look(&shared).unwrap().read_to_string(&mut all).unwrap();
            assert_eq!(all, "x");
        }
        let mut feed = Feed::take_all(&shared).unwrap();
        assert_eq!((feed.read(&mut [0; 8]).unwrap(), feed.read(&mut [0; 8]).unwrap()), (1, 0));
    }
}
