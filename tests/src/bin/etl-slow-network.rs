//! `etl-slow-network ADDRESS ONE_WAY_MS`: makes a near server a far one until it is killed. Prints its port.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use etl_tests::proxy::Proxy;

fn main() -> io::Result<ExitCode> {
    let mut args = std::env::args().skip(1);
    let address = args.next().and_then(|address| address.parse().ok());
    let one_way_ms = args.next().and_then(|ms| ms.parse().ok());
    let (Some(address), Some(one_way_ms)) = (address, one_way_ms) else {
        writeln!(io::stderr(), "usage: etl-slow-network ADDRESS ONE_WAY_MS")?;
        return Ok(ExitCode::from(2));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let proxy = runtime.block_on(Proxy::start(address, Duration::from_millis(one_way_ms)));
    writeln!(io::stdout(), "{}", proxy.port)?;
    loop {
        std::thread::park();
    }
}
