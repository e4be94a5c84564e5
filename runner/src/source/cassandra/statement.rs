//! The texts of the SELECTs that read a table of a cluster. Must not know values, tokens or which of them is next:
//! that is the walk's.
//!
//! Every list begins with the primary key in its own order, so that a row's key is one slice of its bytes. Every
//! name is quoted, so that case and reserved words are no matter. The smallest token is never sent: servers take
//! it for "no bound", and no key has it; so a range from the ring's start has no lower bound
//! ([`Statement::FirstRange`]). The largest one is always sent: it is a token that keys have (a hash of the smallest
//! is changed to it), servers compare with it as with any other, and leaving it out would gain two more texts.

use std::fmt::Write;

use super::name::quoted;

/// How a clustering column orders the rows of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// What a statement has to know of a table. Names are as the server keeps them, without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableShape {
    /// Of the keyspace.
    pub keyspace: String,
    /// Of the table.
    pub table: String,
    /// Columns of the partition key, in its order.
    pub partition: Vec<String>,
    /// Clustering columns, in their order.
    pub clustering: Vec<(String, Order)>,
}

/// What is asked for in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// A column.
    Column(String),
    /// When a column was written, in microseconds.
    Writetime(String),
    /// In how many seconds a column expires.
    Ttl(String),
}

impl Selector {
    /// The column that it is, or is asked of.
    pub fn column(&self) -> &str {
        match self {
            Selector::Column(name) | Selector::Writetime(name) | Selector::Ttl(name) => name,
        }
    }
}

/// Which rows are asked for; the values that each one is bound with, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statement {
    /// A range from the ring's start: its last token.
    FirstRange,
    /// A range: the token before it, its last token.
    Range,
    /// What is behind a row in its partition, as far as the first `equal` clustering columns are the row's: the
    /// partition key, and `equal` + 1 clustering columns.
    Rest {
        /// Less than there are clustering columns.
        equal: usize,
    },
    /// The partition keys, and nothing else, that have one token: the token.
    Keys,
    /// A whole partition: its key.
    Partition,
}

/// Writes the statements of one table.
#[derive(Clone, Debug)]
pub struct Select {
    shape: TableShape,
    list: Vec<Selector>,
    filter: Option<String>,
}

impl Select {
    /// For the columns `wanted` besides the key, and what else is wanted of columns. What is named twice is asked for
    /// once. `filter` is the recipe's `where`: the server filters what it reads.
    pub fn new(shape: TableShape, wanted: &[Selector], filter: Option<&str>) -> Select {
        let names = shape.partition.iter().chain(shape.clustering.iter().map(|(name, _)| name));
        let mut list: Vec<Selector> = names.cloned().map(Selector::Column).collect();
        let is_column = |selector: &&Selector| matches!(selector, Selector::Column(_));
        let (columns, extras): (Vec<_>, Vec<_>) = wanted.iter().partition(is_column);
        for selector in columns.into_iter().chain(extras) {
            if !list.contains(selector) {
                list.push(selector.clone());
            }
        }
        let filter = filter.map(str::trim).filter(|filter| !filter.is_empty()).map(String::from);
        Select { shape, list, filter }
    }

    /// What the columns of every result are, in their order: the partition key, the clustering columns, the other
    /// columns, and then what is wanted of columns. [`Statement::Keys`] yields the partition key alone.
    pub fn list(&self) -> &[Selector] {
        &self.list
    }

    /// All statements that a walk asks for.
    pub fn statements(&self) -> impl Iterator<Item = Statement> + use<> {
        let rests = (0..self.shape.clustering.len()).map(|equal| Statement::Rest { equal });
        [Statement::FirstRange, Statement::Range, Statement::Keys, Statement::Partition]
            .into_iter()
            .chain(rests)
    }

    /// The text of one.
    pub fn text(&self, statement: Statement) -> String {
        let from = format!("{}.{}", quoted(&self.shape.keyspace), quoted(&self.shape.table));
        let condition = self.condition(statement);
        if statement == Statement::Keys {
            return format!("SELECT DISTINCT {} FROM {from} WHERE {condition}", self.partition());
        }
        let mut text =
            format!("SELECT {} FROM {from} WHERE {condition}", joined(self.list.iter().map(selected), ", "));
        // Writing into a string does not fail. The line's end ends a comment that the filter may end with.
        if let Some(filter) = &self.filter {
            let _ = write!(text, " AND {filter}\n ALLOW FILTERING");
        }
        text
    }

    fn condition(&self, statement: Statement) -> String {
        let token = || format!("token({})", self.partition());
        match statement {
            Statement::FirstRange => format!("{} <= ?", token()),
            Statement::Range => format!("{0} > ? AND {0} <= ?", token()),
            Statement::Keys => format!("{} = ?", token()),
            Statement::Partition => self.in_partition(0, false),
            Statement::Rest { equal } => self.in_partition(equal, true),
        }
    }

    /// The partition key and the first `equal` clustering columns are as given, and the next one, if `behind`, is
    /// behind what is given.
    fn in_partition(&self, equal: usize, behind: bool) -> String {
        let clustering = &self.shape.clustering;
        let same = self.shape.partition.iter().chain(clustering.iter().take(equal).map(|(name, _)| name));
        let same = same.map(|name| format!("{} = ?", quoted(name)));
        let next = clustering.get(equal).filter(|_| behind).map(|(name, order)| match order {
            Order::Ascending => format!("{} > ?", quoted(name)),
            Order::Descending => format!("{} < ?", quoted(name)),
        });
        joined(same.chain(next), " AND ")
    }

    fn partition(&self) -> String {
        joined(self.shape.partition.iter().map(|name| quoted(name)), ", ")
    }
}

fn selected(selector: &Selector) -> String {
    match selector {
        Selector::Column(name) => quoted(name),
        Selector::Writetime(name) => format!("writetime({})", quoted(name)),
        Selector::Ttl(name) => format!("ttl({})", quoted(name)),
    }
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> TableShape {
        TableShape {
            keyspace: "bank".into(),
            table: "Order".into(),
            partition: vec!["account".into(), "se\"ct".into()],
            clustering: vec![("at".into(), Order::Descending), ("no".into(), Order::Ascending)],
        }
    }

    fn column(name: &str) -> Selector {
        Selector::Column(name.into())
    }

    #[test]
    fn the_list_is_the_key_then_columns_then_what_is_wanted_of_them_each_once() {
        let wanted = [
            Selector::Ttl("v".into()),
            column("v"),
            column("no"),
            Selector::Writetime("v".into()),
            column("v"),
        ];
        let select = Select::new(shape(), &wanted, None);
        assert_eq!(
            select.text(Statement::Partition),
            r#"SELECT "account", "se""ct", "at", "no", "v", ttl("v"), writetime("v") FROM "bank"."Order" WHERE "account" = ? AND "se""ct" = ?"#
        );
        assert_eq!(
            select.list()[4..],
            [column("v"), Selector::Ttl("v".into()), Selector::Writetime("v".into())]
        );
    }

    #[test]
    fn each_statement_asks_for_its_rows() {
        let select = Select::new(shape(), &[], None);
        let condition = |statement| select.text(statement).split_once(" WHERE ").unwrap().1.to_string();
        let token = r#"token("account", "se""ct")"#;
        assert_eq!(condition(Statement::FirstRange), format!("{token} <= ?"));
        assert_eq!(condition(Statement::Range), format!("{token} > ? AND {token} <= ?"));
        assert_eq!(condition(Statement::Rest { equal: 0 }), r#""account" = ? AND "se""ct" = ? AND "at" < ?"#);
        assert_eq!(
            condition(Statement::Rest { equal: 1 }),
            r#""account" = ? AND "se""ct" = ? AND "at" = ? AND "no" > ?"#
        );
        assert_eq!(
            select.text(Statement::Keys),
            format!(r#"SELECT DISTINCT "account", "se""ct" FROM "bank"."Order" WHERE {token} = ?"#)
        );
        assert_eq!(select.statements().count(), 6);
    }

    #[test]
    fn a_filter_stands_behind_every_condition_but_that_for_keys() {
        let select = Select::new(shape(), &[], Some(" v > 3 -- cheap\n"));
        for statement in select.statements() {
            let text = select.text(statement);
            let behind = " AND v > 3 -- cheap\n ALLOW FILTERING";
            assert_eq!(text.ends_with(behind), statement != Statement::Keys, "{text}");
            assert_eq!(text.contains("cheap"), statement != Statement::Keys, "{text}");
        }
        let unfiltered = Select::new(shape(), &[], Some("  "));
        assert!(unfiltered.text(Statement::FirstRange).ends_with(" <= ?"));
    }
}
