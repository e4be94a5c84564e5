//! Several tables in one session, triggers, and rights.

use etl_tests::bed::{Bed, until};

use super::bed::{bed, counts, recipe, rows};

/// One stream turns from table to table, and its temporary table with it.
#[tokio::test]
async fn one_stream_writes_into_several_tables_in_several_modes() {
    let bed = Bed::new("write_tables").await;
    let csv = |from: u32| {
        (from..from + 3000).fold("id,v\n".to_string(), |text, id| text + &format!("{},{id}\n", id % 1000))
    };
    let mut tables = String::new();
    for (at, mode) in ["append", "skip", "upsert"].into_iter().enumerate() {
        let key = if mode == "append" { "" } else { "PRIMARY KEY" };
        bed.sql(&format!("CREATE TABLE public.{mode} (id int {key}, v int)")).await;
        bed.folder.write(&format!("{mode}.csv"), csv(1000 * u32::try_from(at).unwrap()));
        tables +=
            &format!("[[tables]]\nfrom = \"{mode}.csv\"\ninto = \"public.{mode}\"\nwrite = \"{mode}\"\n");
    }
    bed.recipe(&format!("[run]\nstreams = 1\nchunk_rows = 100\nsplit_bytes = \"2 KiB\"\n{tables}"));
    bed.run().code(0).says(&["(skip): ", "3,000 rows read: 1,000 loaded, 2,000 skipped"]);
    assert_eq!(bed.number("SELECT count(*) FROM append").await, 3000);
    assert_eq!(bed.number("SELECT count(*) FROM skip WHERE v = id + 1000").await, 1000);
    assert_eq!(bed.number("SELECT count(*) FROM upsert WHERE v = id + 4000").await, 1000);
}

const STAMPED: &str = "CREATE TABLE public.t (id int PRIMARY KEY, v int, stamp text);
    CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.stamp := lower(TG_OP); RETURN NEW; END $$;
    CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.stamp();
    INSERT INTO public.t VALUES (1, 1)";

#[tokio::test]
async fn triggers_that_change_rows_do_so_and_the_counts_stay_right() {
    let bed = bed("write_triggers", STAMPED, "id,v\n1,10\n2,20\n2,21\n").await;
    recipe(&bed, "upsert", "", "");
    bed.run().code(0);
    assert_eq!(counts(&bed).await, [3, 3, 0, 0, 0, 3]);
    assert_eq!(rows(&bed, "*").await, ["1 10 update", "2 21 insert"]);
}

#[tokio::test]
async fn a_trigger_that_leaves_rows_out_ends_the_run_before_they_count() {
    for when in ["INSERT", "UPDATE"] {
        let bed =
            bed(&format!("write_left_out_{}", when.to_lowercase()), STAMPED, "id,v\n1,10\n2,20\n3,30\n")
                .await;
        bed.sql(&format!(
            "CREATE FUNCTION public.leave_out() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN IF NEW.v = {} THEN RETURN NULL; END IF; RETURN NEW; END $$;
             CREATE TRIGGER leave_out BEFORE {when} ON public.t FOR EACH ROW EXECUTE FUNCTION public.leave_out()",
            if when == "INSERT" { 30 } else { 10 }
        ))
        .await;
        recipe(&bed, "upsert", "", "");
        bed.run().code(5).says(&["kept 2 of 3 rows: a trigger leaves rows out", "the chunk was rolled back"]);
        assert_eq!(rows(&bed, "*").await, ["1 1 insert"]);
        assert_eq!(bed.number("SELECT sum(read)::bigint FROM etl.ledger").await, 0);
    }
}

#[tokio::test]
async fn a_trigger_that_could_leave_rows_out_is_refused_where_nobody_would_see_it() {
    let bed = bed("write_trigger_skip", STAMPED, "id,v\n1,10\n").await;
    recipe(&bed, "skip", "", "");
    bed.run().code(5).says(&["recipe.toml:9: public.t has a BEFORE INSERT trigger for each row"]);
    bed.sql("DROP TRIGGER stamp ON public.t").await;
    bed.sql("CREATE TRIGGER stamp AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.stamp()")
        .await;
    bed.run().code(0);
    assert_eq!(counts(&bed).await, [1, 0, 0, 0, 1, 1]);
}

/// The server's own vacuum may be at a database's row just then: "tuple concurrently updated".
async fn of_the_database(bed: &Bed, sql: &str) {
    until(sql, async || bed.client.batch_execute(sql).await.ok()).await;
}

#[tokio::test]
async fn rights_that_are_missing_are_named_and_suffice_once_they_are_there() {
    let ddl = "CREATE TABLE public.t (id int PRIMARY KEY, v int, \"W\" int, unseen int);
        DO $$ BEGIN CREATE ROLE write_modes_loader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        CREATE SCHEMA etl AUTHORIZATION write_modes_loader; GRANT INSERT ON public.t TO write_modes_loader";
    let bed = bed("write_rights", ddl, "id,v,W\n1,10,100\n").await;
    of_the_database(&bed, "REVOKE TEMPORARY ON DATABASE write_rights FROM PUBLIC").await;
    let url = bed.url().replace(&format!("{}@", bed.server.user), "write_modes_loader@");
    let recipe_of = |mode: &str, more: &str| {
        let table =
            format!("[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\nwrite = \"{mode}\"\n{more}\n");
        bed.recipe_to(&url, &table);
    };
    recipe_of("upsert", "truncate = \"first-run\"");
    bed.run().code(5).says(&[
        "4 problems",
        "recipe.toml:7: public.t cannot be written to with write = \"upsert\" without another right: GRANT SELECT (id, v, \"W\")",
        "recipe.toml:7: public.t cannot be written to with write = \"upsert\" without another right: GRANT UPDATE (v, \"W\")",
        "without a temporary table: GRANT TEMPORARY on the database",
        "recipe.toml:8: public.t cannot be emptied without another right: GRANT TRUNCATE",
    ]);
    bed.sql("GRANT SELECT (id) ON public.t TO write_modes_loader").await;
    of_the_database(&bed, "GRANT TEMPORARY ON DATABASE write_rights TO PUBLIC").await;
    recipe_of("skip", "");
    bed.run().code(0);
    bed.sql("GRANT SELECT (v, \"W\"), UPDATE (v, \"W\"), TRUNCATE ON public.t TO write_modes_loader").await;
    recipe_of("upsert", "truncate = \"first-run\"");
    bed.etl(["--fresh", "--yes"]).run().code(0);
    assert_eq!(rows(&bed, "id, v, \"W\"").await, ["1 10 100"]);
}
