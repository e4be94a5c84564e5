//! The files or the table that a table of the recipe is read from, with their columns, and how each is cut.
//!
//! Must not know: what happens to the rows.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::dialect::Dialect;
use crate::job::ProblemKind;
use crate::position::Position;
use crate::recipe::{Recipe, Source, Table};
use crate::schema::Field;
use crate::source::cassandra::{self, Cluster, TableName};
use crate::source::{self, Described, SourceFile, Unit, csv};

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct JobUnit {
    pub(crate) unit: Unit,
    /// Where its rows begin: in a file behind the header.
    pub(crate) body: Position,
    pub(crate) cutting: Cutting,
}

/// How splits are made of a source.
#[derive(Clone, Debug)]
pub(crate) enum Cutting {
    /// A file is cut between records.
    Records {
        file: Arc<SourceFile>,
        /// How it is written.
        dialect: Dialect,
    },
    /// It can only be read from its beginning, so it is one split.
    Never,
    /// A table is cut into token ranges, all at once.
    Ring(Arc<cassandra::Table>),
}

impl JobUnit {
    /// Asks the source whether the fields at `wanted` can be read, where that is not known yet.
    pub(crate) fn check(&self, wanted: &[usize]) -> Result<(), ProblemKind> {
        match &self.unit {
            Unit::File(..) | Unit::Corrected(_) => Ok(()),
            Unit::Table(table) => {
                let checked = Handle::current().block_on(table.check(wanted));
                checked.map_err(|error| source::Error::from(error).into())
            }
        }
    }
}

/// What `table` is read from, at least one, all with the same columns.
pub(crate) fn units(
    recipe: &Recipe,
    table: &Table,
    cluster: Option<&Arc<Cluster>>,
) -> Result<(Vec<JobUnit>, Vec<Field>), ProblemKind> {
    match (&recipe.source, cluster) {
        (Source::Csv(settings), _) => files(recipe, table, settings),
        (Source::Cassandra(_), Some(cluster)) => Ok(of_cluster(table, cluster)?),
        (Source::Cassandra(_), None) => Err(source::Error::Internal("a table without its cluster").into()),
    }
}

/// All files of a table, which must have the same columns.
fn files(
    recipe: &Recipe,
    table: &Table,
    settings: &csv::Settings,
) -> Result<(Vec<JobUnit>, Vec<Field>), ProblemKind> {
    let dialect = settings.dialect()?;
    let settings = Arc::new(settings.clone());
    let mut units: Vec<JobUnit> = Vec::new();
    let mut fields: Option<Vec<Field>> = None;
    for file in source::inputs(&table.from, &recipe.base)? {
        let Described { fields: its_fields, body } = source::describe(&file, &settings, &table.types)?;
        match &fields {
            None => fields = Some(its_fields),
            Some(fields) if *fields == its_fields => {}
            Some(_) => {
                let first = units[0].unit.key().into();
                return Err(ProblemKind::Columns { file: file.key, first });
            }
        }
        let file = Arc::new(file);
        let cutting = cutting(&file, dialect);
        units.push(JobUnit { cutting, unit: Unit::File(file, Arc::clone(&settings)), body });
    }
    Ok((units, fields.unwrap_or_default()))
}

/// A compressed file has no place to start from but its beginning.
fn cutting(file: &Arc<SourceFile>, dialect: Dialect) -> Cutting {
    if file.seekable() { Cutting::Records { file: Arc::clone(file), dialect } } else { Cutting::Never }
}

/// A table of the cluster.
fn of_cluster(table: &Table, cluster: &Arc<Cluster>) -> Result<(Vec<JobUnit>, Vec<Field>), source::Error> {
    let name: TableName =
        table.from.parse().map_err(|_| source::Error::Internal("a table's name that was not checked"))?;
    let opened = cassandra::Table::open(cluster, name, table.cassandra.clone());
    let table = Arc::new(Handle::current().block_on(opened)?);
    let fields = table.fields().to_vec();
    let (start, _) = table.token_range();
    let unit = JobUnit {
        unit: Unit::Table(Arc::clone(&table)),
        body: Position::Token(start),
        cutting: Cutting::Ring(table),
    };
    Ok((vec![unit], fields))
}
