//! Corrected rejects as one more source of a run's tables: each of its tables gets those of the file that are its own.
//!
//! Must not know: how the file is read.

use std::path::Path;
use std::sync::Arc;

use crate::job::{Job, Problem, ProblemKind};
use crate::job_units::{Cutting, JobUnit};
use crate::position::Position;
use crate::source::{self, Corrected, Unit, corrected_tables, inputs};
use crate::target::Destination;

/// Adds the rows of the file at `path` to the tables that they go into, which are at `destinations`, or in files where
/// that is empty; keys of files below `base` are relative to it.
pub(crate) fn add(
    jobs: &mut [Job],
    destinations: &[Destination],
    path: &Path,
    base: &Path,
) -> Result<(), Problem> {
    let problem = |kind: ProblemKind| Problem { key: String::new(), kind };
    let of_source = |error: source::Error| problem(error.into());
    let canonical =
        path.canonicalize().map_err(|_| of_source(source::Error::NoFile { path: path.into() }))?;
    let name =
        canonical.to_str().ok_or_else(|| of_source(source::Error::NameNotUtf8 { path: path.into() }))?;
    let files = inputs(name, base).map_err(of_source)?;
    let file =
        files.into_iter().next().ok_or_else(|| of_source(source::Error::NoFile { path: path.into() }))?;
    let found = corrected_tables(&file).map_err(of_source)?;
    if found.is_empty() {
        return Err(of_source(source::Error::NoRejects { file: file.key }));
    }
    let names: Vec<Names> = names(jobs, destinations);
    let mut tables: Vec<Vec<String>> = vec![Vec::new(); jobs.len()];
    for (table, lines) in &found {
        let (file, line, shown) = (file.key.clone(), lines.line, table.escape_debug().to_string());
        let its: Vec<usize> = (0..jobs.len()).filter(|at| names[*at].mean(table)).collect();
        match its[..] {
            [at] => tables[at].push(table.clone()),
            [] => return Err(of_source(source::Error::OfNoTable { file, line, table: shown })),
            _ => return Err(problem(ProblemKind::SeveralTables { file, line, table: shown })),
        }
    }
    for (job, tables) in jobs.iter_mut().zip(tables).filter(|(_, tables)| !tables.is_empty()) {
        let corrected = Corrected { file: file.clone(), tables };
        job.units.push(JobUnit {
            unit: Unit::Corrected(Arc::new(corrected)),
            body: Position::FILE_START,
            cutting: Cutting::Never,
        });
    }
    Ok(())
}

/// What a line may call a table, exactly.
struct Names {
    /// As in the recipe.
    into: String,
    /// As the ledger has it, and so its rejects; a table that is not there yet has none.
    in_ledger: Option<String>,
}

impl Names {
    fn mean(&self, table: &str) -> bool {
        table == self.into || self.in_ledger.as_deref() == Some(table)
    }
}

fn names(jobs: &[Job], destinations: &[Destination]) -> Vec<Names> {
    let in_ledger = |at: usize| match destinations.get(at)? {
        Destination::There(table) => Some(table.name_in_ledger()),
        Destination::ToMake(_) => None,
    };
    let names = jobs.iter().enumerate();
    names.map(|(at, job)| Names { into: job.into.clone(), in_ledger: in_ledger(at) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_its_whole_name_in_the_ledger_or_in_the_recipe() {
        let names = |into: &str, in_ledger: Option<&str>| Names {
            into: into.into(),
            in_ledger: in_ledger.map(String::from),
        };
        let there = names("people", Some("public.people"));
        assert!(there.mean("people") && there.mean("public.people"));
        assert!(!there.mean("other.people") && !there.mean("public.pets") && !there.mean("PEOPLE"));
        assert!(names("\"Bank.x\".t", Some("Bank.x.t")).mean("Bank.x.t"), "a schema with a dot");
        let new = names("people", None);
        assert!(new.mean("people") && !new.mean("public.people"));
    }
}
