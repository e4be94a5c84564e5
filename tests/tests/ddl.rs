//! `etl ddl`: the statements that make a target, for a real table of Cassandra and for files; and a run that makes
//! what is missing.

use etl_tests::bed::Bed;
use etl_tests::cassandra::Keyspace;
use etl_tests::harness::{Folder, guest};
use etl_tests::server::free_port;

/// A keyspace with a table whose key has two partition columns and two clustering ones.
async fn bank(name: &str) -> Keyspace {
    let keyspace = Keyspace::new(name).await;
    keyspace
        .cql(
            "CREATE TABLE moves (bank int, account bigint, day date, number int, amount decimal, \"Note\" text, \
             labels set<text>, extra map<text, int>, host inet, name text static, \
             PRIMARY KEY ((bank, account), day, number)) WITH CLUSTERING ORDER BY (day DESC, number ASC)",
        )
        .await;
    keyspace
}

fn source(keyspace: &Keyspace) -> String {
    format!("[source.cassandra]\nhosts = [\"{}\"]\n", keyspace.access.hosts[0])
}

const STEPS: &str =
    "transforms = [\n  { rename = { number = \"no\" } },\n  { constant = { origin = \"a\" } },\n]\n";

#[tokio::test]
async fn a_table_of_cassandra_becomes_a_statement_that_its_target_takes() {
    let keyspace = bank("ddl_moves").await;
    let bed = Bed::new("ddl_moves").await;
    let table = format!("[[tables]]\nfrom = \"{}.moves\"\ninto = \"public.Moves\"\n{STEPS}", keyspace.name);
    bed.recipe(&format!("{}{table}", source(&keyspace)));
    let ran = bed.folder.etl(["ddl", "recipe.toml"]).run().code(0);
    let expected = "-- ddl_moves.moves -> public.Moves, for PostgreSQL
-- column `Note` is `note` here: rename it in the recipe's transforms too, or use --names quote
CREATE TABLE public.moves (
    bank integer NOT NULL,
    account bigint NOT NULL,
    day date NOT NULL,
    no integer NOT NULL,
    note text,
    amount numeric,
    extra jsonb,
    host inet,
    labels text[],
    name text,
    origin text NOT NULL,
    PRIMARY KEY (bank, account, day, no)
);
";
    assert_eq!(ran.stdout, expected);
    bed.sql(&ran.stdout).await;
    let ran =
        bed.folder.etl(["ddl", "--for", "yugabytedb", "--tablets", "12", "--names", "quote"]).run().code(0);
    let end = "    \"origin\" text NOT NULL,\n    \
               PRIMARY KEY ((\"bank\", \"account\") HASH, \"day\" DESC, \"no\" ASC)\n) SPLIT INTO 12 TABLETS;\n";
    assert!(ran.stdout.ends_with(end) && ran.stdout.contains("    \"Note\" text,\n"), "{}", ran.stdout);
    bed.folder.etl(["ddl", "--tablets", "12"]).run().code(2).says(&["--tablets is for YugabyteDB"]);
}

#[tokio::test]
async fn a_yugabytedb_that_answers_is_recognized() {
    let bed = Bed::new("ddl_yugabyte").await;
    // A YugabyteDB is known by its version as `version()` tells it: this one goes first.
    bed.sql(
        "CREATE FUNCTION public.version() RETURNS text LANGUAGE sql AS $$ SELECT 'PostgreSQL 15.2-YB-2.25.0.0-b0' $$; \
         ALTER DATABASE ddl_yugabyte SET search_path = public, pg_catalog",
    )
    .await;
    bed.folder.write("rows.csv", "id\n1\n");
    bed.recipe("[[tables]]\nfrom = \"rows.csv\"\ninto = \"rows\"\n");
    let ran = bed.folder.etl(["ddl", "--tablets", "3"]).run().code(0);
    let expected =
        "-- rows.csv -> rows, for YugabyteDB\nCREATE TABLE rows (\n    id text\n) SPLIT INTO 3 TABLETS;\n";
    assert_eq!(ran.stdout, expected);
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname = 'etl'";
    assert_eq!(bed.number(made).await, 0, "nothing is made");
}

#[tokio::test]
async fn a_key_that_does_not_arrive_or_does_not_fit_is_told_of() {
    let keyspace = bank("ddl_keys").await;
    keyspace
        .cql("CREATE TABLE hosts (host inet, tag frozen<list<int>>, id int, PRIMARY KEY (host, tag))")
        .await;
    let folder = Folder::new();
    let table = |from: &str, steps: &str| {
        format!("[[tables]]\nfrom = \"ddl_keys.{from}\"\ninto = \"{from}\"\ntransforms = [{steps}]\n")
    };
    let tables = table("moves", "{ drop = [\"day\"] }") + &table("hosts", "");
    folder.write("recipe.toml", format!("name = \"x\"\n{}{tables}", source(&keyspace)));
    let ran = folder.etl(["ddl", "--for", "yugabytedb", "--json"]).run().code(0);
    let json = ran.json();
    let note = |at: usize| json["tables"][at]["notes"].as_array().unwrap().last().unwrap().to_string();
    assert!(
        note(0).contains("(`bank`, `account`, `day`, `number`), and `day` is not among the columns"),
        "{json}"
    );
    assert!(note(1).contains("YugabyteDB takes no inet in a key, as `host` is"), "{json}");
    assert!(note(1).contains("YugabyteDB takes no integer[] in a key, as `tag` is"), "{json}");
    let ran = folder.etl(["ddl"]).run().code(0);
    assert!(ran.stdout.contains("PRIMARY KEY (host, tag)"), "{}", ran.stdout);
    assert!(ran.stdout.contains("-- no primary key: the source's is"), "{}", ran.stdout);
}

#[test]
fn files_and_a_target_that_does_not_answer_are_enough() {
    let folder = Folder::new();
    folder.write("people.csv", "Id,name,NAME\n1,Ann,x\n");
    let dead = format!("postgres://etl@127.0.0.1:{}/db", free_port());
    let args = ["ddl", "--from", "people.csv", "--into", "public.people", "--to", &dead];
    let clash =
        "columns `name` and `NAME` would both be `name`: rename one of them, or keep both with --names quote";
    folder.etl(args).run().code(5).says(&[clash]);
    let ran = folder.etl(args.into_iter().chain(["--names", "quote"])).run().code(0);
    let ran = ran.says(&["note: written for PostgreSQL, because the target does not say what it is"]);
    assert!(
        ran.stdout.ends_with("(\n    \"Id\" text,\n    \"name\" text,\n    \"NAME\" text\n);\n"),
        "{}",
        ran.stdout
    );
    let ran = folder.etl(args.into_iter().chain(["--names", "quote", "--quiet"])).run().code(0);
    assert_eq!(ran.stderr, "");
}

#[tokio::test]
async fn a_modules_columns_are_those_of_its_plan() {
    let keyspace = Keyspace::new("ddl_module").await;
    keyspace.cql("CREATE TABLE people (name text PRIMARY KEY, age int)").await;
    let folder = Folder::new();
    let module = guest("rust", "identity");
    let table = format!(
        "[[tables]]\nfrom = \"ddl_module.people\"\ninto = \"people\"\ntransforms = [{{ module = \"{}\" }}]\n",
        module.display()
    );
    folder.write("recipe.toml", format!("name = \"x\"\n{}{table}", source(&keyspace)));
    let ran = folder.etl(["ddl"]).run().code(0);
    assert!(ran.stdout.contains("PRIMARY KEY (name)\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("-- column `name` of the key is made by a module:"), "{}", ran.stdout);
}
