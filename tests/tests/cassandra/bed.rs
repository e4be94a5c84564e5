//! A keyspace, a database, and recipes from the one into the other.

use etl_tests::bed::Bed;
use etl_tests::cassandra::Keyspace;
use etl_tests::customers::{Row, assert_same, rows_of};
pub(crate) use etl_tests::gate::Gate;
use etl_tests::harness::Ran;
use etl_tests::{cql_text, json_text};

/// What a test of the source stands on.
pub(crate) struct Load {
    /// Where the rows are.
    pub(crate) keyspace: Keyspace,
    /// Where they go.
    pub(crate) bed: Bed,
    /// How long the cluster has for a connection: `[source.cassandra]`'s line for it.
    connect_timeout: &'static str,
}

impl Load {
    /// An empty keyspace on the shared node, and an empty database. The node may pause for seconds on a busy machine.
    pub(crate) async fn new(name: &str) -> Load {
        let load = Load::from(Keyspace::new(&format!("load_{name}")).await, name).await;
        Load { connect_timeout: "connect_timeout = \"2 min\"\n", ..load }
    }

    /// The same from a keyspace of another cluster, of which nodes are to be missed soon.
    pub(crate) async fn from(keyspace: Keyspace, name: &str) -> Load {
        let bed = Bed::new(&format!("cassandra_{name}")).await;
        bed.sql("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET bytea_output = 'hex'").await;
        Load { keyspace, bed, connect_timeout: "" }
    }

    /// Both tables of that name, from what stands behind it: `(id int PRIMARY KEY)`.
    pub(crate) async fn tables(&self, name: &str, cql: &str, sql: &str) {
        self.keyspace.cql(&format!("CREATE TABLE {name} {cql}")).await;
        self.bed.sql(&format!("CREATE TABLE public.{name} {sql}")).await;
    }

    /// `[source.cassandra]` with the nodes.
    pub(crate) fn source(&self) -> String {
        let hosts = self.keyspace.access.hosts.iter().map(|host| format!("\"{host}\""));
        let hosts = hosts.collect::<Vec<_>>().join(", ");
        format!("[source.cassandra]\nhosts = [{hosts}]\n{}", self.connect_timeout)
    }

    /// `[[tables]]` from the table of the keyspace into the one of the same name.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("[[tables]]\nfrom = \"{}.{name}\"\ninto = \"public.{name}\"\n", self.keyspace.name)
    }

    /// A recipe with the lines `source` behind the nodes, and `rest`.
    pub(crate) fn recipe(&self, source: &str, rest: &str) {
        self.bed.recipe(&format!("{}{source}\n{rest}", self.source()));
    }

    /// Loads one table as it is; what the run said.
    pub(crate) fn load(&self, table: &str) -> Ran {
        self.recipe("", &self.table(table));
        self.bed.run()
    }

    /// Compares what two queries answer with; `json` are the columns that hold json.
    pub(crate) async fn same(&self, cql: &str, sql: &str, json: &[usize]) {
        let expected = cql_text::rows_of(&self.keyspace.session, cql).await;
        let mut loaded = rows_of(&self.bed.client, sql).await;
        loaded.iter_mut().for_each(|row| compact(row, json));
        loaded.sort();
        assert_same(&expected, &loaded);
    }

    /// The same of all rows of a table that has some, by the names of its columns.
    pub(crate) async fn same_table(&self, table: &str, columns: &str) {
        let query = format!("SELECT {columns} FROM {table}");
        assert!(self.bed.number(&format!("SELECT count(*) FROM {table}")).await > 0, "{table} is empty");
        self.same(&query, &query, &[]).await;
    }

    /// The same of a table that the server cannot read at once: by its partitions `p`.
    pub(crate) async fn same_partitions(&self, table: &str, columns: &str, partitions: std::ops::Range<i32>) {
        let mut expected = Vec::new();
        for p in partitions {
            let query = format!("SELECT {columns} FROM {table} WHERE p = {p}");
            expected.extend(cql_text::rows_of(&self.keyspace.session, &query).await);
        }
        expected.sort();
        assert_same(&expected, &rows_of(&self.bed.client, &format!("SELECT {columns} FROM {table}")).await);
    }
}

fn compact(row: &mut Row, json: &[usize]) {
    for at in json {
        row[*at] = row[*at].as_deref().map(json_text::compact);
    }
}
