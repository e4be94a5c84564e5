//! The postings of `examples/cassandra-to-yugabyte`: 20,000 rows, always the same, and a few of each kind that cannot
//! be loaded. Written into Cassandra with the example's own schema.

use scylla::client::session::Session;
use serde_json::{Value, json};

use crate::cassandra;
use crate::random::Random;

/// Rows of the table.
pub const ROWS: u64 = 20_000;

/// Partitions that have a static column and no row: an account's month that is opened and has no posting.
pub const EMPTY_MONTHS: u64 = 12;

/// The definitions of type and table.
pub const SCHEMA: &str = include_str!("../../examples/cassandra-to-yugabyte/schema.cql");

const ACCOUNTS: u64 = 200;

/// Months, and the second that each begins with.
const MONTHS: [(i32, i64); 5] = [
    (202_401, 1_704_067_200),
    (202_402, 1_706_745_600),
    (202_403, 1_709_251_200),
    (202_404, 1_711_929_600),
    (202_405, 1_714_521_600),
];

/// The month that the partitions without rows are of.
const EMPTY_MONTH: i32 = 202_406;

/// The account that somebody mistyped: two of its digits are swapped.
const MISTYPED: u64 = 137;

const NAMES: [&str; 10] = [
    "Ada Lovelace",
    "Jörg Müller",
    "O'Brien & Sons",
    "Zoë \"Zo\" de Vries",
    "İpek Yılmaz",
    "Løvås AS",
    "株式会社東京",
    "Stadtwerke Lübeck",
    "Bäckerei Groß, Inh. K. Groß",
    "Smith, John",
];

const NOTES: [&str; 6] =
    ["rent, second floor", "invoice 4711", "thank you!", "line one\nline two", "50 % deposit", "tab\there"];

/// What INSERT … JSON takes for row `number` (from 0).
pub fn row(number: u64) -> Value {
    let mut random = Random::new(number.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0xBA2C);
    let partitions = ACCOUNTS * MONTHS.len() as u64;
    let account = number % ACCOUNTS;
    let (month, begins) = MONTHS[(number % partitions / ACCOUNTS) as usize];
    let posted = (begins + random.below(28 * 86_400) as i64) * 1000;
    let currency = random.pick(&["EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "CHF", "USD", "JPY"]);
    let cents = random.below(500_000) as i64 - 200_000;
    let code = random.pick(&["005", "020", "051", "053", "083", "805"]);
    let mut row = json!({
        "account": iban(account),
        "month": month,
        "posted": posted,
        "sequence": number / partitions,
        "holder": NAMES[(account % 10) as usize],
        "amount": amount(cents, currency),
        "currency": currency,
        "code": code,
        "reference": random.pick(&NOTES),
        "valued": posted - posted.rem_euclid(86_400_000) + 86_400_000,
    });
    // At the counter and for fees there is no other party.
    if !["083", "805"].contains(&code) {
        row["other"] = party(&mut random);
    }
    if random.below(2) == 0 {
        let details = json!({"channel": random.pick(&["app", "web", "branch"]), "batch": format!("b{}", random.below(99))});
        row["details"] = details;
    }
    if random.below(3) == 0 {
        row["tags"] = json!([random.pick(&["checked", "disputed"]), random.pick(&["import", "a,b"])]);
    }
    spoil(number, posted, &mut row);
    row
}

/// What nobody cleaned up: in few rows something is wrong.
fn spoil(number: u64, posted: i64, row: &mut Value) {
    if number % 3331 == 7 {
        row["reference"] = "cut\0short".into();
    }
    if number % 5003 == 11 {
        // A program that wrote nanoseconds where milliseconds belong: some 50 million years ahead.
        row["valued"] = (posted * 1_000_000).into();
    }
    if number % 1999 == 17 {
        row["amount"] = format!("{}.005", number % 100).into();
        row["currency"] = "EUR".into();
    }
    if number % 1009 == 23 {
        row["code"] = "999".into();
    }
}

fn party(random: &mut Random) -> Value {
    let mut party = json!({"name": random.pick(&NAMES), "iban": iban(1000 + random.below(5000))});
    if random.below(4) > 0 {
        party["country"] = random.pick(&["DE", "AT", "FR"]).into();
    }
    party
}

/// An amount as its currency is written: yen have no hundredths.
fn amount(cents: i64, currency: &str) -> String {
    let (sign, cents) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
    match currency {
        "JPY" => format!("{sign}{cents}"),
        _ => format!("{sign}{}.{:02}", cents / 100, cents % 100),
    }
}

/// The number of an account at one of four banks, with its check digits (ISO 7064: the whole leaves 1 modulo 97).
fn iban(account: u64) -> String {
    let bank = [10_010_010, 21_050_170, 50_010_517, 70_150_000][(account % 4) as usize];
    let number = 1_000_000 + account * 7919;
    let digits = format!("{bank:08}{number:010}131400");
    let rest = digits.bytes().fold(0, |rest, digit| (rest * 10 + u64::from(digit - b'0')) % 97);
    let check = 98 - rest;
    // Of the mistyped one, 2084903, the last two digits are swapped.
    let number = if account == MISTYPED { number + 27 } else { number };
    format!("DE{check:02}{bank:08}{number:010}")
}

/// Makes type and table in the session's keyspace where they are missing, and writes all rows unless they are there.
/// True if it wrote.
pub async fn write(session: &Session) -> bool {
    for statement in statements() {
        cassandra::run(session, &statement).await;
    }
    // A partition that has only static columns counts as a row.
    if cassandra::number(session, "SELECT count(*) FROM transactions").await == (ROWS + EMPTY_MONTHS) as i64 {
        return false;
    }
    let insert = "INSERT INTO transactions JSON ? DEFAULT UNSET";
    let rows = (0..ROWS).map(|number| (row(number).to_string(),));
    cassandra::insert(session, insert, rows).await.unwrap_or_else(|e| panic!("{insert}: {e}"));
    let insert = "INSERT INTO transactions (account, month, holder) VALUES (?, ?, ?)";
    let months =
        (0..EMPTY_MONTHS).map(|account| (iban(account), EMPTY_MONTH, NAMES[(account % 10) as usize]));
    cassandra::insert(session, insert, months).await.unwrap_or_else(|e| panic!("{insert}: {e}"));
    true
}

/// The schema's statements, without comments.
fn statements() -> Vec<String> {
    let lines = SCHEMA.lines().filter(|line| !line.starts_with("--"));
    let text = lines.collect::<Vec<&str>>().join("\n");
    text.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_always_the_same_and_each_has_its_own_key() {
        assert_eq!(row(4711), row(4711));
        let key = |number| {
            let row = row(number);
            [&row["account"], &row["month"], &row["posted"], &row["sequence"]].map(Value::to_string)
        };
        let keys: std::collections::HashSet<_> = (0..ROWS).map(key).collect();
        assert_eq!(keys.len() as u64, ROWS);
    }

    #[test]
    fn account_numbers_have_check_digits_but_for_one() {
        let whole = |iban: &str| {
            let moved = format!("{}1314{}", &iban[4..], &iban[2..4]);
            moved.bytes().fold(0, |rest, digit| (rest * 10 + u64::from(digit - b'0')) % 97)
        };
        let wrong: Vec<u64> = (0..6000).filter(|account| whole(&iban(*account)) != 1).collect();
        assert_eq!(wrong, [MISTYPED]);
    }

    #[test]
    fn the_schema_is_two_statements() {
        assert_eq!(statements().len(), 2);
    }
}
