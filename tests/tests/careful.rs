//! Rows that the server refuses: exactly these become rejects, whatever they are refused for, wherever they are and
//! however large chunks are; all others are loaded, and the search costs little.

#![expect(clippy::unwrap_used, reason = "a helper fails as its test does")]

use std::fmt::Write as _;
use std::io::Write as _;

use etl_tests::bed::Bed;

/// What the server refuses in many ways: with a line, without one, in the statement or behind it.
const TABLE: &str = "CREATE TABLE public.parent (id int PRIMARY KEY);
    INSERT INTO public.parent SELECT generate_series(0, 9);
    CREATE TABLE public.t (id int PRIMARY KEY, qty int CHECK (qty >= 0), note text NOT NULL, day date,
        parent int REFERENCES public.parent, later int UNIQUE DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO public.t VALUES (-1, 0, 'there', NULL, 0, -1);
    CREATE FUNCTION public.raise() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.note = 'raise' THEN RAISE EXCEPTION 'no %', NEW.note; END IF; RETURN NEW; END $$;
    CREATE TRIGGER raise AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.raise()";

/// A file of bad rows among good ones.
struct Mixed {
    csv: String,
    good: Vec<i32>,
    /// `position stage/code` of each bad row, in their order.
    bad: Vec<String>,
}

/// Good rows take two lines, so that lines of the COPY are not rows.
fn mixed(rows: i32) -> Mixed {
    let mut mixed = Mixed { csv: "id,qty,note,day,parent,later\n".into(), good: Vec::new(), bad: Vec::new() };
    let mut line = 2;
    for id in 1..=rows {
        let (cells, code) = match id % 31 {
            2 => (format!("-1,1,twice,,1,{id}"), "server/unique_violation"),
            5 => (format!("{id},-1,x,,1,{id}"), "server/check_violation"),
            7 => (format!("{id},ten,x,,1,{id}"), "server/invalid_text_representation"),
            8 => (format!("{id},99999999999,x,,1,{id}"), "server/numeric_value_out_of_range"),
            9 => (format!("{id},1,,,1,{id}"), "server/not_null_violation"),
            13 => (format!("{id},1,x,2024-02-30,1,{id}"), "server/datetime_field_overflow"),
            17 => (format!("{id},1,x,,77,{id}"), "server/foreign_key_violation"),
            19 => (format!("{id},1,x,,1,-1"), "server/unique_violation"),
            23 | 24 => (format!("{id},1,raise,,1,{id}"), "server/raise_exception"),
            29 => (format!("{id},1"), "read/ragged"),
            _ => (format!("{id},{},\"a\nb\",2024-02-29,{},{id}", id * 3, id % 10), ""),
        };
        if code.is_empty() {
            mixed.good.push(id);
        } else {
            mixed.bad.push(format!("{}:{line} {code}", mixed.csv.len()));
        }
        line += if code.is_empty() { 2 } else { 1 };
        let _ = writeln!(mixed.csv, "{cells}");
    }
    mixed
}

async fn rejects(bed: &Bed) -> Vec<String> {
    let sql = "SELECT position || ' ' || stage || '/' || code FROM etl.reject
        ORDER BY split_part(position, ':', 1)::bigint";
    bed.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn ids(bed: &Bed) -> Vec<i32> {
    let odd = "SELECT count(*) FROM t WHERE id > 0 AND (qty, note, day, parent, later)
        IS DISTINCT FROM (id * 3, E'a\\nb', date '2024-02-29', id % 10, id)";
    assert_eq!(bed.number(odd).await, 0, "a row has another content");
    let rows = bed.client.query("SELECT id FROM t WHERE id > 0 ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn recipe(bed: &Bed, run: &str) {
    bed.recipe(&format!("[run]\n{run}\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n"));
}

async fn is_exact(database: &str, rows: i32, run: &str) {
    let bed = Bed::new(database).await;
    bed.sql(TABLE).await;
    let Mixed { csv, good, bad } = mixed(rows);
    bed.folder.write("data.csv", csv);
    recipe(&bed, &format!("{run}\nmax_rejects = {}", bad.len()));
    let ran = bed.run().code(8).never_says("raise\"").never_says("twice");
    ran.says(&[&format!(" loaded, {} rejected in ", bad.len())]);
    assert_eq!(ids(&bed).await, good);
    assert_eq!(rejects(&bed).await, bad);
    assert_eq!(bed.is_finished().await, i64::from(rows));
    // With what the row was.
    let whole = "SELECT count(*) FROM etl.reject WHERE stage = 'server' AND original ->> 'id' IS NOT NULL";
    let by_server = bad.iter().filter(|reject| reject.contains("server/")).count();
    assert_eq!(bed.number(whole).await, i64::try_from(by_server).unwrap());
    bed.run().code(8).says(&["was done before, nothing to load"]);
    assert_eq!(ids(&bed).await, good);
}

#[tokio::test]
async fn exactly_the_refused_rows_are_rejects_with_chunks_of_one_row() {
    is_exact("careful_one", 200, "streams = 2\nchunk_rows = 1").await;
}

#[tokio::test]
async fn exactly_the_refused_rows_are_rejects_with_small_chunks_and_many_streams() {
    is_exact("careful_small", 1000, "streams = 4\nchunk_rows = 37\nsplit_bytes = \"4 KiB\"").await;
}

#[tokio::test]
async fn exactly_the_refused_rows_are_rejects_with_a_chunk_larger_than_the_file() {
    is_exact("careful_large", 1500, "streams = 1\nchunk_rows = 100000\nbatch_rows = 100").await;
}

/// Every COPY that begins takes a number, and gives none back when it is rolled back.
const COUNT_COPIES: &str = "CREATE SEQUENCE public.copies;
    CREATE FUNCTION public.count() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM nextval('public.copies'); RETURN NULL; END $$;
    CREATE TRIGGER count BEFORE INSERT ON public.t FOR EACH STATEMENT EXECUTE FUNCTION public.count()";

#[tokio::test]
async fn one_refused_row_in_a_chunk_costs_three_more_copies_and_no_connection() {
    let bed = Bed::new("careful_cost").await;
    bed.sql("CREATE TABLE public.t (id int CHECK (id <> 60), pid int DEFAULT pg_backend_pid())").await;
    bed.sql(COUNT_COPIES).await;
    bed.folder.write("data.csv", (0..100).fold("id\n".to_string(), |text, id| text + &format!("{id}\n")));
    recipe(&bed, "streams = 1\nmax_rejects = 1");
    bed.run().code(8).says(&["server/check_violation: SQLSTATE 23514 (check_violation), table `t`"]);
    assert_eq!(bed.number("SELECT last_value FROM copies").await, 4);
    assert_eq!(bed.number("SELECT count(*) FROM t").await, 99);
    assert_eq!(bed.number("SELECT count(DISTINCT pid) FROM t").await, 1);
    assert_eq!(bed.number("SELECT sum(chunks)::bigint FROM etl.ledger").await, 2);
}

#[tokio::test]
async fn the_row_is_found_at_once_in_a_table_with_a_name_like_a_line_of_its_own() {
    let bed = Bed::new("careful_named").await;
    bed.sql("CREATE TABLE public.\"a, 7\" (id int CHECK (id <> 60))").await;
    bed.sql(&COUNT_COPIES.replace("public.t ", "public.\"a, 7\" ")).await;
    bed.folder.write("data.csv", (0..100).fold("id\n".to_string(), |text, id| text + &format!("{id}\n")));
    bed.recipe(
        "[run]\nstreams = 1\nmax_rejects = 1\n[[tables]]\nfrom = \"data.csv\"\ninto = 'public.\"a, 7\"'\n",
    );
    bed.run().code(8);
    assert_eq!(bed.number("SELECT last_value FROM copies").await, 4);
}

#[tokio::test]
async fn a_file_of_nothing_but_refused_rows_stops_early() {
    let bed = Bed::new("careful_all").await;
    bed.sql("CREATE TABLE public.t (id int CHECK (id < 0))").await;
    bed.sql(COUNT_COPIES).await;
    bed.folder.write("data.csv", (0..50_000).fold("id\n".to_string(), |text, id| text + &format!("{id}\n")));
    recipe(&bed, "streams = 1\nmax_rejects = 40");
    bed.run().code(7).says(&["rows rejected, more than max_rejects = 40 allows"]);
    assert_eq!(bed.number("SELECT count(*) FROM etl.reject").await, 40);
    assert!(bed.number("SELECT last_value FROM copies").await < 130);
    // The same command continues where it stopped, once it may.
    bed.sql("ALTER TABLE t DROP CONSTRAINT t_id_check").await;
    bed.run().code(8);
    assert_eq!(bed.number("SELECT count(*) FROM t").await, 49_960);
}

#[tokio::test]
async fn a_row_of_standard_input_is_searched_for_in_what_is_held_of_it() {
    for (database, packed) in [("careful_stdin", false), ("careful_stdin_gzip", true)] {
        let bed = Bed::new(database).await;
        bed.sql(TABLE).await;
        let Mixed { csv, good, bad } = mixed(700);
        let content = if packed { gzip(csv.as_bytes()) } else { csv.into_bytes() };
        let rows = bed.folder.write("rows", content);
        let most = bad.len();
        bed.recipe(&format!(
            "[run]\nmax_rejects = {most}\nchunk_rows = 50\n[[tables]]\nfrom = \"-\"\ninto = \"public.t\"\n"
        ));
        bed.etl([""; 0]).stdin_from(&rows).run().code(8);
        assert_eq!(ids(&bed).await, good);
        assert_eq!(rejects(&bed).await, bad);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}
