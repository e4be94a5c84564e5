//! Why a node could not be connected to, or did not do what was asked, in our words.
//!
//! Must not know: how a connection is made. Never shows a server's own text, which may carry what rows hold.

use std::io;

use scylla::errors::{
    BrokenConnectionError, BrokenConnectionErrorKind, ConnectionError, ConnectionPoolError,
    ConnectionSetupRequestErrorKind, DbError, ExecutionError, FrameHeaderParseError, MetadataError,
    NewSessionError, PrepareError, RequestAttemptError,
};

use crate::tls;

/// Why something failed, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The name has no address.
    #[error("the name has no address: correct it, or write the address")]
    NoAddress,
    /// Nobody listens.
    #[error("connection refused: no node listens there; start it, or correct host and port")]
    Refused,
    /// Nobody answers, or not in time.
    #[error("no answer: is the address right, does a firewall drop packets, does the node hang?")]
    NoAnswer,
    /// The user is there, but not with this password.
    #[error("the user's password is wrong, or there is no such user, or it may not log in")]
    WrongPassword,
    /// A user is needed.
    #[error(
        "the cluster asks for a user and a password: set `user`, and `ETL_SOURCE__CASSANDRA__PASSWORD` or `password_file`"
    )]
    NoCredentials,
    /// The node's certificate, or TLS as such.
    #[error("{0}")]
    Tls(String),
    /// The node wants to see our certificate.
    #[error("the node asks for a client's certificate: give `certificate` and `key`")]
    CertificateNeeded,
    /// The node does not like our certificate.
    #[error(
        "the node does not take our `certificate`: have it signed by an authority that the cluster trusts"
    )]
    CertificateRefused,
    /// With TLS and without a certificate of ours, and the connection ended at once.
    #[error(
        "the node ended the connection at once: if it asks for a client's certificate, give `certificate` and `key`"
    )]
    CertificateExpected,
    /// Without TLS, on a port that seems to have it.
    #[error(
        "the node ended the connection at once, or speaks another protocol: if its port is for TLS, give `ca` or set `tls`; if not, is it a node of Cassandra?"
    )]
    TlsExpected,
    /// With TLS, on a port without.
    #[error("the node does not speak TLS on this port: name its port for TLS, or take out `tls` and `ca`")]
    TlsUnexpected,
    /// The connection ended.
    #[error("the node ended the connection")]
    Ended,
    /// The user may not read this.
    #[error("no permission to read it: GRANT SELECT to the user")]
    Unauthorized,
    /// Nodes are down.
    #[error("too few replicas are alive: {alive} of the {required} that `consistency` needs")]
    Unavailable {
        /// How many must answer.
        required: i32,
        /// How many could.
        alive: i32,
    },
    /// The server's answer, by its kind.
    #[error("the server answered: {0}")]
    Server(&'static str),
    /// Anything else, in the system's or the driver's own words.
    #[error("{0}")]
    Other(String),
}

/// What we offered when we connected: the same failure means another thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// TLS.
    pub(super) tls: bool,
    /// And our own certificate.
    pub(super) certificate: bool,
}

/// Where there was a connection, neither TLS nor a certificate is what is missing.
const ESTABLISHED: Offer = Offer { tls: true, certificate: true };

impl Reason {
    /// Why there is no session.
    pub(super) fn of_session(error: &NewSessionError, offer: Offer) -> Reason {
        match error {
            NewSessionError::MetadataError(MetadataError::ConnectionPoolError(pool)) => {
                Reason::of_pool(pool, offer)
            }
            NewSessionError::FailedToResolveAnyHostname(_) => Reason::NoAddress,
            // What the driver wanted to know first; it has no values of rows in it.
            other => Reason::Other(other.to_string()),
        }
    }

    fn of_pool(error: &ConnectionPoolError, offer: Offer) -> Reason {
        match error {
            ConnectionPoolError::Broken { last_connection_error } => {
                Reason::of_connection(last_connection_error, offer)
            }
            other => Reason::Other(other.to_string()),
        }
    }

    fn of_connection(error: &ConnectionError, offer: Offer) -> Reason {
        match error {
            ConnectionError::ConnectTimeout => Reason::NoAnswer,
            ConnectionError::IoError(error) => Reason::of_io(error, offer),
            ConnectionError::BrokenConnection(error) => Reason::of_broken(error, offer),
            ConnectionError::ConnectionSetupRequestError(request) => {
                Reason::of_setup(request.get_error(), offer)
            }
            other => Reason::Other(other.to_string()),
        }
    }

    /// Why a connection that was there could not be logged into.
    fn of_setup(error: &ConnectionSetupRequestErrorKind, offer: Offer) -> Reason {
        match error {
            ConnectionSetupRequestErrorKind::BrokenConnection(error) => Reason::of_broken(error, offer),
            ConnectionSetupRequestErrorKind::MissingAuthentication => Reason::NoCredentials,
            ConnectionSetupRequestErrorKind::DbError(error, _) => Reason::of_answer(error),
            other => Reason::Other(other.to_string()),
        }
    }

    fn of_broken(error: &BrokenConnectionError, offer: Offer) -> Reason {
        match error.downcast_ref::<BrokenConnectionErrorKind>() {
            Some(BrokenConnectionErrorKind::KeepaliveTimeout(_)) => Reason::NoAnswer,
            Some(BrokenConnectionErrorKind::WriteError(error)) => Reason::of_io(error, offer),
            Some(BrokenConnectionErrorKind::FrameHeaderParseError(frame)) => match frame {
                FrameHeaderParseError::HeaderIoError(error)
                | FrameHeaderParseError::BodyChunkIoError(_, error) => Reason::of_io(error, offer),
                // What looks like TLS, HTTP or another version of the protocol.
                _ if !offer.tls => Reason::TlsExpected,
                other => Reason::Other(other.to_string()),
            },
            // The connection was gone before it could be asked anything.
            _ => Reason::of_end(offer),
        }
    }

    /// Why a node ends a connection without a word.
    fn of_end(offer: Offer) -> Reason {
        match offer {
            Offer { tls: false, .. } => Reason::TlsExpected,
            Offer { certificate: false, .. } => Reason::CertificateExpected,
            Offer { .. } => Reason::Ended,
        }
    }

    fn of_io(error: &io::Error, offer: Offer) -> Reason {
        if let Some(handshake) = tls::handshake_error(error) {
            return match handshake {
                error if tls::is_no_tls(error) => Reason::TlsUnexpected,
                error if tls::is_about_ours(error) && offer.certificate => Reason::CertificateRefused,
                error if tls::is_about_ours(error) => Reason::CertificateNeeded,
                error => Reason::Tls(tls::reason(error, "`source.cassandra.ca`")),
            };
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Reason::Refused,
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Reason::NoAnswer
            }
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Reason::of_end(offer),
            _ => Reason::Other(error.to_string()),
        }
    }

    /// Why a statement failed, once there was a session.
    pub(super) fn of_read(error: &ExecutionError) -> Reason {
        match error {
            ExecutionError::LastAttemptError(attempt) => Reason::of_attempt(attempt),
            ExecutionError::PrepareError(prepare) => Reason::of_prepare(prepare),
            ExecutionError::ConnectionPoolError(pool) => Reason::of_pool(pool, ESTABLISHED),
            ExecutionError::RequestTimeout(_) => Reason::NoAnswer,
            ExecutionError::EmptyPlan => {
                Reason::Other("no node of the datacenter could be connected to".into())
            }
            other => Reason::Other(other.to_string()),
        }
    }

    /// Why a statement could not be prepared.
    pub(super) fn of_prepare(error: &PrepareError) -> Reason {
        match error {
            PrepareError::AllAttemptsFailed { first_attempt } => Reason::of_attempt(first_attempt),
            PrepareError::ConnectionPoolError(pool) => Reason::of_pool(pool, ESTABLISHED),
            other => Reason::Other(other.to_string()),
        }
    }

    fn of_attempt(error: &RequestAttemptError) -> Reason {
        match error {
            RequestAttemptError::DbError(error, _) => Reason::of_answer(error),
            RequestAttemptError::BrokenConnectionError(error) => Reason::of_broken(error, ESTABLISHED),
            other => Reason::Other(other.to_string()),
        }
    }

    /// What a server's refusal means; its message is left out.
    pub(super) fn of_answer(error: &DbError) -> Reason {
        Reason::Server(match error {
            DbError::AuthenticationError => return Reason::WrongPassword,
            DbError::Unauthorized => return Reason::Unauthorized,
            DbError::Unavailable { required, alive, .. } => {
                return Reason::Unavailable { required: *required, alive: *alive };
            }
            DbError::SyntaxError => "syntax error",
            DbError::Invalid => "the statement is not valid",
            DbError::ConfigError => "configuration error",
            DbError::Overloaded => "overloaded",
            DbError::IsBootstrapping => "the node is starting",
            DbError::ReadTimeout { .. } => "the replicas took too long",
            DbError::ReadFailure { .. } => "the replicas failed (too many tombstones?)",
            DbError::ServerError => "server error (its log says more)",
            DbError::ProtocolError => {
                "protocol error: version 4 of the protocol is needed, Cassandra 2.2 or later"
            }
            DbError::RateLimitReached { .. } => "the rate limit is reached",
            _ => "an error",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const PLAIN: Offer = Offer { tls: false, certificate: false };
    const TLS: Offer = Offer { tls: true, certificate: false };
    const MUTUAL: Offer = Offer { tls: true, certificate: true };

    fn of_io(error: io::Error, offer: Offer) -> Reason {
        let last_connection_error = ConnectionError::IoError(Arc::new(error));
        let pool = ConnectionPoolError::Broken { last_connection_error };
        Reason::of_session(&NewSessionError::MetadataError(pool.into()), offer)
    }

    /// A frame that could not be read, as a session's end has it.
    fn of_frame(error: FrameHeaderParseError, offer: Offer) -> Reason {
        let broken = BrokenConnectionErrorKind::FrameHeaderParseError(error);
        Reason::of_setup(&ConnectionSetupRequestErrorKind::BrokenConnection(broken.into()), offer)
    }

    fn of_handshake(error: tls::HandshakeError, offer: Offer) -> Reason {
        of_io(io::Error::new(io::ErrorKind::InvalidData, error), offer)
    }

    /// With TLS 1.3 a node refuses us after we think that we are in; its last words may be lost.
    #[test]
    fn a_connection_that_is_gone_at_once_lacks_what_was_not_offered() {
        let gone = || {
            ConnectionSetupRequestErrorKind::BrokenConnection(BrokenConnectionErrorKind::ChannelError.into())
        };
        assert_eq!(Reason::of_setup(&gone(), PLAIN), Reason::TlsExpected);
        assert_eq!(Reason::of_setup(&gone(), TLS), Reason::CertificateExpected);
        assert_eq!(Reason::of_setup(&gone(), MUTUAL), Reason::Ended);
    }

    #[test]
    fn nobody_who_listens_or_answers_is_told_apart() {
        assert_eq!(of_io(io::ErrorKind::ConnectionRefused.into(), PLAIN), Reason::Refused);
        assert_eq!(of_io(io::ErrorKind::TimedOut.into(), TLS), Reason::NoAnswer);
        let silent = ConnectionPoolError::Broken { last_connection_error: ConnectionError::ConnectTimeout };
        assert_eq!(Reason::of_pool(&silent, PLAIN), Reason::NoAnswer);
    }

    #[test]
    fn a_wrong_password_and_a_missing_one_are_told_apart() {
        let wrong = ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, "hush".into());
        assert_eq!(Reason::of_setup(&wrong, PLAIN), Reason::WrongPassword);
        let none = ConnectionSetupRequestErrorKind::MissingAuthentication;
        let told = Reason::of_setup(&none, PLAIN).to_string();
        assert!(told.contains("ETL_SOURCE__CASSANDRA__PASSWORD"), "{told}");
    }

    #[test]
    fn a_connection_that_ends_at_once_points_to_tls_where_there_is_none() {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(of_frame(FrameHeaderParseError::HeaderIoError(reset()), PLAIN), Reason::TlsExpected);
        assert_eq!(of_frame(FrameHeaderParseError::HeaderIoError(reset()), TLS), Reason::CertificateExpected);
        assert_eq!(of_frame(FrameHeaderParseError::HeaderIoError(reset()), MUTUAL), Reason::Ended);
        assert_eq!(of_frame(FrameHeaderParseError::FrameFromClient, PLAIN), Reason::TlsExpected);
    }

    #[test]
    fn an_answer_that_is_not_tls_points_to_the_port() {
        let garbage = || tls::HandshakeError::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert_eq!(of_handshake(garbage(), TLS), Reason::TlsUnexpected);
        let told = of_handshake(tls::HandshakeError::General("x".into()), TLS);
        assert_eq!(told, Reason::Tls("TLS failed: unexpected error: x".into()));
    }

    #[test]
    fn a_node_that_asks_for_a_certificate_and_one_that_refuses_ours_are_told_apart() {
        let alert = || tls::HandshakeError::AlertReceived(rustls::AlertDescription::BadCertificate);
        assert_eq!(of_handshake(alert(), TLS), Reason::CertificateNeeded);
        assert_eq!(of_handshake(alert(), MUTUAL), Reason::CertificateRefused);
        let later = io::Error::new(io::ErrorKind::InvalidData, alert());
        assert_eq!(of_frame(FrameHeaderParseError::HeaderIoError(later), TLS), Reason::CertificateNeeded);
    }

    #[test]
    fn a_servers_own_text_is_never_shown() {
        let refused = RequestAttemptError::DbError(DbError::Unauthorized, "hush".into());
        assert_eq!(Reason::of_read(&refused.into()), Reason::Unauthorized);
        let failed = RequestAttemptError::DbError(DbError::ServerError, "hush".into());
        let told = Reason::of_read(&failed.into()).to_string();
        assert!(told.starts_with("the server answered") && !told.contains("hush"), "{told}");
    }

    #[test]
    fn a_connection_that_ends_later_points_to_nothing_of_ours() {
        let reset = FrameHeaderParseError::HeaderIoError(io::ErrorKind::ConnectionReset.into());
        let broken = BrokenConnectionErrorKind::FrameHeaderParseError(reset);
        let attempt = RequestAttemptError::BrokenConnectionError(broken.into());
        assert_eq!(Reason::of_read(&attempt.into()), Reason::Ended);
    }

    #[test]
    fn missing_replicas_are_counted() {
        let consistency = scylla::statement::Consistency::LocalQuorum;
        let error = DbError::Unavailable { consistency, required: 2, alive: 1 };
        assert_eq!(
            Reason::of_answer(&error).to_string(),
            "too few replicas are alive: 1 of the 2 that `consistency` needs"
        );
    }
}
