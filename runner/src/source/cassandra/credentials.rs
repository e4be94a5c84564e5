//! What we show to a node: user and password, and how TLS is made.
//!
//! Must not know: when and to whom. No message holds a secret.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::error::Error;
use super::host::ContactPoint;
use super::settings::{Settings, TlsMode};
use crate::tls::{self, Authorities, Check, Identity, ServerName};

/// A user with the password. Not `Debug`: it is a secret.
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

/// A longer file is no password.
const MAX_PASSWORD_BYTES: u64 = 64 << 10;

/// Those of the settings, the password read from its file where it is in one; `None` without a user.
pub(super) fn of(settings: &Settings) -> Result<Option<Credentials>, Error> {
    let Some(user) = settings.user.clone() else { return Ok(None) };
    let password = match (&settings.password, &settings.password_file) {
        (Some(password), _) => password.0.clone(),
        (None, Some(path)) => {
            let read = first_line(path);
            read.map_err(|source| Error::PasswordFile { path: path.clone(), source })?
        }
        (None, None) => {
            let problem = "is missing: set ETL_SOURCE__CASSANDRA__PASSWORD, or name a `password_file`";
            return Err(Error::Setting { key: "password", problem: problem.into() });
        }
    };
    Ok(Some(Credentials { user, password }))
}

fn first_line(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_PASSWORD_BYTES + 1).read_to_string(&mut text)?;
    let too_long = read as u64 > MAX_PASSWORD_BYTES;
    match text.lines().next() {
        Some(line) if !line.is_empty() && !too_long => Ok(line.to_owned()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "its first line is no password")),
    }
}

/// The client's configuration of TLS, if it is asked for. A certificate may be valid for a node's address or for any of
/// `hosts`.
pub(super) fn tls(
    settings: &Settings,
    hosts: &[ContactPoint],
) -> Result<Option<std::sync::Arc<tls::ClientConfig>>, Error> {
    let failed = |key| move |source| Error::Tls { key, source };
    let authorities = || match &settings.ca {
        Some(path) => Authorities::of_file(path).map_err(failed("ca")),
        None => Authorities::of_system().map_err(failed("ca")),
    };
    let check = match settings.tls_mode() {
        TlsMode::Disable => return Ok(None),
        TlsMode::Require => Check::Nothing,
        TlsMode::VerifyCa => Check::Chain(authorities()?),
        TlsMode::VerifyFull => {
            let names = hosts.iter().filter_map(|host| ServerName::try_from(host.host.clone()).ok());
            Check::ChainAndName(authorities()?, names.collect())
        }
    };
    let identity = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => {
            Some(Identity::of_files(certificate, key).map_err(failed("certificate"))?)
        }
        _ => None,
    };
    tls::client(check, identity).map(Some).map_err(failed("certificate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(String, String)>, String> {
        let settings: Settings = toml::from_str(text).unwrap();
        let read = of(&settings).map_err(|error| error.to_string())?;
        Ok(read.map(|Credentials { user, password }| (user, password)))
    }

    #[test]
    fn a_password_comes_from_the_environment_before_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "from file\r\nmore").unwrap();
        let file = format!("user = 'u'\npassword_file = '{}'", path.display());
        assert_eq!(read(&file).unwrap(), Some(("u".into(), "from file".into())));
        let both = format!("{file}\npassword = 'from variable'");
        assert_eq!(read(&both).unwrap(), Some(("u".into(), "from variable".into())));
        assert_eq!(read("").unwrap(), None);
        std::fs::write(&path, "\n").unwrap();
        assert!(read(&file).unwrap_err().contains("cannot read"));
    }

    #[test]
    fn a_user_without_a_password_is_told_where_to_put_one() {
        let missing = read("user = 'u'").unwrap_err();
        assert!(missing.contains("ETL_SOURCE__CASSANDRA__PASSWORD"), "{missing}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_key() {
        let settings: Settings = toml::from_str("ca = '/nowhere/ca.pem'").unwrap();
        let error = tls(&settings, &[]).unwrap_err();
        assert_eq!(error.to_string(), "`source.cassandra.ca` cannot be used");
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("/nowhere/ca.pem"));
        assert!(tls(&Settings::default(), &[]).unwrap().is_none());
    }
}
