//! A proxy before a PostgreSQL that breaks connections on purpose: at any byte, around a `COMMIT`, or as a node that
//! dies, hangs or is cut off. Everything is asked for by the test; what is chosen at random comes from its seed.
//!
//! Must not know what is loaded. For a far server, put it before a [`crate::proxy::Proxy`].

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use crate::fault_link::Zombie;
use crate::fault_link::{End, Link};
use crate::random::Random;

/// A proxy on an address of its own. Dropping it ends its connections.
#[derive(Debug)]
pub struct FaultProxy {
    /// Where it listens: port, for URLs, and host.
    pub address: SocketAddr,
    server: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From `etl`.
    ToServer,
    /// From PostgreSQL.
    ToClient,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// In order: both sides see its end.
    Fin,
    /// By a reset.
    Rst,
}

/// What becomes of a `COMMIT` that is broken; the client's connection is reset in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server commits, its answer is swallowed.
    AnswerLost,
    /// The server never gets it: it sees the connection's end.
    NeverArrives,
    /// It is sent on, and nobody waits: the server may still be at it when the client comes back.
    Overtaken,
    /// It is held back, and the server's side stays open with its transaction: see [`FaultProxy::zombies`].
    Withheld,
}

/// Which commits are broken.
#[derive(Debug)]
pub enum Breaks {
    /// None.
    Never,
    /// Each n-th.
    Every(u64, Fate),
    /// One in so many, in any way but [`Fate::Withheld`].
    AtRandom(u64, Random),
}

/// What passed through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Connections that were served.
    pub connections: u64,
    /// `COMMIT`s of clients.
    pub commits: u64,
    /// Those whose fate was sealed here.
    pub broken: u64,
    /// Connections that were cut at a byte.
    pub cut_at_byte: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Open,
    /// Nothing is read: what was sent waits.
    Paused,
    /// Everything is read and thrown away.
    BlackHole,
}

/// How bytes flow just now, and how often everything was cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) mode: Mode,
    pub(crate) cuts: u64,
    pub(crate) how: Cut,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) flow: watch::Sender<Flow>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    breaks: Breaks,
    /// Bytes in a direction until the connection that carries the next one is cut.
    cut_at: Option<(Direction, u64, Cut)>,
    seen: Seen,
    zombies: Vec<Zombie>,
}

impl FaultProxy {
    /// Starts a proxy on a free port of a host of this machine (127.0.0.1, .2, .3).
    pub async fn start(host: &str, server: SocketAddr) -> FaultProxy {
        let listener = TcpListener::bind((host, 0)).await.expect("a free port");
        let state = State { breaks: Breaks::Never, cut_at: None, seen: Seen::default(), zombies: Vec::new() };
        let (flow, _) = watch::channel(Flow { mode: Mode::Open, cuts: 0, how: Cut::Rst });
        let shared = Arc::new(Shared { flow, state: Mutex::new(state) });
        let address = listener.local_addr().expect("an address");
        let listening = Some(tokio::spawn(listen(listener, server, Arc::clone(&shared))));
        FaultProxy { address, server, shared, listening }
    }

    /// From now on commits are broken so, counted from here on.
    pub fn break_commits(&self, breaks: Breaks) {
        let mut state = self.shared.lock();
        state.breaks = breaks;
        state.seen.commits = 0;
    }

    /// Cuts the connection that is to carry the byte behind the next `bytes` of a direction, once.
    pub fn cut_after(&self, direction: Direction, bytes: u64, how: Cut) {
        self.shared.lock().cut_at = Some((direction, bytes, how));
    }

    /// Cuts all connections; new ones are served.
    pub fn cut(&self, how: Cut) {
        self.shared.flow.send_modify(|flow| {
            flow.cuts += 1;
            flow.how = how;
        });
    }

    /// Carries no byte any more, while connections stay open and new ones are taken.
    pub fn pause(&self) {
        self.shared.mode(Mode::Paused);
    }

    /// Swallows every byte, while connections stay open and new ones are taken: a network that is cut.
    pub fn black_hole(&self) {
        self.shared.mode(Mode::BlackHole);
    }

    /// Carries bytes again. Connections that lost some in a black hole are cut: their peers would not have them
    /// either.
    pub fn resume(&self) {
        let lossy = self.shared.flow.borrow().mode == Mode::BlackHole;
        self.shared.mode(Mode::Open);
        if lossy {
            self.cut(Cut::Rst);
        }
    }

    /// Refuses new connections; those that are open stay.
    pub async fn refuse(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            // The port is free when the task is gone.
            let _ = listening.await;
        }
    }

    /// Takes new connections again, on the same port.
    pub async fn accept(&mut self) {
        if self.listening.is_none() {
            let listener = TcpListener::bind(self.address).await.expect("the port is still free");
            self.listening = Some(tokio::spawn(listen(listener, self.server, Arc::clone(&self.shared))));
        }
    }

    /// As a node that is killed: every connection is reset, new ones are refused.
    pub async fn kill(&mut self) {
        self.refuse().await;
        self.cut(Cut::Rst);
    }

    /// What passed through so far.
    pub fn seen(&self) -> Seen {
        self.shared.lock().seen
    }

    /// Connections whose client is gone and whose transaction is still open at the server, with their `COMMIT`.
    pub fn zombies(&self) -> Vec<Zombie> {
        std::mem::take(&mut self.shared.lock().zombies)
    }

    /// How many there are.
    pub fn zombie_count(&self) -> usize {
        self.shared.lock().zombies.len()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
        self.cut(Cut::Rst);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mode(&self, mode: Mode) {
        self.flow.send_modify(|flow| flow.mode = mode);
    }

    /// The fate of the next `COMMIT`.
    pub(crate) fn commit(&self) -> Option<Fate> {
        let mut state = self.lock();
        state.seen.commits += 1;
        let number = state.seen.commits;
        let fate = match &mut state.breaks {
            Breaks::Never => None,
            Breaks::Every(nth, fate) => number.is_multiple_of(*nth).then_some(*fate),
            Breaks::AtRandom(one_in, random) => {
                let fates = [Fate::AnswerLost, Fate::NeverArrives, Fate::Overtaken];
                (random.below(*one_in) == 0).then(|| fates[random.below(3) as usize])
            }
        };
        state.seen.broken += u64::from(fate.is_some());
        fate
    }

    /// How many of so many bytes may pass, and how the connection ends behind them if that is not all.
    pub(crate) fn allow(&self, direction: Direction, bytes: usize) -> (usize, Option<Cut>) {
        let mut state = self.lock();
        match state.cut_at {
            Some((of, left, how)) if of == direction && left < bytes as u64 => {
                state.cut_at = None;
                state.seen.cut_at_byte += 1;
                (left as usize, Some(how))
            }
            Some((of, ref mut left, _)) if of == direction => {
                *left -= bytes as u64;
                (bytes, None)
            }
            _ => (bytes, None),
        }
    }
}

async fn listen(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(serve(client, server, Arc::clone(&shared)));
    }
}

async fn serve(client: TcpStream, server: SocketAddr, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    shared.lock().seen.connections += 1;
    let (mut client, mut server) = (client.into_split(), server.into_split());
    let end = Link::new(&shared).carry(&mut client, &mut server).await;
    match end {
        End::Closed => {}
        End::Cut(how) => {
            finish(&mut client, how).await;
            finish(&mut server, how).await;
        }
        End::CutClient => {
            finish(&mut client, Cut::Rst).await;
            drop(client);
            finish(&mut server, Cut::Fin).await;
            // Closed with something unread it would be reset, and the server might miss what it was sent.
            let _ = tokio::io::copy(&mut server.0, &mut tokio::io::sink()).await;
        }
        End::Zombie(commit) => {
            finish(&mut client, Cut::Rst).await;
            let server = server.0.reunite(server.1).expect("halves of one stream");
            shared.lock().zombies.push(Zombie { server, commit });
        }
    }
}

async fn finish(half: &mut (OwnedReadHalf, OwnedWriteHalf), how: Cut) {
    match how {
        Cut::Fin => drop(half.1.shutdown().await),
        Cut::Rst => drop(half.1.as_ref().set_zero_linger()),
    }
}
