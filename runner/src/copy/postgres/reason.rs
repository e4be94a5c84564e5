//! Why a host could not be connected to, and why a connection ended, in our words.
//!
//! Must not know: SQL. Never shows a server's message, DETAIL, HINT or CONTEXT: they carry values and names that
//! rows chose.

use std::error::Error as StdError;
use std::io;

use super::condition;
use super::options::{Endpoint, Options};
use crate::tls;

/// Why a host could not be connected to, and what to do.
pub(super) fn of(error: &tokio_postgres::Error, endpoint: &Endpoint, options: &Options) -> String {
    if let Some(refusal) = error.as_db_error() {
        return refused_by_server(refusal.code().code(), endpoint, options);
    }
    if let Some(handshake) = cause::<tls::HandshakeError>(error) {
        return tls::reason(handshake, "sslrootcert");
    }
    if let Some(io) = cause::<io::Error>(error) {
        return io_reason(io);
    }
    let words = [error.to_string(), error.source().map(ToString::to_string).unwrap_or_default()];
    match words[1].as_str() {
        "password missing" => "the server asks for a password and there is none: set PGPASSWORD or add a line to ~/.pgpass".into(),
        "server does not support TLS" => {
            "the server does not offer TLS: turn it on there, or (on a network that you trust) use sslmode=disable".into()
        }
        "" => words[0].clone(),
        // The driver's own constants, without the server's text.
        cause => format!("{}: {cause}", words[0]),
    }
}

fn refused_by_server(state: &str, endpoint: &Endpoint, options: &Options) -> String {
    let (user, database) = (&options.user, &options.database);
    let what = match state {
        "28P01" if endpoint.password.is_none() => {
            format!("a password for user `{user}` is needed: set PGPASSWORD or add a line to ~/.pgpass")
        }
        "28P01" => format!("the password of user `{user}` is wrong, or there is no such user"),
        "28000" => format!(
            "the server does not let user `{user}` into database `{database}` from here this way: look at pg_hba.conf, the user's name and sslmode"
        ),
        "3D000" => format!("there is no database `{database}`: create it, or name another one"),
        "42501" => format!("user `{user}` may not connect to database `{database}`: grant CONNECT"),
        "53300" => "the server has no connection left: use fewer streams or raise max_connections".into(),
        "57P03" => "the server is starting up or shutting down".into(),
        _ => "the server refused the session".into(),
    };
    format!("{what} (SQLSTATE {state}, {})", condition::name(state))
}

fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "connection refused: no server listens there; start it, or correct host and port".into()
        }
        io::ErrorKind::TimedOut => "no answer: is the address right, does a firewall drop packets?".into(),
        io::ErrorKind::NotFound => "no such socket: no server listens there".into(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "the server closed the connection at once: is it a PostgreSQL server, and not shutting down?"
                .into()
        }
        _ => error.to_string(),
    }
}

/// The first error of a type in the chain; `io::Error` hides what it wraps from `source`.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    // Chains are short; the bound is against a cyclic one.
    for _ in 0..16 {
        let error = next?;
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

/// Why a connection ended, without the server's text.
pub(super) fn lost(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), cause::<io::Error>(error)) {
        (Some(refusal), _) => {
            let state = refusal.code().code();
            format!("the server ended it: SQLSTATE {state} ({})", condition::name(state))
        }
        (None, Some(io)) => io.to_string(),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_inside_an_io_error_is_found() {
        let inner = tls::HandshakeError::General("x".into());
        let outer = io::Error::other(io::Error::other(inner));
        assert!(cause::<tls::HandshakeError>(&outer).is_some());
        assert!(cause::<std::fmt::Error>(&outer).is_none());
    }
}
