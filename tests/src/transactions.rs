//! The benchmarks' table in Cassandra: twelve columns, about 150 bytes a row, deterministic. `even` has one row a
//! partition; in `skewed` a third of the rows lies in one partition, the others in one each.

use scylla::client::session::Session;
use scylla::errors::ExecutionError;
use scylla::value::CqlTimestamp;

use crate::cassandra::{self, Raw};
use crate::random::Random;

/// Rows of the benchmark's tables.
pub const ROWS: u64 = 1_500_000;

/// How many of [`ROWS`] lie in the one large partition of `skewed`.
pub const LARGE: u64 = 500_000;

/// The account whose partition is large.
const LARGE_ACCOUNT: i32 = 7;

const COLUMNS: &str = "id bigint, account int, branch int, code int, rate double, score float, name text, \
                       note text, posted timestamp, reference uuid, settled boolean, amount decimal";

const WORDS: [&str; 12] = [
    "transfer", "salary", "rent", "café", "refund", "interest", "fee", "cash", "grocer's", "Straße", "tax",
    "savings",
];

/// How the rows are spread over partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each row is a partition.
    Even,
    /// One in three is in the same partition.
    Skewed,
}

impl Shape {
    /// The table's name.
    pub fn table(self) -> &'static str {
        match self {
            Shape::Even => "even",
            Shape::Skewed => "skewed",
        }
    }

    /// Its definition.
    pub fn definition(self) -> String {
        let key = match self {
            Shape::Even => "id",
            Shape::Skewed => "account, id",
        };
        format!("CREATE TABLE {} ({COLUMNS}, PRIMARY KEY ({key}))", self.table())
    }
}

/// The cells of a row, in the table's order.
pub type Row = (i64, i32, i32, i32, f64, f32, &'static str, Option<String>, CqlTimestamp, Raw, bool, Raw);

/// Row `number` (from 0): the same for the same number and shape.
pub fn row(number: u64, shape: Shape) -> Row {
    let mut random = Random::new(number.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0xCA55);
    let reference = [random.number().to_be_bytes(), random.number().to_be_bytes()].concat();
    // Small accounts are above the large one, each its own.
    let own = i32::try_from(number + 1000).expect("fewer than two thousand million rows");
    let large = shape == Shape::Skewed && number.is_multiple_of(ROWS / LARGE);
    let words: Vec<&str> = (0..2 + random.below(5)).map(|_| random.pick(&WORDS)).collect();
    let cents = random.below(2_000_000) as i32 - 500_000;
    (
        number as i64,
        if large { LARGE_ACCOUNT } else { own },
        random.below(500) as i32,
        random.below(9000) as i32 + 1000,
        random.below(1_000_000) as f64 / 1024.0,
        random.below(10_000) as f32 / 64.0,
        WORDS[random.below(WORDS.len() as u64) as usize],
        (random.below(16) > 0).then(|| words.join(" ")),
        CqlTimestamp(1_600_000_000_000 + random.below(150_000_000_000) as i64),
        Raw::of(reference),
        random.below(3) > 0,
        Raw::of([2_i32.to_be_bytes(), cents.to_be_bytes()].concat()),
    )
}

/// Makes the table in the session's keyspace, in place of an old one, and writes rows `0..rows`.
pub async fn write(session: &Session, shape: Shape, rows: u64) -> Result<(), ExecutionError> {
    let table = shape.table();
    cassandra::run(session, &format!("DROP TABLE IF EXISTS {table}")).await;
    cassandra::run(session, &shape.definition()).await;
    let names = COLUMNS.split(", ").filter_map(|column| column.split(' ').next());
    let names = names.collect::<Vec<&str>>().join(", ");
    let insert = format!("INSERT INTO {table} ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    cassandra::insert(session, &insert, (0..rows).map(|number| row(number, shape))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_always_the_same_and_a_third_of_the_skewed_ones_share_a_partition() {
        for number in [0, 1, 2, 299_999, ROWS - 1] {
            assert_eq!(row(number, Shape::Even), row(number, Shape::Even));
        }
        let shared = (0..3000).filter(|number| row(*number, Shape::Skewed).1 == LARGE_ACCOUNT).count();
        assert_eq!(shared, 1000);
        assert!((0..3000).all(|number| row(number, Shape::Even).1 != LARGE_ACCOUNT));
        assert!((0..3000).any(|number| row(number, Shape::Even).7.is_none()));
    }
}
