//! What is refused before a row moves, with the recipe's line; and rows that the server refuses in the INSERT.

use etl_tests::bed::Bed;

use super::bed::{CHUNKS, bed, counts, forget, recipe, rows};

/// The same words from `etl check` (11) and `etl run` (5), and nothing touched.
async fn is_refused(database: &str, ddl: &str, mode: &str, says: &str) {
    let bed = bed(database, ddl, "id,v\n1,a\n2,b\n").await;
    recipe(&bed, mode, "", "");
    let says = format!("recipe.toml:9: public.t {says}");
    bed.folder.etl(["check", "recipe.toml"]).run().code(11).says(&[&says]);
    bed.run().code(5).says(&[&says]);
    assert_eq!(bed.number("SELECT count(*) FROM public.t").await, 0);
    assert_eq!(bed.number("SELECT count(*) FROM pg_tables WHERE schemaname = 'etl'").await, 0);
}

#[tokio::test]
async fn a_table_without_a_key_is_refused_whatever_else_is_unique() {
    let says = "has no primary key, and write = \"upsert\" goes by it";
    is_refused("write_no_key", "CREATE TABLE public.t (id int UNIQUE NOT NULL, v text)", "upsert", says)
        .await;
}

#[tokio::test]
async fn a_key_that_the_rows_do_not_fill_is_refused() {
    let ddl = "CREATE TABLE public.t (number serial, id int, v text, PRIMARY KEY (id, number))";
    let says = "has `number` in its primary key, which nothing fills: write = \"skip\" goes by it";
    is_refused("write_unfilled", ddl, "skip", says).await;
}

#[tokio::test]
async fn a_deferrable_key_is_refused() {
    let ddl = "CREATE TABLE public.t (id int PRIMARY KEY DEFERRABLE INITIALLY IMMEDIATE, v text)";
    is_refused("write_deferrable", ddl, "skip", "has a DEFERRABLE primary key").await;
}

#[tokio::test]
async fn a_table_with_a_rule_is_refused() {
    let ddl = "CREATE TABLE public.t (id int PRIMARY KEY, v text); CREATE TABLE public.log (id int);
        CREATE RULE log AS ON INSERT TO public.t DO ALSO INSERT INTO public.log VALUES (NEW.id)";
    is_refused("write_rule", ddl, "upsert", "has a rule for INSERT or UPDATE").await;
}

#[tokio::test]
async fn a_table_that_would_be_made_without_a_key_is_refused_before_it_is() {
    let bed = bed("write_create", "SELECT", "id,v\n1,a\n").await;
    recipe(&bed, "upsert", "", "create = \"if-missing\"");
    let says =
        ["recipe.toml:9: public.t would be made without a primary key, and write = \"upsert\" goes by it"];
    bed.folder.etl(["check", "recipe.toml"]).run().code(11).says(&says);
    bed.run().code(5).says(&says);
    assert_eq!(bed.number("SELECT count(*) FROM pg_class WHERE relname = 't'").await, 0);
}

#[tokio::test]
async fn files_have_no_keys_and_nothing_to_empty() {
    let bed = Bed::new("write_files").await;
    bed.folder.write("data.csv", "id,v\n1,a\n");
    let table =
        "[[tables]]\nfrom = \"data.csv\"\ninto = \"t\"\nwrite = \"upsert\"\ntruncate = \"first-run\"\n";
    bed.folder.write("recipe.toml", format!("name = \"test\"\n{table}"));
    for command in ["check", "run"] {
        let ran = bed.folder.etl([command, "recipe.toml"]).run().code(2);
        ran.says(&[
            "recipe.toml:5:1: `tables[0].write`: goes by a table's primary key",
            "recipe.toml:6:1: `tables[0].truncate`",
        ]);
    }
    bed.recipe(table);
    bed.etl(["--to", "-"]).run().code(2).says(&["recipe.toml:7:1: `tables[0].write`: goes by a table's"]);
}

/// What the server refuses in many ways, none of them in the COPY but the last two.
const TABLE: &str = "CREATE TABLE public.parent (id int PRIMARY KEY); INSERT INTO public.parent VALUES (1);
    CREATE TABLE public.t (id int PRIMARY KEY, qty int CHECK (qty >= 0), note text NOT NULL,
        parent int REFERENCES public.parent, other int UNIQUE, late int UNIQUE DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO public.t VALUES (0, 0, 'other', NULL, -1, -1), (1, 0, 'there', NULL, -2, -2)";

#[tokio::test]
async fn rows_that_the_server_refuses_become_rejects_and_the_others_are_written() {
    let mut csv = "id,qty,note,parent,other,late\n".to_string();
    let bad = [
        "{},-1,x,1,{},{}",
        "{},1,,1,{},{}",
        "{},1,x,7,{},{}",
        "{},1,x,1,-1,{}",
        "{},1,x,1,{},-1",
        ",1,x,1,{},{}",
        "{},x,x,1,{},{}",
    ];
    let mut refused = 0;
    for id in 1..=120 {
        let row = match id % 13 {
            kind @ 5..=11 => bad[kind - 5],
            _ => "{},1,good,1,{},{}",
        };
        refused += i64::from(row != "{},1,good,1,{},{}");
        csv += &(row.replace("{}", &id.to_string()) + "\n");
    }
    let bed = bed("write_rejects", TABLE, csv).await;
    for (mode, chunk_rows) in ["skip", "upsert"].into_iter().flat_map(|mode| CHUNKS.map(|rows| (mode, rows)))
    {
        forget(&bed).await;
        bed.sql(
            "DELETE FROM public.t WHERE id > 1;
             UPDATE public.t SET note = 'there', qty = 0, other = -2, late = -2 WHERE id = 1",
        )
        .await;
        recipe(&bed, mode, &format!("streams = 1\nchunk_rows = {chunk_rows}\nmax_rejects = {refused}"), "");
        bed.run().code(8).says(&[
            "server/check_violation",
            "server/foreign_key_violation",
            "server/not_null_violation",
        ]);
        let skipped = i64::from(mode == "skip");
        let at = format!("{mode}, chunks of {chunk_rows}");
        assert_eq!(
            counts(&bed).await,
            [120, 120 - refused - skipped, 0, refused, skipped, 120 - refused],
            "{at}"
        );
        assert_eq!(
            bed.number("SELECT count(*) FROM etl.reject WHERE stage = 'server'").await,
            refused,
            "{at}"
        );
        let first = if mode == "skip" { "1 there -2" } else { "1 good 1" };
        let rows = rows(&bed, "id, note, other").await;
        assert_eq!((rows[1].as_str(), rows.len()), (first, usize::try_from(121 - refused).unwrap()), "{at}");
    }
}
