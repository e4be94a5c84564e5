//! The benchmarks' module: rewrites seven of the generator's ten columns, so that eleven come out.

use std::borrow::Cow;

use etl_sdk::{Input, Json, Output, Reject, Scaled, Timestamp};

/// What it reads.
#[derive(Input)]
pub struct Customer<'a> {
    name: Option<&'a str>,
    email: &'a str,
    #[etl(drop)]
    amount_cents: Option<i64>,
    created_at: &'a str,
    tags: Option<&'a str>,
    active: &'a str,
    note: Option<&'a str>,
}

/// What it makes; `id`, `account` and `age` stay as they are.
#[derive(Output)]
#[etl(keep_rest)]
pub struct Cleaned<'a> {
    name: Option<&'a str>,
    email: Cow<'a, str>,
    email_domain: Cow<'a, str>,
    amount: Option<Scaled<2>>,
    created_at: Timestamp,
    tags: Option<Json<&'a str>>,
    active: bool,
    note: Option<&'a str>,
}

/// Trims, folds, scales and parses.
#[etl_sdk::transform]
pub fn clean<'a>(row: Customer<'a>) -> Result<Cleaned<'a>, Reject> {
    let email = lower(row.email.trim());
    let domain = email.find('@').ok_or("email has no @")? + 1;
    let email_domain = match &email {
        Cow::Borrowed(email) => Cow::Borrowed(&email[domain..]),
        Cow::Owned(email) => Cow::Owned(email[domain..].to_string()),
    };
    Ok(Cleaned {
        name: row.name.map(str::trim),
        email,
        email_domain,
        amount: row.amount_cents.map(Scaled),
        created_at: timestamp(row.created_at).ok_or("created_at is not a time")?,
        tags: row.tags.map(Json),
        active: row.active == "Y",
        note: row.note.map(str::trim),
    })
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { text.to_ascii_lowercase().into() } else { text.into() }
}

/// `2013-01-31T23:59:59Z`, by hand: this module measures the path, not a date library.
fn timestamp(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    if bytes[4] != b'-' || bytes[7] != b'-' || bytes[10] != b'T' || bytes[13] != b':' || bytes[16] != b':' || bytes[19] != b'Z' {
        return None;
    }
    let pair = |at: usize| {
        let [tens, ones] = [bytes[at].wrapping_sub(b'0'), bytes[at + 1].wrapping_sub(b'0')];
        (tens <= 9 && ones <= 9).then_some(u32::from(tens) * 10 + u32::from(ones))
    };
    let (year, month, day) = (pair(0)? * 100 + pair(2)?, pair(5)?, pair(8)?);
    let (hour, minute, second) = (pair(11)?, pair(14)?, pair(17)?);
    // Days from civil, counted from the year -400, so that nothing is negative: years begin in March, so that the leap day is the
    // last one.
    let year = year + 400 - u32::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day;
    let days = i64::from(year * 365 + year / 4 - year / 100 + year / 400 + day_of_year) - (719_469 + 146_097);
    Some(Timestamp((days * 86_400 + i64::from(hour * 3600 + minute * 60 + second)) * 1_000_000))
}
