//! The settings that every session is pinned to, whatever role, database and environment say.
//!
//! Pure. Must not know: connections.

use std::fmt::Display;
use std::time::Duration;

use super::options::Options;

/// An idle connection is probed after this time, then every interval; after three misses it is lost. By both sides: an
/// owner whose machine is gone is alive for everybody else until the server has noticed.
pub(super) const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// See [`KEEPALIVE_IDLE`].
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// See [`KEEPALIVE_IDLE`].
pub(super) const KEEPALIVE_RETRIES: u32 = 3;

/// Settings that exist everywhere. Those that a text's meaning hangs on are here as far as it is our text: how the server
/// reads a text of the user's (the order in `1/2/2024`, the language of `money`) is for the user to set.
const PINNED: [(&str, &str); 9] = [
    ("array_nulls", "on"),
    // What the ledger waits for it has to see.
    ("default_transaction_isolation", "read committed"),
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
];

/// Settings that are pinned where the server knows them. The last one keeps a YugabyteDB from committing a COPY
/// in pieces of its own.
const PINNED_IF_KNOWN: [(&str, &str); 3] =
    [("idle_session_timeout", "0"), ("transaction_timeout", "0"), (COPY_IN_ONE_PIECE, "0")];

/// YugabyteDB's setting.
pub(super) const COPY_IN_ONE_PIECE: &str = "yb_default_copy_from_rows_per_transaction";

/// How often a server looks, while a statement is at work, whether its client is still there.
const CLIENT_CHECK: Duration = Duration::from_secs(10);

/// The expressions that set them, for one `SELECT`.
pub(super) fn settings(options: &Options) -> String {
    let set = |name: &str, value: &dyn Display| format!("set_config('{name}', '{value}', false)");
    // `current_setting(…, true)` is NULL where the server does not know the name.
    let set_if = |name: &str, value: &dyn Display, also: &str| {
        let known = format!("current_setting('{name}', true) IS NOT NULL{also}");
        format!("CASE WHEN {known} THEN {} END", set(name, value))
    };
    let mut columns: Vec<String> = PINNED.iter().map(|(name, value)| set(name, value)).collect();
    columns.extend([
        set("lock_timeout", &options.lock_timeout.as_millis()),
        set("tcp_keepalives_idle", &KEEPALIVE_IDLE.as_secs()),
        set("tcp_keepalives_interval", &KEEPALIVE_INTERVAL.as_secs()),
        set("tcp_keepalives_count", &KEEPALIVE_RETRIES),
        set_if("tcp_user_timeout", &options.tcp_user_timeout.as_millis(), ""),
        // Other systems may know the name and refuse the value.
        set_if(
            "client_connection_check_interval",
            &CLIENT_CHECK.as_millis(),
            " AND version() LIKE '%linux%'",
        ),
    ]);
    columns.extend(PINNED_IF_KNOWN.iter().map(|(name, value)| set_if(name, value, "")));
    columns.join(", ")
}
