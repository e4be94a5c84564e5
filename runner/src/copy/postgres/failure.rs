//! From the driver's errors to ours: SQLSTATE, names and a line, never the server's text, which carries values of
//! rows. Must not know what is done about an error.

use tokio_postgres::error::{DbError, Severity};

use super::conditions;
use crate::copy::error::{Error, ServerError};

/// What the driver's error means. `action` is what was being done: `COPY`, `COMMIT`, `claim`, …
pub(super) fn failure(action: &'static str, address: &str, error: &tokio_postgres::Error) -> Error {
    let lost = |reason| Error::Lost { address: address.into(), action, reason };
    if let Some(db) = error.as_db_error() {
        let server = server_error(action, db);
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

fn server_error(action: &'static str, db: &DbError) -> ServerError {
    ServerError {
        action,
        state: db.code().code().to_owned(),
        condition: conditions::name(db.code().code()),
        constraint: db.constraint().map(str::to_owned),
        column: db.column().map(str::to_owned).or_else(|| context_column(db.where_()?)),
        table: db.table().map(str::to_owned),
        line: db.where_().and_then(|context| context.lines().find_map(copy_line)).map(|(line, _)| line),
    }
}

/// `COPY flights, line 17, column dep_time: "…"` → 17 and what follows. The word for `line` may be translated.
fn copy_line(line: &str) -> Option<(u64, &str)> {
    let mut rest = line.strip_prefix("COPY ")?;
    loop {
        rest = rest.split_once(", ")?.1;
        let Some((_, number)) = rest.split_once(' ') else { continue };
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        let behind = &number[digits..];
        if digits > 0 && (behind.is_empty() || behind.starts_with([',', ':'])) {
            return Some((number[..digits].parse().ok()?, behind));
        }
    }
}

/// The column that CONTEXT names. Only from the innermost frame, whose beginning the server itself wrote: further
/// frames may come behind a value that looks like one.
fn context_column(context: &str) -> Option<String> {
    let (_, behind) = copy_line(context.lines().next()?)?;
    let named = behind.strip_prefix(", column ")?;
    let end = named.find(": ").unwrap_or(named.len());
    Some(named[..end].to_string()).filter(|name| !name.is_empty() && name.len() <= 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_copy_is_found_in_any_language_and_below_other_frames() {
        let line = |context: &str| context.lines().find_map(copy_line).map(|found| found.0);
        assert_eq!(line("COPY flights, line 17, column dep_time: \"x, line 9\""), Some(17));
        assert_eq!(line("COPY flights, line 3: \"a,b\""), Some(3));
        assert_eq!(line("COPY flights, line 4"), Some(4));
        assert_eq!(line("COPY flights, Zeile 5, Spalte a: »b«"), Some(5));
        assert_eq!(line("PL/pgSQL function f() line 3 at RAISE\nCOPY a, b, line 6"), Some(6));
        assert_eq!(line("while updating tuple (0,1) in relation \"t\""), None);
        assert_eq!(line("COPY t, line 99999999999999999999"), None);
    }

    #[test]
    fn the_column_comes_from_the_first_frame_alone() {
        assert_eq!(context_column("COPY t, line 1, column b: \"v: w\"").as_deref(), Some("b"));
        assert_eq!(context_column("COPY t, line 1, column b: null input: \"\"").as_deref(), Some("b"));
        assert_eq!(context_column("COPY t, line 1: \"a\nCOPY t, line 1, column value\""), None);
        assert_eq!(context_column("SQL function\nCOPY t, line 1, column value"), None);
    }
}
