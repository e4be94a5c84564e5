//! Cuts a file into splits, several blocks at once, while the first splits are already being loaded.
//!
//! Must not know: what is done with the splits, and how the ledger keeps them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::dialect::Dialect;
use crate::position::Position;
use crate::split::{Scanner, Split, Summary, Tiler};

/// Bytes that one thread scans at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// More threads than this gain nothing against the load that runs beside them.
const MAX_THREADS: usize = 4;

/// How a file is cut.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// The file's dialect.
    pub(crate) dialect: Dialect,
    /// Nominal size of a split.
    pub(crate) split_bytes: u64,
    /// Where to begin: behind the header, or where an earlier scan ended.
    pub(crate) from: Position,
}

/// Splits that were found one behind the other.
#[derive(Debug)]
pub(crate) struct Found {
    /// In the file's order, the first one begins where the last ones ended.
    pub(crate) splits: Vec<Split>,
    /// Up to where the file is cut now.
    pub(crate) tiled_to: Position,
    /// The whole file is cut.
    pub(crate) complete: bool,
}

/// Scans `file` from `cut.from` to its end and hands out splits as they are found; `found` answers whether to
/// go on. The last call says `complete`; there is none when the run is being stopped meanwhile, which may be long before
/// a split is found.
pub(crate) fn tile<E: From<io::Error>>(
    file: &File,
    cut: Cut,
    stop: &AtomicBool,
    mut found: impl FnMut(Found) -> Result<bool, E>,
) -> Result<(), E> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    tile_with(file, cut, (threads, BLOCK_BYTES), stop, &mut found)
}

fn tile_with<E: From<io::Error>>(
    file: &File,
    cut: Cut,
    (threads, block_bytes): (usize, usize),
    stop: &AtomicBool,
    found: &mut impl FnMut(Found) -> Result<bool, E>,
) -> Result<(), E> {
    let scanner = Scanner::new(cut.dialect, cut.split_bytes);
    let mut tiler = Tiler::new(cut.split_bytes, cut.from.clone());
    let mut blocks = vec![vec![0; block_bytes]; threads];
    let mut offset = cut.from.byte();
    while !stop.load(Ordering::Relaxed) {
        let (summaries, end) = scan_blocks(file, &scanner, offset, &mut blocks)?;
        let splits: Vec<Split> = summaries.iter().flat_map(|summary| tiler.push(summary)).collect();
        offset += summaries.iter().map(|summary| summary.len).sum::<u64>();
        if end {
            return finish(tiler, splits, found);
        }
        let more = splits.is_empty() || found(Found { splits, tiled_to: tiler.tiled_to(), complete: false })?;
        if !more {
            break;
        }
    }
    Ok(())
}

fn finish<E>(
    tiler: Tiler,
    mut splits: Vec<Split>,
    found: &mut impl FnMut(Found) -> Result<bool, E>,
) -> Result<(), E> {
    let mut tiled_to = tiler.tiled_to();
    if let Some(last) = tiler.finish() {
        tiled_to = last.end.clone();
        splits.push(last);
    }
    found(Found { splits, tiled_to, complete: true }).map(|_| ())
}

/// Reads and scans as many blocks as there are buffers, each on a thread of its own. Also answers whether the
/// file ended.
fn scan_blocks(
    file: &File,
    scanner: &Scanner,
    offset: u64,
    blocks: &mut [Vec<u8>],
) -> io::Result<(Vec<Summary>, bool)> {
    let block_bytes = blocks.first().map_or(0, Vec::len);
    let scan = |number: usize, block: &mut Vec<u8>| {
        let start = offset + (number * block_bytes) as u64;
        read_full(file, start, block).map(|len| (len, scanner.scan(start, &block[..len])))
    };
    let results: Vec<io::Result<(usize, Summary)>> = thread::scope(|scope| {
        let scan = &scan;
        let running: Vec<_> = blocks
            .iter_mut()
            .enumerate()
            .map(|(number, block)| scope.spawn(move || scan(number, block)))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut summaries = Vec::with_capacity(results.len());
    for result in results {
        let (len, summary) = result?;
        summaries.push(summary);
        if len < block_bytes {
            return Ok((summaries, true));
        }
    }
    Ok((summaries, false))
}

/// Fills the block as far as the file goes.
fn read_full(file: &File, start: u64, block: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < block.len() {
        match file.read_at(&mut block[len..], start + len as u64) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn cut(split_bytes: u64, from: Position) -> Cut {
        Cut { dialect: Dialect::default(), split_bytes, from }
    }

    fn tiled(text: &[u8], cut: Cut, threads: usize, block_bytes: usize) -> (Vec<Split>, bool) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        let from = cut.from.clone();
        let (mut all, mut complete) = (Vec::new(), false);
        let mut found = |found: Found| {
            assert!(!complete);
            complete = found.complete;
            all.extend(found.splits);
            assert_eq!(all.last().map_or(&from, |split: &Split| &split.end), &found.tiled_to);
            Ok::<_, io::Error>(true)
        };
        let stop = AtomicBool::new(false);
        tile_with(file.as_file(), cut, (threads, block_bytes), &stop, &mut found).unwrap();
        (all, complete)
    }

    #[test]
    fn the_splits_do_not_depend_on_blocks_and_threads() {
        let text: String = (0..2000).map(|row| format!("{row},\"a\n{row}\",5\" disk\r\n")).collect();
        let (expected, complete) = tiled(text.as_bytes(), cut(1000, Position::FILE_START), 1, 1 << 20);
        assert!(complete && expected.len() > 20, "{}", expected.len());
        assert_eq!(expected.last().unwrap().end.byte(), text.len() as u64);
        for (threads, block_bytes) in [(1, 7), (3, 64), (4, 4096)] {
            let (splits, _) = tiled(text.as_bytes(), cut(1000, Position::FILE_START), threads, block_bytes);
            assert_eq!(splits, expected);
        }
        let resumed = cut(1000, expected[4].end.clone());
        assert_eq!(tiled(text.as_bytes(), resumed, 2, 100).0, expected[5..]);
    }

    #[test]
    fn a_file_without_a_body_is_complete_and_has_no_split() {
        let from = Position::File { byte: 5, line: 2 };
        assert_eq!(tiled(b"a,b\r\n", cut(10, from), 2, 4), (vec![], true));
        assert_eq!(tiled(b"", cut(10, Position::FILE_START), 2, 4), (vec![], true));
    }

    #[test]
    fn who_takes_the_splits_can_end_the_scan() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all("x\n".repeat(10_000).as_bytes()).unwrap();
        let mut calls = 0;
        let mut found = |_: Found| {
            calls += 1;
            Ok::<_, io::Error>(false)
        };
        let (cut, stop) = (cut(100, Position::FILE_START), AtomicBool::new(false));
        tile_with(file.as_file(), cut, (1, 500), &stop, &mut found).unwrap();
        assert_eq!(calls, 1);
    }

    /// A terabyte of zeros behind a quote that is never closed: nobody waits for its end.
    #[test]
    fn a_scan_that_finds_no_split_ends_when_the_run_is_being_stopped() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"a,\"b\n").unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let cut = cut(100, Position::FILE_START);
            let scan = scope.spawn(|| {
                let found = |_: Found| -> io::Result<bool> { panic!("there is no split") };
                tile(file.as_file(), cut, &stop, found).unwrap();
            });
            stop.store(true, Ordering::Relaxed);
            scan.join().unwrap();
        });
    }
}
