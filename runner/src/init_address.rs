//! The address that `etl init` is given: `cassandra://[user@]host[:port][,host…]/keyspace`.
//!
//! Pure. No message shows a part of it: where a password was written against all advice, any part may be one.

use crate::recipe_keys::NO_SOURCE_PASSWORD;
use crate::source::cassandra::TableName;

/// A cluster and a keyspace of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Who logs in.
    pub(crate) user: Option<String>,
    /// At least one, as in a recipe, not looked at more closely.
    pub(crate) hosts: Vec<String>,
    /// By the name that the cluster knows it by.
    pub(crate) keyspace: String,
}

const FORM: &str =
    "must be cassandra://host/keyspace, with user@ in front of the host and :port behind it where needed";

/// Reads an address; an error says what is wrong with it.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    let rest = text.strip_prefix("cassandra://").ok_or(FORM)?;
    let (authority, keyspace) = rest.split_once('/').ok_or(FORM)?;
    let (user, hosts) = match authority.rsplit_once('@') {
        None => (None, authority),
        Some((user, _)) if user.contains(':') => return Err(NO_SOURCE_PASSWORD.into()),
        Some(("", _)) => return Err("has no user in front of the `@`".into()),
        Some((user, hosts)) => (Some(user.to_owned()), hosts),
    };
    let hosts: Vec<String> = hosts.split(',').map(str::to_owned).collect();
    if hosts.iter().any(String::is_empty) {
        return Err(FORM.into());
    }
    let table = format!("{keyspace}.t").parse::<TableName>();
    let wrong =
        "must end in a keyspace's name, in quotes where it has other characters than letters, digits and _";
    Ok(Address { user, hosts, keyspace: table.map_err(|_| wrong)?.keyspace })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Option<String>, Vec<String>, String) {
        let Address { user, hosts, keyspace } = address(text).unwrap();
        (user, hosts, keyspace)
    }

    #[test]
    fn an_address_has_hosts_a_keyspace_and_perhaps_a_user() {
        let hosts = |hosts: &[&str]| hosts.iter().map(|host| (*host).into()).collect::<Vec<String>>();
        assert_eq!(read("cassandra://10.0.0.1/bank"), (None, hosts(&["10.0.0.1"]), "bank".into()));
        let whole = read("cassandra://etl@a:9042,[::1]:9043/Bank");
        assert_eq!(whole, (Some("etl".into()), hosts(&["a:9042", "[::1]:9043"]), "bank".into()));
        assert_eq!(read("cassandra://a/\"Bank\"").2, "Bank");
    }

    #[test]
    fn what_is_no_address_is_told_without_it() {
        for (text, what) in [
            ("postgres://hush/ks", "must be cassandra://"),
            ("cassandra://hush", "must be cassandra://"),
            ("cassandra://hush,/ks", "must be cassandra://"),
            ("cassandra:///ks", "must be cassandra://"),
            ("cassandra://@hush/ks", "no user"),
            ("cassandra://hush/", "keyspace's name"),
            ("cassandra://hush/a.b", "keyspace's name"),
            ("cassandra://hush/a?b=c", "keyspace's name"),
            ("cassandra://u:hush@h/ks", "ETL_SOURCE__CASSANDRA__PASSWORD"),
            ("cassandra://u:@hush/ks", "ETL_SOURCE__CASSANDRA__PASSWORD"),
        ] {
            let error = address(text).unwrap_err();
            assert!(error.contains(what) && !error.contains("hush"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(cassandra://)?[a-z:@/\",.]{0,20}") {
            let _ = address(&text);
        }
    }
}
