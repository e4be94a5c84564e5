//! A value of JSON as the text of a cell. Must not know columns.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::schema::{Scalar, Type};

/// The text of `value` in a column of type `ty`, `None` for NULL; an error where JSON has no such value for it.
pub(super) fn text(value: &RawValue, ty: Type) -> Result<Option<Cow<'_, str>>, ()> {
    let json = value.get().trim();
    match json.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => serde_json::from_str::<String>(json).map(|text| Some(text.into())).map_err(|_| ()),
        Some(b'[') if ty.array => literal(json).map(|text| Some(text.into())),
        Some(b'[' | b'{') if ty == Type::of(Scalar::Json) => Ok(Some(json.into())),
        Some(b'[' | b'{') | None => Err(()),
        // A number, true or false.
        Some(_) => Ok(Some(json.into())),
    }
}

/// PostgreSQL's literal of an array: `{1,NULL,"a\"b"}`.
fn literal(json: &str) -> Result<String, ()> {
    let elements: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| ())?;
    let mut literal = String::from("{");
    for (index, element) in elements.into_iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        let element = element.get().trim();
        match element.as_bytes().first() {
            Some(b'n') => literal.push_str("NULL"),
            Some(b'"') => quote(&serde_json::from_str::<String>(element).map_err(|_| ())?, &mut literal),
            _ => quote(element, &mut literal),
        }
    }
    literal.push('}');
    Ok(literal)
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str, ty: Type) -> Option<Option<String>> {
        let value = RawValue::from_string(json.into()).unwrap();
        text(&value, ty).ok().map(|text| text.map(Cow::into_owned))
    }

    #[test]
    fn a_value_is_the_text_that_a_cell_would_have() {
        let int = Type::of(Scalar::Int64);
        assert_eq!(of("null", int), Some(None));
        assert_eq!(of("12345678901234567890.10", int), Some(Some("12345678901234567890.10".into())));
        assert_eq!(of("true", int), Some(Some("true".into())));
        assert_eq!(of(r#""a\u0000\"""#, Type::of(Scalar::Text)), Some(Some("a\0\"".into())));
        assert_eq!(of("[1]", int), None);
        assert_eq!(of("{}", Type::of(Scalar::Text)), None);
        assert_eq!(of(r#"{"a":[1]}"#, Type::of(Scalar::Json)), Some(Some(r#"{"a":[1]}"#.into())));
        assert_eq!(of(r#""\ud800""#, Type::of(Scalar::Text)), None);
    }

    #[test]
    fn an_array_is_the_literal_that_an_array_has_in_a_cell() {
        let texts = Type::array_of(Scalar::Text);
        assert_eq!(
            of(r#"[ "a,\"b\\", null, "", "NULL" ]"#, texts),
            Some(Some(r#"{"a,\"b\\",NULL,"","NULL"}"#.into()))
        );
        assert_eq!(of("[1, -2.5]", Type::array_of(Scalar::Numeric)), Some(Some(r#"{"1","-2.5"}"#.into())));
        assert_eq!(of("[]", texts), Some(Some("{}".into())));
    }
}
