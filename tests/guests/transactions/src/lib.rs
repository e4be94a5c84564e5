//! The module of the benchmark from Cassandra: reads three of the twelve columns and makes two, so that fourteen go on.

use etl_sdk::{Input, Output, Reject, Timestamp};

/// What it reads; all of it stays.
#[derive(Input)]
pub struct Transaction<'a> {
    account: i32,
    name: &'a str,
    posted: Timestamp,
}

/// What it makes.
#[derive(Output)]
#[etl(keep_rest)]
pub struct Classified {
    account_day: i64,
    kind: &'static str,
}

const DAY_MICROS: i64 = 86_400_000_000;

/// A number for the account and its day, and what the name stands for.
#[etl_sdk::transform]
pub fn classify(row: Transaction<'_>) -> Result<Classified, Reject> {
    let kind = match row.name {
        "salary" | "refund" | "interest" => "in",
        "rent" | "fee" | "tax" | "cash" => "out",
        "" => return Err("name is empty".into()),
        _ => "other",
    };
    let day = row.posted.0.div_euclid(DAY_MICROS);
    Ok(Classified { account_day: i64::from(row.account) * 100_000 + day, kind })
}
