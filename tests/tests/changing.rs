//! Files that somebody writes to while they are loaded, standard input that falls silent, and what an escape means to
//! the server: what comes from outside and is not as it seems.

#![expect(clippy::unwrap_used, reason = "a helper fails as its test does")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use etl_tests::bed::{Bed, Process, until};
use etl_tests::random::Random;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::SinkExt;

const ROWS: i64 = 12_000;

/// Rows of one width, so that a file of others is as long.
fn rows(from: i64) -> Vec<u8> {
    (from..from + ROWS).fold("id\n".to_owned(), |text, id| text + &format!("{id:09}\n")).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A load in the middle of a file, held up by a trigger.
async fn half_way(database: &str, content: &[u8]) -> (Bed, Process, PathBuf) {
    let bed = Bed::new(database).await;
    bed.sql("CREATE TABLE public.t (id int)").await;
    bed.slow_down_table("t", 200).await;
    let path = bed.folder.write("data.csv", content);
    bed.recipe(
        "[run]\nstreams = 2\nchunk_rows = 100\nsplit_bytes = \"8 KiB\"\n\
         [[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n",
    );
    let etl = bed.start();
    until("some chunks", async || (bed.progress().await.chunks >= 5).then_some(())).await;
    (bed, etl, path)
}

/// Whole chunks of the first file are there and nothing else.
async fn is_of_the_first_file(bed: &Bed) {
    bed.quiet().await;
    assert_eq!(bed.number(&format!("SELECT count(*) FROM t WHERE id >= {ROWS}")).await, 0);
    assert_eq!(bed.number("SELECT count(*) - count(DISTINCT id) FROM t").await, 0);
    let missing = "SELECT sum(written)::bigint - (SELECT count(*) FROM t) FROM etl.ledger";
    assert_eq!(bed.number(missing).await, 0);
    assert!(bed.progress().await.is_midway());
}

/// The same command, to the exact end.
async fn continues(bed: &Bed) {
    bed.sql("DROP TRIGGER pause ON t").await;
    bed.run().code(0);
    let exact = format!("SELECT count(DISTINCT id) FROM t WHERE id < {ROWS}");
    assert_eq!(bed.number(&exact).await, ROWS);
    assert_eq!(bed.number("SELECT count(*) FROM t").await, ROWS);
    assert_eq!(bed.is_finished().await, ROWS);
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_loaded_is_refused_and_continued_once_it_is_back() {
    let (bed, etl, path) = half_way("changing_replaced", &rows(0)).await;
    let (old, new) = (bed.folder.path("old"), bed.folder.write("new", rows(ROWS)));
    fs::hard_link(&path, &old).unwrap();
    fs::rename(new, &path).unwrap();
    etl.finish().await.code(9).says(&[
        "`data.csv` changed while it was read: it has another content now; put it back",
        "load everything again with --fresh",
    ]);
    is_of_the_first_file(&bed).await;
    bed.run().code(9).says(&["data.csv changed since it was begun"]);
    fs::rename(old, &path).unwrap();
    continues(&bed).await;
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_loaded_is_refused_and_continued_once_it_is_back() {
    for (database, is_packed) in [("changing_grown", false), ("changing_grown_gzip", true)] {
        let pack = |bytes: &[u8]| if is_packed { gzip(bytes) } else { bytes.to_vec() };
        let content = pack(&rows(0));
        let (bed, etl, path) = half_way(database, &content).await;
        let more = pack(b"000099999\n");
        fs::File::options().append(true).open(&path).unwrap().write_all(&more).unwrap();
        let sizes = format!("it had {} bytes and has {} now", content.len(), content.len() + more.len());
        etl.finish().await.code(9).says(&["`data.csv` changed while it was read", &sizes]);
        is_of_the_first_file(&bed).await;
        fs::write(&path, &content).unwrap();
        continues(&bed).await;
    }
}

#[tokio::test]
async fn a_file_that_is_cut_off_while_it_is_loaded_is_refused_and_continued_once_it_is_back() {
    let content = rows(0);
    let (bed, etl, path) = half_way("changing_cut", &content).await;
    let left = content.len() / 2 + 3;
    fs::File::options().write(true).open(&path).unwrap().set_len(left as u64).unwrap();
    let sizes = format!("it had {} bytes and has {left} now", content.len());
    etl.finish().await.code(9).says(&["`data.csv` changed while it was read", &sizes]);
    is_of_the_first_file(&bed).await;
    fs::write(&path, &content).unwrap();
    continues(&bed).await;
}

/// Of the same size, without another name, and with its old time: only the inode's own time and its ends tell.
#[tokio::test]
async fn a_file_that_is_written_over_while_it_is_loaded_is_refused_and_continued_once_it_is_back() {
    let (bed, etl, path) = half_way("changing_written", &rows(0)).await;
    let write = |from: i64| {
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        let mut file = fs::File::options().write(true).open(&path).unwrap();
        file.write_all(&rows(from)).unwrap();
        file.set_modified(before).unwrap();
    };
    write(ROWS);
    etl.finish().await.code(9).says(&["`data.csv` changed while it was read: it has another content now"]);
    is_of_the_first_file(&bed).await;
    write(0);
    continues(&bed).await;
}

#[tokio::test]
async fn a_file_that_is_touched_or_replaced_by_its_copy_while_it_is_loaded_is_loaded() {
    let (bed, etl, path) = half_way("changing_touched", &rows(0)).await;
    fs::File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let copy = bed.folder.write("copy", rows(0));
    fs::rename(copy, &path).unwrap();
    bed.sql("DROP TRIGGER pause ON t").await;
    etl.finish().await.code(0);
    assert_eq!(bed.number("SELECT count(DISTINCT id) FROM t").await, ROWS);
    assert_eq!(bed.is_finished().await, ROWS);
}

async fn from_stdin(database: &str) -> (Bed, Process) {
    let bed = Bed::new(database).await;
    bed.sql("CREATE TABLE public.t (id int)").await;
    bed.recipe("[run]\nchunk_time = \"1 s\"\n[[tables]]\nfrom = \"-\"\ninto = \"public.t\"\n");
    let etl = Process::of(bed.etl([""; 0]).stdin_piped());
    (bed, etl)
}

/// Rows that came are committed in time though no more come, and a signal is heeded.
#[tokio::test]
async fn silent_standard_input_keeps_neither_rows_nor_a_signal_waiting() {
    for (database, is_packed) in [("changing_silent", false), ("changing_silent_zstd", true)] {
        let (bed, mut etl) = from_stdin(database).await;
        let mut input = etl.input();
        let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
        for (rows, loaded) in [("id\n1\n2\n", 2), ("3\n", 3)] {
            if is_packed {
                packed.write_all(rows.as_bytes()).unwrap();
                packed.flush().unwrap();
                input.write_all(&std::mem::take(packed.get_mut())).unwrap();
            } else {
                input.write_all(rows.as_bytes()).unwrap();
            }
            let loaded = async || (bed.number("SELECT count(*) FROM t").await == loaded).then_some(());
            until("the rows that came", loaded).await;
        }
        assert!(!etl.has_ended());
        etl.signal(libc::SIGTERM);
        etl.finish().await.code(130);
        drop(input);
        assert_eq!(bed.number("SELECT count(*) FROM t").await, 3);
    }
}

#[tokio::test]
async fn a_signal_is_heeded_while_gzip_is_waited_for_that_has_not_ended() {
    let (bed, mut etl) = from_stdin("changing_silent_gzip").await;
    let mut input = etl.input();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"id\n1\n").unwrap();
    packed.flush().unwrap();
    input.write_all(packed.get_ref()).unwrap();
    let claimed = "SELECT count(*) FROM etl.ledger WHERE owner IS NOT NULL";
    until("the split", async || (bed.progress().await.splits > 0).then_some(())).await;
    until("its owner", async || (bed.number(claimed).await > 0).then_some(())).await;
    // Until it waits for bytes: a signal before that is heeded anyhow.
    tokio::time::sleep(Duration::from_secs(1)).await;
    etl.signal(libc::SIGTERM);
    etl.finish().await.code(130);
    drop(input);
}

/// But for a doubled quote, which is one here and none to a COPY with another escape.
#[tokio::test]
async fn an_escape_means_what_it_means_to_copy() {
    let bed = Bed::new("changing_escape").await;
    bed.sql("CREATE TABLE public.t (id int, note text); CREATE TABLE public.u (id int, note text)").await;
    let pieces = [r#"\""#, r"\\", r"\a", r"\,", "\\\n", "a", ",", "\n", r"\N", "é"];
    let mut random = Random::new(7);
    let mut file = String::new();
    for id in 0..2000 {
        let cells: String = (0..id % 9).map(|_| random.pick(&pieces)).collect();
        let _ = writeln!(file, "{id},\"{cells}\"");
    }
    bed.folder.write("data.csv", format!("id,note\n{file}"));
    bed.recipe(
        "[run]\nsplit_bytes = \"1 KiB\"\n[source.csv]\nescape = \"\\\\\"\n\
         [[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n",
    );
    bed.run().code(0);
    let copy = bed.client.copy_in(r"COPY public.u FROM STDIN (FORMAT csv, ESCAPE '\')").await.unwrap();
    let mut copy = std::pin::pin!(copy);
    copy.send(std::io::Cursor::new(file.into_bytes())).await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), 2000);
    assert_eq!(
        bed.number("SELECT count(*) FROM t FULL JOIN u USING (id, note) WHERE t.id IS NULL OR u.id IS NULL")
            .await,
        0
    );
    assert_eq!(bed.number("SELECT count(*) FROM t").await, 2000);
}
