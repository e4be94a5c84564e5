//! Facts about headers, one by one.

use std::fs;

use super::*;
use crate::source::inputs;

fn of(content: &[u8], settings: &Settings, types: &[(&str, &str)]) -> Result<Described, Error> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), content).unwrap();
    let file = inputs("t.csv", folder.path()).unwrap().remove(0);
    let types = types.iter().map(|(name, ty)| ((*name).into(), ty.parse().unwrap())).collect();
    describe(&file, settings, &types)
}

fn with_header(header: Header) -> Settings {
    Settings { header, ..Settings::default() }
}

fn names(described: &Described) -> Vec<&str> {
    described.fields.iter().map(|field| field.name.as_str()).collect()
}

fn message(content: &[u8], settings: &Settings, types: &[(&str, &str)]) -> String {
    of(content, settings, types).unwrap_err().to_string()
}

#[test]
fn columns_are_text_unless_types_says_otherwise() {
    let described = of(b"a,\"b \"\"c\"\"\",d\r\n1,2,3\n", &Settings::default(), &[("d", "int32[]")]).unwrap();
    assert_eq!(names(&described), ["a", "b \"c\"", "d"]);
    let types: Vec<String> = described.fields.iter().map(|field| field.ty.to_string()).collect();
    assert_eq!(types, ["text", "text", "int32[]"]);
    assert_eq!(described.body.stored(), "15:2");
}

#[test]
fn the_body_begins_behind_byte_order_mark_blank_lines_and_a_header_of_several_lines() {
    let described = of(b"\xef\xbb\xbf\n\r\n\"a\nb\",c\n1,2\n", &Settings::default(), &[]).unwrap();
    assert_eq!(names(&described), ["a\nb", "c"]);
    assert_eq!(described.body.stored(), "14:5");
}

#[test]
fn a_file_of_a_header_alone_has_columns_and_no_rows() {
    for content in ["a,b", "a,b\n", "a,b\r\n"] {
        let described = of(content.as_bytes(), &Settings::default(), &[]).unwrap();
        assert_eq!(names(&described), ["a", "b"]);
        assert_eq!(described.body.byte(), content.len() as u64);
    }
}

#[test]
fn names_from_the_settings_leave_the_first_record_a_row() {
    let settings = with_header(Header::Names(vec!["x".into(), "y".into()]));
    let described = of(b"\xef\xbb\xbf1,2\n", &settings, &[("y", "int16")]).unwrap();
    assert_eq!((names(&described), described.body.stored()), (vec!["x", "y"], "3:1".into()));
    assert_eq!(of(b"", &settings, &[]).unwrap().body.byte(), 0);
}

#[test]
fn columns_without_names_are_numbered() {
    let described = of(b"1,2\n", &with_header(Header::InFile(false)), &[]).unwrap();
    assert_eq!((names(&described), described.body.byte()), (vec!["column1", "column2"], 0));
}

#[test]
fn a_header_of_which_no_columns_can_be_made_is_refused_with_file_and_line() {
    let settings = Settings::default();
    let wide = vec!["x"; 1601].join(",");
    for (content, expected) in [
        (&b""[..], "`t.csv` is empty: "),
        (b"\xef\xbb\xbf", "`t.csv` is empty: "),
        (b"\n\n", "`t.csv` is empty: "),
        (b"\na,b,a\n", "`t.csv` line 2: there is a column `a` twice"),
        (b"a,,b\n", "`t.csv` line 1: column 2 has no name"),
        (b"a,\xff\n", "`t.csv` line 1: the header's cell 2 is not UTF-8"),
        (b"\xff\xfea\0", "`t.csv` line 1: it is UTF-16"),
        (b"a,\"b\n1,2\n", "`t.csv` line 1: the record that begins here has a quote that is never closed"),
        (wide.as_bytes(), "`t.csv` line 1: 1601 columns, but a table has at most 1600"),
    ] {
        let message = message(content, &settings, &[]);
        assert!(message.starts_with(expected), "{message}");
    }
    assert_eq!(
        of(wide[2..].replace('x', "").as_bytes(), &with_header(Header::InFile(false)), &[])
            .unwrap()
            .fields
            .len(),
        1600
    );
}

#[test]
fn a_type_for_a_column_that_is_not_there_is_refused_with_the_columns_that_are() {
    let message = message(b"dep_time,year\n", &Settings::default(), &[("deptime", "int32")]);
    let expected = "`types` names the column `deptime`, which `t.csv` line 1 does not have: its columns are `dep_time`, `year`";
    assert_eq!(message, expected);
}

#[test]
fn a_long_header_is_read_whole_and_one_over_the_limit_refused() {
    let name = "n".repeat(100_000);
    assert_eq!(of(format!("{name},b\n").as_bytes(), &Settings::default(), &[]).unwrap().fields[0].name, name);
    let settings = Settings { max_row_bytes: crate::units::ByteSize(1000), ..Settings::default() };
    let message = message(format!("{name},b\n").as_bytes(), &settings, &[]);
    assert!(message.starts_with("`t.csv` line 1: the header is longer than"), "{message}");
}
