//! Values with parts as compact JSON, and JSON that a server shows brought into the same form: no blanks between
//! tokens, strings escaped one way, no exponents.

use scylla::value::CqlValue;

use crate::cql_text::{float, scalar};

/// A value with parts: a map is an object, or a list of pairs where its keys are not of one text form; a tuple a
/// list, a user's type an object in the order of its fields.
pub fn of(value: &CqlValue) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    let part = |part: &Option<CqlValue>| part.as_ref().map_or_else(|| "null".into(), of);
    match value {
        CqlValue::Empty => "null".into(),
        CqlValue::Boolean(flag) => flag.to_string(),
        CqlValue::Double(value) if value.is_finite() => number(&value.to_string()),
        CqlValue::Float(value) if value.is_finite() => number(&value.to_string()),
        CqlValue::Double(value) => quoted(&float(&format!("{value:e}"), 15)),
        CqlValue::Float(value) => quoted(&float(&format!("{value:e}"), 6)),
        CqlValue::TinyInt(_)
        | CqlValue::SmallInt(_)
        | CqlValue::Int(_)
        | CqlValue::BigInt(_)
        | CqlValue::Counter(_)
        | CqlValue::Varint(_)
        | CqlValue::Decimal(_) => number(&scalar(value)),
        CqlValue::List(items) | CqlValue::Set(items) | CqlValue::Vector(items) => {
            list(items.iter().map(of).collect())
        }
        CqlValue::Tuple(parts) => list(parts.iter().map(part).collect()),
        CqlValue::UserDefinedType { fields, .. } => {
            let fields = fields.iter().map(|(name, value)| format!("{}:{}", quoted(name), part(value)));
            format!("{{{}}}", fields.collect::<Vec<String>>().join(","))
        }
        CqlValue::Map(pairs) if pairs.iter().all(|(key, _)| is_key(key)) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}:{}", quoted(&scalar(key)), of(value)));
            format!("{{{}}}", pairs.collect::<Vec<String>>().join(","))
        }
        CqlValue::Map(pairs) => {
            list(pairs.iter().map(|(key, value)| format!("[{},{}]", of(key), of(value))).collect())
        }
        other => quoted(&scalar(other)),
    }
}

/// JSON as a server shows it, in the form of [`of`].
pub fn compact(json: &str) -> String {
    let mut out = String::new();
    let mut rest = json.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' => 1 + string_end(&rest[1..]),
            '-' | '0'..='9' => rest.find(|c: char| !"+-.eE0123456789".contains(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let token = &rest[..end];
        match first {
            '"' => out.push_str(&quoted(&serde_json::from_str::<String>(token).expect("a JSON string"))),
            '-' | '0'..='9' => out.push_str(&number(token)),
            _ => out.push_str(token),
        }
        rest = rest[end..].trim_start();
    }
    out
}

/// Behind the closing quote.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    panic!("a JSON string without end")
}

/// Of a type that has one text form.
fn is_key(value: &CqlValue) -> bool {
    !matches!(
        value,
        CqlValue::Empty
            | CqlValue::Decimal(_)
            | CqlValue::Float(_)
            | CqlValue::Double(_)
            | CqlValue::List(_)
            | CqlValue::Set(_)
            | CqlValue::Map(_)
            | CqlValue::Tuple(_)
            | CqlValue::Vector(_)
            | CqlValue::UserDefinedType { .. }
    )
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text")
}

/// Without an exponent, and without the `.0` that some writers give to whole numbers. Other zeros stay: they are
/// digits of a decimal.
fn number(token: &str) -> String {
    let plain = match token.split_once(['e', 'E']) {
        None => token.to_string(),
        Some((digits, exponent)) => {
            let exponent: i32 = exponent.parse().expect("an exponent");
            let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            let shift = usize::try_from(exponent.abs()).expect("a number");
            if exponent < 0 {
                let padded = format!("{}{whole}", "0".repeat(shift + 1));
                let (front, back) = padded.split_at(padded.len() - shift);
                let front = front.trim_start_matches('0');
                format!("{sign}{}.{back}{fraction}", if front.is_empty() { "0" } else { front })
            } else {
                let padded = format!("{fraction:0<shift$}");
                let (front, back) = padded.split_at(shift);
                let point = if back.is_empty() { "" } else { "." };
                format!("{sign}{whole}{front}{point}{back}")
            }
        }
    };
    plain.strip_suffix(".0").map(String::from).unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_two_writers_is_brought_into_one_form() {
        for (one, other) in [
            (r#"{ "a" : [ 1 , 2.0 ] }"#, r#"{"a":[1,2]}"#),
            (r#"["\u00e9\/"]"#, r#"["é/"]"#),
            ("[1e20,1.5E-7,-12.5e1]", "[100000000000000000000,0.00000015,-125]"),
            (r#"{"b,": "x: \" }"}"#, r#"{"b,":"x: \" }"}"#),
        ] {
            assert_eq!(compact(one), other);
        }
    }

    #[test]
    fn zeros_of_a_decimal_stay() {
        assert_eq!(compact("[1.50, 3.00]"), "[1.50,3.00]");
        assert_ne!(compact("[1.50]"), compact("[1.5]"));
    }
}
