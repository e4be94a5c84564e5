//! Facts about where bytes come from: compressed, cut off, shrunk, from a pipe.

use std::io::{self, Write};

use super::tests::Folder;
use super::yardstick::{drain, memory, text_fields};
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
    assert!(open(4, None).unwrap().next_batch(1).unwrap().is_none());
}

#[test]
fn rows_of_a_stream_that_falls_silent_are_handed_out() {
    let (input, mut writer) = io::pipe().unwrap();
    let file = SourceFile { input: Input::Stdin, key: "-".into(), compression: Compression::None };
    let stream = Stream::over(&file, Some(Feed::of(input)), 0, None).unwrap();
    let fields = text_fields(1);
    let split = (Position::FILE_START, None);
    let mut reader =
        Reader::over(stream, &Settings::default(), (&fields, &[0]), split, &memory(), 4096).unwrap();
    writer.write_all(b"1\n2\nha").unwrap();
    let batch = reader.next_batch(100).unwrap().unwrap();
    assert_eq!((batch.rows, batch.end.byte()), (2, 4));
    writer.write_all(b"lf\n").unwrap();
    drop(writer);
    assert_eq!(drain(&mut reader, 100).unwrap().cells(), [[Some("half")]]);
}
