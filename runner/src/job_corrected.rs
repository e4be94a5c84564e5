//! Corrected rejects as one more source of a run's tables: each of its tables gets those of the file that are its own.
//!
//! Must not know: how the file is read.

use std::path::Path;
use std::sync::Arc;

use crate::copy::postgres::identifier;
use crate::job::{Job, Problem};
use crate::job_units::{Cutting, JobUnit};
use crate::position::Position;
use crate::source::{self, Corrected, Unit, corrected_tables, inputs};

/// Adds the rows of the file at `path` to the tables that they go into; keys of files below `base` are relative to it.
pub(crate) fn add(jobs: &mut [Job], path: &Path, base: &Path) -> Result<(), Problem> {
    let problem = |error: source::Error| Problem { key: String::new(), kind: error.into() };
    let canonical = path.canonicalize().map_err(|_| problem(source::Error::NoFile { path: path.into() }))?;
    let name = canonical.to_str().ok_or_else(|| problem(source::Error::NameNotUtf8 { path: path.into() }))?;
    let files = inputs(name, base).map_err(problem)?;
    let file =
        files.into_iter().next().ok_or_else(|| problem(source::Error::NoFile { path: path.into() }))?;
    let found = corrected_tables(&file).map_err(problem)?;
    if found.is_empty() {
        return Err(problem(source::Error::NoRejects { file: file.key }));
    }
    for (table, lines) in &found {
        if !jobs.iter().any(|job| is_table(table, &job.into)) {
            let (file, line, table) = (file.key.clone(), lines.line, table.escape_debug().to_string());
            return Err(problem(source::Error::OfNoTable { file, line, table }));
        }
    }
    for job in jobs {
        let tables: Vec<String> = found.keys().filter(|table| is_table(table, &job.into)).cloned().collect();
        if !tables.is_empty() {
            let corrected = Corrected { file: file.clone(), tables };
            job.units.push(JobUnit {
                unit: Unit::Corrected(Arc::new(corrected)),
                body: Position::FILE_START,
                cutting: Cutting::Never,
            });
        }
    }
    Ok(())
}

/// Whether a line's `table`, which is as the ledger or the recipe has it, is the recipe's `into`.
fn is_table(table: &str, into: &str) -> bool {
    if table == into {
        return true;
    }
    match identifier::table(into) {
        Ok((Some(schema), name)) => table == format!("{schema}.{name}"),
        // The schema was found by the search path.
        Ok((None, name)) => table.split_once('.').is_some_and(|(_, of_schema)| of_schema == name),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_its_name_in_the_ledger_or_in_the_recipe() {
        assert!(is_table("public.people", "public.people"));
        assert!(is_table("public.people", "people") && is_table("public.people", "PUBLIC.People"));
        assert!(is_table("Bank.T x", "\"Bank\".\"T x\"") && is_table("out/dir", "out/dir"));
        assert!(!is_table("public.pets", "public.people") && !is_table("other.people", "public.people"));
    }
}
