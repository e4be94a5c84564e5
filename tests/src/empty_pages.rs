//! A proxy in front of a Cassandra node that makes trouble with the pages of tables: empty ones with more behind them, as
//! ScyllaDB has where a page held nothing but tombstones or rows that a condition left out, and Cassandra 5 never did
//! here; ones that fail, or for which a node has no time; statements that are never prepared, while the connection lives on.
//!
//! Source: the CQL binary protocol v4, 2 (frames), 4.1.5 PREPARE, 4.1.6 EXECUTE, 4.2.1 ERROR, 4.2.5.2 Rows. Without compression and TLS.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What is wrong with the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Each request for a further page is answered with an empty one first. The same request again gets the real page.
    Empty,
    /// The first page of each statement of a table is empty, and the one behind it fails.
    EmptyThenFailing,
    /// There is no time for a range of more than [`MOST_TOKENS`].
    Late,
    /// Whoever prepares a statement of a table hears nothing.
    Unprepared,
}

/// A proxy on a free port of 127.0.0.1.
#[derive(Debug)]
pub struct EmptyPages {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    made: AtomicU64,
    /// Paging states that were answered with an empty page.
    seen: Mutex<HashSet<Vec<u8>>>,
}

/// Requests of a connection that are answered otherwise, by the stream's number.
type Asked = Arc<Mutex<HashMap<[u8; 2], Instead>>>;

/// An answer that is not the node's.
enum Instead {
    /// An empty page with this behind it, if it is the first request for it.
    EmptyOnce(Vec<u8>),
    /// An empty page with more behind it.
    Empty,
    /// The node is busy.
    Busy,
    /// The replicas did not answer in time.
    Late,
}

/// Of a range for which there is time.
pub const MOST_TOKENS: u64 = 1 << 60;

/// The paging state of what is behind an empty page of ours.
const BEHIND: &[u8] = b"behind an empty page";

/// A statement of a table is asked for at most so many rows at first; the driver's own questions are for more.
const FIRST_ROWS: i32 = 100;

impl EmptyPages {
    /// Starts a proxy to a node.
    pub async fn start(server: SocketAddr, trouble: Trouble) -> EmptyPages {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(server).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                let asked = Asked::default();
                tokio::spawn(requests(from_client, to_server, Arc::clone(&asked), trouble));
                tokio::spawn(answers(from_server, to_client, asked, Arc::clone(&ours)));
            }
        });
        EmptyPages { port, shared }
    }

    /// How often it made trouble.
    pub fn made(&self) -> u64 {
        self.shared.made.load(Ordering::SeqCst)
    }
}

const ERROR: u8 = 0x00;
const PREPARE: u8 = 0x09;
const EXECUTE: u8 = 0x0a;
const RESULT: u8 = 0x08;
const OVERLOADED: i32 = 0x1001;
const READ_TIMEOUT: i32 = 0x1200;

/// A header of nine bytes (version, flags, stream, opcode, length) and a body.
async fn frame(from: &mut OwnedReadHalf) -> Option<([u8; 9], Vec<u8>)> {
    let mut header = [0; 9];
    from.read_exact(&mut header).await.ok()?;
    let [.., a, b, c, d] = header;
    let mut body = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
    from.read_exact(&mut body).await.ok()?;
    Some((header, body))
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asked: Asked, trouble: Trouble) {
    while let Some((header, body)) = frame(&mut from).await {
        let is_of_a_table = header[4] == PREPARE && String::from_utf8_lossy(&body).contains("token(");
        if trouble == Trouble::Unprepared && is_of_a_table {
            continue;
        }
        if header[4] == EXECUTE
            && let Some(instead) = instead(trouble, &body)
        {
            asked.lock().expect("a lock").insert([header[2], header[3]], instead);
        }
        if to.write_all(&[&header[..], &body].concat()).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asked: Asked, shared: Arc<Shared>) {
    while let Some((mut header, mut body)) = frame(&mut from).await {
        let instead = asked.lock().expect("a lock").remove(&[header[2], header[3]]);
        let is_rows = header[1] == 0 && header[4] == RESULT && body.starts_with(&[0, 0, 0, 2]);
        let made = match instead {
            Some(Instead::EmptyOnce(state)) if is_rows => {
                let is_first = shared.seen.lock().expect("a lock").insert(state.clone());
                is_first.then(|| emptied(&body, &state))
            }
            Some(Instead::Empty) if is_rows => Some(emptied(&body, BEHIND)),
            Some(Instead::Busy) => {
                (header[1], header[4]) = (0, ERROR);
                Some([&OVERLOADED.to_be_bytes()[..], &[0, 4], b"busy"].concat())
            }
            Some(Instead::Late) => {
                (header[1], header[4]) = (0, ERROR);
                Some(
                    [
                        &READ_TIMEOUT.to_be_bytes()[..],
                        &[0, 4],
                        b"late",
                        &[0, 1],
                        &[0; 4],
                        &[0, 0, 0, 1],
                        &[0],
                    ]
                    .concat(),
                )
            }
            _ => None,
        };
        if let Some(made) = made {
            body = made;
            header[5..].copy_from_slice(&(body.len() as u32).to_be_bytes());
            shared.made.fetch_add(1, Ordering::SeqCst);
        }
        if to.write_all(&[&header[..], &body].concat()).await.is_err() {
            return;
        }
    }
}

/// What is answered instead to an `EXECUTE`.
fn instead(trouble: Trouble, body: &[u8]) -> Option<Instead> {
    let execute = Execute::of(body);
    match (trouble, execute.state) {
        (Trouble::Empty, state) => state.map(Instead::EmptyOnce),
        (Trouble::EmptyThenFailing, Some(state)) => (state == BEHIND).then_some(Instead::Busy),
        (Trouble::EmptyThenFailing, None) => {
            execute.rows.filter(|rows| *rows <= FIRST_ROWS).map(|_| Instead::Empty)
        }
        (Trouble::Late, _) => {
            let tokens: Vec<i64> = execute.values.iter().filter_map(|value| bigint(value)).collect();
            let [start, end] = tokens[..] else { return None };
            (end.abs_diff(start) > MOST_TOKENS).then_some(Instead::Late)
        }
        (Trouble::Unprepared, _) => None,
    }
}

fn bigint(value: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(value.try_into().ok()?))
}

/// What an `EXECUTE` asks for.
struct Execute<'a> {
    values: Vec<&'a [u8]>,
    /// How many rows.
    rows: Option<i32>,
    /// What it goes on from.
    state: Option<Vec<u8>>,
}

impl Execute<'_> {
    fn of(body: &[u8]) -> Execute<'_> {
        let mut rest = Rest(body);
        rest.string();
        rest.take(2);
        let flags = rest.take(1)[0];
        let values = if flags & 0x01 == 0 { 0 } else { rest.short() };
        let values = (0..values).map(|_| rest.bytes()).collect();
        let rows = (flags & 0x04 != 0).then(|| rest.int());
        Execute { values, rows, state: (flags & 0x08 != 0).then(|| rest.bytes().to_vec()) }
    }
}

/// The same result without its rows, with more behind `state`.
fn emptied(body: &[u8], state: &[u8]) -> Vec<u8> {
    const GLOBAL: i32 = 1;
    const MORE: i32 = 2;
    const NO_METADATA: i32 = 4;
    let mut rest = Rest(body);
    rest.take(4);
    let (flags, columns) = (rest.int(), rest.int());
    if flags & MORE != 0 {
        rest.bytes();
    }
    let specs = rest.0;
    if flags & NO_METADATA == 0 {
        for _ in 0..2 * (flags & GLOBAL) {
            rest.string();
        }
        for _ in 0..columns {
            for _ in 0..if flags & GLOBAL == 0 { 3 } else { 1 } {
                rest.string();
            }
            assert!((1..0x20).contains(&rest.short()), "columns are of types without parts");
        }
    }
    let specs = &specs[..specs.len() - rest.0.len()];
    let length = i32::try_from(state.len()).expect("a short state");
    let head = [2, flags | MORE, columns, length].map(i32::to_be_bytes).concat();
    [&head, state, specs, &[0; 4]].concat()
}

/// What is left of a message.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().expect("two bytes"))
    }

    fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    /// With a length of two bytes.
    fn string(&mut self) -> &'a [u8] {
        let length = self.short();
        self.take(length.into())
    }

    /// With a length of four; a negative one is NULL.
    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::try_from(self.int()).unwrap_or(0);
        self.take(length)
    }
}
