//! A table as a server has it, which answers statements by their text: so what is tested is the text too.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::collision::block;
use crate::source::cassandra::key::{Key, encode};
use crate::source::cassandra::statement::{Order, Select, TableShape};
use crate::source::cassandra::walk::Step;

/// A clustering column's value; columns 0, 2 … are ints, the others blobs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Int(i32),
    Blob(Vec<u8>),
}

impl Value {
    pub(super) fn new(column: usize, number: i8) -> Value {
        match column % 2 {
            0 => Value::Int(number.into()),
            _ => Value::Blob(vec![number as u8; usize::from(number.unsigned_abs() % 3)]),
        }
    }

    fn read(column: usize, bytes: &[u8]) -> Value {
        match column % 2 {
            0 => Value::Int(i32::from_be_bytes(bytes.try_into().unwrap())),
            _ => Value::Blob(bytes.to_vec()),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Value::Int(number) => number.to_be_bytes().to_vec(),
            Value::Blob(bytes) => bytes.clone(),
        }
    }
}

/// Clustering columns of a row; none in a partition of static columns only.
type Row = Option<Vec<Value>>;

type Partition = (Vec<Vec<u8>>, Vec<Row>);

/// A row that came: its token and its key's cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) token: i64,
    pub(super) cells: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) columns: usize,
    pub(super) orders: Vec<Order>,
    select: Select,
    /// By token and stored key: values of the partition key and rows in their order.
    partitions: BTreeMap<(i64, Vec<u8>), Partition>,
}

impl Table {
    /// With one or two columns of the partition key.
    pub(super) fn new(columns: usize, orders: Vec<Order>) -> Table {
        let clustering = orders.iter().enumerate().map(|(n, order)| (format!("c{n}"), *order)).collect();
        let partition = (0..columns).map(|n| format!("p{n}")).collect();
        let shape = TableShape { keyspace: "k".into(), table: "t".into(), partition, clustering };
        Table { columns, orders, select: Select::new(shape, &[], None), partitions: BTreeMap::new() }
    }

    /// Adds a partition of this token, a static-only one if it has no rows.
    pub(super) fn add(&mut self, token: i64, variant: u64, rows: BTreeSet<Vec<Value>>) {
        let partition = key_values(self.columns, token, variant);
        let cells: Vec<&[u8]> = partition.iter().map(|cell| &cell[..]).collect();
        let key = Key { partition: cells, clustering: None };
        assert_eq!(key.token(), token);
        let stored = key.stored();
        let mut rows: Vec<Row> = rows.into_iter().map(Some).collect();
        rows.sort_by(|a, b| self.compare(a.as_ref().unwrap(), b.as_ref().unwrap()));
        if rows.is_empty() {
            rows.push(if self.orders.is_empty() { Some(Vec::new()) } else { None });
        }
        self.partitions.insert((token, stored), (partition, rows));
    }

    fn compare(&self, a: &[Value], b: &[Value]) -> Ordering {
        let each = a.iter().zip(b).zip(&self.orders).map(|((a, b), order)| match order {
            Order::Ascending => a.cmp(b),
            Order::Descending => b.cmp(a),
        });
        each.fold(Ordering::Equal, Ordering::then)
    }

    /// All rows behind one token, up to another, in order.
    pub(super) fn rows(&self, start: i64, end: i64) -> Vec<Came> {
        let inside = self.partitions.iter().filter(|((token, _), _)| start < *token && *token <= end);
        inside
            .flat_map(|((token, _), (key, rows))| rows.iter().map(|row| self.came(*token, key, row)))
            .collect()
    }

    fn came(&self, token: i64, key: &[Vec<u8>], row: &Row) -> Came {
        let clustering = match row {
            Some(values) => values.iter().map(|value| Some(value.bytes())).collect(),
            None => vec![None; self.orders.len()],
        };
        let cells: Vec<_> = key.iter().cloned().map(Some).chain(clustering).collect();
        Came { token, cells: encode(cells.iter().map(Option::as_deref)) }
    }

    /// What a server answers. For keys: the cells of the partition key alone.
    pub(super) fn answer(&self, step: &Step) -> Vec<Came> {
        let text = self.select.text(step.statement);
        let conditions = text.split_once(" WHERE ").unwrap().1;
        let mut found = Vec::new();
        for ((token, _), (key, rows)) in &self.partitions {
            let fits = |row: &Row| {
                let mut values = step.values.iter();
                let all = conditions
                    .split(" AND ")
                    .all(|one| self.holds(one, values.next().unwrap(), *token, key, row));
                assert!(!all || values.next().is_none(), "more values than places for them");
                all
            };
            if text.starts_with("SELECT DISTINCT ") {
                let cells = encode(key.iter().map(|cell| Some(&cell[..])));
                found.extend(fits(&None).then_some(Came { token: *token, cells }));
            } else {
                found.extend(rows.iter().filter(|row| fits(row)).map(|row| self.came(*token, key, row)));
            }
        }
        assert!(found.iter().all(|row| step.start < row.token && row.token <= step.end), "{step:?}");
        found
    }

    /// Whether `"c1" < ?` and the like is true.
    fn holds(&self, condition: &str, bound: &[u8], token: i64, key: &[Vec<u8>], row: &Row) -> bool {
        let (left, operator) = condition.strip_suffix(" ?").unwrap().rsplit_once(' ').unwrap();
        let column = || left.trim_matches('"')[1..].parse::<usize>().unwrap();
        let ordering = if left.starts_with("token(") {
            let bound = i64::from_be_bytes(bound.try_into().unwrap());
            assert_ne!(bound, i64::MIN, "the smallest token is never sent");
            Some(token.cmp(&bound))
        } else if left.starts_with("\"p") {
            Some(key[column()][..].cmp(bound))
        } else {
            let value = row.as_ref().map(|values| &values[column()]);
            value.map(|value| value.cmp(&Value::read(column(), bound)))
        };
        ordering.is_some_and(|ordering| match operator {
            "=" => ordering.is_eq(),
            ">" => ordering.is_gt(),
            "<" => ordering.is_lt(),
            "<=" => ordering.is_le(),
            other => panic!("no operator: {other}"),
        })
    }
}

/// A key of one column or two that has this token. Two: 30 bytes, of which the last 16 were made for it, and an int.
pub(super) fn key_values(columns: usize, token: i64, variant: u64) -> Vec<Vec<u8>> {
    if columns == 1 {
        return vec![block(&[], &[], token, variant).to_vec()];
    }
    let mut first = vec![variant as u8; 14];
    let second = [0, 0, 0, 0x85 ^ (variant as u8 & 1)];
    let head: Vec<u8> = [0, 30].iter().chain(&first).copied().collect();
    let tail: Vec<u8> = [0, 0, 4].iter().chain(&second).chain(&[0]).copied().collect();
    first.extend(block(&head, &tail, token, variant));
    vec![first, second.to_vec()]
}
