//! Rows that become many: an input row is loaded whole or is one reject, and which of both is a matter of the row alone.

use std::fmt::Write as _;

use super::bed::{Bed, HUSH, Recipe, guest};

/// However the work is cut.
const CUTS: [&str; 5] = [
    "streams = 1\nbatch_rows = 1",
    "streams = 1\nbatch_rows = 7\nchunk_rows = 100",
    "streams = 1\nbatch_rows = 1024",
    "streams = 1\nchunk_rows = 1",
    "streams = 2\nchunk_rows = 7\nsplit_bytes = \"2 KiB\"",
];

/// A file, and what must become of each of its rows.
#[derive(Default)]
struct File {
    content: String,
    line: usize,
    /// What the target must hold, sorted.
    loaded: Vec<(i32, String)>,
    /// How each reject starts, in their order.
    rejects: Vec<String>,
}

impl File {
    fn new(header: &str) -> File {
        File { content: format!("{header}\n"), line: 2, ..File::default() }
    }

    /// Adds a row with the rows that it becomes; `Err`: with its reject.
    fn row(&mut self, record: &str, becomes: Result<Vec<(i32, String)>, &str>) {
        let position = format!("{}:{}", self.content.len(), self.line);
        let _ = writeln!(self.content, "{record}");
        self.line += 1 + record.matches('\n').count();
        match becomes {
            Ok(rows) => self.loaded.extend(rows),
            Err(reject) => self.rejects.push(format!("{position} {reject}")),
        }
    }

    /// Adds a row that becomes these, or the reject that starts so.
    fn row_or_reject(&mut self, record: &str, becomes: Vec<(i32, String)>, reject: &str) {
        self.row(record, if reject.is_empty() { Ok(becomes) } else { Err(reject) });
    }

    /// Loads it, and compares target and rejects, in every cut.
    async fn loads_exactly(mut self, name: &str, (table, from): (&str, &str), transforms: &str) {
        self.loaded.sort();
        for (number, cut) in CUTS.iter().enumerate() {
            let bed = Bed::new(&format!("fan_out_{name}_{number}")).await;
            bed.client.batch_execute(table).await.unwrap();
            bed.folder.write("rows.csv", &self.content);
            for name in ["poison", "honest-script", "honest-thrice"] {
                guest(&bed.folder, name);
            }
            let fan_out = etl_tests::harness::guest("rust", "fan-out");
            std::fs::copy(fan_out, bed.folder.path("fan-out.wasm")).unwrap();
            let table =
                format!("types = {{ {} = \"int32\" }}\ntransforms = {transforms}", number_column(&self));
            let run = format!("{cut}\nmax_rejects = 1000");
            bed.recipe(&Recipe { table: &table, run: &run, into: "public.f", ..Recipe::default() });
            bed.run().code(8);
            let rows = bed.client.query(&format!("SELECT {from} FROM public.f"), &[]).await.unwrap();
            let mut found: Vec<(i32, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            found.sort();
            assert!(found == self.loaded, "{cut}: {} rows, not {}", found.len(), self.loaded.len());
            let rejects = bed.rejects().await;
            assert_eq!(rejects.len(), self.rejects.len(), "{cut}: {rejects:#?}");
            for (reject, expected) in rejects.iter().zip(&self.rejects) {
                assert!(reject.starts_with(expected), "{cut}\nfound: {reject}\nexpected: {expected}…");
            }
        }
    }
}

/// The first column.
fn number_column(file: &File) -> &str {
    file.content.split(',').next().unwrap()
}

/// Through a module that traps at some rows and one that repeats rows, into a table that refuses some.
#[tokio::test]
async fn a_row_becomes_as_many_rows_alone_as_beside_any_other() {
    let mut file = File::new("n,word");
    for number in 0..1025 {
        let (n, letter) = match number {
            _ if number % 101 == 50 => (1, 'T'),
            _ if number % 101 == 52 => (2, 'r'),
            // Beside the one, beside the other, and alone in its batch at the end.
            151 | 255 | 700 | 1024 => (1000, 'g'),
            152 | 253 | 701 | 1022 => (1001, 'g'),
            153 | 257 | 702 | 1023 => (1500, 'g'),
            _ if number % 50 == 3 => (-1, 'g'),
            _ if number % 50 == 4 => (-2, 'g'),
            _ => (1 + number % 2, 'g'),
        };
        let word = format!("{letter}{HUSH} {number}");
        let becomes = match (n, letter) {
            (_, 'T') => Err("transform/trap module poison.wasm: it trapped"),
            (_, 'r') => Err("server/check_violation "),
            (1001, _) => {
                Err("transform/output_limit module honest-script.wasm: a row became 1001 rows; at most 1000")
            }
            (1500, _) => {
                Err("transform/output_limit module honest-script.wasm: a row became 1500 rows; at most 1000")
            }
            (-2, _) => Err("transform/module no"),
            (n, _) => Ok(vec![(n, word.clone()); usize::try_from(n).unwrap_or(0)]),
        };
        file.row(&format!("{n},{word}"), becomes);
    }
    let table = "CREATE TABLE public.f (n int, made text CHECK (made NOT LIKE 'r%'))";
    let transforms =
        "[{ module = \"poison.wasm\" }, { module = \"honest-script.wasm\", options = { column = \"0\" } }]";
    file.loads_exactly("factor", (table, "n, made"), transforms).await;
}

/// The second of three is refused: with the COPY's line, behind the statement, before a byte of it is sent.
#[tokio::test]
async fn an_input_row_of_which_one_row_is_refused_is_one_reject() {
    let mut file = File::new("id,tags");
    for id in 0..200 {
        let (tags, reject) = match id % 31 {
            3 => ("a|bad|c", "server/check_violation "),
            5 | 6 => ("a|b|a", "server/unique_violation "),
            7 => ("a|b\0|c", "encode/nul "),
            // A line of the COPY is no row.
            9 | 10 => ("\"a\nb|c|d,\"", ""),
            11 => ("", ""),
            _ => ("a|b|c", ""),
        };
        let rows = tags.trim_matches('"').split('|').filter(|tag| !tag.is_empty());
        let becomes = rows.map(|tag| (id, tag.to_owned())).collect();
        file.row_or_reject(&format!("{id},{tags}"), becomes, reject);
    }
    let table = "CREATE TABLE public.f (id int, tag text CHECK (tag <> 'bad'), UNIQUE (id, tag) DEFERRABLE INITIALLY DEFERRED)";
    file.loads_exactly("refused", (table, "id, tag"), "[{ module = \"fan-out.wasm\" }]").await;
}

/// The same where the copies of a row are far apart, and in another order than the source's.
#[tokio::test]
async fn copies_of_a_row_that_are_out_of_order_are_one_reject_too() {
    let mut file = File::new("id,word");
    for id in 0..200 {
        let (word, reject) = match id % 29 {
            3 => ("check", "server/check_violation "),
            5 | 6 => ("late", "server/raise_exception "),
            7 => ("a\0", "encode/nul "),
            9 => ("\"two\nlines\"", ""),
            _ => ("good", ""),
        };
        let becomes = (0..3).map(|copy| (id, format!("{} {copy}", word.trim_matches('"')))).collect();
        file.row_or_reject(&format!("{id},{word}"), becomes, reject);
    }
    let table = "CREATE TABLE public.f (id int, word text, copy int, CHECK (word <> 'check' OR copy <> 1));
        CREATE FUNCTION public.late() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF NEW.word = 'late' AND NEW.copy = 1 THEN RAISE EXCEPTION 'late'; END IF; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON public.f DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION public.late()";
    file.loads_exactly("order", (table, "id, word || ' ' || copy"), "[{ module = \"honest-thrice.wasm\" }]")
        .await;
}

#[tokio::test]
async fn a_row_that_becomes_too_many_over_the_limit_of_rejects_ends_the_run_with_what_to_do() {
    let bed = Bed::new("fan_out_hint").await;
    bed.client.batch_execute("CREATE TABLE public.f (n int, word text)").await.unwrap();
    guest(&bed.folder, "honest-script");
    let table = "types = { n = \"int32\" }\ntransforms = [{ module = \"honest-script.wasm\" }]";
    let recipe = Recipe { table, into: "public.f", ..Recipe::default() };
    let ran = bed.run_rows(format!("n,word\n2,{HUSH}\n1500,{HUSH}\n"), &recipe).code(7);
    ran.says(&[
        "a row became 1500 rows; at most 1000 are allowed (rows_factor)",
        "or raise the limit that the reason names, in [transform], and begin again with --fresh",
    ]);
    // As the hint says: rows would be others.
    bed.command(&["run"]).env("ETL_TRANSFORM__ROWS_FACTOR", "1500").run().code(9).says(&["rows_factor"]);
    bed.command(&["run", "--fresh", "--yes"]).env("ETL_TRANSFORM__ROWS_FACTOR", "1500").run().code(0);
    let rows = bed.client.query_one("SELECT count(*) FROM public.f", &[]).await.unwrap();
    assert_eq!(rows.get::<_, i64>(0), 1502);
}
