//! How a job's rows are written into its table, matched with what the table allows; and whether it is emptied before.
//!
//! Must not know: the statements, and who is asked.

use crate::copy::error::Error;
use crate::copy::postgres::backend::Link;
use crate::copy::postgres::table::Table;
use crate::copy::postgres::{empty, write_check};
use crate::job::{Job, Problem};

/// Whether a table is emptied when its run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emptying {
    /// The recipe does not ask for it.
    Never,
    /// The recipe does, and the run makes the table: whoever else may be faster and fill it, nobody was asked.
    Made,
    /// When the ledger does not know the run; `confirmed` unless nobody was asked, because it did.
    AtFirst { confirmed: bool },
}

impl Emptying {
    /// With the statement that does it.
    pub(crate) fn of(self, statement: &str) -> Option<empty::Emptying<'_>> {
        match self {
            Emptying::Never => None,
            Emptying::Made => Some(empty::Emptying { statement: "", confirmed: true }),
            Emptying::AtFirst { confirmed } => Some(empty::Emptying { statement, confirmed }),
        }
    }
}

/// Everything about the table that is in the way of `write` and `truncate`.
pub(crate) async fn problems(
    link: Link<'_>,
    index: usize,
    job: &Job,
    table: &Table,
) -> Result<Vec<Problem>, Error> {
    let of = |key: &str, found: Vec<String>| -> Vec<Problem> {
        let key = format!("tables[{index}].{key}");
        found.into_iter().map(|what| Problem::target(&key, format!("{} {what}", job.into))).collect()
    };
    let mut problems = of("write", write_check::obstacles(link, job.write, table, &job.columns()).await?);
    if job.truncate.is_some() {
        problems.extend(of("truncate", empty::obstacles(link, table).await?));
    }
    Ok(problems)
}

/// A table that a run would make has no key to go by.
pub(crate) fn no_key(index: usize, job: &Job) -> Problem {
    let mode = job.write.name();
    Problem::target(
        &format!("tables[{index}].write"),
        format!(
            "{} would be made without a primary key, and write = \"{mode}\" goes by it: make the table yourself",
            job.into
        ),
    )
}
