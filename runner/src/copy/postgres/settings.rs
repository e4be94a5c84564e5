//! `[target.postgres]` of a recipe.
//!
//! Must not know: what the environment adds to it (options does).

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::{identifier, url};
use crate::units::{SettingProblem, Span};

/// Where the rows go: a PostgreSQL-compatible server or cluster.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The target in libpq's form: `postgres://user@host1:5433,host2,host3/database?sslmode=verify-full`, or
    /// `host=… port=… dbname=…`. Options: `host`, `hostaddr`, `port`, `user`, `dbname`, `passfile`,
    /// `connect_timeout`, `sslmode` (`disable`, `prefer`, `require`, `verify-ca`, `verify-full`), `sslrootcert`,
    /// `options`. What is missing comes from `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGSSLMODE`, …, then
    /// from libpq's defaults. No password here: a recipe is kept in git. Set `PGPASSWORD` or write `~/.pgpass`.
    #[schemars(with = "String")]
    pub url: Url,
    /// Longest time to get a usable session on one host, from looking up its name to the first answer, 1 ms to
    /// 24 h: a host that accepts and stays silent must not hold the run. `connect_timeout` in `url` and
    /// `PGCONNECT_TIMEOUT` go first.
    pub connect_timeout: Span,
    /// Longest wait for a lock of the target, e.g. for a table that somebody locked, 1 ms to 24 h. The default is
    /// longer than ordinary maintenance holds one, and short enough that a forgotten transaction is noticed.
    pub lock_timeout: Span,
    /// How long a node may give no sign of life while it is waited for, 1 s to 24 h: then it is probed by a new
    /// connection. A statement may take longer, as long as the node answers probes.
    pub stall_timeout: Span,
    /// Longest time for such a probe, 100 ms to 1 h. After three that fail the node is set aside, and its streams go
    /// to the others.
    pub probe_timeout: Span,
    /// How long bytes that were sent may stay unacknowledged before the operating system gives a connection up, 1 s
    /// to 24 h. A server that is too busy to read counts too.
    pub tcp_user_timeout: Span,
    /// How long a run waits while no node can be used, 1 s to 24 h. Then it stops; the same command continues.
    pub give_up_after: Span,
    /// How often something is tried again that the server cannot do at the moment (conflicts of transactions, locks, a
    /// full disk, too many connections), with waits that grow to ten seconds, 0 to 1,000.
    #[schemars(range(min = 0, max = 1000))]
    pub retries: u32,
    /// Schema of the tables that `etl` keeps in the target database: ledger and rejects. Made if it is missing.
    pub schema: String,
    /// Spread the streams over all nodes that `yb_servers()` lists, where that function exists. `false` uses the
    /// hosts of `url` alone, e.g. behind a load balancer.
    pub discover: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            url: Url::default(),
            connect_timeout: Span(Duration::from_secs(10)),
            lock_timeout: Span(Duration::from_secs(60)),
            stall_timeout: Span(Duration::from_secs(10)),
            probe_timeout: Span(Duration::from_secs(3)),
            tcp_user_timeout: Span(Duration::from_secs(300)),
            give_up_after: Span(Duration::from_secs(300)),
            retries: 10,
            schema: "etl".into(),
            discover: true,
        }
    }
}

impl Settings {
    /// Settings with a URL and defaults.
    pub fn of_url(url: &str) -> Settings {
        Settings { url: url.into(), ..Settings::default() }
    }

    /// What needs no server to be found wrong.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let (ms, s, h) = (Duration::from_millis, Duration::from_secs, |h: u64| Duration::from_secs(h * 3600));
        let limits = [
            ("connect_timeout", self.connect_timeout, ms(1), h(24)),
            ("lock_timeout", self.lock_timeout, ms(1), h(24)),
            ("stall_timeout", self.stall_timeout, s(1), h(24)),
            ("probe_timeout", self.probe_timeout, ms(100), h(1)),
            ("tcp_user_timeout", self.tcp_user_timeout, s(1), h(24)),
            ("give_up_after", self.give_up_after, s(1), h(24)),
        ];
        let outside = limits.into_iter().filter(|(_, span, least, most)| !(*least..=*most).contains(&span.0));
        let mut problems: Vec<SettingProblem> = outside
            .map(|(key, _, least, most)| {
                (key, format!("must be between {} and {}", Span(least), Span(most)).into())
            })
            .collect();
        if self.retries > 1000 {
            problems.push(("retries", "must be between 0 and 1,000".into()));
        }
        if !identifier::is_name(&self.schema) {
            problems.push(("schema", "must be a name of 1 to 63 bytes".into()));
        }
        problems
    }
}

/// A connection URL. It may hold a password (when it came from a flag or the environment), so it is neither
/// shown nor serialized with it.
#[derive(Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Url(pub(super) String);

impl Url {
    /// The URL without password, for people. A text that cannot be read is not shown at all.
    pub fn redacted(&self) -> String {
        match url::parse(&self.0) {
            Ok(options) if !options.contains_key("password") => self.0.clone(),
            Ok(options) => {
                let shown = options.iter().filter(|(name, _)| **name != "password");
                let shown: Vec<String> =
                    shown.map(|(name, value)| format!("{name}={}", url::quoted(value))).collect();
                shown.join(" ")
            }
            Err(_) => "(unreadable)".into(),
        }
    }
}

impl From<&str> for Url {
    fn from(text: &str) -> Url {
        Url(text.into())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_neither_shown_nor_serialized() {
        let settings = Settings::of_url("postgres://etl:hush@h:1/db");
        let shown = format!("{settings:?} {}", serde_json::to_string(&settings).unwrap());
        assert!(!shown.contains("hush"), "{shown}");
        assert_eq!(settings.url.redacted(), "dbname=db host=h port=1 user=etl");
        assert_eq!(Url::from("postgres://u:hush@h:port/x@y").redacted(), "(unreadable)");
    }

    #[test]
    fn limits_of_no_time_and_odd_schemas_are_refused() {
        let zero = Settings { lock_timeout: Span(Duration::ZERO), ..Settings::default() };
        assert_eq!(zero.problems(), [("lock_timeout", "must be between 1 ms and 24 h".into())]);
        let two = Settings { schema: String::new(), retries: 1001, ..Settings::default() };
        assert_eq!(two.problems().into_iter().map(|(key, _)| key).collect::<Vec<_>>(), ["retries", "schema"]);
        assert!(Settings::default().problems().is_empty());
    }
}
