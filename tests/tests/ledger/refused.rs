//! Rows that the server refuses: told by constraint, column and source line, never by value; nothing of their chunk is
//! in the target.

#![expect(clippy::unwrap_used, reason = "a helper fails as its test does")]

use etl::copy::error::{Class, Error, RefusedRow};

use crate::bed::{Bed, at, chunk, chunk_of};

const TABLE: &str = "CREATE TABLE public.t (id integer, name text NOT NULL,
    CONSTRAINT t_once UNIQUE (id), CONSTRAINT t_positive CHECK (id >= 0))";

/// Loads ten good rows, then ten of which the sixth is `bad` (the third takes two lines), then ten good ones that are
/// sent behind them.
async fn refused(database: &str, ddl: &str, bad: &str) -> RefusedRow {
    let bed = Bed::with(database, ddl).await;
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    let mut records: Vec<String> = (10..20).map(|row| format!("{row},row {row}\n")).collect();
    records[2] = "12,\"two\nlines\"\n".into();
    records[5] = format!("{bad}\n");
    let chunks = [chunk(0, 10, false), chunk_of(10, &records, false), chunk(20, 30, true)];
    let messages = chunks.into_iter().flatten().collect();
    let error = bed.load(&session, &claimed, messages).await.unwrap_err();
    assert_eq!(error.class(), Class::RefusedRow, "{error}");
    assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
    assert_eq!(bed.rows().await, (10, 10));
    assert_eq!(bed.ledger().await, (at(10), 10, 1));
    let Error::RefusedRow(refused) = error else { panic!("{error}") };
    assert_eq!(refused.range, Some((at(10), at(19))));

    // Without the bad row the run goes on.
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    bed.load(&session, &claimed, chunk(10, 30, true)).await.unwrap();
    assert_eq!(bed.rows().await, (30, 30));
    *refused
}

#[tokio::test]
async fn a_duplicate_key_is_told_by_constraint_and_source_line() {
    let refused = refused("refused_unique", TABLE, "3,secret").await;
    assert_eq!((refused.server.state.as_str(), refused.server.condition), ("23505", "unique_violation"));
    assert_eq!(refused.server.constraint.as_deref(), Some("t_once"));
    assert_eq!(refused.position, Some(at(15)));
}

#[tokio::test]
async fn a_failing_check_is_told_by_constraint_and_source_line() {
    let refused = refused("refused_check", TABLE, "-1,secret").await;
    assert_eq!(refused.server.state, "23514");
    assert_eq!(refused.server.constraint.as_deref(), Some("t_positive"));
    assert_eq!(refused.position, Some(at(15)));
}

#[tokio::test]
async fn a_null_where_none_may_be_is_told_by_column() {
    let refused = refused("refused_null", TABLE, "15,").await;
    assert_eq!((refused.server.state.as_str(), refused.server.column.as_deref()), ("23502", Some("name")));
    assert_eq!(refused.position, Some(at(15)));
}

#[tokio::test]
async fn a_bad_integer_is_told_by_column_without_its_value() {
    let refused = refused("refused_integer", TABLE, "secret,x").await;
    assert_eq!((refused.server.state.as_str(), refused.server.column.as_deref()), ("22P02", Some("id")));
    assert_eq!(refused.position, Some(at(15)));
}

#[tokio::test]
async fn a_trigger_that_raises_is_told_by_source_line() {
    let ddl = "CREATE TABLE public.t (id integer, name text);
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.id < 0 THEN RAISE EXCEPTION 'no %', NEW.name; END IF; RETURN NEW; END $$;
        CREATE TRIGGER raises AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION f()";
    let after = refused("refused_trigger", ddl, "-5,secret").await;
    assert_eq!((after.server.state.as_str(), after.server.condition), ("P0001", "raise_exception"));
    let before = refused("refused_before", &ddl.replace("AFTER", "BEFORE"), "-5,secret").await;
    assert_eq!(before.server.state, "P0001");
    assert_eq!(before.position, Some(at(15)));
}

#[tokio::test]
async fn a_deferred_constraint_fails_in_its_chunk_and_names_no_line() {
    let ddl = "CREATE TABLE public.t (id integer, name text,
        CONSTRAINT t_later UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)";
    let refused = refused("refused_deferred", ddl, "3,secret").await;
    assert_eq!((refused.server.state.as_str(), refused.server.action), ("23505", "SET CONSTRAINTS"));
    assert_eq!(refused.server.constraint.as_deref(), Some("t_later"));
    assert_eq!(refused.position, None);
}

#[tokio::test]
async fn a_trigger_that_raises_before_the_first_row_is_not_taken_for_success() {
    // The server then answers the COPY once more than the driver knows.
    let ddl = "CREATE TABLE public.t (id integer, name text);
        CREATE TABLE public.closed ();
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF (SELECT count(*) FROM public.t) > 0 THEN RAISE EXCEPTION 'closed'; END IF; RETURN NULL; END $$;
        CREATE TRIGGER raises BEFORE INSERT ON public.t FOR EACH STATEMENT EXECUTE FUNCTION f()";
    let bed = Bed::with("refused_statement", ddl).await;
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    let messages = (0..3).flat_map(|n| chunk(n * 10, n * 10 + 10, n == 2)).collect();
    let error = bed.load(&session, &claimed, messages).await.unwrap_err();
    assert_eq!(error.class(), Class::RefusedRow, "{error}");
    assert_eq!(bed.rows().await, (10, 10));
    assert_eq!(bed.ledger().await, (at(10), 10, 1));
}

#[tokio::test]
async fn a_trigger_that_leaves_rows_out_stops_the_run_before_its_chunk_is_committed() {
    let ddl = "CREATE TABLE public.t (id integer, name text);
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.id = 13 THEN RETURN NULL; END IF; RETURN NEW; END $$;
        CREATE TRIGGER leaves BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION f()";
    let bed = Bed::with("refused_leaves", ddl).await;
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    let messages = (0..3).flat_map(|n| chunk(n * 10, n * 10 + 10, n == 2)).collect();
    let error = bed.load(&session, &claimed, messages).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(text) if text.contains("kept 9 of 10 rows")), "{error}");
    assert_eq!(bed.rows().await, (10, 10));
    assert_eq!(bed.ledger().await, (at(10), 10, 1));
}

#[tokio::test]
async fn a_missing_privilege_is_no_bad_row() {
    let bed = Bed::new("refused_privilege").await;
    let session = bed.session().await;
    let role = "DO $$ BEGIN CREATE ROLE etl_refused_plain; EXCEPTION WHEN duplicate_object THEN END $$;
        GRANT USAGE ON SCHEMA etl TO etl_refused_plain; GRANT ALL ON ALL TABLES IN SCHEMA etl TO etl_refused_plain;
        SET ROLE etl_refused_plain";
    let claimed = bed.claim(&session).await;
    session.client.batch_execute(role).await.unwrap();
    let error = bed.load(&session, &claimed, chunk(0, 10, true)).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error}");
    assert_eq!(error.to_string(), "COPY was refused: SQLSTATE 42501 (insufficient_privilege)");
}
