//! What settings and environment mean together: URL before `PG*` variables before libpq's defaults.
//!
//! Must not know: how a connection is made.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::environment::Environment;
use super::settings::Settings;
use super::tls::{Root, SslMode};
use super::url::Given;
use super::{passfile, url};
use crate::copy::error::Error;

/// More hosts than that are a mistake.
const MAX_HOSTS: usize = 1000;

/// All that a connection needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configured hosts in their order, at least one.
    pub hosts: Vec<Endpoint>,
    /// The user's name.
    pub user: String,
    /// The database.
    pub database: String,
    /// How far TLS is asked for.
    pub ssl_mode: SslMode,
    /// Which authorities sign the servers' certificates.
    pub root: Root,
    /// Further server settings of the user (`-c name=value`), sent before ours.
    pub server_options: Option<String>,
    /// Limit over one whole connect.
    pub connect_timeout: Duration,
    /// The sessions' `lock_timeout`.
    pub lock_timeout: Duration,
    /// How long a node may give no sign of life before it is probed.
    pub stall_timeout: Duration,
    /// Longest time for a probe.
    pub probe_timeout: Duration,
    /// How long sent bytes may stay unacknowledged.
    pub tcp_user_timeout: Duration,
    /// How long a run waits while no node can be used.
    pub give_up_after: Duration,
    /// How often something that the server cannot do at the moment is tried again.
    pub retries: u32,
    /// Schema of our own tables.
    pub schema: String,
    /// Whether `yb_servers()` is asked.
    pub discover: bool,
    /// What the user should know: an ignored password file, an unsupported variable.
    pub notes: Vec<String>,
}

/// One host to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address, or the folder of a Unix socket.
    pub host: String,
    /// Where to connect to instead of looking up `host`.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// Names that the server's certificate may be valid for; the first is sent as SNI.
    pub certificate_names: Vec<String>,
    /// For this host.
    pub password: Option<Password>,
}

/// A password: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub(super) String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// `host:port`, as messages show it, and ` (address)` where that was given apart: no two endpoints look the same.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v6 = self.host.contains(':');
        if v6 {
            write!(f, "[{}]:{}", self.host, self.port)?;
        } else {
            write!(f, "{}:{}", self.host, self.port)?;
        }
        match self.address {
            Some(address) if address.to_string() != self.host => write!(f, " ({address})"),
            _ => Ok(()),
        }
    }
}

impl Endpoint {
    /// Whether this is a Unix socket, which has no TLS.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

impl Options {
    /// Joins settings and environment. Reads the password file, but asks no server.
    pub fn resolve(settings: &Settings, environment: &Environment) -> Result<Options, Error> {
        let look = Lookup { given: url::parse(&settings.url.0)?, environment };
        look.check_fixed()?;
        let user = look.get("user", "PGUSER").or(environment.get("USER")).or(environment.get("LOGNAME"));
        let user = user.ok_or_else(|| refused("no user: write it in the url or set PGUSER"))?.to_string();
        let database = look.get("dbname", "PGDATABASE").unwrap_or(&user).to_string();
        let ssl_mode = look.get("sslmode", "PGSSLMODE").map_or(Ok(SslMode::Prefer), str::parse)?;
        let root = Root::of(look.get("sslrootcert", "PGSSLROOTCERT"), environment.get("HOME"));
        let mut notes = Vec::new();
        if environment.get("PGSERVICE").is_some() {
            notes.push("PGSERVICE is set but not supported: it is ignored".into());
        }
        let mut hosts = look.hosts()?;
        let passwords = look.passwords(&mut notes);
        for endpoint in &mut hosts {
            endpoint.password = passwords.of(endpoint, &database, &user).map(Password);
        }
        Ok(Options {
            hosts,
            server_options: look.get("options", "PGOPTIONS").map(String::from),
            connect_timeout: look.connect_timeout()?.unwrap_or(settings.connect_timeout.0),
            lock_timeout: settings.lock_timeout.0,
            stall_timeout: settings.stall_timeout.0,
            probe_timeout: settings.probe_timeout.0,
            tcp_user_timeout: settings.tcp_user_timeout.0,
            give_up_after: settings.give_up_after.0,
            retries: settings.retries,
            schema: settings.schema.clone(),
            discover: settings.discover,
            user,
            database,
            // libpq: with an authority at hand, `require` checks against it.
            ssl_mode: if ssl_mode == SslMode::Require && root.is_given() {
                SslMode::VerifyCa
            } else {
                ssl_mode
            },
            root,
            notes,
        })
    }
}

fn refused(why: &str) -> Error {
    Error::Settings(format!("the target's connection settings are not usable: {why}"))
}

/// What was written, by priority.
struct Lookup<'a> {
    given: Given,
    environment: &'a Environment,
}

impl Lookup<'_> {
    fn get(&self, option: &str, variable: &str) -> Option<&str> {
        let given = self.given.get(option).map(String::as_str).filter(|value| !value.is_empty());
        given.or(self.environment.get(variable))
    }

    /// Options whose value can only be what we do anyway.
    fn check_fixed(&self) -> Result<(), Error> {
        let fixed: [(&str, &str, &[&str], &str); 3] = [
            (
                "target_session_attrs",
                "PGTARGETSESSIONATTRS",
                &["any", "read-write", "primary"],
                "rows are written to primaries only",
            ),
            (
                "channel_binding",
                "PGCHANNELBINDING",
                &["disable", "prefer"],
                "channel binding is not supported; use sslmode=verify-full",
            ),
            (
                "load_balance_hosts",
                "PGLOADBALANCEHOSTS",
                &["disable"],
                "streams are spread over the nodes by their load",
            ),
        ];
        for (option, variable, allowed, why) in fixed {
            if self.get(option, variable).is_some_and(|value| !allowed.contains(&value)) {
                return Err(refused(&format!("{option} cannot be set to that ({why})")));
            }
        }
        Ok(())
    }

    fn connect_timeout(&self) -> Result<Option<Duration>, Error> {
        let Some(text) = self.get("connect_timeout", "PGCONNECT_TIMEOUT") else { return Ok(None) };
        let seconds: Option<u64> = text.parse().ok().filter(|s| (1..=86_400).contains(s));
        seconds.map(Duration::from_secs).map(Some).ok_or_else(|| {
            refused("connect_timeout (in the url, or PGCONNECT_TIMEOUT) is a number of seconds, 1 to 86400")
        })
    }

    /// Hosts with their ports. Variables fill what the URL leaves open: `PGHOSTADDR` only goes with `PGHOST`.
    fn hosts(&self) -> Result<Vec<Endpoint>, Error> {
        let in_url = self.given.contains_key("host") || self.given.contains_key("hostaddr");
        let list = |option: &str, variable: &str| -> Vec<String> {
            let text =
                if in_url { self.given.get(option).map(String::as_str) } else { self.get(option, variable) };
            text.map(|text| text.split(',').map(|part| part.trim().to_string()).collect()).unwrap_or_default()
        };
        let (names, addresses) = (list("host", "PGHOST"), list("hostaddr", "PGHOSTADDR"));
        let count = names.len().max(addresses.len()).max(1);
        if count > MAX_HOSTS {
            return Err(refused("there are more than 1000 hosts"));
        }
        if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
            return Err(refused("host and hostaddr name different numbers of hosts"));
        }
        let ports = self.ports(count)?;
        (0..count).map(|at| endpoint(names.get(at), addresses.get(at), ports[at])).collect()
    }

    /// One port per host: its own, else the variable's, else 5432.
    fn ports(&self, count: usize) -> Result<Vec<u16>, Error> {
        let own = port_list(self.given.get("port").map(String::as_str), count)?;
        let fallback = port_list(self.environment.get("PGPORT"), count)?;
        Ok((0..count).map(|at| own[at].or(fallback[at]).unwrap_or(5432)).collect())
    }

    /// URL, PGPASSWORD, password file, in this order.
    fn passwords(&self, notes: &mut Vec<String>) -> Passwords {
        if let Some(password) = self.get("password", "PGPASSWORD") {
            return Passwords::One(password.into());
        }
        let given = self.get("passfile", "PGPASSFILE").map(PathBuf::from);
        let home = || self.environment.get("HOME").map(|home| PathBuf::from(home).join(".pgpass"));
        let named = given.is_some();
        let Some(path) = given.or_else(home) else { return Passwords::None };
        match passfile::read(&path) {
            Ok(Some(text)) => return Passwords::File(text),
            Ok(None) if named => notes.push(format!("password file `{}` cannot be opened", path.display())),
            Ok(None) => {}
            Err(note) => notes.push(note),
        }
        Passwords::None
    }
}

/// A comma list of ports, one for each host or one for all; an empty one is left open.
fn port_list(text: Option<&str>, count: usize) -> Result<Vec<Option<u16>>, Error> {
    let parts: Vec<&str> = text.map(|text| text.split(',').map(str::trim).collect()).unwrap_or_default();
    if parts.len() > 1 && parts.len() != count {
        return Err(refused(&format!(
            "there are {} ports for {count} hosts: write one for all or one for each",
            parts.len()
        )));
    }
    let ports = (0..count).map(|at| match parts.get(at).or(parts.first().filter(|_| parts.len() == 1)) {
        None | Some(&"") => Ok(None),
        // The text is not shown: of a badly encoded URL it may be a piece of the password.
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(Some(port)),
            _ => Err(refused("a port is not a number from 1 to 65535")),
        },
    });
    ports.collect()
}

fn endpoint(name: Option<&String>, address: Option<&String>, port: u16) -> Result<Endpoint, Error> {
    let name = name.map(String::as_str).filter(|name| !name.is_empty());
    let address = match address.map(String::as_str).filter(|address| !address.is_empty()) {
        Some(text) => Some(text.parse::<IpAddr>().map_err(|_| refused("hostaddr is not an IP address"))?),
        None => None,
    };
    let host =
        name.map(String::from).or(address.map(|a| a.to_string())).unwrap_or_else(|| "localhost".into());
    if host.len() > 255 || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(refused("a host is not a name, an address or a folder"));
    }
    Ok(Endpoint { certificate_names: vec![host.clone()], host, address, port, password: None })
}

enum Passwords {
    None,
    One(String),
    File(String),
}

impl Passwords {
    fn of(&self, endpoint: &Endpoint, database: &str, user: &str) -> Option<String> {
        // libpq's word for its default socket folders.
        let default_folder =
            ["/tmp", "/var/run/postgresql", "/run/postgresql"].contains(&endpoint.host.as_str());
        let host = if default_folder { "localhost" } else { &endpoint.host };
        match self {
            Passwords::None => None,
            Passwords::One(password) => Some(password.clone()),
            Passwords::File(text) => passfile::find(text, [host, &endpoint.port.to_string(), database, user]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn resolve(url: &str, variables: &[(&str, &str)]) -> Result<Options, Error> {
        Options::resolve(&Settings::of_url(url), &variables.iter().copied().collect())
    }

    fn shown(options: &Options) -> Vec<String> {
        options.hosts.iter().map(Endpoint::to_string).collect()
    }

    #[test]
    fn the_url_goes_before_variables_and_variables_before_defaults() {
        let variables = [
            ("PGHOST", "v"),
            ("PGPORT", "7"),
            ("PGUSER", "vu"),
            ("PGDATABASE", "vd"),
            ("PGSSLMODE", "disable"),
        ];
        let options = resolve("postgres://u@h:1,h2/d?sslmode=require", &variables).unwrap();
        assert_eq!(shown(&options), ["h:1", "h2:7"]);
        assert_eq!((options.user.as_str(), options.database.as_str()), ("u", "d"));
        assert_eq!(options.ssl_mode, SslMode::Require);
        let options = resolve("", &variables).unwrap();
        assert_eq!(shown(&options), ["v:7"]);
        assert_eq!((options.user.as_str(), options.database.as_str()), ("vu", "vd"));
        assert_eq!(options.ssl_mode, SslMode::Disable);
        let options = resolve("", &[("USER", "me")]).unwrap();
        assert_eq!(shown(&options), ["localhost:5432"]);
        assert_eq!((options.user.as_str(), options.database.as_str()), ("me", "me"));
        assert_eq!(options.ssl_mode, SslMode::Prefer);
        assert!(resolve("", &[]).unwrap_err().to_string().contains("PGUSER"));
    }

    #[test]
    fn each_host_has_its_own_port_or_shares_one() {
        let hosts = |url| resolve(url, &[("PGUSER", "u"), ("PGHOSTADDR", "9.9.9.9")]).map(|o| shown(&o));
        assert_eq!(hosts("host=a,b port=1,2").unwrap(), ["a:1", "b:2"]);
        assert_eq!(hosts("host=a,b port=3").unwrap(), ["a:3", "b:3"]);
        assert_eq!(hosts("postgres://[::1]:4,b").unwrap(), ["[::1]:4", "b:5432"]);
        assert!(hosts("host=a,b,c port=1,2").unwrap_err().to_string().contains("2 ports for 3 hosts"));
        assert!(hosts("host=a port=0").is_err());
        let two = resolve("host=a,b hostaddr=10.0.0.1,", &[("PGUSER", "u")]).unwrap();
        assert_eq!(two.hosts[0].address, Some("10.0.0.1".parse().unwrap()));
        assert_eq!(two.hosts[1].address, None);
        let same = resolve("host=a,a hostaddr=10.0.0.1,10.0.0.2", &[("PGUSER", "u")]).unwrap();
        assert_eq!(shown(&same), ["a:5432 (10.0.0.1)", "a:5432 (10.0.0.2)"]);
    }

    #[test]
    fn a_password_comes_from_url_then_variable_then_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".pgpass");
        std::fs::write(&path, "b:*:*:*:from file\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let home = home.path().to_str().unwrap();
        let passwords = |url: &str, variables: &[(&str, &str)]| {
            let options = resolve(url, &[variables, &[("HOME", home)]].concat()).unwrap();
            assert!(!format!("{options:?}").contains("from"), "{options:?}");
            options.hosts.into_iter().map(|host| host.password.map(|p| p.0)).collect::<Vec<_>>()
        };
        assert_eq!(passwords("postgres://u:from%20url@b", &[("PGPASSWORD", "x")]), [Some("from url".into())]);
        assert_eq!(
            passwords("postgres://u@b", &[("PGPASSWORD", "from variable")]),
            [Some("from variable".into())]
        );
        assert_eq!(passwords("postgres://u@a,b", &[]), [None, Some("from file".into())]);
        let options = resolve("postgres://u@b?passfile=/nowhere/x", &[("PGSERVICE", "s")]).unwrap();
        assert_eq!(options.notes.len(), 2, "{:?}", options.notes);
    }

    #[test]
    fn options_that_we_cannot_honour_are_refused() {
        let refused = |text: &str| resolve(text, &[("PGUSER", "u")]).unwrap_err().to_string();
        assert!(refused("host=h sslmode=allow").contains("verify-full"));
        assert!(refused("host=h target_session_attrs=standby").contains("primaries"));
        assert!(refused("host=h channel_binding=require").contains("channel binding"));
        assert!(refused("host=h connect_timeout=0").contains("seconds"));
        resolve("host=h target_session_attrs=read-write channel_binding=prefer", &[("PGUSER", "u")]).unwrap();
    }

    #[test]
    fn require_with_an_authority_checks_the_chain_as_libpq_does() {
        let mode =
            |url: &str| resolve(url, &[("PGUSER", "u"), ("PGSSLROOTCERT", "/ca.pem")]).unwrap().ssl_mode;
        assert_eq!(mode("host=h sslmode=require"), SslMode::VerifyCa);
        assert_eq!(mode("host=h sslmode=prefer"), SslMode::Prefer);
        assert_eq!(resolve("host=h sslmode=require", &[("PGUSER", "u")]).unwrap().ssl_mode, SslMode::Require);
    }
}
