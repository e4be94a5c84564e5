//! The decompressed bytes of one file from an offset on. Must not know records.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::gzip::{Gzip, Trailing};
use super::held::Held;
use super::stdin::{self, Feed};
use super::{Compression, Error, Input, Opened, SourceFile};

/// How long to wait for bytes of a stream before somebody is told: they must not keep a chunk open for ever, nor a run
/// that is being stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// What zstd says of a frame whose window is larger than a decoder takes without being told to: 128 MiB.
const WINDOW_TOO_LARGE: &str = "Frame requires too much memory for decoding";

/// What [`Stream::read`] got.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing for a second.
    Idle,
    /// The end.
    End,
}

/// An open file.
pub(super) struct Stream {
    name: String,
    /// Bytes read and skipped so far.
    at: u64,
    /// Where reading begins: what is before it is passed over first.
    from: u64,
    kind: Kind,
    /// The file that is read; `None` of standard input.
    opened: Option<Opened>,
}

enum Kind {
    /// Positioned reads: no state in the operating system, and no byte read behind `end` without need.
    Plain {
        file: Arc<File>,
        end: u64,
    },
    Gzip(Box<Gzip<BufReader<Packed>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Packed>>>),
    Feed(Feed),
    /// Standard input of whatever kind; `None` once it was given back.
    Stdin(Option<Box<Held<Kind>>>),
}

/// Standard input while nobody reads it, and how much of it is safe in the target.
static STDIN: Mutex<Option<Box<Held<Kind>>>> = Mutex::new(None);
static STDIN_SAFE: AtomicU64 = AtomicU64::new(0);

/// Nobody reads standard input before this byte again.
pub(super) fn stdin_is_safe(at: u64) {
    STDIN_SAFE.store(at, Ordering::Relaxed);
}

/// Whether standard input, which nobody reads now, can be read again from what is safe on.
pub(super) fn stdin_can_be_reopened() -> bool {
    let stdin = STDIN.lock().unwrap_or_else(PoisonError::into_inner);
    stdin.as_ref().is_none_or(|held| held.reaches(STDIN_SAFE.load(Ordering::Relaxed)))
}

/// Compressed bytes.
enum Packed {
    File(Arc<File>),
    Feed(Feed),
}

impl Read for Packed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Packed::File(file) => file.read(out),
            // Decompressors take it for a pause: they go on where they were.
            Packed::Feed(feed) => feed.read_within(out, PATIENCE)?.ok_or(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Kind {
    /// Reads some bytes, none at the end; `None` when none came for a second.
    fn read(&mut self, at: u64, out: &mut [u8]) -> io::Result<Option<usize>> {
        let read = match self {
            Kind::Plain { file, end } => {
                let planned = end.checked_sub(at).filter(|rest| *rest > 0).unwrap_or(u64::MAX);
                let length = usize::try_from(planned).unwrap_or(usize::MAX).min(out.len());
                file.read_at(&mut out[..length], at).map(Some)
            }
            Kind::Gzip(decoder) => decoder.read(out).map(Some),
            Kind::Zstd(decoder) => decoder.read(out).map(Some),
            Kind::Feed(feed) => feed.read_within(out, PATIENCE),
            Kind::Stdin(_) => Err(io::Error::other("standard input inside standard input")),
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            read => read,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Kind::Stdin(held) = &mut self.kind
            && let Some(held) = held.take()
        {
            *STDIN.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        }
    }
}

impl Stream {
    /// Opens `file` at `from`. What is behind `end` is read only when somebody reads on.
    pub(super) fn open(file: &SourceFile, from: u64, end: Option<u64>) -> Result<Stream, Error> {
        match &file.input {
            Input::File(_) => Stream::over(file, None, from, end),
            Input::Stdin => Stream::stdin(file, from),
        }
    }

    /// Standard input, from its start or, when it was read before, from a position that is still held.
    fn stdin(file: &SourceFile, from: u64) -> Result<Stream, Error> {
        let before = STDIN.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut held = match before {
            Some(held) => held,
            None => {
                let Stream { kind, .. } = &mut Stream::over(file, Some(stdin::take()?), 0, None)?;
                Box::new(Held::new(std::mem::replace(kind, Kind::Stdin(None))))
            }
        };
        if held.reaches(from) {
            // It is read from where the ledger says that it is done.
            stdin_is_safe(from);
            held.forget(from);
        }
        let at = held.begin();
        let kind = Kind::Stdin(Some(held));
        let stream = Stream { name: file.key.clone(), at, from, kind, opened: None };
        if from < at {
            return Err(Error::StdinTaken);
        }
        Ok(stream)
    }

    /// Opens `file` at its start, so that it can still be opened when it is standard input.
    pub(super) fn look(file: &SourceFile) -> Result<Stream, Error> {
        let packed = match &file.input {
            Input::File(_) => None,
            Input::Stdin => Some(stdin::look()?),
        };
        Stream::over(file, packed, 0, None)
    }

    pub(super) fn over(
        file: &SourceFile,
        feed: Option<Feed>,
        from: u64,
        end: Option<u64>,
    ) -> Result<Stream, Error> {
        let failed = |source: io::Error| Error::Read { file: file.key.clone(), source };
        let (packed, opened) = match (&file.input, feed) {
            (Input::File(_), None) => {
                let opened = Opened::open(file)?;
                (Packed::File(opened.file()), Some(opened))
            }
            (_, Some(feed)) => (Packed::Feed(feed), None),
            (Input::Stdin, None) => return Err(Error::StdinTaken),
        };
        let kind = match (file.compression, packed) {
            (Compression::None, Packed::File(file)) => Kind::Plain { file, end: end.unwrap_or(u64::MAX) },
            (Compression::None, Packed::Feed(feed)) => Kind::Feed(feed),
            (Compression::Gzip, packed) => Kind::Gzip(Box::new(Gzip::new(BufReader::new(packed)))),
            (Compression::Zstd, packed) => {
                let decoder = zstd::Decoder::with_buffer(BufReader::new(packed)).map_err(failed)?;
                Kind::Zstd(Box::new(decoder))
            }
        };
        let mut stream = Stream { name: file.key.clone(), at: 0, from, kind, opened };
        if let Kind::Plain { file, .. } = &stream.kind {
            let size = file.metadata().map_err(failed)?.len();
            stream.at = from.min(size);
            if from > size {
                return Err(stream.shrunk(from));
            }
        }
        Ok(stream)
    }

    /// Passes over what is before the place that it was opened at. A compressed file is unpacked up to there, which takes
    /// its time: false when the run is being stopped meanwhile.
    pub(super) fn arrive(&mut self, stop: &AtomicBool) -> Result<bool, Error> {
        if self.at >= self.from {
            return Ok(true);
        }
        let mut away = vec![0; 64 * 1024];
        while self.at < self.from {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let wanted = usize::try_from(self.from - self.at).unwrap_or(usize::MAX).min(away.len());
            if self.read(&mut away[..wanted], false)? == Got::End {
                return Err(self.shrunk(self.from));
            }
        }
        Ok(true)
    }

    /// Whether what was read so far is of the file that was found.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        self.opened.as_mut().map_or(Ok(()), Opened::check)
    }

    /// The file's key, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The file ended where more was expected.
    pub(super) fn shrunk(&self, expected: u64) -> Error {
        Error::Shrunk { file: self.name.clone(), size: self.at, expected }
    }

    /// Reads some bytes into `out`, which is not empty. Unless it may `wait`, it comes back after a second without
    /// bytes of standard input.
    pub(super) fn read(&mut self, out: &mut [u8], wait: bool) -> Result<Got, Error> {
        let length = loop {
            let read = match &mut self.kind {
                Kind::Stdin(held) => {
                    let held = held.as_mut().ok_or(Error::StdinTaken)?;
                    held.forget(STDIN_SAFE.load(Ordering::Relaxed));
                    held.read_at(self.at, out, |kind, out| kind.read(self.at, out))
                }
                kind => kind.read(self.at, out),
            };
            match read {
                Ok(None) if wait => {}
                Ok(length) => break length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        };
        self.at += length.unwrap_or(0) as u64;
        Ok(match length {
            None => Got::Idle,
            Some(0) => Got::End,
            Some(length) => Got::Bytes(length),
        })
    }

    fn failed(&self, source: io::Error) -> Error {
        let file = self.name.clone();
        let kind = match &self.kind {
            Kind::Stdin(Some(held)) => held.input(),
            kind => kind,
        };
        let format = match kind {
            Kind::Gzip(_) => "gzip",
            Kind::Zstd(_) => "zstd",
            Kind::Plain { .. } | Kind::Feed(_) | Kind::Stdin(_) => return Error::Read { file, source },
        };
        if source.get_ref().is_some_and(|error| error.is::<Trailing>()) {
            return Error::Trailing { file, byte: self.at };
        }
        // It has no code in an `io::Error`.
        if source.to_string() == WINDOW_TOO_LARGE {
            return Error::Window { file };
        }
        Error::Decompress { file, format, byte: self.at, source }
    }
}
