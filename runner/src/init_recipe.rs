//! The text of a starting recipe for the tables of a keyspace.
//!
//! Pure. Must not know: how a cluster is asked.

use crate::copy::postgres::identifier::written;
use crate::init_address::Address;
use crate::source::cassandra::TableName;
use crate::untrusted::one_line;

/// What a starting recipe is written from.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) address: &'a Address,
    /// The cluster's name and its release.
    pub(crate) cluster: (&'a str, &'a str),
    /// In their order.
    pub(crate) tables: Vec<StartTable>,
}

/// A table of the keyspace.
#[derive(Debug)]
pub(crate) struct StartTable {
    pub(crate) name: TableName,
    /// Its columns, or why it cannot be read.
    pub(crate) columns: Result<Vec<StartColumn>, String>,
}

/// A column of it.
#[derive(Debug)]
pub(crate) struct StartColumn {
    pub(crate) name: String,
    /// In CQL.
    pub(crate) cql: String,
    /// What a module sees; `None` where it cannot be read.
    pub(crate) ty: Option<String>,
    /// Its part in the table, in words; empty for an ordinary one.
    pub(crate) part: &'static str,
}

/// Longest name of a recipe, in bytes.
const MAX_NAME_BYTES: usize = 100;

impl Start<'_> {
    /// The recipe.
    pub(crate) fn text(&self) -> String {
        let Address { user, hosts, keyspace } = self.address;
        let (cluster, release) = self.cluster;
        let hosts = hosts.iter().map(|host| toml(host)).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "# The tables of keyspace {keyspace} in {cluster}, release {release}: a start, to be read and changed.\n\
             # `etl ddl` prints the statements that make the targets, `etl check` finds what is wrong.\n\
             name = {name}\n\n\
             [source.cassandra]\nhosts = [{hosts}]\n",
            keyspace = one_line(keyspace),
            cluster = one_line(cluster),
            release = one_line(release),
            name = toml(&recipe_name(keyspace)),
        );
        match user {
            Some(user) => text += &format!("user = {}\n", toml(user)),
            None => text += "#user = \"etl\"\n",
        }
        text += "# The password: ETL_SOURCE__CASSANDRA__PASSWORD in the environment, or `password_file`.\n\n\
                 # Where the rows go; without it files beside the recipe.\n\
                 #[target.postgres]\n\
                 #url = \"postgres://etl@127.0.0.1:5433/yugabyte\"   # the password: PGPASSWORD or ~/.pgpass\n";
        for table in &self.tables {
            text += "\n";
            text += &table.text();
        }
        text
    }
}

impl StartTable {
    fn text(&self) -> String {
        let from = toml(&self.name.to_string());
        let into = toml(&format!("public.{}", written(&self.name.table)));
        match &self.columns {
            Err(reason) => {
                format!(
                    "# Cannot be read: {}\n#[[tables]]\n#from = {from}\n#into = {into}\n",
                    one_line(reason)
                )
            }
            Ok(columns) => {
                let left_out: Vec<String> = columns
                    .iter()
                    .filter(|column| column.ty.is_none())
                    .map(|column| toml(&column.name))
                    .collect();
                let mut text =
                    format!("[[tables]]\nfrom = {from}\ninto = {into}\n#create = \"if-missing\"\n");
                if !left_out.is_empty() {
                    text += &format!("transforms = [{{ drop = [{}] }}]\n", left_out.join(", "));
                }
                text + &listed(columns)
            }
        }
    }
}

/// A comment line for each column: its name, its type in CQL, what a module sees, its part in the table.
fn listed(columns: &[StartColumn]) -> String {
    let lines = columns.iter().map(|column| {
        let ty = column.ty.as_deref().unwrap_or("(cannot be read)");
        [one_line(&column.name), one_line(&column.cql), ty.into(), column.part.into()]
    });
    let lines: Vec<[String; 4]> = lines.collect();
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let (name, cql, ty) = (width(0), width(1), width(2));
    let line = |[a, b, c, d]: &[String; 4]| {
        let line = format!("#   {a:name$}  {b:cql$}  {c:ty$}  {d}");
        format!("{}\n", line.trim_end())
    };
    lines.iter().map(line).collect()
}

/// What a recipe may be called.
fn recipe_name(keyspace: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = keyspace.trim_start_matches('.').chars().map(allowed).take(MAX_NAME_BYTES).collect();
    if name.is_empty() { "keyspace".into() } else { name }
}

fn toml(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Flags, Recipe};

    fn column(name: &str, cql: &str, ty: Option<&str>, part: &'static str) -> StartColumn {
        StartColumn { name: name.into(), cql: cql.into(), ty: ty.map(Into::into), part }
    }

    fn table(keyspace: &str, table: &str, columns: Result<Vec<StartColumn>, String>) -> StartTable {
        StartTable { name: TableName { keyspace: keyspace.into(), table: table.into() }, columns }
    }

    fn text(user: Option<&str>, tables: Vec<StartTable>) -> String {
        let hosts = vec!["10.0.0.1:9042".into(), "b".into()];
        let address = Address { user: user.map(Into::into), hosts, keyspace: "bank".into() };
        Start { address: &address, cluster: ("Test\nCluster", "5.0.9"), tables }.text()
    }

    fn read(text: &str) -> Recipe {
        let flags = Flags::default();
        let read = Recipe::parse(text.as_bytes(), "r.toml".as_ref(), "/r".as_ref(), [], &flags);
        read.unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn a_starting_recipe_is_a_recipe_with_every_table() {
        let columns = vec![
            column("account", "bigint", Some("int64"), "partition key"),
            column("posted", "timestamp", Some("timestamp"), "clustering, descending"),
            column("odd\none", "'a.b.C'", None, ""),
        ];
        let old = table("bank", "old", Err("it was made\nbefore".into()));
        let odd = table("Bank", "My \"Table", Ok(vec![column("id", "int", Some("int32"), "partition key")]));
        let text = text(Some("etl"), vec![table("bank", "moves", Ok(columns)), old, odd]);
        let recipe = read(&text);
        assert_eq!(recipe.name, "bank");
        let names: Vec<_> = recipe.tables.iter().map(|t| (t.from.as_str(), t.into.as_str())).collect();
        let expected =
            [("bank.moves", "public.moves"), ("\"Bank\".\"My \"\"Table\"", "public.\"My \"\"Table\"")];
        assert_eq!(names, expected);
        assert_eq!(recipe.tables[0].transforms, [crate::transform::Step::Drop(vec!["odd\none".into()])]);
        assert!(text.contains("\n#   account  bigint     int64             partition key\n"), "{text}");
        assert!(
            text.contains("# Cannot be read: it was made before\n#[[tables]]\n#from = \"bank.old\"\n"),
            "{text}"
        );
        assert!(text.contains("in Test Cluster, release 5.0.9"), "{text}");
    }

    #[test]
    fn what_is_commented_out_can_be_taken_in() {
        let columns = Ok(vec![column("id", "int", Some("int32"), "partition key")]);
        let text = text(None, vec![table("bank", "a", columns)]);
        let lines = text.lines().map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => key,
            _ => line,
        });
        let recipe = read(&lines.collect::<Vec<_>>().join("\n"));
        assert!(matches!(recipe.target, crate::recipe::Target::Postgres(_)));
        assert_eq!(recipe.tables[0].create, Some(crate::recipe::Create::IfMissing));
    }

    #[test]
    fn any_keyspace_names_a_recipe() {
        for (keyspace, name) in [("Bank 2", "Bank_2"), (".x", "x"), ("ä", "_"), ("...", "keyspace")] {
            assert_eq!(recipe_name(keyspace), name);
        }
        assert_eq!(recipe_name(&"x".repeat(222)).len(), 100);
    }
}
