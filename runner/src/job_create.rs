//! The statement that makes a job's target: the end of its chain as columns, and its source's key as far as it is
//! among them.
//!
//! Must not know: whether there is such a table, and who runs the statement.

use crate::copy::postgres::create_table::{self, Creation, KeyColumn, KeyPart, NewTable, Style};
use crate::job::{Job, Problem};
use crate::source::Unit;
use crate::source::cassandra::describe::Kind;
use crate::transform::Origin;

/// Writes the statement for the table `index` of the recipe.
pub(crate) fn creation(job: &Job, index: usize, style: Style) -> Result<Creation, Vec<Problem>> {
    let table = NewTable { into: &job.into, columns: job.path.chain.output(), key: &key(job) };
    table
        .write(style)
        .map_err(|problems| problems.into_iter().map(|problem| of_table(index, problem)).collect())
}

fn of_table(index: usize, problem: create_table::Problem) -> Problem {
    match problem {
        create_table::Problem::Into(text) => Problem::target(&format!("tables[{index}].into"), text),
        create_table::Problem::Columns(text) => Problem::target(&format!("tables[{index}].transforms"), text),
    }
}

/// The primary key of its source; files have none.
fn key(job: &Job) -> Vec<KeyColumn> {
    let Some(Unit::Table(table)) = job.units.first().map(|unit| &unit.unit) else { return Vec::new() };
    let chain = &job.path.chain;
    let origins: Vec<Option<Origin>> = (0..chain.output().len()).map(|place| chain.origin(place)).collect();
    let find = |origin: Origin| origins.iter().position(|found| *found == Some(origin));
    let columns = table.description().columns.iter().enumerate();
    let key = columns.filter_map(|(source, column)| {
        let part = match column.kind {
            Kind::Partition => KeyPart::Partition,
            Kind::Clustering { descending: true } => KeyPart::Descending,
            Kind::Clustering { descending: false } => KeyPart::Ascending,
            Kind::Static | Kind::Regular => return None,
        };
        let (kept, remade) = (find(Origin::Kept(source)), find(Origin::Remade(source)));
        let name = column.name.clone();
        Some(KeyColumn { name, part, column: kept.or(remade), remade: kept.is_none() && remade.is_some() })
    });
    key.collect()
}
