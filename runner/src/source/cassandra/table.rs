//! A table made ready to be read: its columns as fields of ours, and for a choice of them what is asked for and how
//! its cells are understood. Must not know pages or positions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use scylla::cluster::Node;
use scylla::value::CqlTimestamp;
use serde_json::json;
use uuid::Uuid;

use super::Error;
use super::cluster::Cluster;
use super::cql_type::{CqlType, Native};
use super::decode::Decoder;
use super::describe::{Column, DROPPED, Description, ID, Kind, describe, of_keyspace};
use super::masks;
use super::name::TableName;
use super::nodes::only;
use super::options::Options;
use super::retry::Failure;
use super::ring::{Ring, ring};
use super::statement::{Order, Select, Selector, TableShape};
use crate::schema::{Field, Scalar, Type};

/// A table of a cluster.
#[derive(Debug)]
pub struct Table {
    pub(super) cluster: Arc<Cluster>,
    pub(super) name: TableName,
    /// The name in ledger and messages.
    key: String,
    description: Description,
    /// Columns that we see masked.
    masked: Vec<String>,
    /// How large rows are, about; 0 where nothing is known.
    row_bytes: AtomicU64,
    extras: Vec<Extra>,
    pub(super) options: Options,
    fields: Vec<Field>,
}

/// A column that is asked of another one.
#[derive(Clone, Debug)]
struct Extra {
    name: String,
    selector: Selector,
    ty: CqlType,
    field: Type,
}

/// A choice of columns: what is asked for, and how the cells of a row are understood.
#[derive(Debug)]
pub(super) struct Selection {
    /// Writes the statements.
    pub(super) select: Select,
    /// Cells of a row: the key first, then the other columns that are asked for.
    pub(super) width: usize,
    /// Cells of the key, and of its partition.
    pub(super) key: usize,
    pub(super) partition: usize,
    /// For each wanted column.
    pub(super) wanted: Vec<Wanted>,
}

/// A column that is built.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) field: Field,
    /// Its place in a row.
    pub(super) cell: usize,
    pub(super) ty: CqlType,
    pub(super) decoder: Decoder,
}

impl Table {
    /// Asks the cluster what the table is made of.
    pub async fn open(cluster: &Arc<Cluster>, name: TableName, options: Options) -> Result<Table, Error> {
        let description = describe(&cluster.client.session, &name).await?;
        let user = cluster.settings.user.as_deref();
        let masked = masks::masked(&cluster.client.session, &name, user).await?;
        let mut extras = Vec::new();
        for (function, columns) in [("writetime", &options.writetime), ("ttl", &options.ttl)] {
            for (new, column) in columns {
                extras.push(extra(&name, &description, function, new, column)?);
            }
        }
        let values = cluster.settings.values;
        let mut fields = Vec::with_capacity(description.columns.len() + extras.len());
        for column in &description.columns {
            // A column that cannot be read has a type nevertheless: it may be left out.
            let ty = Decoder::new(&column.ty, &values, column.is_key())
                .map_or(Type::of(Scalar::Bytes), |d| d.ty());
            fields.push(Field { nullable: !column.is_key(), ..Field::nullable(column.name.clone(), ty) });
        }
        fields.extend(extras.iter().map(|extra| Field::nullable(extra.name.clone(), extra.field)));
        let (key, cluster) = (name.to_string(), Arc::clone(cluster));
        let row_bytes = AtomicU64::new(0);
        Ok(Table { cluster, name, key, description, masked, row_bytes, extras, options, fields })
    }

    /// The tables of a keyspace, in the order of their names.
    pub async fn all(cluster: &Cluster, keyspace: &str) -> Result<Vec<TableName>, Error> {
        of_keyspace(&cluster.client.session, keyspace).await
    }

    /// The name in ledger and messages.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// All its columns: the key's, then the others by name, then those asked of others.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// What the cluster says about it.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Rows that are read at most.
    pub fn limit(&self) -> Option<u64> {
        self.options.limit
    }

    /// The tokens that are read: behind the first, up to the second.
    pub fn token_range(&self) -> (i64, i64) {
        self.options.token_range.unwrap_or((i64::MIN, i64::MAX))
    }

    /// Its ring as it is now.
    pub async fn ring(&self) -> Ring {
        let ring = ring(&self.cluster, &self.name).await;
        self.row_bytes.store(ring.partition_bytes.unwrap_or(0), Ordering::Relaxed);
        ring
    }

    /// Takes note of how large the rows of a page were: the next reader begins with that.
    pub(super) fn learn(&self, row_bytes: u64) {
        self.row_bytes.store(row_bytes, Ordering::Relaxed);
    }

    /// How large a row may be: as those that were read last, or else as large as a partition is, on average.
    pub(super) fn row_bytes(&self) -> Option<u64> {
        Some(self.row_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// Asks the cluster whether it would answer the statements for the fields at `wanted`.
    pub async fn check(&self, wanted: &[usize]) -> Result<(), Error> {
        let selection = self.select(wanted)?;
        for statement in selection.select.statements() {
            let text = selection.select.text(statement);
            let prepared = self.cluster.prepared(&text).await;
            prepared.map_err(|error| Error::statement(self.key(), &error))?;
        }
        Ok(())
    }

    /// Whether it is still there, and not another one of its name instead.
    pub(super) async fn is_there(&self) -> Result<bool, Failure> {
        let prepared = self.cluster.prepared(ID).await?;
        let name = (&self.name.keyspace, &self.name.table);
        let answer = self.cluster.client.session.execute_unpaged(&prepared.statement, name).await?;
        let rows = answer.into_rows_result().map_err(|_| Error::BrokenPage)?;
        let id = rows.maybe_first_row::<(Uuid,)>().map_err(|_| Error::BrokenPage)?;
        Ok(id == Some((self.description.id,)))
    }

    /// Whether `node` knows of a column asked for by `selection` that was dropped since the table was planned, and perhaps
    /// added again: then rows have no values of it, in pages that look as they should.
    pub(super) async fn has_lost_columns(
        &self,
        selection: &Selection,
        node: Option<&Arc<Node>>,
    ) -> Result<bool, Failure> {
        let mut prepared = self.cluster.prepared(DROPPED).await?;
        prepared.statement.set_load_balancing_policy(node.map(only));
        let name = (&self.name.keyspace, &self.name.table);
        let answer = self.cluster.client.session.execute_unpaged(&prepared.statement, name).await?;
        let rows = answer.into_rows_result().map_err(|_| Error::BrokenPage)?;
        for row in rows.rows::<(&str, CqlTimestamp)>().map_err(|_| Error::BrokenPage)? {
            let (name, time) = row.map_err(|_| Error::BrokenPage)?;
            let is_read = selection.select.list().iter().any(|listed| listed.column() == name);
            let planned = self.description.columns.iter().find(|column| column.name == name);
            if is_read && planned.and_then(|column| column.dropped) != Some(time.0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is told of it where the server refuses to read on: it was altered as far as `selection` goes, or has gone.
    /// None if it is as it was, or that cannot be said.
    pub(super) async fn became(&self, selection: &Selection) -> Option<Error> {
        let table = self.key.clone();
        let now = match describe(&self.cluster.client.session, &self.name).await {
            Ok(now) if now.id == self.description.id => now,
            Ok(_) | Err(Error::NoTable { .. }) => return Some(Error::Remade { table }),
            Err(_) => return None,
        };
        let column = |all: &Description, name: &str| all.columns.iter().find(|c| c.name == name).cloned();
        let mut names = selection.select.list().iter().map(Selector::column);
        let is_same = names.all(|name| column(&now, name) == column(&self.description, name));
        (!is_same).then_some(Error::Changed { table })
    }

    /// What it is now, as JSON: another table, or other types of columns that are read, make other rows.
    pub fn fingerprint(&self, wanted: &[usize]) -> String {
        let columns = self.description.columns.iter().enumerate();
        let read = columns.filter(|(at, column)| column.is_key() || wanted.contains(at));
        let types: serde_json::Map<String, serde_json::Value> =
            read.map(|(_, column)| (column.name.clone(), shape(column).into())).collect();
        json!({"cluster": self.cluster.name(), "id": self.description.id.to_string(), "columns": types})
            .to_string()
    }

    /// The choice of the fields at `wanted`, in that order.
    pub(super) fn select(&self, wanted: &[usize]) -> Result<Selection, Error> {
        let selectors =
            wanted.iter().map(|index| Ok(self.column(*index)?.0)).collect::<Result<Vec<_>, Error>>()?;
        let columns = &self.description.columns;
        let (partition, key) = (self.description.partition(), self.description.key());
        let name = |column: &Column| column.name.clone();
        let shape = TableShape {
            keyspace: self.name.keyspace.clone(),
            table: self.name.table.clone(),
            partition: columns[..partition].iter().map(name).collect(),
            clustering: columns[partition..key]
                .iter()
                .map(|column| (name(column), order(column.kind)))
                .collect(),
        };
        for column in &columns[..key] {
            self.refuse_custom(&column.name, &column.ty)?;
            self.refuse_masked(&column.name)?;
        }
        let select = Select::new(shape, &selectors, self.options.filter.as_deref());
        let mut chosen = Vec::with_capacity(wanted.len());
        for (index, selector) in wanted.iter().zip(&selectors) {
            let (_, ty) = self.column(*index)?;
            let field = self.fields[*index].clone();
            self.refuse_custom(&field.name, ty)?;
            if let Selector::Column(name) = selector {
                self.refuse_masked(name)?;
            }
            let cell = select.list().iter().position(|listed| listed == selector);
            let cell = cell.ok_or(Error::Internal("a wanted column is not asked for"))?;
            let decoder = Decoder::new(ty, &self.cluster.settings.values, cell < key);
            let decoder = decoder.map_err(|_| Error::Internal("a type without a decoder"))?;
            let decoder = decoder.for_field(field.ty);
            chosen.push(Wanted { field, cell, ty: ty.clone(), decoder });
        }
        Ok(Selection { width: select.list().len(), select, key, partition, wanted: chosen })
    }

    /// What is asked for field `index`, and the type of the answer.
    fn column(&self, index: usize) -> Result<(Selector, &CqlType), Error> {
        let columns = &self.description.columns;
        if let Some(column) = columns.get(index) {
            return Ok((Selector::Column(column.name.clone()), &column.ty));
        }
        let extra = index.checked_sub(columns.len()).and_then(|at| self.extras.get(at));
        let extra = extra.ok_or(Error::Internal("a wanted column is not in the table"))?;
        Ok((extra.selector.clone(), &extra.ty))
    }

    fn refuse_custom(&self, column: &str, ty: &CqlType) -> Result<(), Error> {
        match ty.custom() {
            None => Ok(()),
            Some(class) => {
                let (table, column, class) = (self.key.clone(), column.to_owned(), class.to_owned());
                Err(Error::CustomType { table, column, class })
            }
        }
    }

    fn refuse_masked(&self, column: &str) -> Result<(), Error> {
        if !self.masked.iter().any(|masked| masked == column) {
            return Ok(());
        }
        let is_key = self.description.columns.iter().any(|known| known.name == column && known.is_key());
        Err(Error::Masked { table: self.key.clone(), column: column.to_owned(), is_key })
    }
}

/// What values a column has: of its type, and of those only what was written since one of its name was dropped.
fn shape(column: &Column) -> String {
    let shape = column.ty.shape();
    match column.dropped {
        Some(time) => format!("{shape}, dropped {time}"),
        None => shape,
    }
}

fn order(kind: Kind) -> Order {
    match kind {
        Kind::Clustering { descending: true } => Order::Descending,
        _ => Order::Ascending,
    }
}

/// `writetime(column)` or `ttl(column)` as a new column.
fn extra(
    name: &TableName,
    table: &Description,
    function: &'static str,
    new: &str,
    column: &str,
) -> Result<Extra, Error> {
    let refuse = |why: &'static str| {
        let (table, column) = (name.to_string(), column.to_owned());
        Error::NoExtra { table, column, function, why }
    };
    if table.columns.iter().any(|known| known.name == new) {
        return Err(Error::TwoColumns { table: name.to_string(), column: new.into() });
    }
    let of = table
        .columns
        .iter()
        .find(|known| known.name == column)
        .ok_or_else(|| refuse("there is no such column"))?;
    if of.is_key() {
        return Err(refuse("it is of the primary key"));
    }
    if of.ty == CqlType::Native(Native::Counter) {
        return Err(refuse("counters have none"));
    }
    if !of.ty.is_whole() {
        return Err(refuse("each element of a collection that is not frozen has its own"));
    }
    let of = column.to_owned();
    let (selector, ty, field) = match function {
        // Microseconds since 1970, as our timestamps are.
        "writetime" => (Selector::Writetime(of), Native::BigInt, Scalar::Timestamp),
        _ => (Selector::Ttl(of), Native::Int, Scalar::Int32),
    };
    Ok(Extra { name: new.into(), selector, ty: CqlType::Native(ty), field: Type::of(field) })
}
