//! What the module `customers` must make of the generator's rows, computed a second time from the file's text:
//! another parser, another trim, another way to write a time and an amount. And how a table is compared with it.

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::{generate, harness};

/// The target. No key: a row that is loaded twice has to show as two. With its schema: the ledger's may be the
/// role's own, where unqualified tables go.
pub const TABLE: &str = "CREATE TABLE public.customers (id uuid, account bigint, age int, name text, email text, \
     email_domain text, amount numeric, created_at timestamptz, tags json, active boolean, note text)";

/// Columns of the target, in the order of [`Row`].
const COLUMNS: &str = "id, account, age, name, email, email_domain, amount, created_at, tags, active, note";

/// A row's cells as the server shows them; `None` is NULL.
pub type Row = Vec<Option<String>>;

/// The table of a recipe: from the file or glob through the module into `customers`.
pub fn recipe_table(from: &str) -> String {
    let module = harness::guest("rust", "customers");
    format!(
        "[[tables]]\nfrom = \"{from}\"\ninto = \"public.customers\"\n\
         types = {{ id = \"uuid\", account = \"int64\", age = \"int32\", amount_cents = \"int64\" }}\n\
         transforms = [{{ module = \"{}\" }}]\n",
        module.display()
    )
}

/// The generator's file with so many rows.
pub fn csv(rows: u64) -> Vec<u8> {
    let mut file = Vec::new();
    generate::file(rows, &mut file).expect("writing into memory");
    file
}

/// Some of the generator's rows, with the header.
pub fn csv_of(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let mut file = generate::HEADER.as_bytes().to_vec();
    numbers.for_each(|number| generate::row(number, &mut file).expect("writing into memory"));
    file
}

/// A file some of whose rows the module rejects, because their e-mail has no `@`, and some the server.
#[derive(Clone, Debug)]
pub struct WithRejects {
    /// The whole file.
    pub file: Vec<u8>,
    /// What the target must hold, sorted.
    pub loaded: Vec<Row>,
    /// Position, account, stage and code of the others, sorted.
    pub rejected: Vec<Row>,
    /// What has the server refuse its rows: to be run once the table is there.
    pub constraint: String,
}

/// The generator's file with so many rows, of which each `nth` is rejected by the module, and each `refused` by the
/// server. The two have no row in common where `refused` is a multiple of `nth`.
pub fn csv_with_rejects(rows: u64, nth: u64, refused: u64) -> WithRejects {
    const FIRST_ACCOUNT: u64 = 1_000_000_000;
    assert!(refused.is_multiple_of(nth) && nth > 2);
    let mut file = generate::HEADER.as_bytes().to_vec();
    let (mut good, mut rejected, mut line) = (file.clone(), Vec::new(), 2);
    for number in 0..rows {
        let mut row = Vec::new();
        generate::row(number, &mut row).expect("writing into memory");
        let by = match (number % nth == nth / 2, number % refused == 1) {
            (true, _) => {
                let at = row.iter().position(|byte| *byte == b'@').expect("an e-mail");
                row[at] = b'#';
                Some("transform/module")
            }
            (false, true) => Some("server/check_violation"),
            (false, false) => None,
        };
        if let Some(by) = by {
            // A position is the byte and the line that the row begins at.
            let account = (FIRST_ACCOUNT + number).to_string();
            rejected.push([format!("{}:{line}", file.len()), account, by.into()].map(Some).to_vec());
        } else {
            good.extend_from_slice(&row);
        }
        line += row.iter().filter(|byte| **byte == b'\n').count();
        file.extend_from_slice(&row);
    }
    rejected.sort();
    let constraint =
        format!("ALTER TABLE public.customers ADD CHECK ((account - {FIRST_ACCOUNT}) % {refused} <> 1)");
    WithRejects { file, loaded: expected(&good), rejected, constraint }
}

impl WithRejects {
    /// The generator's file, without any.
    pub fn none(rows: u64) -> WithRejects {
        let file = csv(rows);
        WithRejects { loaded: expected(&file), file, rejected: Vec::new(), constraint: String::new() }
    }

    /// The exit code of a run that loaded it.
    pub fn code(&self) -> i32 {
        if self.rejected.is_empty() { 0 } else { 8 }
    }

    /// How many rows the file has.
    pub fn rows(&self) -> usize {
        self.loaded.len() + self.rejected.len()
    }

    /// Compares the table with it.
    pub async fn is_in(&self, client: &Client) {
        assert_same(&self.loaded, &loaded(client).await);
    }

    /// Compares the table and the rejects of the only load with it, those also with the splits that they are of.
    pub async fn is_loaded_by(&self, client: &Client) {
        self.is_in(client).await;
        let rejects = "SELECT position, original->>'account', concat(stage, '/', code) FROM etl.reject";
        assert_same(&self.rejected, &rows_of(client, rejects).await);
        let elsewhere = client.query_one(REJECTS_ELSEWHERE, &[]).await.expect("the ledger can be read");
        assert_eq!(elsewhere.get::<_, i64>(0), 0, "rejects that are not of their split");
    }
}

/// Splits of files that do not have as many rejects as the ledger says, by all parts of their key, and rejects outside
/// of their split.
pub const REJECTS_ELSEWHERE: &str = "
    WITH kept AS (SELECT name, target, source, start, count(*) AS rejects,
            min(split_part(position, ':', 1)::bigint) AS first, max(split_part(position, ':', 1)::bigint) AS last
        FROM etl.reject GROUP BY name, target, source, start)
    SELECT count(*) FROM etl.ledger FULL JOIN kept USING (name, target, source, start)
    WHERE coalesce(rejects, 0) IS DISTINCT FROM rejected
        OR first < split_part(start, ':', 1)::bigint OR last >= split_part(bound, ':', 1)::bigint";

/// What the target must hold of a file, sorted.
pub fn expected(csv: &[u8]) -> Vec<Row> {
    let mut rows: Vec<Row> = records(csv).into_iter().skip(1).map(clean).collect();
    rows.sort();
    rows
}

fn clean(record: Row) -> Row {
    let [id, account, name, email, age, cents, created_at, tags, active, note] =
        <[Option<String>; 10]>::try_from(record).expect("ten cells");
    let trimmed = |text: Option<String>| text.map(|text| text.trim_matches(' ').to_string());
    let email: String = email.expect("an e-mail").chars().map(|c| c.to_ascii_lowercase()).collect();
    let domain = email.rsplit('@').next().map(String::from);
    let cents = cents.map(|cents| cents.parse::<i64>().expect("cents"));
    let amount = cents.map(|cents| {
        let sign = if cents < 0 { "-" } else { "" };
        format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
    });
    let created_at = created_at.map(|time| time.replace('T', " ").replace('Z', "+00"));
    let active = active.map(|flag| if flag == "Y" { "t".into() } else { "f".into() });
    vec![
        id,
        account,
        age,
        trimmed(name),
        Some(email),
        domain,
        amount,
        created_at,
        tags,
        active,
        trimmed(note),
    ]
}

/// The records of a file whose quotes only stand around whole cells. An unquoted empty cell is NULL.
pub fn records(text: &[u8]) -> Vec<Row> {
    let mut rows = Vec::new();
    let (mut row, mut cell, mut quoted, mut inside) = (Row::new(), Vec::new(), false, false);
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, inside) {
            (b'"', true) if bytes.next_if_eq(&b'"').is_some() => cell.push(b'"'),
            (b'"', _) => (inside, quoted) = (!inside, true),
            (b',' | b'\n', false) => {
                let value = String::from_utf8(std::mem::take(&mut cell)).expect("UTF-8");
                row.push((quoted || !value.is_empty()).then_some(value));
                quoted = false;
                if byte == b'\n' {
                    rows.push(std::mem::take(&mut row));
                }
            }
            (byte, _) => cell.push(byte),
        }
    }
    assert!(cell.is_empty() && row.is_empty() && !inside, "the file ends with a line end");
    rows
}

/// What the target holds, sorted.
pub async fn loaded(client: &Client) -> Vec<Row> {
    client.batch_execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'").await.expect("settings");
    rows_of(client, &format!("SELECT {COLUMNS} FROM customers")).await
}

/// What a query answers with, as text, sorted.
pub async fn rows_of(client: &Client, query: &str) -> Vec<Row> {
    let answer = client.simple_query(query).await.unwrap_or_else(|e| panic!("{query}: {e:?}"));
    let rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(String::from)).collect())
        }
        _ => None,
    });
    let mut rows: Vec<Row> = rows.collect();
    rows.sort();
    rows
}

/// Compares two sorted lists of rows by content, and shows where they part.
#[track_caller]
pub fn assert_same(expected: &[Row], loaded: &[Row]) {
    if expected == loaded {
        return;
    }
    let at = expected.iter().zip(loaded).take_while(|(a, b)| a == b).count();
    panic!(
        "{} rows instead of {}; the first difference, at {at}:\n  expected {:?}\n  loaded   {:?}",
        loaded.len(),
        expected.len(),
        expected.get(at),
        loaded.get(at)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_rows_have_everything_that_real_files_have() {
        let rows = expected(&csv(2000));
        assert_eq!(rows.len(), 2000);
        let note = |wanted: &dyn Fn(Option<&str>) -> bool| {
            rows.iter().filter(|row| wanted(row[10].as_deref())).count()
        };
        assert!(note(&|note| note.is_none()) > 100 && note(&|note| note == Some("")) > 100);
        assert!(note(&|note| note.is_some_and(|n| n.contains('\n'))) > 100);
        assert!(note(&|note| note.is_some_and(|n| n.contains('"') && n.contains(','))) > 100);
        assert!(rows.iter().any(|row| row[6].is_none()));
        assert!(rows.iter().any(|row| row[6].as_deref().is_some_and(|amount| amount.starts_with('-'))));
        assert!(rows.iter().any(|row| row[3].as_deref().is_some_and(|name| !name.is_ascii())));
    }
}
