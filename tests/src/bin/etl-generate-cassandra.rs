//! `etl-generate-cassandra HOST:PORT KEYSPACE even|skewed [ROWS]`: the benchmarks' table, always the same; on disk
//! and estimated by the node when it ends. The keyspace is made if it is missing.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use etl_tests::cassandra::{self, Access, ONE_COPY};
use etl_tests::transactions::{self, ROWS, Shape};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || {
        writeln!(io::stderr(), "usage: etl-generate-cassandra HOST:PORT KEYSPACE even|skewed [ROWS]")?;
        Ok(ExitCode::from(2))
    };
    let (host, keyspace, shape, rows) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [host, keyspace, shape] => (host, keyspace, shape, ROWS),
        [host, keyspace, shape, rows] => (host, keyspace, shape, rows.parse()?),
        _ => return usage(),
    };
    let shape = match shape {
        "even" => Shape::Even,
        "skewed" => Shape::Skewed,
        _ => return usage(),
    };
    let session = Access { hosts: vec![host.into()], ..Access::default() }.session().await;
    let make = format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {ONE_COPY}");
    cassandra::run(&session, &make).await;
    session.use_keyspace(keyspace, false).await?;
    let began = Instant::now();
    transactions::write(&session, shape, rows).await?;
    let (table, written) = (shape.table(), began.elapsed());
    writeln!(io::stderr(), "{rows} rows in {keyspace}.{table} after {:.1} s", written.as_secs_f64())?;
    cassandra::estimated(&session, keyspace, table).await;
    Ok(ExitCode::SUCCESS)
}
