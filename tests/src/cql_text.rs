//! What a table of Cassandra must look like in PostgreSQL, read a second way: row by row with the driver's own
//! values, and each value as PostgreSQL shows it (`TimeZone` UTC, `DateStyle` ISO). Nothing of the runner is used.

use std::net::{IpAddr, Ipv6Addr};

use futures_util::TryStreamExt;
use scylla::client::session::Session;
use scylla::value::{CqlDuration, CqlValue, Row as CqlRow};

use crate::customers::Row;
use crate::json_text;

/// What a CQL query answers with, as PostgreSQL would show it, sorted: for
/// [`assert_same`](crate::customers::assert_same) with [`rows_of`](crate::customers::rows_of).
pub async fn rows_of(session: &Session, query: &str) -> Vec<Row> {
    let pager = session.query_iter(query, &[]).await.unwrap_or_else(|e| panic!("{query}: {e}"));
    let stream = pager.rows_stream::<CqlRow>().expect("rows of values");
    let rows: Vec<CqlRow> = stream.try_collect().await.unwrap_or_else(|e| panic!("{query}: {e}"));
    let rows =
        rows.into_iter().map(|row| row.columns.iter().map(|cell| cell.as_ref().and_then(text)).collect());
    let mut rows: Vec<Row> = rows.collect();
    rows.sort();
    rows
}

/// A value in the column that its type has by default; `None` is NULL, as a value of no length is.
pub fn text(value: &CqlValue) -> Option<String> {
    Some(match value {
        CqlValue::Empty => return None,
        CqlValue::Boolean(flag) => if *flag { "t" } else { "f" }.into(),
        CqlValue::Double(value) => float(&format!("{value:e}"), 15),
        CqlValue::Float(value) => float(&format!("{value:e}"), 6),
        CqlValue::List(items) | CqlValue::Set(items) if items.iter().any(has_parts) => json_text::of(value),
        CqlValue::List(items) | CqlValue::Set(items) => array(items),
        CqlValue::Vector(items) if items.iter().all(|item| matches!(item, CqlValue::Float(_))) => {
            array(items)
        }
        CqlValue::Map(_) | CqlValue::Tuple(_) | CqlValue::UserDefinedType { .. } | CqlValue::Vector(_) => {
            json_text::of(value)
        }
        other => scalar(other),
    })
}

/// A value without parts whose text is the same in a column and inside json.
pub(crate) fn scalar(value: &CqlValue) -> String {
    match value {
        CqlValue::Ascii(text) | CqlValue::Text(text) => text.clone(),
        CqlValue::Boolean(flag) => flag.to_string(),
        CqlValue::TinyInt(number) => number.to_string(),
        CqlValue::SmallInt(number) => number.to_string(),
        CqlValue::Int(number) => number.to_string(),
        CqlValue::BigInt(number) => number.to_string(),
        CqlValue::Counter(number) => number.0.to_string(),
        CqlValue::Varint(number) => decimal(number.as_signed_bytes_be_slice(), 0),
        CqlValue::Decimal(number) => {
            let (unscaled, scale) = number.as_signed_be_bytes_slice_and_exponent();
            decimal(unscaled, scale)
        }
        CqlValue::Blob(bytes) => bytes.iter().fold("\\x".into(), |text, byte| format!("{text}{byte:02x}")),
        CqlValue::Uuid(id) => id.to_string(),
        CqlValue::Timeuuid(id) => id.to_string(),
        CqlValue::Inet(address) => inet(*address),
        CqlValue::Date(date) => {
            let (date, era) = day(i64::from(date.0) - (1 << 31));
            format!("{date}{era}")
        }
        CqlValue::Time(time) => time_of_day(time.0, 9),
        CqlValue::Timestamp(moment) => {
            let (date, era) = day(moment.0.div_euclid(86_400_000));
            format!("{date} {}+00{era}", time_of_day(moment.0.rem_euclid(86_400_000) * 1_000_000, 6))
        }
        CqlValue::Duration(duration) => interval(duration),
        other => panic!("no scalar: {other:?}"),
    }
}

fn has_parts(value: &CqlValue) -> bool {
    matches!(
        value,
        CqlValue::List(_)
            | CqlValue::Set(_)
            | CqlValue::Map(_)
            | CqlValue::Tuple(_)
            | CqlValue::Vector(_)
            | CqlValue::UserDefinedType { .. }
    )
}

/// PostgreSQL's literal of an array.
fn array(items: &[CqlValue]) -> String {
    let items = items.iter().map(|item| match text(item) {
        None => "NULL".into(),
        Some(text) => {
            let special = |c: char| "{}\",\\".contains(c) || c.is_ascii_whitespace() || c == '\u{b}';
            let quoted = text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special);
            if quoted { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) } else { text }
        }
    });
    format!("{{{}}}", items.collect::<Vec<String>>().join(","))
}

/// From Rust's shortest digits (`-1.5e20`) to PostgreSQL's: with an exponent below 1e-4 and from 10^`fixed` on.
pub(crate) fn float(scientific: &str, fixed: i32) -> String {
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific.replace("inf", "Infinity");
    };
    let exponent: i32 = exponent.parse().expect("an exponent");
    if exponent < -4 || exponent >= fixed {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let digits = digits.replace('.', "");
    format!("{sign}{}", point(&digits, digits.len() as i32 - 1 - exponent))
}

/// Puts a point so that `scale` digits stand behind it; a negative scale appends zeros.
fn point(digits: &str, scale: i32) -> String {
    let Ok(behind) = usize::try_from(scale) else {
        let zero = digits.bytes().all(|digit| digit == b'0');
        return if zero {
            "0".into()
        } else {
            format!("{digits}{}", "0".repeat(scale.unsigned_abs() as usize))
        };
    };
    if behind == 0 {
        return digits.into();
    }
    let padded = format!("{digits:0>width$}", width = behind + 1);
    let (whole, fraction) = padded.split_at(padded.len() - behind);
    format!("{whole}.{fraction}")
}

/// Exact digits of a two's complement number, divided by ten `scale` times.
fn decimal(unscaled: &[u8], scale: i32) -> String {
    let negative = unscaled.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut digits = vec![0_u8];
    for byte in unscaled {
        let mut carry = u32::from(if negative { !byte } else { *byte });
        for digit in &mut digits {
            carry += u32::from(*digit) * 256;
            *digit = (carry % 10) as u8;
            carry /= 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    if negative {
        let nine = digits.iter().take_while(|digit| **digit == 9).count();
        digits[..nine].fill(0);
        if nine == digits.len() { digits.push(1) } else { digits[nine] += 1 }
    }
    let text: String = digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
    format!("{}{}", if negative { "-" } else { "" }, point(&text, scale))
}

fn inet(address: IpAddr) -> String {
    match address {
        // PostgreSQL still shows the last 32 bits of `::a.b.c.d` in dots, Rust does not.
        IpAddr::V6(v6) if v6.segments()[..6] == [0; 6] && v6.segments()[6] != 0 => {
            format!("::{}", Ipv6Addr::from_bits(v6.to_bits()).to_ipv4().expect("an embedded address"))
        }
        other => other.to_string(),
    }
}

/// Year, month and day since 1970-01-01, and ` BC` where it belongs behind everything.
fn day(since_epoch: i64) -> (String, &'static str) {
    let shifted = since_epoch + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

/// `05:00:00.5`, with at most so many digits behind the point.
fn time_of_day(nanos: i64, digits: usize) -> String {
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = format!("{fraction:09}");
    let fraction = fraction[..digits].trim_end_matches('0');
    if fraction.is_empty() { text } else { format!("{text}.{fraction}") }
}

/// `1 year -2 mons +3 days 04:05:06.7`
fn interval(duration: &CqlDuration) -> String {
    let (mut text, mut negative) = (String::new(), false);
    let parts = [(duration.months / 12, "year"), (duration.months % 12, "mon"), (duration.days, "day")];
    for (count, unit) in parts.into_iter().filter(|part| part.0 != 0) {
        let (space, plus) =
            (if text.is_empty() { "" } else { " " }, if negative && count > 0 { "+" } else { "" });
        let plural = if count == 1 { "" } else { "s" };
        text.push_str(&format!("{space}{plus}{count} {unit}{plural}"));
        negative = count < 0;
    }
    let nanos = duration.nanoseconds;
    if nanos != 0 || text.is_empty() {
        let space = if text.is_empty() { "" } else { " " };
        let sign = if nanos < 0 {
            "-"
        } else if negative {
            "+"
        } else {
            ""
        };
        let micros = nanos.unsigned_abs() / 1000;
        let nanos = i64::try_from(micros * 1000).expect("a length that has its opposite");
        text.push_str(&format!("{space}{sign}{}", time_of_day(nanos, 6)));
    }
    text
}
