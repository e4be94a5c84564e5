//! Modules that cannot take some rows: exactly these end as rejects that name what happened, and all others are loaded.

use std::fmt::Write as _;

use etl_tests::bed::{Process, until};
use etl_tests::harness::Ran;

use super::bed::{Bed, HUSH, Recipe, guest};

/// By what a row's text begins with (`tests/evil/poison.wat`): code and reason of the reject.
const CLASSES: [(char, &str, &str); 18] = [
    ('T', "trap", "it trapped: wasm `unreachable` instruction executed; in "),
    ('L', "time_limit", "it took longer than 300 ms (call_timeout)"),
    ('S', "stack_limit", "its calls nest deeper than 512 KiB of stack (stack); in deeper < "),
    ('M', "memory_limit", "of memory, more than 256 MiB (memory)"),
    ('N', "bad_answer", "4294967295 rows without an origin, but 1 rows of the batch were not rejected"),
    ('A', "output_limit", "it answered more than 64 MiB (output)"),
    ('Z', "bad_answer", "list pointer/length out of bounds"),
    ('U', "bad_answer", "column `made`: row 0 is not UTF-8"),
    ('B', "bad_answer", "column `made`: offset 1 is -1, less than 0"),
    ('O', "bad_answer", "column `made`: its last offset is 2147483647, but"),
    ('V', "bad_answer", "validity of 77 bytes, where 1 belong"),
    ('G', "bad_answer", "origin 1 in a batch of 1 rows"),
    ('H', "bad_answer", "2 origins for 1 rows"),
    ('E', "bad_answer", "row 0 is both emitted and rejected"),
    ('J', "bad_answer", "it rejects row 999999 of a batch of 1 rows"),
    ('X', "bad_answer", "2 columns; its plan makes 1"),
    ('K', "bad_answer", "0 columns; its plan makes 1"),
    ('Y', "bad_answer", "column `made`: offsets of 0 bytes, where 8 belong"),
];

/// A file in which row `at(index)` is of class `index`; all others are good.
struct Poisoned {
    content: String,
    /// By id: the class, if it is a bad one.
    rows: Vec<(u32, Option<usize>)>,
}

fn poisoned(last: u32, class: impl Fn(u32) -> Option<usize>) -> Poisoned {
    let mut poisoned = Poisoned { content: "id,word\n".into(), rows: Vec::new() };
    for id in 1..=last {
        // A `C` can be taken alone, a `W` by a new instance.
        let good = match id % 97 {
            5 => 'C',
            50 => 'W',
            _ => 'g',
        };
        let first = class(id).map_or(good, |class| CLASSES[class].0);
        let _ = writeln!(poisoned.content, "{id},{first}{HUSH} {id}");
        poisoned.rows.push((id, class(id)));
    }
    poisoned
}

async fn bed(database: &str, poisoned: &Poisoned, run: &str) -> Bed {
    let bed = Bed::new(database).await;
    bed.client.batch_execute("CREATE TABLE public.p (id int PRIMARY KEY, made text)").await.unwrap();
    bed.folder.write("rows.csv", &poisoned.content);
    guest(&bed.folder, "poison");
    recipe(&bed, run);
    bed
}

fn recipe(bed: &Bed, run: &str) {
    let table = "types = { id = \"int32\" }\ntransforms = [{ module = \"poison.wasm\" }]";
    bed.recipe(&Recipe { table, run, into: "public.p", ..Recipe::default() });
}

fn run(bed: &Bed) -> Ran {
    bed.command(&["run"]).env("ETL_TRANSFORM__CALL_TIMEOUT", "300 ms").run().never_says(HUSH)
}

/// Checks the target and the rejects against the file.
async fn is_exact(bed: &Bed, poisoned: &Poisoned) {
    let sql = "SELECT id, made FROM public.p ORDER BY id";
    let found: Vec<(i32, String)> =
        bed.client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let lines = poisoned.content.lines().skip(1).zip(&poisoned.rows);
    let good = lines.filter(|(_, (_, class))| class.is_none());
    let expected: Vec<(i32, String)> = good
        .map(|(line, (id, _))| (i32::try_from(*id).unwrap(), line.split_once(',').unwrap().1.to_owned()))
        .collect();
    assert_eq!(found, expected);
    let rejects = bed.rejects().await;
    let bad: Vec<(u32, usize)> =
        poisoned.rows.iter().filter_map(|(id, class)| class.map(|class| (*id, class))).collect();
    assert_eq!(rejects.len(), bad.len(), "{rejects:#?}");
    for (reject, (id, class)) in rejects.iter().zip(bad) {
        let (letter, code, reason) = CLASSES[class];
        let start = format!(":{} transform/{code} module poison.wasm: ", id + 1);
        let original = format!("{{\"id\":{id},\"word\":\"{letter}{HUSH} {id}\"}}");
        let whole = reject.contains(&start) && reject.contains(reason) && reject.ends_with(&original);
        assert!(whole, "found: {reject}\nexpected: {start}…{reason}…{original}");
    }
}

#[tokio::test]
async fn exactly_the_rows_that_a_module_cannot_take_are_rejects_named_by_class() {
    let classes = u32::try_from(CLASSES.len()).unwrap();
    // Two of each, some side by side, some far apart, the first and the last row among them.
    let class = |id: u32| {
        let near = (id <= classes).then_some(id - 1);
        let far = (id > 100 && (id - 100).is_multiple_of(50)).then(|| (id - 100) / 50 - 1);
        near.or(far.filter(|class| *class < classes)).map(|class| class as usize)
    };
    let poisoned = poisoned(100 + 50 * classes, class);
    let bed = bed("poison_classes", &poisoned, "streams = 1\nmax_rejects = 1000").await;
    let ran = run(&bed).code(8);
    ran.says(&["its rows are tried apart", "1,000 rows read: 964 loaded, 36 rejected"]);
    is_exact(&bed, &poisoned).await;
    let rows = i64::from(100 + 50 * classes);
    assert_eq!(bed.ledger().await, (rows, 2 * i64::from(classes), 0));
}

#[tokio::test]
async fn chunks_and_streams_of_any_size_make_the_same_of_guilty_rows() {
    let class = |id: u32| (id % 41 == 7).then_some(if id.is_multiple_of(2) { 0 } else { 7 });
    let poisoned = poisoned(2000, class);
    for (number, run_settings) in [
        "streams = 1\nchunk_rows = 1",
        "streams = 2\nchunk_rows = 7\nsplit_bytes = \"8 KiB\"",
        "streams = 3\nchunk_rows = 1000\nbatch_rows = 64\nsplit_bytes = \"16 KiB\"",
        "streams = 1\nchunk_rows = 100000",
    ]
    .into_iter()
    .enumerate()
    {
        let settings = format!("{run_settings}\nmax_rejects = 1000");
        let bed = bed(&format!("poison_chunks_{number}"), &poisoned, &settings).await;
        run(&bed).code(8);
        is_exact(&bed, &poisoned).await;
    }
}

#[tokio::test]
async fn one_guilty_row_over_the_limit_ends_the_run_and_a_higher_limit_continues_it() {
    let poisoned = poisoned(3000, |id| (id == 2500 || id == 2600).then_some(0));
    let bed = bed("poison_limit", &poisoned, "streams = 1\nchunk_rows = 1000").await;
    let ran = run(&bed).code(7);
    ran.says(&["rows rejected, more than max_rejects = 0 allows\n  rows.csv line 2501: transform: module poison.wasm: it trapped"]);
    assert_eq!(bed.ledger().await, (2000, 0, 1));
    recipe(&bed, "streams = 1\nchunk_rows = 1000\nmax_rejects = 2");
    run(&bed).code(8);
    is_exact(&bed, &poisoned).await;
}

#[tokio::test]
async fn a_batch_of_endless_rows_ends_the_run_after_a_few_of_them() {
    let endless = poisoned(1024, |_| Some(1));
    let bed = bed("poison_endless", &endless, "streams = 1").await;
    run(&bed).code(7).says(&[
        "1 of 1 rows rejected, more than max_rejects = 0 allows",
        "hint: raise the limit that the reason names, in [transform], or max_rejects",
    ]);
    assert_eq!(bed.ledger().await, (0, 0, 1));
    recipe(&bed, "streams = 1\nmax_rejects = 100000");
    let ran = run(&bed).code(4);
    ran.says(&[
        "transform failed on rows.csv, line 10: more than 8 rows of one batch took too long, each alone\n  because module ",
        "poison.wasm was stopped in transform: it took longer than 300 ms (call_timeout)",
    ]);
    // What was dear to find out is kept.
    assert_eq!((bed.ledger().await, bed.rejects().await.len()), ((8, 8, 1), 8));
}

/// Both searches at once: halves of batches for the module, smaller and smaller chunks for the server.
#[tokio::test]
async fn rows_that_the_module_and_rows_that_the_server_cannot_take_are_all_found() {
    let mut content = "id,word\n".to_owned();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for line in 2..=900 {
        let (id, letter, code) = match line {
            _ if line % 29 == 0 => (line, 'T', "transform/trap"),
            // The first row has this key already.
            _ if line % 43 == 0 => (2, 'g', "server/unique_violation"),
            _ if line % 31 == 0 => (line, 'C', ""),
            _ => (line, 'g', ""),
        };
        let _ = writeln!(content, "{id},{letter}{HUSH}");
        if code.is_empty() {
            good.push(id);
        } else {
            bad.push(format!(":{line} {code} "));
        }
    }
    let poisoned = Poisoned { content, rows: Vec::new() };
    for (number, sizes) in
        ["chunk_rows = 10", "chunk_rows = 100\nbatch_rows = 64", "chunk_rows = 20000"].iter().enumerate()
    {
        let settings = format!("streams = 1\nmax_rejects = 1000\n{sizes}");
        let bed = bed(&format!("poison_server_{number}"), &poisoned, &settings).await;
        run(&bed).code(8);
        let sql = "SELECT id FROM public.p ORDER BY id";
        let ids: Vec<i32> = bed.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(ids, good);
        let rejects = bed.rejects().await;
        assert_eq!(rejects.len(), bad.len(), "{rejects:#?}");
        assert!(rejects.iter().zip(&bad).all(|(reject, bad)| reject.contains(bad)), "{rejects:#?}\n{bad:#?}");
        assert_eq!(bed.ledger().await, (899, i64::try_from(bad.len()).unwrap(), 0));
    }
}

#[tokio::test]
async fn a_row_for_which_an_allocator_hands_out_a_wild_address_is_a_reject() {
    let long = "x".repeat(5000);
    let row = |id: u32| if id == 37 { format!("37,{long}\n") } else { format!("{id},{HUSH}\n") };
    let poisoned =
        Poisoned { content: (1..=100).map(row).fold("id,word\n".into(), |a, b| a + &b), rows: Vec::new() };
    let bed = bed("poison_realloc", &poisoned, "streams = 1\nbatch_rows = 16\nmax_rejects = 1").await;
    std::fs::copy(guest(&bed.folder, "realloc-large"), bed.folder.path("poison.wasm")).unwrap();
    run(&bed).code(8);
    let rejects = bed.rejects().await;
    assert_eq!(rejects.len(), 1);
    assert!(
        rejects[0].contains(":38 transform/bad_answer ") && rejects[0].contains("realloc"),
        "{rejects:?}"
    );
    let whole = "SELECT count(*) FROM public.p WHERE made = $1 AND id <> 37";
    assert_eq!(bed.client.query_one(whole, &[&HUSH]).await.unwrap().get::<_, i64>(0), 99);
}

/// Chunks end between the parts of a batch, and a crash goes on there.
#[tokio::test]
async fn a_crash_in_the_middle_of_a_search_is_continued_exactly() {
    let poisoned =
        poisoned(2000, |id| id.is_multiple_of(3).then_some(if id.is_multiple_of(2) { 0 } else { 7 }));
    let bed = bed("poison_crash", &poisoned, "streams = 1\nmax_rejects = 1000").await;
    bed.client
        .batch_execute(
            "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END $$;
             CREATE TRIGGER pause AFTER INSERT ON public.p FOR EACH STATEMENT EXECUTE FUNCTION pause()",
        )
        .await
        .unwrap();
    for kills in 1..=4 {
        let process = Process::of(bed.command(&["run"]));
        let loaded = "SELECT count(*) FROM public.p";
        let enough = async || {
            let rows: i64 = bed.client.query_one(loaded, &[]).await.unwrap().get(0);
            (rows >= kills * 200).then_some(())
        };
        until("some chunks", enough).await;
        let _ = process.kill();
        let (read, rejected, left) = bed.ledger().await;
        assert!(read > 0 && rejected > 0 && left == 1, "{read} read, {rejected} rejected");
    }
    bed.client.batch_execute("DROP TRIGGER pause ON public.p").await.unwrap();
    run(&bed).code(8);
    is_exact(&bed, &poisoned).await;
}
