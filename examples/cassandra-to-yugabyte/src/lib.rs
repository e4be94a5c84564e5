//! A bank's postings: the account number is checked and split, three-digit codes get names, and the other party, one
//! JSON document for us, becomes columns.

use etl_sdk::{Input, Json, Numeric, Output, Reject};

/// What we read. The rest of the key, holder, reference, details and tags stay as they are, and we do not see them.
#[derive(Input)]
struct Posting<'a> {
    account: &'a str, // an IBAN
    amount: Numeric<&'a str>,
    currency: &'a str,
    #[etl(drop)]
    code: &'a str,
    #[etl(drop)]
    other: Option<Json<&'a str>>, // nobody, where the bank itself books
}

/// What we make, besides the columns that stay.
#[derive(Debug, PartialEq, Output)]
#[etl(keep_rest)]
struct Booked<'a> {
    bank: &'a str,
    number: &'a str,
    kind: &'static str,
    other_name: Option<String>,
    other_account: Option<String>,
    other_country: Option<String>,
}

/// The user-defined type `party`. Each of its fields may be null, and the last ones may be missing in old rows.
#[derive(Default, serde::Deserialize)]
struct Party {
    name: Option<String>,
    iban: Option<String>,
    country: Option<String>,
}

#[etl_sdk::transform]
fn book<'a>(posting: Posting<'a>) -> Result<Booked<'a>, Reject> {
    let (bank, number) = split(posting.account)?;
    if decimals(posting.amount.0) > smallest_unit(posting.currency)? {
        return Err("amount is finer than the currency's smallest unit".into());
    }
    let other = match posting.other {
        Some(Json(text)) => {
            serde_json::from_str(text).map_err(|_| "the other party is not as its type says")?
        }
        None => Party::default(),
    };
    Ok(Booked {
        bank,
        number,
        kind: kind(posting.code)?,
        other_name: other.name,
        other_account: other.iban,
        other_country: other.country,
    })
}

/// `DE68210501700012345678` is account 0012345678 of bank 21050170.
fn split(iban: &str) -> Result<(&str, &str), Reject> {
    let digits = iban.strip_prefix("DE").filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let digits = digits.filter(|digits| digits.len() == 20).ok_or("account is not a German IBAN")?;
    // ISO 7064: country and check digits go to the end, letters count from A = 10, and 97 leaves 1.
    let moved = digits[2..].bytes().chain(*b"1314").chain(digits[..2].bytes());
    match moved.fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97) {
        1 => Ok((&digits[2..10], &digits[10..])),
        _ => Err("account has wrong check digits".into()),
    }
}

/// Digits behind the point that say something.
fn decimals(amount: &str) -> usize {
    amount.split_once('.').map_or(0, |(_, behind)| behind.trim_end_matches('0').len())
}

/// Digits behind the point that a currency has.
fn smallest_unit(currency: &str) -> Result<usize, Reject> {
    match currency {
        "EUR" | "CHF" | "USD" => Ok(2),
        "JPY" => Ok(0),
        _ => Err("unknown currency".into()),
    }
}

/// What a code stands for.
fn kind(code: &str) -> Result<&'static str, Reject> {
    match code {
        "005" => Ok("direct debit"),
        "020" => Ok("transfer out"),
        "051" => Ok("transfer in"),
        "053" => Ok("salary"),
        "083" => Ok("cash"),
        "805" => Ok("fee"),
        _ => Err("unknown code".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posting(account: &'static str, amount: &'static str, currency: &'static str) -> Posting<'static> {
        let other = Some(Json(r#"{"name": "Jörg \"JJ\" Maß", "iban": null}"#));
        Posting { account, amount: Numeric(amount), currency, code: "051", other }
    }

    #[test]
    fn a_posting_is_split_and_named() {
        let booked = book(posting("DE68210501700012345678", "-12.50", "EUR")).unwrap();
        let expected = Booked {
            bank: "21050170",
            number: "0012345678",
            kind: "transfer in",
            other_name: Some("Jörg \"JJ\" Maß".into()),
            other_account: None,
            other_country: None,
        };
        assert_eq!(booked, expected);
    }

    #[test]
    fn what_cannot_be_right_is_rejected() {
        const IBAN: &str = "DE68210501700012345678";
        let rejected = |account, amount, currency| book(posting(account, amount, currency)).err();
        let reason = |reason: &'static str| Some(Reject::new(reason));
        assert_eq!(rejected("DE86210501700012345678", "1", "EUR"), reason("account has wrong check digits"));
        assert_eq!(
            rejected("FR7630006000011234567890189", "1", "EUR"),
            reason("account is not a German IBAN")
        );
        assert_eq!(
            rejected(IBAN, "1.005", "EUR"),
            reason("amount is finer than the currency's smallest unit")
        );
        assert_eq!(rejected(IBAN, "1.500", "EUR"), None);
        assert_eq!(rejected(IBAN, "1E+2", "JPY"), None);
        assert_eq!(rejected(IBAN, "1", "XYZ"), reason("unknown currency"));
        let unknown = Posting { code: "999", ..posting(IBAN, "1", "EUR") };
        assert_eq!(book(unknown).err(), reason("unknown code"));
    }
}
