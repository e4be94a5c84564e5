//! Servers of the oldest and of the newest PostgreSQL that etl is tried with, shared by the tests of one program.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::postgres::Server;
use crate::server::{PrivateServer, Setup};

/// A version beside the one that is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The first that is accepted, because YugabyteDB was one.
    Eleven,
    /// The newest release.
    Eighteen,
}

impl Version {
    /// Both.
    pub const ALL: [Version; 2] = [Version::Eleven, Version::Eighteen];

    /// As `tests/postgres.sh` calls it.
    pub fn number(self) -> u32 {
        match self {
            Version::Eleven => 11,
            Version::Eighteen => 18,
        }
    }

    /// A server of this version: one for all tests that run at the same time, gone with the last of them.
    pub fn server(self) -> Arc<PrivateServer> {
        static RUNNING: [Mutex<Weak<PrivateServer>>; 2] = [Mutex::new(Weak::new()), Mutex::new(Weak::new())];
        // A test that failed while it started one left none.
        let mut running = RUNNING[self as usize].lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Setup::default().version(self.number()).start());
            *running = Arc::downgrade(&server);
            server
        })
    }
}

/// A server that a test runs on, and what keeps it there.
#[derive(Debug)]
pub struct Tried {
    /// Where it is.
    pub server: Server,
    /// `None`: the one that is installed.
    pub version: Option<Version>,
    _running: Option<Arc<PrivateServer>>,
}

impl Tried {
    /// The installed version, then the others.
    pub fn all() -> impl Iterator<Item = Tried> {
        let installed = || Tried { server: Server::of_the_test_run(), version: None, _running: None };
        std::iter::once_with(installed).chain(Version::ALL.into_iter().map(|version| {
            let running = version.server();
            Tried { server: running.server(), version: Some(version), _running: Some(running) }
        }))
    }
}
