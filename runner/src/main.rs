//! The `etl` command.

use std::time::Instant;

fn main() -> std::process::ExitCode {
    etl::door::main(Instant::now()).into()
}
