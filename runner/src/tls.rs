//! What TLS to a source and to a target have in common: the authorities that are trusted, our own certificate, and
//! the client's configuration made of them, over rustls with the ring provider.
//!
//! Names are read from subjectAltName alone, a certificate without one is refused where names are checked. Must not
//! know: drivers, hosts, and how the settings are called.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{AlertDescription, CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// A client's configuration, for a driver.
pub use rustls::ClientConfig;
/// What a handshake fails with.
pub use rustls::Error as HandshakeError;
/// A name or an address that a certificate can be valid for.
pub use rustls::pki_types::ServerName;

/// A file or a system that TLS cannot be made with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of certificates or with a key.
    #[error("`{}`: {why}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it, without its content.
        why: String,
    },
    /// No authorities to trust.
    #[error("the system has no certificate authorities")]
    NoAuthorities,
    /// The parts do not go together.
    #[error("TLS cannot be used: {0}")]
    Unusable(HandshakeError),
}

/// The authorities that are trusted; copies share them.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<RootCertStore>);

impl Authorities {
    /// Those of a PEM file, at least one.
    pub fn of_file(path: &Path) -> Result<Authorities, Error> {
        let unusable = |why: String| Error::File { path: path.into(), why };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        Ok(Authorities(Arc::new(roots)))
    }

    /// Those of the system.
    pub fn of_system() -> Result<Authorities, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() { Err(Error::NoAuthorities) } else { Ok(Authorities(Arc::new(roots))) }
    }
}

/// The certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unusable = |why: String| Error::File { path: path.into(), why };
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(unusable("it holds no PEM certificate".into())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(error.to_string())),
    }
}

/// Our own certificate with its key, for a server that asks for one. Not `Debug`: the key is a secret.
pub struct Identity {
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads both from PEM files; a key with a passphrase is refused.
    pub fn of_files(certificate: &Path, key: &Path) -> Result<Identity, Error> {
        let certificates = certificates(certificate)?;
        let unusable = |error| {
            let why = match error {
                rustls::pki_types::pem::Error::NoItemsFound => {
                    "it holds no PEM private key (one with a passphrase cannot be used)".into()
                }
                other => other.to_string(),
            };
            Error::File { path: key.into(), why }
        };
        let key = PrivateKeyDer::from_pem_file(key).map_err(unusable)?;
        Ok(Identity { certificates, key })
    }
}

/// What is asked of a server's certificate.
#[derive(Debug)]
pub enum Check {
    /// Nothing: encrypted, to whomever.
    Nothing,
    /// An authority has signed it.
    Chain(Authorities),
    /// And it is valid for the name that is connected to, or for any of these. A refusal tells of the first one.
    ChainAndName(Authorities, Vec<ServerName<'static>>),
}

/// The configuration of connections that check the server's certificate and show ours, if there is one.
pub fn client(check: Check, identity: Option<Identity>) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier { check, provider: provider.clone() };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::Unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match identity {
        Some(Identity { certificates, key }) => {
            config.with_client_auth_cert(certificates, key).map_err(Error::Unusable)?
        }
        None => config.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// rustls's own steps, with any of several names. The handshake's signature is always checked.
#[derive(Debug)]
struct Verifier {
    check: Check,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, HandshakeError> {
        let (authorities, names) = match &self.check {
            Check::Nothing => return Ok(ServerCertVerified::assertion()),
            Check::Chain(authorities) => (authorities, None),
            Check::ChainAndName(authorities, names) => (authorities, Some(names)),
        };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let roots = &authorities.0;
        verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        let Some(names) = names else { return Ok(ServerCertVerified::assertion()) };
        let mut refused = HandshakeError::General("no name to verify".into());
        for name in [server_name].into_iter().chain(names.iter().rev()) {
            match verify_server_name(&certificate, name) {
                Ok(()) => return Ok(ServerCertVerified::assertion()),
                // Ends with the first name's error: that is the host the user wrote.
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, HandshakeError> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, HandshakeError> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The handshake's error inside an I/O error.
pub fn handshake_error(error: &io::Error) -> Option<&HandshakeError> {
    let mut error = error;
    // Chains are short; the bound is against a cyclic one.
    for _ in 0..16 {
        let inner = error.get_ref()?;
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        error = inner.downcast_ref()?;
    }
    None
}

/// Why a handshake failed and what to do; `authority` is how the setting of the authorities' file is called.
pub fn reason(error: &HandshakeError, authority: &str) -> String {
    let certificate = match error {
        HandshakeError::InvalidCertificate(certificate) => certificate,
        error if is_about_ours(error) => {
            return "the server does not take our certificate, or asks for one and there is none".into();
        }
        other => return format!("TLS failed: {other}"),
    };
    match certificate {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "the server's certificate is not signed by the authority that we know: name its file with {authority}"
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            // rustls writes `DnsName("db.example")`.
            let plain = |name| str::split(name, '"').nth(1).unwrap_or(name);
            let presented: Vec<&str> = presented.iter().take(10).map(|name| plain(name)).collect();
            format!(
                "the server's certificate is not for `{}` but for {}: connect by that name, or give the server a certificate with ours in subjectAltName",
                expected.to_str(),
                if presented.is_empty() { "no name at all".into() } else { presented.join(", ") }
            )
        }
        CertificateError::NotValidForName => "the server's certificate is for another host".into(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".into()
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the server shows an authority's certificate as its own: sign one for the server with it".into()
        }
        other => format!("the server's certificate is not usable: {other}"),
    }
}

/// Whether what answered is not TLS at all.
pub fn is_no_tls(error: &HandshakeError) -> bool {
    matches!(error, HandshakeError::InvalidMessage(_))
}

/// Whether the server says that our certificate is missing, or not one that it takes.
pub fn is_about_ours(error: &HandshakeError) -> bool {
    let HandshakeError::AlertReceived(alert) = error else { return false };
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_file_is_refused_by_name_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let authority = |path: &Path| Authorities::of_file(path).unwrap_err().to_string();
        assert!(authority(&path).contains("ca.pem"));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(authority(&path).contains("ca.pem`: it holds no PEM certificate"));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(!authority(&path).contains("AAAA"), "{}", authority(&path));
        let key = dir.path().join("key.pem");
        std::fs::write(
            &key,
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        )
        .unwrap();
        let refused = Identity::of_files(&path, &key).map(drop).unwrap_err().to_string();
        assert!(
            refused.contains("key.pem`: it holds no PEM private key (one with a passphrase"),
            "{refused}"
        );
    }

    #[test]
    fn a_handshake_error_inside_io_errors_is_found() {
        let outer = io::Error::other(io::Error::other(HandshakeError::General("x".into())));
        assert_eq!(handshake_error(&outer), Some(&HandshakeError::General("x".into())));
        assert_eq!(handshake_error(&io::Error::other(io::Error::other("x"))), None);
        assert_eq!(handshake_error(&io::ErrorKind::TimedOut.into()), None);
    }

    #[test]
    fn an_unknown_authority_is_told_with_the_setting_to_change() {
        let unknown = HandshakeError::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(reason(&unknown, "`ca`").ends_with("name its file with `ca`"));
    }

    #[test]
    fn a_server_that_asks_for_a_certificate_is_understood() {
        let alert = HandshakeError::AlertReceived(AlertDescription::CertificateRequired);
        assert!(reason(&alert, "x").contains("asks for one"));
        let other = HandshakeError::AlertReceived(AlertDescription::InternalError);
        assert!(reason(&other, "x").starts_with("TLS failed"));
    }
}
