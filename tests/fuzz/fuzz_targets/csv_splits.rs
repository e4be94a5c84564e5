//! Splits tile a CSV file, and the rows of the splits are those of the whole file, in whatever blocks it is scanned.
//! The first four bytes say how it is cut, the next one its dialect.

#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use etl::dialect::Dialect;
use etl::memory::Memory;
use etl::position::Position;
use etl::schema::{Field, Scalar, Type};
use etl::source::{Compression, Extent, Input, Next, Reader, SourceFile, Unit, csv};
use etl::split::{Scanner, Split, Tiler};
use libfuzzer_sys::{Corpus, fuzz_target};

static FILE: LazyLock<PathBuf> = LazyLock::new(etl_fuzz::file);

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((how, content)) = data.split_first_chunk::<5>() else { return Corpus::Reject };
    let [size, block, other_block, streams, dialect] = *how;
    let settings = csv::Settings {
        quote: ["\"", "'", "\"", "'", ""][usize::from(dialect % 5)].into(),
        escape: ["", "", "\\", "\\", ""][usize::from(dialect % 5)].into(),
        max_row_bytes: etl::units::ByteSize(1 << 20),
        ..csv::Settings::default()
    };
    let dialect = settings.dialect().expect("a dialect");
    let split_bytes = 1 + u64::from(size) * u64::from(1 + streams % 3);
    let blocks = [1 + usize::from(block), 1 + usize::from(other_block)];
    let (splits, open_quote) = tile(dialect, content, split_bytes, blocks);
    tiles_the_file(&splits, content);
    assert_eq!((splits.clone(), open_quote), tile(dialect, content, split_bytes, [content.len().max(1); 2]));
    if open_quote {
        return Corpus::Keep;
    }
    std::fs::write(&*FILE, content).expect("the file can be written");
    let whole = rows(&FILE, &settings, &Position::FILE_START, None);
    let parts = splits.iter().flat_map(|split| rows(&FILE, &settings, &split.start, Some(&split.end)));
    assert_eq!(parts.collect::<Vec<_>>(), whole);
    Corpus::Keep
});

fn tile(dialect: Dialect, file: &[u8], split_bytes: u64, blocks: [usize; 2]) -> (Vec<Split>, bool) {
    let scanner = Scanner::new(dialect, split_bytes);
    let mut tiler = Tiler::new(split_bytes, Position::FILE_START);
    let (mut splits, mut at) = (Vec::new(), 0);
    for size in blocks.into_iter().cycle() {
        let end = file.len().min(at + size);
        splits.extend(tiler.push(&scanner.scan(at as u64, &file[at..end])));
        at = end;
        if at == file.len() {
            break;
        }
    }
    let open_quote = tiler.open_quote();
    splits.extend(tiler.finish());
    (splits, open_quote)
}

fn tiles_the_file(splits: &[Split], file: &[u8]) {
    let mut at = Position::FILE_START;
    for split in splits {
        assert_eq!(split.start, at);
        assert!(split.start < split.end, "an empty split");
        let before = &file[..split.end.byte() as usize];
        let line_end = before.ends_with(b"\n") || before.ends_with(b"\r");
        assert!(line_end || before.len() == file.len(), "a split ends inside a line");
        at = split.end.clone();
    }
    assert_eq!(at.byte(), file.len() as u64);
}

/// A row of the file: where it starts, its two cells, or why it is none.
type Row = (Position, Result<[Option<String>; 2], &'static str>);

fn rows(file: &Path, settings: &csv::Settings, from: &Position, end: Option<&Position>) -> Vec<Row> {
    let input = Input::File(file.into());
    let file = SourceFile { input, key: "f".into(), compression: Compression::None, known: None };
    let unit = Unit::File(file.into(), settings.clone().into());
    let fields = ["a", "b"].map(|name| Field::nullable(name, Type::of(Scalar::Text)));
    let extent = Extent { from, end, read: 0 };
    let memory = Memory::new(1 << 20, 1);
    let mut reader = Reader::open(&unit, (&fields, &[0, 1]), extent, &memory).expect("the file is there");
    let (mut rows, stop) = (Vec::new(), false.into());
    while let Next::Batch(batch) = reader.next_batch(7, &stop).expect("every quote is closed") {
        let cell = |column: usize, row| etl_fuzz::text(&batch.columns[column], row);
        rows.extend((0..batch.rows).map(|row| (batch.starts.at(row), Ok([cell(0, row), cell(1, row)]))));
        rows.extend(batch.rejects.iter().map(|reject| (reject.position.clone(), Err(reject.code))));
    }
    rows.sort_by_key(|(position, _)| position.byte());
    rows
}
