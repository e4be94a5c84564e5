//! Facts about where bytes come from: compressed, cut off, shrunk, from a pipe.

use std::io::{self, Write};

use super::tests::Folder;
use super::yardstick::{self, drain, memory, text_fields};
use super::*;
use crate::source::stdin::Feed;
use crate::source::{Compression, Input};

fn compressed(content: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => content.to_vec(),
        Compression::Gzip => {
            let half = content.len() / 2;
            let member = |part: &[u8]| {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(part).unwrap();
                encoder.finish().unwrap()
            };
            [member(&content[..half]), member(&content[half..])].concat()
        }
        Compression::Zstd => zstd::encode_all(content, 1).unwrap(),
    }
}

#[test]
fn a_compressed_file_is_read_like_the_plain_one_also_from_the_middle() {
    let content: String = (0..20_000).map(|row| format!("{row},\"text\nof {row}\"\n")).collect();
    let (_folder, plain) = Folder::with(content.as_bytes());
    let settings = Settings::default();
    let read = |file: &SourceFile, from| {
        let mut reader =
            Reader::open(file, &settings, &text_fields(2), &[0, 1], from, None, &memory()).unwrap();
        drain(&mut reader, 1000).unwrap()
    };
    let expected = read(&plain, Position::FILE_START);
    assert_eq!(expected.rows.len(), 20_000);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let (_folder, file) = Folder::with(&compressed(content.as_bytes(), compression));
        assert_eq!(file.compression, compression);
        assert_eq!(read(&file, Position::FILE_START), expected);
        assert_eq!(read(&file, expected.ends[7].clone()).rows, expected.rows[8000..]);
    }
}

#[test]
fn a_compressed_file_that_is_cut_off_is_an_error_that_says_so() {
    let content: String = (0..20_000).map(|row| format!("{row},x\n")).collect();
    for (compression, format) in [(Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")] {
        let packed = compressed(content.as_bytes(), compression);
        let (_folder, file) = Folder::with(&packed[..packed.len() - 10]);
        let start = Position::FILE_START;
        let mut reader =
            Reader::open(&file, &Settings::default(), &text_fields(2), &[0], start, None, &memory()).unwrap();
        let (_, error) = *drain(&mut reader, 1000).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with(&format!("`t.csv` cannot be decompressed ({format}): it is cut off")),
            "{message}"
        );
    }
}

#[test]
fn zeros_behind_gzip_are_padding_and_anything_else_is_told_of() {
    let packed = compressed(b"1\n2\n", Compression::Gzip);
    let read = |behind: &[&[u8]]| {
        let (_folder, file) = Folder::with(&[&packed[..], &behind.concat()].concat());
        let start = Position::FILE_START;
        let mut reader =
            Reader::open(&file, &Settings::default(), &text_fields(1), &[0], start, None, &memory()).unwrap();
        drain(&mut reader, 1000).map(|seen| seen.rows.len()).map_err(|stopped| stopped.1.to_string())
    };
    let zeros = &[0; 100_000][..];
    assert_eq!(read(&[&zeros[..512]]), Ok(2));
    assert_eq!(read(&[zeros]), Ok(2));
    assert_eq!(read(&[&packed, &zeros[..1]]), Ok(4));
    for behind in [[&b"garbage"[..], b""], [zeros, b"x"], [&zeros[..1], &packed]] {
        let error = read(&behind).unwrap_err();
        assert!(
            error.contains("behind its content, of 4 bytes, follows something that is no gzip"),
            "{error}"
        );
    }
}

/// As `zstd --long=28` makes it: nothing is wrong with it.
#[test]
fn a_zstd_file_with_too_large_a_window_is_not_called_damaged() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(b"1\n").unwrap();
    let (_folder, file) = Folder::with(&encoder.finish().unwrap());
    let (settings, fields) = (Settings::default(), text_fields(1));
    let mut reader =
        Reader::open(&file, &settings, &fields, &[0], Position::FILE_START, None, &memory()).unwrap();
    let error = drain(&mut reader, 9).unwrap_err().1;
    assert!(matches!(error, Error::Window { .. }), "{error:?}");
    assert!(error.to_string().contains("its window is larger than 128 MiB"), "{error}");
}

#[test]
fn a_file_that_ends_before_the_position_or_the_splits_end_is_an_error() {
    let (_folder, file) = Folder::with(b"1\n2\n");
    let (settings, fields) = (Settings::default(), text_fields(1));
    let open = |from, end| {
        let from = Position::File { byte: from, line: 1 };
        Reader::open(&file, &settings, &fields, &[0], from, end, &memory())
    };
    assert!(matches!(open(5, None).err().unwrap(), Error::Shrunk { size: 4, expected: 5, .. }));
    let (seen, error) = *drain(&mut open(0, Some(9)).unwrap(), 1).unwrap_err();
    assert_eq!(seen.rows.len(), 2);
    assert!(matches!(error, Error::Shrunk { size: 4, expected: 9, .. }));
    assert!(open(4, None).unwrap().batch(1).unwrap().is_none());
}

#[test]
fn rows_of_a_stream_that_falls_silent_are_handed_out() {
    let (input, mut writer) = io::pipe().unwrap();
    let file = stdin(Compression::None);
    let stream = Stream::over(&file, Some(Feed::of(input)), 0, None).unwrap();
    let fields = text_fields(1);
    let split = (Position::FILE_START, None);
    let mut reader =
        Reader::over(stream, &Settings::default(), (&fields, &[0]), split, &memory(), 4096).unwrap();
    writer.write_all(b"1\n2\nha").unwrap();
    let batch = reader.batch(100).unwrap().unwrap();
    assert_eq!((batch.rows, batch.end.byte()), (2, 4));
    writer.write_all(b"lf\n").unwrap();
    drop(writer);
    assert_eq!(drain(&mut reader, 100).unwrap().cells(), [[Some("half")]]);
}

fn stdin(compression: Compression) -> SourceFile {
    SourceFile { input: Input::Stdin, key: "-".into(), compression, known: None }
}

/// A pause of any length at any byte of the compressed stream, also in the middle of its frame's header.
#[test]
fn a_stream_that_falls_silent_says_so_and_goes_on_where_it_was() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let packed = compressed(b"1\n2\n3\n4\n", compression);
        let (input, mut writer) = io::pipe().unwrap();
        let fields = text_fields(1);
        let (middle, stop) = (packed.len() / 2, AtomicBool::new(false));
        writer.write_all(&packed[..1]).unwrap();
        let stream = Stream::over(&stdin(compression), Some(Feed::of(input)), 0, None).unwrap();
        let split = (Position::FILE_START, None);
        let mut reader =
            Reader::over(stream, &Settings::default(), (&fields, &[0]), split, &memory(), 4096).unwrap();
        assert!(matches!(reader.next_batch(9, &stop).unwrap(), unit::Next::Idle));
        let mut seen = drained_until_idle(&mut reader, &mut writer, &packed[1..middle]);
        seen.extend(drained_until_idle(&mut reader, &mut writer, &packed[middle..packed.len() - 1]));
        writer.write_all(&packed[packed.len() - 1..]).unwrap();
        drop(writer);
        seen.extend(drain(&mut reader, 9).unwrap().rows.into_iter().map(|(_, row)| row));
        assert_eq!(seen, ["1", "2", "3", "4"].map(|cell| vec![Some(cell.to_owned())]));
    }
}

fn drained_until_idle(
    reader: &mut Reader,
    writer: &mut impl Write,
    bytes: &[u8],
) -> Vec<Vec<Option<String>>> {
    writer.write_all(bytes).unwrap();
    let mut seen = yardstick::Seen::default();
    loop {
        match reader.next_batch(9, &AtomicBool::new(false)).unwrap() {
            unit::Next::Batch(batch) => seen.add(&batch),
            unit::Next::Idle => return seen.rows.into_iter().map(|(_, row)| row).collect(),
            unit::Next::End | unit::Next::Stopped => panic!("it has not ended"),
        }
    }
}

#[test]
fn a_large_row_whose_rest_has_not_come_keeps_the_pool() {
    let (input, mut writer) = io::pipe().unwrap();
    let stream = Stream::over(&stdin(Compression::None), Some(Feed::of(input)), 0, None).unwrap();
    let (memory, split, stop) = (memory(), (Position::FILE_START, None), AtomicBool::new(false));
    let mut reader =
        Reader::over(stream, &Settings::default(), (&text_fields(1), &[0]), split, &memory, 64).unwrap();
    writer.write_all(&[b'x'; 100]).unwrap();
    assert!(matches!(reader.next_batch(9, &stop).unwrap(), unit::Next::Idle));
    assert!(memory.is_lent());
    writer.write_all(b"\n").unwrap();
    let batch = reader.batch(9).unwrap().unwrap();
    assert!(batch.loan.is_some());
    drop(batch);
    assert!(!memory.is_lent());
}

#[test]
fn a_run_that_is_being_stopped_does_not_wait_until_a_compressed_file_is_unpacked_up_to_its_position() {
    let content = "1\n".repeat(100_000);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let (_folder, file) = Folder::with(&compressed(content.as_bytes(), compression));
        let from = Position::File { byte: 199_998, line: 100_000 };
        let (fields, settings) = (text_fields(1), Settings::default());
        let mut reader = Reader::open(&file, &settings, &fields, &[0], from, None, &memory()).unwrap();
        let stop = AtomicBool::new(true);
        assert!(matches!(reader.next_batch(9, &stop).unwrap(), unit::Next::Stopped));
        assert_eq!(drain(&mut reader, 9).unwrap().rows.len(), 1);
    }
}
