//! A reject as a target gives it back: what is shown of it, and a line of JSON or CSV for it.
//!
//! Must not know: where it is kept.

use std::str::FromStr;

use serde_json::{Value, json};

use crate::position::Position;
use crate::reject::Original;
use crate::text_form;

/// A row that could not be loaded, as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The target table, as the ledger names it.
    pub table: String,
    /// The file or table that the row was read from.
    pub source: String,
    /// Where in it, as [`Position::stored`].
    pub position: String,
    /// Where it failed.
    pub stage: String,
    /// The stage's code.
    pub code: String,
    /// For people.
    pub reason: String,
    /// What was kept of the row.
    pub original: Original,
    /// Whether something of it is missing.
    pub cut: bool,
}

/// The columns of [`Rejected::csv`].
pub const CSV_HEADER: &str =
    "table,source,position,line,stage,code,reason,cut,original,original_text,original_bytes\n";

impl Rejected {
    /// `rows.csv line 7`, `bank.accounts token 5`.
    pub fn place(&self) -> String {
        let position = Position::from_str(&self.position);
        format!("{} {}", self.source, position.map_or(self.position.clone(), |position| position.to_string()))
    }

    /// The line in a file.
    fn line(&self) -> Option<u64> {
        Position::from_str(&self.position).ok().map(|position| position.line()).filter(|line| *line > 0)
    }

    /// One line: an object with all of it, the row's columns as they were kept.
    pub fn json(&self) -> String {
        let mut start = json!({
            "table": self.table, "source": self.source, "position": self.position, "line": self.line(),
            "stage": self.stage, "code": self.code, "reason": self.reason, "cut": self.cut,
        });
        if let (None, Some(object)) = (self.line(), start.as_object_mut()) {
            object.shift_remove("line");
        }
        let (key, value) = match &self.original {
            // Already JSON, with numbers that a parser would round.
            Original::Columns(json) => ("original", json.trim().to_owned()),
            Original::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => ("original_text", Value::from(text).to_string()),
                Err(_) => ("original_bytes", Value::from(hex(bytes)).to_string()),
            },
            Original::Nothing => ("original", "null".into()),
        };
        // JSON knows no difference between a line end and a blank, and this is one line.
        let value = if value.contains(['\n', '\r']) { value.replace(['\n', '\r'], " ") } else { value };
        json_line(&start, key, &value)
    }

    /// One record of CSV, with the columns of [`CSV_HEADER`].
    pub fn csv(&self) -> String {
        let (mut columns, mut text, mut bytes) = (String::new(), String::new(), String::new());
        match &self.original {
            Original::Columns(json) => columns.clone_from(json),
            Original::Bytes(raw) => match std::str::from_utf8(raw) {
                Ok(raw) => text = raw.into(),
                Err(_) => bytes = hex(raw),
            },
            Original::Nothing => {}
        }
        let line = self.line().map(|line| line.to_string()).unwrap_or_default();
        let cells = [
            self.table.as_str(),
            &self.source,
            &self.position,
            &line,
            &self.stage,
            &self.code,
            &self.reason,
            if self.cut { "true" } else { "false" },
            &columns,
            &text,
            &bytes,
        ];
        cells.map(cell).join(",") + "\n"
    }

    /// What was kept, for people.
    pub fn shown(&self) -> String {
        match &self.original {
            Original::Columns(json) => json.clone(),
            Original::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Original::Nothing => String::new(),
        }
    }
}

/// `\x…`, as PostgreSQL writes bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = b"\\x".to_vec();
    text_form::hex(bytes, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// The bytes that [`hex`] wrote; `None` for anything else.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.strip_prefix("\\x")?.as_bytes().as_chunks::<2>() else { return None };
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok()).collect()
}

/// An object as a line of JSON, with one member more behind the others, whose value is JSON already.
pub(super) fn json_line(object: &Value, key: &str, value: &str) -> String {
    let mut line = object.to_string();
    // The brace that ends the object, and no other.
    line.pop();
    format!("{line},\"{key}\":{value}}}\n")
}

/// A text as a CSV cell. Quoted is also what a line of `\.` could be made of: alone it ends a COPY.
pub(super) fn cell(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) || text.starts_with("\\.") {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(position: &str, original: Original) -> Rejected {
        Rejected {
            table: "public.t".into(),
            source: "a,b.csv".into(),
            position: position.into(),
            stage: "read".into(),
            code: "ragged".into(),
            reason: "1 cell, \"2\" expected".into(),
            original,
            cut: false,
        }
    }

    #[test]
    fn a_line_of_json_keeps_numbers_as_they_are() {
        let kept = Original::Columns("{\"n\":12345678901234567890.10,\n\"t\":\"a\\nb\"}".into());
        let line = rejected("10:2", kept).json();
        assert!(
            line.ends_with(",\"original\":{\"n\":12345678901234567890.10, \"t\":\"a\\nb\"}}\n"),
            "{line}"
        );
        assert_eq!(line.matches('\n').count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&value["table"], &value["line"], &value["cut"]),
            (&"public.t".into(), &2.into(), &false.into())
        );
    }

    #[test]
    fn a_member_is_added_behind_an_object_too() {
        let line = json_line(&json!({"a": {"b": {}}}), "c", "1.10");
        assert_eq!(line, "{\"a\":{\"b\":{}},\"c\":1.10}\n");
    }

    #[test]
    fn a_cell_is_quoted_where_a_reader_would_take_it_for_something_else() {
        let cells = ["id", "a,b", "a\"b", "a\nb", "\\.", "\\"].map(cell);
        assert_eq!(cells, ["id", "\"a,b\"", "\"a\"\"b\"", "\"a\nb\"", "\"\\.\"", "\\"]);
    }

    #[test]
    fn what_is_no_columns_is_text_or_bytes() {
        let of = |original| serde_json::from_str::<Value>(&rejected("t5", original).json()).unwrap();
        assert_eq!(of(Original::Bytes(b"1,x".to_vec()))["original_text"], "1,x");
        assert_eq!(of(Original::Bytes(vec![0xff, 0]))["original_bytes"], "\\xff00");
        let nothing = of(Original::Nothing);
        assert_eq!((nothing.get("original"), nothing.get("line")), (Some(&Value::Null), None));
    }

    #[test]
    fn a_record_of_csv_has_a_cell_for_each_column() {
        let record = rejected("10:2", Original::Bytes(b"1,\"x\n".to_vec())).csv();
        let expected =
            "public.t,\"a,b.csv\",10:2,2,read,ragged,\"1 cell, \"\"2\"\" expected\",false,,\"1,\"\"x\n\",\n";
        assert_eq!(record, expected);
        assert_eq!(CSV_HEADER.split(',').count(), 11);
    }

    #[test]
    fn a_place_is_in_words_and_shows_no_key() {
        assert_eq!(rejected("10:2", Original::Nothing).place(), "a,b.csv line 2");
        assert_eq!(rejected("k7:00ff", Original::Nothing).place(), "a,b.csv token 7");
        assert_eq!(rejected("odd", Original::Nothing).place(), "a,b.csv odd");
    }
}
