//! PostgreSQL's literal of a one-dimensional array: `{1,NULL,"a,b"}`. Pure. Must not know the items' type.

use crate::memory::MAX_BATCH_BYTES;

/// Calls `item` with each item, unescaped in `scratch`, or `None` for NULL. `None` when it is no such literal, or when
/// `item` said no; some items were handed over then.
pub(super) fn items(
    text: &[u8],
    scratch: &mut Vec<u8>,
    item: impl FnMut(Option<&[u8]>) -> bool,
) -> Option<()> {
    let found = each(text, scratch, item);
    // An uncommonly large item gives back what it took.
    scratch.clear();
    scratch.shrink_to(MAX_BATCH_BYTES);
    found
}

fn each(text: &[u8], scratch: &mut Vec<u8>, mut item: impl FnMut(Option<&[u8]>) -> bool) -> Option<()> {
    let mut rest = trim(text).strip_prefix(b"{")?.strip_suffix(b"}").map(trim_start)?;
    if rest.is_empty() {
        return Some(());
    }
    loop {
        scratch.clear();
        let quoted = rest.first() == Some(&b'"');
        let used = if quoted { quoted_item(rest, scratch)? } else { plain_item(rest, scratch)? };
        let is_null = !quoted && trim(&rest[..used]).eq_ignore_ascii_case(b"NULL");
        if !item((!is_null).then_some(scratch.as_slice())) {
            return None;
        }
        match trim_start(&rest[used..]) {
            [] => return Some(()),
            [b',', next @ ..] => rest = trim_start(next),
            _ => return None,
        }
    }
}

/// What PostgreSQL passes over in an array: a vertical tab too.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'\x0b'
}

fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| is_blank(**byte)).count();
    &text[blanks..]
}

fn trim(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    let blanks = text.iter().rev().take_while(|byte| is_blank(**byte)).count();
    &text[..text.len() - blanks]
}

/// Appends the item's bytes and tells how many it took.
fn quoted_item(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => {
                out.push(*text.get(at + 1)?);
                at += 2;
            }
            byte => {
                out.push(*byte);
                at += 1;
            }
        }
    }
}

/// The same for one without quotes: blanks at its end do not count, unless escaped, and it is not empty.
fn plain_item(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    let mut kept = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b',' => break,
            b'"' | b'{' | b'}' => return None,
            b'\\' => {
                out.push(*text.get(at + 1)?);
                at += 2;
                kept = out.len();
            }
            byte => {
                out.push(*byte);
                at += 1;
                if !is_blank(*byte) {
                    kept = out.len();
                }
            }
        }
    }
    out.truncate(kept);
    (kept > 0).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<Vec<Option<String>>> {
        let mut found = Vec::new();
        items(text.as_bytes(), &mut Vec::new(), |item| {
            found.push(item.map(|item| String::from_utf8(item.to_vec()).unwrap()));
            true
        })?;
        Some(found)
    }

    fn some(items: &[&str]) -> Option<Vec<Option<String>>> {
        Some(items.iter().map(|item| Some((*item).into())).collect())
    }

    #[test]
    fn items_are_plain_or_quoted_and_null_is_a_plain_word() {
        assert_eq!(read("{}"), some(&[]));
        assert_eq!(read(" { } "), some(&[]));
        assert_eq!(read("{1, 2 ,3}"), some(&["1", "2", "3"]));
        assert_eq!(read("\x0b{\x0b1\x0b2\x0b,\t\x0b\"3\"\x0b}\x0b"), some(&["1\x0b2", "3"]));
        assert_eq!(read(r#"{"a,b","c\"d\\", "" ,x y,\ z\ }"#), some(&["a,b", "c\"d\\", "", "x y", " z "]));
        assert_eq!(
            read(r#"{null,"NULL",\NULL}"#),
            Some(vec![None, Some("NULL".into()), Some("NULL".into())])
        );
    }

    #[test]
    fn what_is_no_literal_of_one_dimension_is_refused() {
        for text in [
            "",
            "1,2",
            "{1,2",
            "{1,,2}",
            "{,}",
            "{1,}",
            "{{1},{2}}",
            "[0:1]={1,2}",
            "{\"a}",
            "{a\"b}",
            "{\"a\"b}",
            "{\\}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_large_item_gives_its_memory_back_also_when_it_is_refused() {
        let large = "x".repeat(2 * MAX_BATCH_BYTES);
        for (text, is_read) in [(format!("{{{large}}}"), true), (format!("{{1,\"{large}}}"), false)] {
            let mut scratch = Vec::new();
            assert_eq!(items(text.as_bytes(), &mut scratch, |_| true).is_some(), is_read);
            assert!(scratch.capacity() <= MAX_BATCH_BYTES, "{}", scratch.capacity());
        }
    }

    proptest! {
        #[test]
        fn every_list_of_texts_is_read_back(texts: Vec<Option<String>>) {
            let quoted: Vec<String> = texts
                .iter()
                .map(|text| match text {
                    None => "NULL".into(),
                    Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
                })
                .collect();
            let literal = format!("{{{}}}", quoted.join(","));
            prop_assert_eq!(read(&literal), Some(texts));
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"\{[a-z",\\{} ]{0,12}\}?"#) {
            let _ = read(&text);
        }
    }
}
