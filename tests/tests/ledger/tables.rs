//! The ledger's own tables: made once by whoever comes first, refused where they cannot be used.

#![expect(clippy::unwrap_used, reason = "a helper fails as its test does")]

use etl::copy::error::{Class, Error};
use etl::copy::postgres::plan::{Opening, Plan, TableId};
use etl::copy::postgres::schema::Tables;
use etl::copy::state::Started;
use etl_tests::postgres::Server;

use crate::bed::{Bed, Session, key, parts};

async fn session(database: &str, ddl: &str) -> Session {
    let server = Server::of_the_test_run();
    server.database(database).await.batch_execute(ddl).await.unwrap();
    Session::connect(&server.url("127.0.0.1", database)).await
}

#[tokio::test]
async fn processes_that_start_at_once_make_the_tables_once() {
    let server = Server::of_the_test_run();
    server.database("tables_race").await;
    for round in 0..5 {
        let schema = format!("a \"ledger\" {round}");
        let mut racers = Vec::new();
        for _ in 0..8 {
            let session = Session::connect(&server.url("127.0.0.1", "tables_race")).await;
            let schema = schema.clone();
            racers.push(tokio::spawn(async move { Tables::ensure(session.link(), &schema, false).await }));
        }
        for racer in racers {
            racer.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_table_that_is_no_ledger_of_ours_is_refused() {
    let session = session("tables_foreign", "CREATE SCHEMA etl; CREATE TABLE etl.ledger (a text)").await;
    let error = Tables::ensure(session.link(), "etl", false).await.unwrap_err();
    assert!(error.to_string().contains("not a ledger of etl"), "{error}");
    assert_eq!(error.class(), Class::Refused);
}

#[tokio::test]
async fn a_ledger_of_another_format_is_refused() {
    let session = session("tables_format", "").await;
    Tables::ensure(session.link(), "etl", false).await.unwrap();
    session.client.batch_execute("COMMENT ON TABLE etl.ledger IS 'etl ledger, format 9'").await.unwrap();
    let error = Tables::ensure(session.link(), "etl", false).await.unwrap_err();
    assert!(error.to_string().contains("`etl ledger, format 9`, this etl needs"), "{error}");
}

#[tokio::test]
async fn a_ledger_of_the_format_before_is_brought_along_and_its_run_goes_on() {
    let bed = Bed::new("tables_older").await;
    let older = "ALTER TABLE etl.run DROP COLUMN target_partitions;
        COMMENT ON TABLE etl.ledger IS 'etl ledger, format 1'";
    bed.control.client.batch_execute(older).await.unwrap();
    Tables::check(bed.control.link(), "etl", false).await.unwrap();
    Tables::ensure(bed.control.link(), "etl", false).await.unwrap();
    let parts = parts();
    let open = bed.plan.open(bed.control.link(), bed.opening(&bed.owner, &parts, false));
    assert!(matches!(open.await.unwrap(), Started::Continued(_)));
    assert_eq!(bed.number("SELECT count(*) FROM etl.run WHERE target_partitions IS NULL").await, 1);
}

#[tokio::test]
async fn missing_privileges_are_named() {
    let admin = session(
        "tables_privileges",
        "DO $$ BEGIN CREATE ROLE etl_tables_plain LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
    )
    .await;
    let port = Server::of_the_test_run().port;
    let plain =
        Session::connect(&format!("postgres://etl_tables_plain@127.0.0.1:{port}/tables_privileges")).await;
    let refused = async || Tables::ensure(plain.link(), "etl", false).await.unwrap_err().to_string();
    assert!(refused().await.contains("grant CREATE on the database"));
    admin.client.batch_execute("CREATE SCHEMA etl").await.unwrap();
    assert!(refused().await.contains("no USAGE privilege"));
    admin.client.batch_execute("GRANT USAGE ON SCHEMA etl TO etl_tables_plain").await.unwrap();
    assert!(refused().await.contains("grant CREATE on schema `etl`"));
    Tables::ensure(admin.link(), "etl", false).await.unwrap();
    let grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON etl.run, etl.source, etl.ledger TO etl_tables_plain";
    admin.client.batch_execute(grant).await.unwrap();
    assert!(refused().await.ends_with("grant SELECT, INSERT, UPDATE, DELETE on reject"));
    let grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON etl.reject TO etl_tables_plain";
    admin.client.batch_execute(grant).await.unwrap();
    Tables::ensure(plain.link(), "etl", false).await.unwrap();
}

#[tokio::test]
async fn a_role_that_may_create_tables_in_its_schema_needs_no_more() {
    let admin = session(
        "tables_own_schema",
        "DO $$ BEGIN CREATE ROLE etl_tables_owner LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
         CREATE SCHEMA mine AUTHORIZATION etl_tables_owner",
    )
    .await;
    let port = Server::of_the_test_run().port;
    let owner =
        Session::connect(&format!("postgres://etl_tables_owner@127.0.0.1:{port}/tables_own_schema")).await;
    Tables::ensure(owner.link(), "mine", false).await.unwrap();
    drop(admin);
}

#[tokio::test]
async fn an_unlogged_target_is_refused_unless_allowed_and_has_an_unlogged_ledger() {
    let session = session("tables_unlogged", "CREATE UNLOGGED TABLE public.t (id integer, name text)").await;
    let link = session.link();
    let error = TableId::read(link, "public.t", false).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(text) if text.contains("UNLOGGED")), "{error}");
    let table = TableId::read(link, "public.t", true).await.unwrap();
    assert!(table.unlogged);
    let plan = Plan { tables: Tables::ensure(link, "etl", true).await.unwrap(), key: key(), load: None };
    let owner = etl::copy::postgres::claim::Owner::new();
    let parts = parts();
    let opening = Opening { owner: &owner, parts: &parts, table, fresh: false };
    assert!(matches!(plan.open(link, opening).await.unwrap(), Started::New(_)));
    let kinds = "SELECT string_agg(relpersistence::text, '') FROM pg_class
        WHERE relnamespace = 'etl'::regnamespace AND relkind = 'r'";
    let kinds: String = session.client.query_one(kinds, &[]).await.unwrap().get(0);
    assert_eq!(kinds, "uuuu");

    // The ledger of the other kind still knows the run.
    session.client.batch_execute("ALTER TABLE public.t SET LOGGED").await.unwrap();
    let table = TableId::read(link, "public.t", false).await.unwrap();
    let plan = Plan { tables: Tables::ensure(link, "etl", false).await.unwrap(), key: key(), load: None };
    let error = plan.open(link, Opening { table, ..opening }).await.unwrap_err();
    assert_eq!(error.class(), Class::Drift);
    assert!(error.to_string().contains("public.t was UNLOGGED, now it is LOGGED"), "{error}");
}

#[tokio::test]
async fn a_target_that_is_not_there_or_temporary_is_refused() {
    let bed = Bed::new("tables_target").await;
    let link = bed.control.link();
    let error = TableId::read(link, "public.nothing", false).await.unwrap_err();
    assert_eq!(error.to_string(), "target table public.nothing does not exist");
    bed.control.client.batch_execute("CREATE TEMPORARY TABLE passing ()").await.unwrap();
    assert!(TableId::read(link, "passing", true).await.is_err());
}
