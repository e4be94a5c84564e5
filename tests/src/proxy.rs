//! A TCP proxy that makes a near server a far one: every byte arrives later, as much of it at a time as before. It can
//! also keep answers back and cut its connections, and it counts how often its client waited for an answer.
//!
//! Must not know what passes through it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// A proxy on a free port of 127.0.0.1. Dropping it cuts its connections.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
    cut: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Shared {
    mute: AtomicBool,
    turns: AtomicU64,
    /// Bytes went to a client since a client last spoke.
    answered: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

/// What was read, and when it is due at the other side.
type Parcel = (Instant, Vec<u8>);

impl Proxy {
    /// Starts a proxy to `server` that holds every byte for `one_way` in each direction: a round trip is twice that.
    pub async fn start(server: SocketAddr, one_way: Duration) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (cut, connections) = watch::channel(0);
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut closed = connections.clone();
            loop {
                let client = tokio::select! {
                    accepted = listener.accept() => accepted,
                    gone = async { while closed.changed().await.is_ok() {} } => { let () = gone; return }
                };
                let (Ok((client, _)), Ok(server)) = (client, TcpStream::connect(server).await) else {
                    continue;
                };
                tokio::spawn(connection(client, server, one_way, Arc::clone(&ours), connections.clone()));
            }
        });
        Proxy { port, shared, cut }
    }

    /// How often a client spoke after it was answered: round trips that it waited for, where it is the only one.
    pub fn turns(&self) -> u64 {
        self.shared.turns.load(Ordering::SeqCst)
    }

    /// From now on answers are thrown away; what clients say still arrives.
    pub fn mute(&self) {
        self.shared.mute.store(true, Ordering::SeqCst);
    }

    /// Cuts all connections; new ones are served as before, and heard again.
    pub fn cut(&self) {
        self.shared.mute.store(false, Ordering::SeqCst);
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

async fn connection(
    client: TcpStream,
    server: TcpStream,
    one_way: Duration,
    shared: Arc<Shared>,
    mut cut: watch::Receiver<u64>,
) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    cut.mark_unchanged();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, one_way, &shared, Direction::ToServer) => {}
        () = pump(from_server, to_client, one_way, &shared, Direction::ToClient) => {}
        _ = cut.changed() => {}
    }
}

/// Carries bytes from one side to the other until either ends.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    one_way: Duration,
    shared: &Shared,
    direction: Direction,
) {
    let (parcels, mut due) = mpsc::channel::<Parcel>(1024);
    let read = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            if direction == Direction::ToServer && shared.answered.swap(false, Ordering::SeqCst) {
                shared.turns.fetch_add(1, Ordering::SeqCst);
            }
            if parcels.send((Instant::now() + one_way, buffer[..length].to_vec())).await.is_err() {
                break;
            }
        }
        drop(parcels);
    };
    let write = async {
        while let Some((time, bytes)) = due.recv().await {
            tokio::time::sleep_until(time).await;
            if direction == Direction::ToClient {
                if shared.mute.load(Ordering::SeqCst) {
                    continue;
                }
                shared.answered.store(true, Ordering::SeqCst);
            }
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(read, write);
}
