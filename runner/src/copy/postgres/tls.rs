//! TLS for the driver, as libpq means it.
//!
//! | `sslmode` | encrypted | certificate |
//! |---|---|---|
//! | `disable` | never | – |
//! | `prefer` (libpq's default) | if the server can | not checked |
//! | `require` | always | not checked, as in libpq; with an `sslrootcert` as `verify-ca` |
//! | `verify-ca` | always | signed by the authority |
//! | `verify-full` | always | signed by the authority, for the host's name |
//!
//! The authorities are `sslrootcert`'s file, else `~/.postgresql/root.crt`, else (or with `sslrootcert=system`)
//! the system's. For a node that was found by its address the name is one of the *configured* hosts or that
//! address itself. Names are read from subjectAltName alone, a certificate without one is refused. SCRAM goes
//! without channel binding; `verify-full` closes the same gap. Client certificates are not supported.
//!
//! Must not know: hosts, users, how errors are shown.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};

use crate::copy::error::Error;
use crate::tls::{self, Authorities, Check, ServerName};

/// How far TLS is asked for. `allow` is left out: it would send the password in the clear first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server can.
    Prefer,
    /// Always encrypted, to whomever.
    Require,
    /// The certificate is signed by a known authority.
    VerifyCa,
    /// And it is valid for the host's name.
    VerifyFull,
}

impl FromStr for SslMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<SslMode, Error> {
        Ok(match text {
            "disable" => SslMode::Disable,
            "prefer" => SslMode::Prefer,
            "require" => SslMode::Require,
            "verify-ca" => SslMode::VerifyCa,
            "verify-full" => SslMode::VerifyFull,
            _ => {
                return Err(Error::Settings(
                    "this sslmode is not supported: use disable, prefer, require, verify-ca or verify-full"
                        .into(),
                ));
            }
        })
    }
}

/// Where the authorities' certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// Named by `sslrootcert`.
    Given(PathBuf),
    /// libpq's default file, which need not exist.
    Home(PathBuf),
    /// The system's.
    System,
}

impl Root {
    /// What `sslrootcert` and the home folder mean.
    pub fn of(given: Option<&str>, home: Option<&str>) -> Root {
        match (given, home) {
            (Some("system"), _) | (None, None) => Root::System,
            (Some(path), _) => Root::Given(path.into()),
            (None, Some(home)) => Root::Home(Path::new(home).join(".postgresql/root.crt")),
        }
    }

    /// Whether the user named a file.
    pub fn is_given(&self) -> bool {
        matches!(self, Root::Given(_))
    }

    fn load(&self) -> Result<Authorities, Error> {
        let loaded = match self {
            Root::Given(path) => Authorities::of_file(path),
            Root::Home(path) if path.exists() => Authorities::of_file(path),
            Root::Home(_) | Root::System => Authorities::of_system(),
        };
        loaded.map_err(|error| match error {
            tls::Error::NoAuthorities => Error::Settings(format!("{error}: name a file with sslrootcert")),
            other => Error::Settings(format!("sslrootcert {other}")),
        })
    }
}

/// What all connections of a run share.
#[derive(Clone, Debug)]
pub struct Tls {
    mode: SslMode,
    /// Where the mode looks at certificates.
    authorities: Option<Authorities>,
}

impl Tls {
    /// Loads the authorities, if the mode looks at certificates at all.
    pub fn new(mode: SslMode, root: &Root) -> Result<Tls, Error> {
        let verifies = matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull);
        let authorities = if verifies { Some(root.load()?) } else { None };
        Ok(Tls { mode, authorities })
    }

    /// The driver's word for the mode: it only knows whether encryption is a must.
    pub(super) fn driver_mode(&self) -> tokio_postgres::config::SslMode {
        match self.mode {
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                tokio_postgres::config::SslMode::Require
            }
        }
    }

    /// For one connection to a server whose certificate may be valid for any of these names.
    pub(super) fn connector(&self, names: &[String]) -> Result<Connector, Error> {
        let names: Vec<ServerName<'static>> =
            names.iter().filter_map(|name| name.clone().try_into().ok()).collect();
        if names.is_empty() && self.mode == SslMode::VerifyFull {
            return Err(Error::Settings(
                "verify-full needs a host name that a certificate can be valid for".into(),
            ));
        }
        let localhost = || ServerName::try_from("localhost").map_err(|e| Error::Bug(e.to_string()));
        let name = names.first().cloned().map_or_else(localhost, Ok)?;
        let check = match (&self.authorities, self.mode) {
            (Some(authorities), SslMode::VerifyFull) => Check::ChainAndName(authorities.clone(), names),
            (Some(authorities), _) => Check::Chain(authorities.clone()),
            (None, _) => Check::Nothing,
        };
        let config = tls::client(check, None).map_err(|e| Error::Bug(e.to_string()))?;
        Ok(Connector { name, connector: config.into() })
    }
}

/// For one connection; the driver's idea of the name is ignored, ours is in it.
#[derive(Clone)]
pub struct Connector {
    name: ServerName<'static>,
    connector: tokio_rustls::TlsConnector,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Connector {
    type Stream = Stream<S>;
    type TlsConnect = Connector;
    type Error = io::Error;

    fn make_tls_connect(&mut self, _domain: &str) -> Result<Connector, io::Error> {
        Ok(self.clone())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Connector {
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Handshake<S>;

    fn connect(self, stream: S) -> Handshake<S> {
        Handshake(self.connector.connect(self.name, stream))
    }
}

/// A handshake under way.
pub struct Handshake<S>(tokio_rustls::Connect<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Handshake<S> {
    type Output = io::Result<Stream<S>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_ok(Stream)
    }
}

/// An encrypted stream.
pub struct Stream<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorities_come_from_the_named_file_then_home_then_the_system() {
        assert_eq!(Root::of(Some("/ca.pem"), Some("/h")), Root::Given("/ca.pem".into()));
        assert_eq!(Root::of(Some("system"), Some("/h")), Root::System);
        assert_eq!(Root::of(None, Some("/h")), Root::Home("/h/.postgresql/root.crt".into()));
        assert_eq!(Root::of(None, None), Root::System);
    }

    #[test]
    fn an_unusable_authority_file_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let message =
            |path: &Path| Tls::new(SslMode::VerifyFull, &Root::Given(path.into())).unwrap_err().to_string();
        assert!(message(&path).contains("ca.pem"));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(message(&path).contains("holds no PEM certificate"));
        Tls::new(SslMode::Require, &Root::Given(path)).unwrap();
    }
}
