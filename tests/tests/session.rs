//! What a session at the target is pinned to, whatever role, database and environment say.

use etl_tests::bed::{Bed, Process};
use etl_tests::versions::Tried;

#[tokio::test]
async fn null_elements_stay_null_whatever_the_role_or_the_database_says_of_them() {
    let bed = Bed::new("session_array_nulls").await;
    bed.sql("ALTER DATABASE session_array_nulls SET array_nulls = off; CREATE TABLE t (id int, tags text[])")
        .await;
    bed.folder.write("data.csv", "id,tags\n1,\"{a,NULL}\"\n2,\"{\"\"NULL\"\",b}\"\n");
    bed.recipe("[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n");
    bed.etl([""; 0]).env("PGOPTIONS", "-c array_nulls=off").run().code(0);
    assert_eq!(bed.number("SELECT count(*) FROM t WHERE id = 1 AND tags[2] IS NULL").await, 1);
    assert_eq!(bed.number("SELECT count(*) FROM t WHERE id = 2 AND tags[1] = 'NULL'").await, 1);
}

/// Who forgets a load has to see what was added while it waited for it.
#[tokio::test]
async fn a_role_whose_transactions_see_one_moment_loads_and_forgets_as_any_other() {
    let bed = Bed::new("session_isolation").await;
    bed.sql(
        "ALTER DATABASE session_isolation SET default_transaction_isolation = 'repeatable read'; \
         CREATE TABLE t (id int, isolation text DEFAULT current_setting('transaction_isolation'))",
    )
    .await;
    bed.folder.write("data.csv", "id\n1\n2\n");
    bed.recipe("[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n");
    bed.run().code(0);
    bed.etl(["--fresh", "--yes"]).run().code(0);
    assert_eq!(bed.number("SELECT count(*) FROM t WHERE isolation = 'read committed'").await, 4);
}

/// Its streams wait for a lock longer than the test has patience: nothing else ends their backends.
#[tokio::test]
async fn a_killed_run_whose_backends_wait_for_a_lock_is_noticed_and_another_one_takes_over() {
    for tried in Tried::all() {
        // Before PostgreSQL 14 a server does not look while a statement is at work.
        if tried.version.is_some_and(|version| version.number() < 14) {
            continue;
        }
        let bed = Bed::on(tried.server.clone(), "session_killed").await;
        bed.sql("CREATE TABLE t (id int)").await;
        bed.folder.write("data.csv", (0..100).fold("id\n".to_string(), |csv, id| csv + &format!("{id}\n")));
        let url = bed.url();
        bed.recipe_to(
            &url,
            "lock_timeout = \"1 h\"\n[run]\nstreams = 1\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n",
        );
        // The stream has its statements: what it waits for is its COPY.
        bed.sql(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$; \
             CREATE TRIGGER wait AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION wait()",
        )
        .await;
        bed.sql("SELECT pg_advisory_lock(1)").await;
        let etl = Process::of(bed.etl([""; 0]));
        bed.runs_that_wait(1).await;
        // As long as it lives, or its server believes so, the split is its own.
        bed.run().code(10);
        etl.kill();
        bed.quiet().await;
        bed.sql("SELECT pg_advisory_unlock(1)").await;
        bed.run().code(0);
        assert_eq!(bed.number("SELECT count(DISTINCT id) FROM t").await, 100, "{:?}", tried.version);
        assert_eq!(bed.number("SELECT count(*) FROM t").await, 100);
    }
}

/// What every backend of a run was set to, seen by a trigger that writes it down.
#[tokio::test]
async fn the_server_looks_whether_the_client_of_a_stream_is_still_there() {
    for tried in Tried::all() {
        let bed = Bed::on(tried.server.clone(), "session_alive").await;
        let names = "'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count', 'tcp_user_timeout', \
                     'client_connection_check_interval'";
        bed.sql(&format!(
            "CREATE TABLE t (id int, pinned text); \
             CREATE FUNCTION pinned() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 SELECT string_agg(coalesce(current_setting(s, true), '-'), ' ' ORDER BY o) INTO NEW.pinned \
                 FROM unnest(ARRAY[{names}]) WITH ORDINALITY u(s, o); RETURN NEW; END $$; \
             CREATE TRIGGER pinned BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION pinned()"
        ))
        .await;
        bed.folder.write("data.csv", "id\n1\n");
        bed.recipe("tcp_user_timeout = \"200 s\"\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n");
        bed.run().code(0);
        let pinned: String = bed.client.query_one("SELECT pinned FROM t", &[]).await.expect("a row").get(0);
        let newer =
            if tried.version.is_some_and(|version| version.number() < 12) { "- -" } else { "200000 10s" };
        assert_eq!(pinned, format!("30 10 3 {newer}"), "{:?}", tried.version);
    }
}
