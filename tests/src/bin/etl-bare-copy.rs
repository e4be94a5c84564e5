//! `etl-bare-copy URL TABLE FILE...`: sends each file over a connection of its own into `COPY TABLE FROM STDIN
//! (FORMAT csv)`, all at once, as large messages: the most that a client can get out of a server. What `etl` is
//! compared with.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::NoTls;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bytes in one message.
const MESSAGE_BYTES: usize = 256 * 1024;

async fn send(url: String, table: String, path: String) -> Result<u64, Failure> {
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    let sink = client.copy_in::<_, Bytes>(&format!("COPY {table} FROM STDIN (FORMAT csv)")).await?;
    let mut sink = std::pin::pin!(sink);
    let mut file = File::open(path)?;
    loop {
        let mut message = Vec::with_capacity(MESSAGE_BYTES);
        (&mut file).take(MESSAGE_BYTES as u64).read_to_end(&mut message)?;
        if message.is_empty() {
            return Ok(sink.as_mut().finish().await?);
        }
        sink.send(message.into()).await?;
    }
}

fn main() -> Result<ExitCode, Failure> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(table)) = (args.next(), args.next()) else {
        writeln!(io::stderr(), "usage: etl-bare-copy URL TABLE FILE...")?;
        return Ok(ExitCode::from(2));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let rows = runtime.block_on(async {
        let sent: Vec<_> = args.map(|file| tokio::spawn(send(url.clone(), table.clone(), file))).collect();
        let mut rows = 0;
        for sent in sent {
            rows += sent.await??;
        }
        Ok::<u64, Failure>(rows)
    })?;
    writeln!(io::stdout(), "{rows}")?;
    Ok(ExitCode::SUCCESS)
}
