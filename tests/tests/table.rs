//! What real tables say about themselves, and what a COPY into them that fails says of its row.

use etl::copy::error::{Class, Error};
use etl::copy::postgres::connect::Cluster;
use etl::copy::postgres::environment::Environment;
use etl::copy::postgres::settings::Settings;
use etl::copy::postgres::table::{Kind, Persistence, Table, describe};
use etl_tests::postgres::Server;
use futures_util::SinkExt;

async fn connect(url: &str) -> Cluster {
    let environment = Environment::from_iter([("USER", "nobody")]);
    Cluster::connect(&Settings::of_url(url), &environment, "test").await.expect(url)
}

#[tokio::test]
async fn a_refused_row_is_described_without_its_values() {
    let server = Server::of_the_test_run();
    let client = server.database("connect_refused").await;
    client
        .batch_execute(
            "CREATE TABLE t (id int PRIMARY KEY, qty int CHECK (qty > 0)); \
             CREATE TABLE noisy (id int); \
             CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'hush %', NEW.id; END $$; \
             CREATE TRIGGER shout BEFORE INSERT ON noisy FOR EACH ROW EXECUTE FUNCTION shout()",
        )
        .await
        .unwrap();
    // The column of the first is in its CONTEXT alone, where only who knows the table's name looks for it.
    let cases = [
        ("t", "1,5\n2,hush\n", "22P02", "invalid_text_representation", None, 2),
        ("t", "1,5\n2,7\n1,8\n", "23505", "unique_violation", Some("t_pkey"), 3),
        ("t", "4,-987654\n", "23514", "check_violation", Some("t_qty_check"), 1),
        ("noisy", "987654\n", "P0001", "raise_exception", None, 1),
    ];
    for (table, rows, state, condition, constraint, line) in cases {
        let cluster = connect(&server.url("127.0.0.1", "connect_refused")).await;
        let copy = format!("COPY {table} FROM STDIN (FORMAT csv)");
        let mut sink = Box::pin(cluster.control.client.copy_in(&copy).await.unwrap());
        sink.send(std::io::Cursor::new(rows.as_bytes())).await.unwrap();
        let error = cluster.control.error("COPY", &sink.as_mut().finish().await.unwrap_err());
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hush") && !shown.contains("987654"), "{shown}");
        let Error::Server(parts) = error else { panic!("{shown}") };
        assert!(parts.blames_a_row(), "{state}");
        assert_eq!((parts.state.as_str(), parts.condition), (state, condition));
        assert_eq!((parts.column.as_deref(), parts.constraint.as_deref()), (None, constraint), "{shown}");
        assert_eq!(parts.line, Some(line), "{shown}");
    }
}

#[tokio::test]
async fn a_table_is_described_with_its_columns_key_and_rights() {
    let server = Server::of_the_test_run();
    let client = server.database("connect_describe").await;
    client
        .batch_execute(
            "CREATE DOMAIN cents AS int NOT NULL; \
             CREATE TYPE mood AS ENUM ('good', 'bad'); \
             CREATE UNLOGGED TABLE \"Odd \"\"Table\" (b text, a int, id bigint GENERATED ALWAYS AS IDENTITY, \
               n numeric(10,2) NOT NULL DEFAULT 1, double numeric GENERATED ALWAYS AS (n * 2) STORED, tags text[], \
               price cents, m mood, gone int, PRIMARY KEY (b, a)); \
             ALTER TABLE \"Odd \"\"Table\" DROP COLUMN gone; \
             CREATE TABLE parts (id int) PARTITION BY RANGE (id); \
             CREATE VIEW looking AS SELECT 1 AS one; \
             DROP ROLE IF EXISTS connect_reader; CREATE ROLE connect_reader LOGIN; \
             GRANT SELECT ON parts TO connect_reader; \
             CREATE SCHEMA closed; CREATE TABLE closed.box (id int)",
        )
        .await
        .unwrap();
    let cluster = connect(&server.url("127.0.0.1", "connect_describe")).await;
    let control = &cluster.control;
    let table = describe(control, "public.\"Odd \"\"Table\"").await.unwrap();
    assert_eq!((table.kind, table.persistence, table.can_insert), (Kind::Plain, Persistence::Unlogged, true));
    assert_eq!(table.qualified(), "\"public\".\"Odd \"\"Table\"");
    assert_eq!(table.primary_key, ["b", "a"]);
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|c| {
            (
                c.name.as_str(),
                c.udt.as_str(),
                c.type_text.as_str(),
                c.not_null,
                c.has_default,
                c.always_generated,
            )
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("b", "text", "text", true, false, false),
            ("a", "int4", "integer", true, false, false),
            ("id", "int8", "bigint", true, true, true),
            ("n", "numeric", "numeric(10,2)", true, true, false),
            ("double", "numeric", "numeric", false, true, true),
            ("tags", "_text", "text[]", false, false, false),
            ("price", "cents", "cents", true, false, false),
            ("m", "mood", "mood", false, false, false),
        ]
    );
    assert_eq!(["price", "n"].map(|name| below(&table, name)), [("int4", -1), ("numeric", NUMERIC_10_2)]);
    let (oid, file) = (table.oid, table.relfilenode);
    client.batch_execute("TRUNCATE \"Odd \"\"Table\"").await.unwrap();
    let again = describe(control, "\"Odd \"\"Table\"").await.unwrap();
    assert!(again.oid == oid && again.relfilenode != file, "a truncated table has another file");

    let parts = describe(control, "Parts").await.unwrap();
    assert_eq!((parts.kind, parts.relfilenode), (Kind::Partitioned, 0));
    let message = |error: Error| error.to_string();
    assert!(message(describe(control, "looking").await.unwrap_err()).contains("`public.looking` is a view"));
    let missing = message(describe(control, "public.prats").await.unwrap_err());
    assert!(missing.contains("no table `public.prats`") && missing.contains("`public.parts`"), "{missing}");

    let reader = server.url("127.0.0.1,127.0.0.2", "connect_describe").replace("etl@", "connect_reader@");
    let reader = connect(&reader).await;
    assert!(!describe(&reader.control, "parts").await.unwrap().can_insert);
    assert!(message(describe(&reader.control, "closed.box").await.unwrap_err()).contains("grant USAGE"));
    let found = reader.nodes().await.unwrap();
    let error = reader.verify_one_cluster(&found).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused);
    assert!(error.to_string().contains("grant CREATE"), "{error}");
}

/// `(10,2)` as the server packs it.
const NUMERIC_10_2: i32 = ((10 << 16) | 2) + 4;

/// The type below a domain, and the modifier.
fn below<'a>(table: &'a Table, name: &str) -> (&'a str, i32) {
    let column = table.column(name).expect("the column is there");
    (&column.base_udt, column.modifier)
}

#[tokio::test]
async fn an_owners_schema_with_rights_in_it_is_enough_for_the_node_check() {
    let server = Server::of_the_test_run();
    let client = server.database("connect_schema").await;
    let grant =
        "DO $$ BEGIN CREATE ROLE connect_plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        CREATE SCHEMA etl; GRANT USAGE, CREATE ON SCHEMA etl TO connect_plain";
    client.batch_execute(grant).await.unwrap();
    let url = server.url("127.0.0.1,127.0.0.2", "connect_schema");
    let plain = connect(&url.replace(&format!("//{}@", server.user), "//connect_plain@")).await;
    let found = plain.nodes().await.unwrap();
    plain.verify_one_cluster(&found).await.unwrap();
}
