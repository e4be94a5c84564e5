//! Reads a connection string in libpq's two forms, `postgres://…` and `key=value …`, into the same options.
//!
//! Pure. Must not know: defaults and the environment. No message shows a part of the text but an option's
//! name: where a password was not percent-encoded, any other part may be one.

use std::collections::BTreeMap;

use crate::copy::error::Error;

/// Options by libpq's names. `host`, `hostaddr` and `port` are comma lists.
pub(super) type Given = BTreeMap<&'static str, String>;

/// What we understand; everything else is refused by name.
const KNOWN: [&str; 14] = [
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "dbname",
    "passfile",
    "connect_timeout",
    "sslmode",
    "sslrootcert",
    "options",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// Longest connection string.
const MAX_BYTES: usize = 64 << 10;

/// Reads a connection string; an empty one has no options.
pub(super) fn parse(text: &str) -> Result<Given, Error> {
    let text = text.trim();
    if text.len() > MAX_BYTES || text.contains('\0') {
        return Err(bad("it is too long or holds a NUL character"));
    }
    for scheme in ["postgres://", "postgresql://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return uri(rest);
        }
    }
    let other_scheme = text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains('='));
    if text.is_empty() || text.contains('=') && !other_scheme {
        return key_values(text);
    }
    Err(bad("write postgres://user@host:port/database or host=… user=… dbname=…"))
}

/// A value as the `key=value` form needs it.
pub(super) fn quoted(value: &str) -> String {
    if !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || ['\'', '\\'].contains(&c)) {
        return value.into();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn bad(why: &str) -> Error {
    Error::Settings(format!("the target's url cannot be read: {why}"))
}

/// The known name for what was written, or why it is refused.
fn known(name: &str) -> Result<&'static str, Error> {
    if let Some(known) = KNOWN.iter().find(|known| **known == name) {
        return Ok(known);
    }
    if name == "application_name" || name == "fallback_application_name" {
        return Err(bad(
            "application_name cannot be set: etl names its sessions itself, to show the nodes they are on",
        ));
    }
    if ["sslcert", "sslkey", "sslpassword"].contains(&name) {
        return Err(bad("client certificates (sslcert, sslkey) are not supported"));
    }
    let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let nearest = KNOWN.iter().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
    match (plain, nearest) {
        (true, Some(nearest)) if strsim::jaro(nearest, name) > 0.8 => {
            Err(bad(&format!("unknown option `{name}`, did you mean `{nearest}`?")))
        }
        (true, _) => Err(bad(&format!("option `{name}` is not supported; those are: {}", KNOWN.join(", ")))),
        (false, _) => Err(bad(&format!("unknown option; supported are: {}", KNOWN.join(", ")))),
    }
}

/// What follows `postgres://`.
fn uri(rest: &str) -> Result<Given, Error> {
    let mut given = Given::new();
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = before_query.split_once('/').unwrap_or((before_query, ""));
    if database.contains('@') {
        return Err(bad("an `@` behind a `/`: write special characters of user and password as %2F, %40, …"));
    }
    // The last `@`: a password with an unencoded one must not end up in a host's name, which messages show.
    let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    for (name, text) in [("user", user), ("password", password), ("dbname", database)] {
        if !text.is_empty() {
            given.insert(name, decoded(text)?);
        }
    }
    if !hosts.is_empty() {
        let pairs = hosts.split(',').map(host_and_port).collect::<Result<Vec<_>, _>>()?;
        let (hosts, ports): (Vec<String>, Vec<&str>) = pairs.into_iter().unzip();
        given.insert("host", hosts.join(","));
        if ports.iter().any(|port| !port.is_empty()) {
            given.insert("port", ports.join(","));
        }
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| bad("an option behind `?` has no `=`"))?;
        let (name, value) = (decoded(name)?, decoded(value)?);
        if name == "ssl" && value == "true" {
            given.insert("sslmode", "require".into());
        } else {
            given.insert(known(&name)?, value);
        }
    }
    Ok(given)
}

/// `host:port`, `[::1]:port`, `host`.
fn host_and_port(text: &str) -> Result<(String, &str), Error> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => inner.split_once(']').ok_or_else(|| bad("an IPv6 address has no closing `]`"))?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port,
        None if rest.is_empty() => "",
        None => return Err(bad("after `]` comes `:` and the port")),
    };
    if port.contains(':') {
        return Err(bad("a host has two `:`: write an IPv6 address in brackets, [::1]"));
    }
    Ok((decoded(host)?, port))
}

/// Percent-decodes.
fn decoded(text: &str) -> Result<String, Error> {
    let wrong = || {
        bad("`%` is followed by two hexadecimal digits that make UTF-8 without NUL; write `%` itself as %25")
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).ok_or_else(wrong);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok().filter(|b| *b != 0).ok_or_else(wrong)?);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// `key = value key='quoted \' value'`.
fn key_values(text: &str) -> Result<Given, Error> {
    let mut given = Given::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=').ok_or_else(|| bad("an option has no `=`"))?;
        let (value, behind) = value(behind.trim_start())?;
        let name = name.trim_end();
        given.insert(known(name)?, value);
        rest = behind.trim_start();
    }
    Ok(given)
}

/// One value, quoted or up to the next space, and what follows it.
fn value(text: &str) -> Result<(String, &str), Error> {
    let (quoted, body) = match text.strip_prefix('\'') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((value, &body[at + 1..])),
            c if c.is_whitespace() && !quoted => return Ok((value, &body[at..])),
            c => value.push(c),
        }
    }
    if quoted { Err(bad("a quote `'` is not closed")) } else { Ok((value, "")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(&'static str, String)> {
        parse(text).unwrap().into_iter().collect()
    }

    #[test]
    fn both_forms_give_the_same_options() {
        let uri = "postgresql://a%40b:p%2Fw@h1:1,h2,[::1]:3/my%20db?sslmode=require";
        let words = r"host=h1,h2,::1 port = 1,,3 user=a@b password='p/w' dbname='my db' sslmode=require";
        assert_eq!(pairs(uri), pairs(words));
        assert_eq!(parse(uri).unwrap()["host"], "h1,h2,::1");
        assert_eq!(parse(uri).unwrap()["port"], "1,,3");
    }

    #[test]
    fn parts_may_be_missing() {
        assert!(parse("").unwrap().is_empty());
        assert!(parse("postgres://").unwrap().is_empty());
        assert_eq!(pairs("postgres:///db"), [("dbname", "db".into())]);
        assert_eq!(pairs("postgres://h?user=u"), [("host", "h".into()), ("user", "u".into())]);
        assert_eq!(pairs("postgres://%2Ftmp/db"), [("dbname", "db".into()), ("host", "/tmp".into())]);
        assert_eq!(pairs("postgres://h/?ssl=true"), [("host", "h".into()), ("sslmode", "require".into())]);
    }

    #[test]
    fn an_option_that_is_not_supported_is_refused_by_name_with_the_nearest_one() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert!(message("postgres://h/d?sslmod=require").contains("did you mean `sslmode`"));
        assert!(message("postgres://h/d?krbsrvname=x").contains("`krbsrvname` is not supported"));
        assert!(message("host=h application_name=x").contains("names its sessions itself"));
        assert!(message("host=h sslcert=x").contains("client certificates"));
    }

    #[test]
    fn no_message_shows_a_part_of_a_badly_encoded_password() {
        for text in [
            "postgres://u:hu/sh@h/db",
            "postgres://u:hu%sh@h/db",
            "postgres://u:hush@h/db?hush",
            "mysql://u:hush@h/db",
            "host=h password='hush",
            "host=h hush",
            "postgres://u@h:hush:1/db",
        ] {
            let message = parse(text).map(|_| ()).unwrap_err().to_string();
            assert!(!message.contains("hu"), "{text}: {message}");
        }
        assert_eq!(parse("postgres://u:p@ss@h/db").unwrap()["host"], "h");
    }

    proptest! {
        #[test]
        fn any_value_survives_the_key_value_form(value in "[^\0]{0,20}") {
            let text = format!("host=h password={} user=u", quoted(&value));
            let given = parse(&text).unwrap();
            prop_assert_eq!(&given["password"], &value);
            prop_assert_eq!(&given["user"], "u");
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = parse(&text);
            let _ = parse(&format!("postgres://{text}"));
        }
    }
}
