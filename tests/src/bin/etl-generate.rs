//! `etl-generate ROWS > customers.csv`: the benchmarks' input, always the same for the same number of rows.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

fn main() -> io::Result<ExitCode> {
    let Some(rows) = std::env::args().nth(1).and_then(|rows| rows.parse().ok()) else {
        writeln!(io::stderr(), "usage: etl-generate ROWS > FILE")?;
        return Ok(ExitCode::from(2));
    };
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    etl_tests::generate::file(rows, &mut out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
