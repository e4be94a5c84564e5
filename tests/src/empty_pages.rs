//! A proxy in front of a Cassandra node that answers each request for a further page with an empty one first, behind
//! which there is more: as ScyllaDB does where a page held nothing but tombstones or rows that a condition left out, and Cassandra 5
//! never did here. The same request again gets the real page.
//!
//! Source: the CQL binary protocol v4, 2 (frames), 4.1.6 EXECUTE, 4.2.5.2 Rows. Without compression and TLS.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

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

/// Paging states that a connection asked for, by the stream's number.
type Asked = Arc<Mutex<HashMap<[u8; 2], Vec<u8>>>>;

impl EmptyPages {
    /// Starts a proxy to a node.
    pub async fn start(server: SocketAddr) -> EmptyPages {
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
                tokio::spawn(requests(from_client, to_server, Arc::clone(&asked)));
                tokio::spawn(answers(from_server, to_client, asked, Arc::clone(&ours)));
            }
        });
        EmptyPages { port, shared }
    }

    /// How many empty pages it made.
    pub fn made(&self) -> u64 {
        self.shared.made.load(Ordering::SeqCst)
    }
}

const EXECUTE: u8 = 0x0a;
const RESULT: u8 = 0x08;

/// A header of nine bytes (version, flags, stream, opcode, length) and a body.
async fn frame(from: &mut OwnedReadHalf) -> Option<([u8; 9], Vec<u8>)> {
    let mut header = [0; 9];
    from.read_exact(&mut header).await.ok()?;
    let [.., a, b, c, d] = header;
    let mut body = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
    from.read_exact(&mut body).await.ok()?;
    Some((header, body))
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asked: Asked) {
    while let Some((header, body)) = frame(&mut from).await {
        if header[4] == EXECUTE
            && let Some(state) = paging_state(&body)
        {
            asked.lock().expect("a lock").insert([header[2], header[3]], state);
        }
        if to.write_all(&[&header[..], &body].concat()).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asked: Asked, shared: Arc<Shared>) {
    while let Some((mut header, mut body)) = frame(&mut from).await {
        let state = asked.lock().expect("a lock").remove(&[header[2], header[3]]);
        let is_rows = header[1] == 0 && header[4] == RESULT && body.starts_with(&[0, 0, 0, 2]);
        if let Some(state) = state.filter(|_| is_rows)
            && shared.seen.lock().expect("a lock").insert(state.clone())
        {
            body = emptied(&body, &state);
            header[5..].copy_from_slice(&(body.len() as u32).to_be_bytes());
            shared.made.fetch_add(1, Ordering::SeqCst);
        }
        if to.write_all(&[&header[..], &body].concat()).await.is_err() {
            return;
        }
    }
}

/// The state that an `EXECUTE` goes on from.
fn paging_state(body: &[u8]) -> Option<Vec<u8>> {
    let mut rest = Rest(body);
    rest.string();
    rest.take(2);
    let flags = rest.take(1)[0];
    if flags & 0x01 != 0 {
        for _ in 0..rest.short() {
            rest.bytes();
        }
    }
    if flags & 0x04 != 0 {
        rest.take(4);
    }
    (flags & 0x08 != 0).then(|| rest.bytes().to_vec())
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
