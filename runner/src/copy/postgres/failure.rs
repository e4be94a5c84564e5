//! From the driver's errors to ours: SQLSTATE, names and a line, never the server's text, which carries values of
//! rows. Must not know what is done about an error.

use tokio_postgres::error::{DbError, Severity};

use super::condition;
use crate::copy::error::{Error, ServerError};

/// What the driver's error means. `action` is what was being done: `COPY`, `COMMIT`, `claim`, …
pub(super) fn failure(action: &'static str, address: &str, error: &tokio_postgres::Error) -> Error {
    failure_of(action, (address, false), error)
}

/// The same of a server of which it is known whether it is a YugabyteDB.
pub(super) fn failure_of(
    action: &'static str,
    (address, is_yugabyte): (&str, bool),
    error: &tokio_postgres::Error,
) -> Error {
    let lost = |reason| Error::Lost { address: address.into(), action, reason };
    if let Some(db) = error.as_db_error() {
        let server = server_error(action, db, is_yugabyte);
        return if ends_the_session(db) { lost(server.to_string()) } else { Error::Server(Box::new(server)) };
    }
    match error.to_string().as_str() {
        // The driver does not tell its kinds apart in any other way; these three are ours to avoid.
        text @ ("query returned an unexpected number of rows"
        | "query returned an unexpected number of columns"
        | "error encoding message to server") => Error::Bug(format!("{action}: {text}")),
        text if text.starts_with("error serializing")
            || text.starts_with("error deserializing")
            || text.starts_with("expected ")
            || text.starts_with("invalid column") =>
        {
            Error::Bug(format!("{action}: {text}"))
        }
        text => lost(with_io_reason(text, error)),
    }
}

/// Whether an error leaves it unknown if a `COMMIT` that was sent took place: no answer at all, an answer that says so,
/// or the end of the session in place of `COMMIT`'s own answer.
pub(super) fn ends_unknown(error: &tokio_postgres::Error, answers_commit: bool) -> bool {
    error
        .as_db_error()
        .is_none_or(|db| is_unknown(db.code().code()) || (answers_commit && ends_the_session(db)))
}

/// Transaction resolution unknown, statement completion unknown.
fn is_unknown(state: &str) -> bool {
    matches!(state, "08007" | "40003")
}

fn ends_the_session(db: &DbError) -> bool {
    let fatal = matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
    fatal || db.code().code().starts_with("08") || matches!(db.code().code(), "57P01" | "57P02" | "25P03")
}

/// `error communicating with the server: connection reset by peer`. I/O errors carry no values.
fn with_io_reason(text: &str, error: &tokio_postgres::Error) -> String {
    let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    io.map_or_else(|| text.to_owned(), |io| format!("{text}: {io}"))
}

fn server_error(action: &'static str, db: &DbError, is_yugabyte: bool) -> ServerError {
    ServerError {
        action,
        state: db.code().code().to_owned(),
        condition: condition::name(db.code().code()),
        constraint: db.constraint().map(str::to_owned),
        column: db.column().map(str::to_owned),
        table: db.table().map(str::to_owned),
        line: db.where_().and_then(|context| line_of_copy(context, None)),
        says_try_again: is_yugabyte && says_try_again(db.message()),
    }
}

/// Words of YugabyteDB's messages after which trying again helps, in lower case.
const TRY_AGAIN: [&str; 14] = [
    "timed out",
    "timeout",
    "not the leader",
    "leader not ready",
    "leader does not have a valid lease",
    "schema version mismatch",
    "snapshot too old",
    "memory limit",
    "service unavailable",
    "network error",
    "restart read required",
    "conflicts with higher priority transaction",
    "expired or aborted by a conflict",
    "catalog snapshot used for this transaction has been invalidated",
];

/// Whether a message is one of those. It is not kept: messages carry values.
fn says_try_again(message: &str) -> bool {
    let message = message.to_lowercase();
    TRY_AGAIN.iter().any(|words| message.contains(words))
}

/// Looks for line and column anew, where it is known which table a COPY copies into: names may look like lines.
pub(super) fn find_place(server: &mut ServerError, error: &tokio_postgres::Error, into: &str) {
    let Some((db, context)) = error.as_db_error().and_then(|db| Some((db, db.where_()?))) else { return };
    server.line = line_of_copy(context, Some(into));
    server.column = db.column().map(str::to_owned).or_else(|| column_of_copy(context, into));
}

/// `COPY flights, line 7, column a: "x"` below any frames of PL/pgSQL. Servers translate the words, so the first
/// number behind the table's name counts, before the row's value. `into` is that name, where it is known.
pub(super) fn line_of_copy(context: &str, into: Option<&str>) -> Option<u64> {
    let named = into.and_then(|into| behind_copy(context, into)).map(|(_, rest)| rest);
    let guessed = || {
        let copy = context.lines().find_map(|line| line.strip_prefix("COPY "))?;
        copy.split_once([',', '、']).map(|(_, rest)| rest)
    };
    let rest = named.or_else(guessed)?;
    let rest = &rest[rest.find(|c: char| c.is_ascii_digit())?..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The column's name in `COPY flights, line 7, column a: "x"`: data exceptions do not carry it in a field. Only from
/// the innermost frame and right behind the table's name, which the server itself wrote: anywhere else a row's value may
/// look like one. Servers that translate these words name no column.
pub(super) fn column_of_copy(context: &str, into: &str) -> Option<String> {
    let (_, rest) = behind_copy(context, into).filter(|(at, _)| *at == 0)?;
    let rest = rest.strip_prefix(", line ")?;
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(", column ")?;
    let end = rest.find(": ")?;
    Some(rest[..end].to_owned())
}

/// Where a line `COPY <into>, …` begins, and what stands behind the name.
fn behind_copy<'a>(context: &'a str, into: &str) -> Option<(usize, &'a str)> {
    let copy = format!("COPY {into}");
    context.match_indices(&copy).find_map(|(at, _)| {
        let rest = &context[at + copy.len()..];
        let begins_a_line = at == 0 || context[..at].ends_with('\n');
        (begins_a_line && rest.starts_with([',', '、'])).then_some((at, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yugabytedbs_words_for_try_again_are_known_in_any_case() {
        assert!(says_try_again("Operation failed. Try again: Restart read required at: { read: … }"));
        assert!(says_try_again("Query error: Schema version mismatch for table 0000"));
        assert!(!says_try_again("cache lookup failed for type 0"));
    }

    #[test]
    fn the_line_of_a_copy_is_found_below_frames_and_in_other_languages() {
        assert_eq!(line_of_copy("COPY t, line 7, column a: \"12\"", None), Some(7));
        assert_eq!(
            line_of_copy("PL/pgSQL function f() line 3 at RAISE\nCOPY t, line 9: \"1,2\"", None),
            Some(9)
        );
        assert_eq!(line_of_copy("COPY t, Zeile 12, Spalte a: »x«", None), Some(12));
        assert_eq!(line_of_copy("COPY t, line 18446744073709551616", None), None);
        assert_eq!(line_of_copy("SQL statement \"COPY\"", None), None);
        assert_eq!(line_of_copy("COPY t, ", None), None);
    }

    #[test]
    fn the_column_of_a_copy_is_named_but_never_its_value() {
        assert_eq!(column_of_copy("COPY t, line 7, column a: \"x: y\"", "t").as_deref(), Some("a"));
        for value_only in [
            "COPY t, line 7: \", column secret: \"",
            "COPY t, line 7",
            "SQL statement \"x\nCOPY t, line 1, column secret: \"",
            "COPY t, Zeile 3: \"x, line 7, column secret: y\"",
            "COPY u, line 3: \"x, line 7, column secret: y\"",
        ] {
            assert_eq!(column_of_copy(value_only, "t"), None, "{value_only}");
        }
    }

    #[test]
    fn a_table_with_a_name_like_a_line_or_a_column_does_not_mislead() {
        let at = |context: &str, into| (line_of_copy(context, Some(into)), column_of_copy(context, into));
        let (line, column) = (Some(3), Some("b".to_string()));
        let named = |into| at(&format!("COPY {into}, line 3, column b: \"x\""), into);
        for into in ["a, 7", "a, line 7, column secret: ", "a\nCOPY a, line 7", "COPY a", "a", "", "á, 7"] {
            assert_eq!(named(into), (line, column.clone()), "{into}");
        }
        assert_eq!(at("SQL statement \"x\nCOPY a, 7, line 3: \"1\"", "a, 7"), (line, None));
        assert_eq!(at("COPY a, 7、行 3、列 b: \"x\"", "a, 7"), (line, None));
        // Another table than was thought: a line is a number, and what looks like a column may be a value.
        assert_eq!(at("COPY t, line 3, column b: \"x\"", "u"), (line, None));
    }
}
