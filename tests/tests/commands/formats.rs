//! How files may be written: compressed, many of them, without a header, with other characters and words for NULL.

use std::io::Write as _;

use etl_tests::harness::Folder;

const ROWS: &str = "id,name\n1,one\n2,two\n";

/// Runs a recipe to standard output.
#[track_caller]
fn output(folder: &Folder, from: &str, csv: &str, more: &str) -> String {
    let text =
        format!("name = \"x\"\n[source.csv]\n{csv}\n[[tables]]\nfrom = '{from}'\ninto = \"t\"\n{more}\n");
    folder.write("recipe.toml", text);
    folder.etl(["run", "--to", "-", "--quiet"]).run().code(0).stdout
}

#[test]
fn gzip_and_zstd_are_known_by_their_first_bytes() {
    let folder = Folder::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(ROWS.as_bytes()).unwrap();
    folder.write("rows.gz", gzip.finish().unwrap());
    // Two members behind each other are one file.
    let half = |text: &str| zstd::encode_all(text.as_bytes(), 3).unwrap();
    folder.write("rows.anything", [half("id,name\n1,on"), half("e\n2,two\n")].concat());
    assert_eq!(output(&folder, "rows.gz", "", ""), ROWS);
    assert_eq!(output(&folder, "rows.anything", "", ""), ROWS);
    let whole = half(ROWS);
    folder.write("cut.zst", &whole[..whole.len() - 3]);
    let ran = folder.etl(["run", "--from", "cut.zst", "--to", "-"]).run().code(3);
    ran.says(&["`cut.zst` cannot be decompressed (zstd): it is cut off or damaged"]);
}

#[test]
fn a_glob_loads_every_file_once_and_files_of_other_columns_are_refused() {
    let folder = Folder::new();
    folder.write("d/a.csv", "id,name\n1,one\n");
    folder.write("d/b.csv", "id,name\n2,two\n");
    folder.write("d/c.txt", "not mine\n");
    std::os::unix::fs::symlink(folder.path("d/a.csv"), folder.path("d/z.csv")).unwrap();
    assert_eq!(output(&folder, "d/*.csv", "", ""), ROWS);
    folder.write("d/other.csv", "id,title\n3,x\n");
    let ran = folder.etl(["run", "--to", "-"]).run().code(3);
    ran.says(&["recipe.toml:5: d/other.csv has other columns than d/a.csv: load it as a table of its own"]);
}

#[test]
fn header_delimiter_quote_escape_and_null_words_are_settings() {
    let folder = Folder::new();
    folder.write("plain.csv", "1|'a|''b'\n2|NA\n3|'NA'\n4|\n5|''\n");
    let csv = "header = [\"id\", \"name\"]\ndelimiter = \"|\"\nquote = \"'\"\nnull = [\"NA\"]";
    // NULL is an empty cell, the empty text a quoted one.
    assert_eq!(output(&folder, "plain.csv", csv, ""), "id,name\n1,a|'b\n2,\n3,NA\n4,\n5,\"\"\n");
    folder.write("bare.csv", "1|'a\n2|NA\n");
    let csv = "header = false\ndelimiter = \"|\"\nquote = \"\"";
    assert_eq!(output(&folder, "bare.csv", csv, ""), "column1,column2\n1,'a\n2,NA\n");
}

#[test]
fn a_byte_order_mark_crlf_and_newlines_in_quotes_are_read() {
    let folder = Folder::new();
    folder.write("dos.csv", b"\xef\xbb\xbfid,name\r\n1,\"one\r\nline\"\r\n2,two\r\n");
    assert_eq!(output(&folder, "dos.csv", "", ""), "id,name\n1,\"one\r\nline\"\n2,two\n");
    folder.write("escape.csv", "id\tname\n1\t\"a\\\"b\"\n");
    let csv = "delimiter = \"\\t\"\nescape = \"\\\\\"";
    assert_eq!(output(&folder, "escape.csv", csv, ""), "id,name\n1,\"a\"\"b\"\n");
}

#[test]
fn types_read_values_and_write_them_as_postgresql_does() {
    let folder = Folder::new();
    let head = "flag,small,price,day,at,tags\n";
    folder.write(
        "typed.csv",
        format!("{head}yes,007,1.50,2024-02-29,2024-02-29T23:59:59.5+02:00,\"{{a,\"\"b c\"\"}}\"\n"),
    );
    let types = "types = { flag = \"boolean\", small = \"int16\", price = \"numeric\", day = \"date\", at = \"timestamp\", tags = \"text[]\" }";
    let expected = format!("{head}true,7,1.50,2024-02-29,2024-02-29 21:59:59.5+00,\"{{a,\"\"b c\"\"}}\"\n");
    let found = output(&folder, "typed.csv", "", types);
    assert_eq!(found, expected);
}
