//! What it means that a chunk was not committed: a clash, a refused row, doubt, or the server's error as it is.
//!
//! Must not know: what is done about it.

use super::chunk::{Place, Refusal, Step};
use super::claim::Stands;
use super::failure::{ends_unknown, find_place};
use super::stream::Stream;
use crate::copy::error::{Error, RefusedRow, ServerError};
use crate::copy::message::LineMap;
use crate::patience::Patience;

impl Stream<'_> {
    /// What a chunk's failure means. `lines` are the chunk's, unless it was only being opened.
    pub(super) async fn explain(&self, refusal: Refusal, place: &Place, lines: Option<&LineMap>) -> Error {
        let link = self.link;
        let failed = match refusal {
            Refusal::Wrong(error) => return error,
            Refusal::Failed(failed) => failed,
        };
        let action = failed.step.action();
        if lines.is_some() && ends_unknown(&failed.error, failed.step == Step::Commit) {
            return match link.failure(action, &failed.error) {
                Error::Lost { address, reason, .. } => Error::InDoubt { address, reason },
                Error::Server(server) => {
                    Error::InDoubt { address: link.backend.address.clone(), reason: server.to_string() }
                }
                other => other,
            };
        }
        let error = link.failure(action, &failed.error);
        let Error::Server(mut server) = error else { return error };
        find_place(&mut server, &failed.error, &self.statements.into);
        let not_as_expected = server.state == "22012";
        match failed.step {
            Step::Check if not_as_expected => Error::Clash { split: place.split.to_string() },
            Step::Copy | Step::Store | Step::Constraints | Step::Advance | Step::Commit
                if server.blames_a_row() =>
            {
                match self.moved(place).await {
                    Ok(true) => Error::Clash { split: place.split.to_string() },
                    Ok(false) if failed.step == Step::Advance && not_as_expected => {
                        Error::Bug(format!("the ledger row of split {} did not move", place.split))
                    }
                    Ok(false) if lines.is_none_or(LineMap::is_empty) => Error::Server(server),
                    Ok(false) => {
                        let counts_lines = counts_lines(link.backend.version, &server.state);
                        Error::RefusedRow(Box::new(refused_row(place, lines, *server, counts_lines)))
                    }
                    Err(error) => error,
                }
            }
            Step::Rejects if server.blames_a_row() => {
                Error::Bug(format!("the ledger refused a reject: {server}"))
            }
            _ => Error::Server(server),
        }
    }

    /// Whether somebody else moved the ledger row from where this worker left it.
    async fn moved(&self, place: &Place) -> Result<bool, Error> {
        let as_it_was = |stands: Stands| {
            !stands.done && stands.epoch == place.epoch && stands.position == place.from.stored()
        };
        let mut patience = Patience::default();
        loop {
            let held = self.control.current();
            let ask = self.statements.plan.standing_of(held.link(), &place.split);
            match self.control.once(&held, ask).await {
                Ok(standing) => return Ok(!standing.is_some_and(as_it_was)),
                Err(error) => self.control.get_ready(&held, error, &mut patience).await?,
            }
        }
    }
}

/// Whether the server's number is that of a line. Before PostgreSQL 12 it counts rows of its own batch, however many
/// lines they take, when an index refuses one: good for a search, which looks, and for nothing else.
fn counts_lines(version: u32, state: &str) -> bool {
    version >= 120_000 || !matches!(state, "23505" | "23P01" | "54000")
}

fn refused_row(
    place: &Place,
    lines: Option<&LineMap>,
    server: ServerError,
    counts_lines: bool,
) -> RefusedRow {
    let line = server.line.filter(|_| counts_lines);
    RefusedRow {
        source: place.split.source.clone(),
        range: lines.and_then(LineMap::range),
        position: lines.zip(line).and_then(|(lines, line)| lines.position(line)),
        suspects: lines.and_then(|lines| lines.suspects(server.line)),
        server,
    }
}

#[cfg(test)]
mod tests {
    use super::counts_lines;

    #[test]
    fn an_old_server_counts_lines_unless_an_index_refuses_the_row() {
        assert!(!counts_lines(110_022, "23505") && !counts_lines(110_002, "54000"));
        assert!(counts_lines(110_022, "22P02") && counts_lines(110_022, "23514"));
        assert!(counts_lines(120_000, "23505") && counts_lines(180_001, "23505"));
    }
}
