//! Whether a text is the address of a database, and whether it carries a password: a recipe is reviewed and kept in git,
//! a command line is seen by everybody on the machine, so neither may hold one.
//!
//! Must not know: which addresses can be used.

/// Keywords of libpq whose value is a secret.
const SECRET: [&str; 3] = ["password", "sslpassword", "oauth_client_secret"];

/// Keywords of libpq: what begins with one and a `=` is an address, even if we do not take all of them.
const KEYWORDS: &str = "host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout \
    client_encoding options application_name fallback_application_name keepalives keepalives_idle keepalives_interval \
    keepalives_count tcp_user_timeout replication gssencmode sslmode requiressl sslnegotiation sslcompression sslcert \
    sslkey sslkeylogfile sslpassword sslcertmode sslrootcert sslcrl sslcrldir sslsni requirepeer \
    ssl_min_protocol_version ssl_max_protocol_version min_protocol_version max_protocol_version krbsrvname gsslib \
    gssdelegation scram_client_key scram_server_key service servicefile target_session_attrs load_balance_hosts \
    oauth_issuer oauth_client_id oauth_client_secret oauth_scope oauth_ca_file authtype tty";

/// Whether `text` is an address in either of libpq's forms.
pub(crate) fn is_address(text: &str) -> bool {
    let text = text.trim_start();
    let is_keyword = |key: &str| KEYWORDS.split_whitespace().any(|known| key.trim_end() == known);
    text.split_once('=').is_some_and(|(key, _)| is_keyword(key))
        || ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme))
}

/// Whether `text`, where a path or a table's name belongs, is the address of something: it may hold a password, and
/// what it stands for is shown to everybody.
pub(crate) fn is_misplaced(text: &str) -> bool {
    text.contains("://") || has_password(text)
}

/// Whether `url`, in either of libpq's forms, holds a password. An empty one counts as none.
pub(crate) fn has_password(url: &str) -> bool {
    match url.split_once("://") {
        Some((_, rest)) => in_authority(rest) || in_query(rest),
        None => in_keywords(url),
    }
}

/// `user:password@host/…`. libpq takes a `/` or `?` before the `@` for the end of the host, so an unescaped
/// one makes a bad address that still holds a password: only what reads as a port is none.
fn in_authority(rest: &str) -> bool {
    let Some((user, _)) = rest.rsplit_once('@') else { return false };
    let Some((_, password)) = user.split_once(':') else { return false };
    let port = password.split(['/', '?', ',']).next().unwrap_or_default();
    let is_port = password.contains(['/', '?']) && port.bytes().all(|b| b.is_ascii_digit());
    !password.is_empty() && !is_port
}

/// `?password=…&sslpassword=…`, names possibly percent-encoded.
fn in_query(rest: &str) -> bool {
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|pair| pair.split_once('=')).any(|(key, value)| {
        let key = decode(key);
        !value.is_empty() && SECRET.iter().any(|secret| key.trim().eq_ignore_ascii_case(secret))
    })
}

/// `host=a password = 'b'`: spaces around the sign are allowed.
fn in_keywords(text: &str) -> bool {
    let mut parts = text.split('=').peekable();
    while let Some(part) = parts.next() {
        let key = part.trim_end().rsplit(|c: char| c.is_whitespace() || c == '\'').next().unwrap_or_default();
        let value = parts.peek().map(|value| value.trim_start()).unwrap_or_default();
        let empty = value.is_empty() || value.starts_with("''");
        if !empty && SECRET.iter().any(|secret| key.eq_ignore_ascii_case(secret)) {
            return true;
        }
    }
    false
}

/// Percent-decoding, bytes that are no text replaced.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                out.push(code);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_in_every_form_of_an_address() {
        for url in [
            "postgres://etl:secret@127.0.0.1,127.0.0.2/etl",
            "postgresql://etl:se@cret@host/etl",
            "postgresql://etl:se/cret@host/etl",
            "postgresql://etl:what?@host/etl",
            "postgres://host/etl?password=secret",
            "postgres://host/etl?user=etl&pass%77ord=secret",
            "postgres://host/etl?sslpassword=secret",
            "host=a user=b password=secret",
            "host=a password = 'secret' user=b",
            "PASSWORD=secret",
        ] {
            assert!(has_password(url), "{url}");
        }
    }

    #[test]
    fn an_address_is_known_by_any_keyword_that_it_begins_with() {
        for text in
            ["sslmode=disable host=h", " user = u", "options='-c x=1'", "postgresql://h", "postgres://"]
        {
            assert!(is_address(text), "{text}");
        }
        for text in ["out", "-", "date=2024-01-01", "a host=b", "http://h", "", "=", "hosts=a"] {
            assert!(!is_address(text), "{text}");
        }
    }

    #[test]
    fn an_address_without_a_password_passes() {
        for url in [
            "postgres://etl@127.0.0.1,127.0.0.2,127.0.0.3/etl",
            "postgres://etl:@host/etl",
            "postgres://host:5433/etl",
            "postgres://host:5433,other:5434/etl?sslmode=require&passfile=/home/etl/.pgpass",
            "postgres://host:5433,other/etl?user=a@b",
            "host=a port=5433 user=b passfile=p",
            "host=a password='' user=b",
            "",
            "%",
            "postgres://h/?%=1&%7=2&%zz=3",
        ] {
            assert!(!has_password(url), "{url}");
        }
    }
}
