//! Servers of the oldest and of the newest PostgreSQL that etl is tried with, shared by all tests.

use crate::postgres::Server;

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

    /// The server of this version. Panics with what to do when there is none: a test is never skipped.
    pub fn server(self) -> Server {
        let number = self.number();
        let variable = format!("ETL_TEST_POSTGRES_{number}");
        let url = std::env::var(&variable).unwrap_or_else(|_| {
            panic!(
                "{variable} is not set: run the tests with `make test`, or `tests/postgres.sh start test-{number} {number}` \
                 and `eval \"$(tests/postgres.sh env test)\"` first"
            )
        });
        Server::of_url(&url)
    }
}

/// A server that a test runs on.
#[derive(Debug)]
pub struct Tried {
    /// Where it is.
    pub server: Server,
    /// `None`: the one that is installed.
    pub version: Option<Version>,
}

impl Tried {
    /// The installed version, then the others.
    pub fn all() -> impl Iterator<Item = Tried> {
        let installed = || Tried { server: Server::of_the_test_run(), version: None };
        let others = Version::ALL.into_iter();
        std::iter::once_with(installed)
            .chain(others.map(|version| Tried { server: version.server(), version: Some(version) }))
    }
}
