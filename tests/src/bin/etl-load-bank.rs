//! `etl-load-bank HOST:PORT`: the keyspace `bank` of `examples/cassandra-to-yugabyte`, unless it is there; on disk and
//! estimated by the node when it ends.

use std::io::{self, Write};
use std::process::ExitCode;

use etl_tests::bank;
use etl_tests::cassandra::{self, Access, ONE_COPY};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(host), None) = (arguments.next(), arguments.next()) else {
        writeln!(io::stderr(), "usage: etl-load-bank HOST:PORT")?;
        return Ok(ExitCode::from(2));
    };
    let session = Access { hosts: vec![host], ..Access::default() }.session().await;
    let make = format!("CREATE KEYSPACE IF NOT EXISTS bank WITH replication = {ONE_COPY}");
    cassandra::run(&session, &make).await;
    session.use_keyspace("bank", false).await?;
    let wrote = bank::write(&session).await;
    let rows = bank::ROWS;
    match wrote {
        true => writeln!(io::stderr(), "wrote {rows} rows into bank.transactions")?,
        false => writeln!(io::stderr(), "bank.transactions has its {rows} rows: nothing to write")?,
    }
    cassandra::estimated(&session, "bank", "transactions").await;
    Ok(ExitCode::SUCCESS)
}
