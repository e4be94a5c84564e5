//! `etl ddl`: the statements that make a target, for a real table of Cassandra and for files; and a run that makes
//! what is missing.

use etl_tests::bed::Bed;
use etl_tests::cassandra::Keyspace;
use etl_tests::harness::{Folder, guest};
use etl_tests::server::DEAD_PORT;

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
    let dead = format!("postgres://etl@127.0.0.1:{DEAD_PORT}/db");
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

const CREATE: &str = "create = \"if-missing\"\n";

#[tokio::test]
async fn a_target_that_is_missing_is_made_by_a_run_and_only_told_of_by_a_check() {
    let keyspace = bank("ddl_create").await;
    let row = |day: &str, number: i32| {
        format!(
            "INSERT INTO moves (bank, account, day, number, amount, \"Note\") VALUES (1, 2, '{day}', {number}, 3.50, 'x')"
        )
    };
    for number in 0..5 {
        keyspace.cql(&row("2024-02-29", number)).await;
    }
    let bed = Bed::new("ddl_create").await;
    let table = format!("[[tables]]\nfrom = \"ddl_create.moves\"\ninto = \"public.moves\"\n{CREATE}{STEPS}");
    bed.recipe(&format!("{}{table}", source(&keyspace)));
    bed.folder.etl(["check"]).run().code(0).says(&["note: public.moves is missing: a run makes it"]);
    let json = bed.folder.etl(["check", "--json"]).run().code(0).json();
    assert_eq!(json["makes"][0]["into"], "public.moves");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'etl')";
    assert_eq!(bed.number(tables).await, 0, "a check makes nothing");
    bed.run().code(0).says(&["note: public.moves is missing and is made"]);
    assert_eq!(bed.is_finished().await, 5);
    let good = "SELECT count(*) FROM moves WHERE day = '2024-02-29' AND amount::text = '3.50' AND \"Note\" = 'x' \
                AND origin = 'a'";
    assert_eq!(bed.number(good).await, 5);
    let key = "SELECT count(*) FROM pg_index WHERE indrelid = 'moves'::regclass AND indisprimary AND indnkeyatts = 4";
    assert_eq!(bed.number(key).await, 1);
    let ran = bed.run().code(0).says(&["was done before"]);
    assert!(!ran.stderr.contains("is made"), "{}", ran.stderr);
    // A table that is there is never altered.
    bed.sql("ALTER TABLE moves DROP COLUMN labels").await;
    bed.folder.etl(["check"]).run().code(11).says(&["table public.moves has no column `labels`"]);
    bed.run().code(5);
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'moves'";
    assert_eq!(bed.number(columns).await, 10);
}

/// A table that is made has the source's key, by which the rows of a second load are found.
#[tokio::test]
async fn a_table_that_is_made_can_be_loaded_again_by_its_key() {
    let keyspace = bank("ddl_upsert").await;
    let write = async |number: i32, note: &str| {
        let columns = "bank, account, day, number, amount, \"Note\"";
        let values = format!("1, 2, '2024-02-29', {number}, 3.50, '{note}'");
        keyspace.cql(&format!("INSERT INTO moves ({columns}) VALUES ({values})")).await;
    };
    for number in 0..50 {
        write(number, "old").await;
    }
    let bed = Bed::new("ddl_upsert").await;
    let from = "from = \"ddl_upsert.moves\"\ninto = \"public.moves\"\nwrite = \"upsert\"\n";
    bed.recipe(&format!("{}[[tables]]\n{from}{CREATE}{STEPS}", source(&keyspace)));
    bed.run().code(0);
    for number in 25..75 {
        write(number, "new").await;
    }
    bed.etl(["--fresh", "--yes"]).run().code(0).says(&["75 rows read: 75 loaded"]);
    let notes = |note: &str| format!("SELECT count(*) FROM moves WHERE \"Note\" = '{note}'");
    assert_eq!((bed.number(&notes("old")).await, bed.number(&notes("new")).await), (25, 50));
}

#[tokio::test]
async fn two_runs_that_make_the_same_table_at_once_load_it_once() {
    let bed = Bed::new("ddl_create_twice").await;
    let rows: String = (0..2000).map(|id| format!("{id}\n")).collect();
    bed.folder.write("rows.csv", format!("id\n{rows}"));
    let table = format!(
        "[[tables]]\nfrom = \"rows.csv\"\ninto = \"public.rows\"\n{CREATE}types = {{ id = \"int64\" }}\n"
    );
    bed.recipe(&table);
    let (one, other) = (bed.start(), bed.start());
    for ran in [one.finish().await, other.finish().await] {
        assert!(matches!(ran.code, Some(0 | 10)), "{ran:?}");
    }
    bed.run().code(0);
    assert_eq!(bed.is_finished().await, 2000);
    assert_eq!(bed.number("SELECT count(*) FROM rows WHERE id < 2000").await, 2000);
}

#[tokio::test]
async fn a_table_that_could_not_be_made_is_found_by_a_check() {
    let bed = Bed::new("ddl_create_refused").await;
    let role = "DO $$ BEGIN CREATE ROLE etl_ddl_plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        REVOKE CREATE ON SCHEMA public FROM public; CREATE SCHEMA etl; GRANT USAGE, CREATE ON SCHEMA etl TO etl_ddl_plain";
    bed.sql(role).await;
    bed.folder.write("rows.csv", "id\n1\n");
    let table = |into: &str| format!("[[tables]]\nfrom = \"rows.csv\"\ninto = \"{into}\"\n{CREATE}");
    let user = bed.url().replace(&format!("//{}@", bed.server.user), "//etl_ddl_plain@");
    bed.recipe_to(&user, &(table("public.rows") + &table("nowhere.rows")));
    bed.folder.etl(["check"]).run().code(11).says(&[
        "recipe.toml:7: no permission to make a table in schema public: GRANT CREATE ON SCHEMA public",
        "recipe.toml:11: there is no schema nowhere to make the table in: CREATE SCHEMA nowhere",
    ]);
    bed.run().code(5);
    assert_eq!(bed.number("SELECT count(*) FROM pg_tables WHERE tablename = 'rows'").await, 0);
}
