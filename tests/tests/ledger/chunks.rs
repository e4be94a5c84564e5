//! Chunks that go well, and workers that stop.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use etl::copy::error::Error;
use etl::copy::gate::{Gate, Limit};
use etl::copy::message::Message;
use etl::reject::Original;
use etl_tests::proxy::Proxy;

use crate::bed::{Bed, Session, at, chunk, only_rejects};

#[tokio::test]
async fn a_chunk_commits_its_rows_with_its_ledger_row() {
    let bed = Bed::new("ledger_chunk").await;
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    let loaded = bed.load(&session, &claimed, chunk(0, 20, true)).await.unwrap();
    assert!(loaded.done);
    assert_eq!((loaded.position, loaded.chunks, loaded.counts.written), (at(20), 1, 20));
    assert_eq!(bed.rows().await, (20, 20));
    assert_eq!(bed.ledger().await, (at(20), 20, 1));
    let standing = bed.plan.finish(bed.control.link()).await.unwrap();
    assert!(standing.finished.is_some());
    assert_eq!((standing.splits, standing.counts.read), ((1, 1), 20));
}

#[tokio::test]
async fn a_thousand_chunks_are_committed_one_behind_the_other() {
    let bed = Bed::new("ledger_thousand").await;
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    let messages = (0..1000).flat_map(|n| chunk(n * 5, n * 5 + 5, n == 999)).collect();
    let loaded = bed.load(&session, &claimed, messages).await.unwrap();
    assert!(loaded.done);
    assert_eq!(bed.rows().await, (5000, 5000));
    assert_eq!(bed.ledger().await, (at(5000), 5000, 1000));
}

/// Round trips for 100 chunks, of which the first ones are loaded carefully.
async fn round_trips(database: &str, careful_for: u64) -> u64 {
    let bed = Bed { careful_for, ..Bed::new(database).await };
    let server = SocketAddr::from(([127, 0, 0, 1], bed.server.port));
    let proxy = Proxy::start(server, Duration::from_millis(4)).await;
    let url = format!("postgres://{}@127.0.0.1:{}/{}", bed.server.user, proxy.port, bed.database);
    let session = Session::connect(&url).await;
    let claimed = bed.claim(&session).await;
    let before = proxy.turns();
    let messages = (0..100).flat_map(|n| chunk(n * 50, n * 50 + 50, n == 99)).collect();
    bed.load(&session, &claimed, messages).await.expect("it is loaded");
    assert_eq!(bed.rows().await, (5000, 5000));
    proxy.turns() - before
}

#[tokio::test]
async fn a_chunk_costs_one_round_trip() {
    let turns = round_trips("ledger_trips", 0).await;
    assert!((100..=110).contains(&turns), "{turns} round trips for 100 chunks");
}

#[tokio::test]
async fn a_chunk_costs_one_round_trip_again_once_no_refusal_is_to_be_expected() {
    let turns = round_trips("ledger_trips_careful", 40).await;
    assert!((140..=150).contains(&turns), "{turns} round trips for 100 chunks");
}

#[tokio::test]
async fn a_worker_that_stops_has_its_open_chunk_rolled_back() {
    let bed = Bed::new("ledger_stops").await;
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    let mut messages = chunk(0, 10, false);
    messages.push(Message::Rows(Bytes::from_static(b"10,lost\n")));
    let loaded = bed.load(&session, &claimed, messages).await.unwrap();
    assert!(!loaded.done);
    assert_eq!((loaded.position, loaded.chunks), (at(10), 1));
    assert_eq!(bed.rows().await, (10, 10));

    // The same connection goes on from there.
    bed.plan.release(session.link(), &bed.owner, &claimed.key, claimed.epoch).await.unwrap();
    let claimed = bed.claim(&session).await;
    assert_eq!(claimed.position, at(10));
    bed.load(&session, &claimed, chunk(10, 30, true)).await.unwrap();
    assert_eq!(bed.rows().await, (30, 30));
    assert_eq!(bed.ledger().await, (at(30), 30, 2));
}

#[tokio::test]
async fn a_chunk_of_rejects_alone_opens_no_copy() {
    let bed = Bed::new("ledger_rejects").await;
    let session = bed.session().await.impatient().await;
    let claimed = bed.claim(&session).await;
    // A COPY would wait for this lock, and fail.
    let other = bed.session().await;
    other.client.batch_execute("BEGIN; LOCK public.t IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let originals = vec![
        Original::Columns(r#"{"a": "\u0000", "b": 1.10}"#.into()),
        Original::Columns(r#"{"a": "#.into()),
        Original::Bytes(vec![0, 255]),
    ];
    let messages = vec![only_rejects(0, originals, false), only_rejects(3, Vec::new(), true)];
    let loaded = bed.load(&session, &claimed, messages).await.unwrap();
    assert_eq!((loaded.chunks, loaded.counts.rejected), (2, 3));
    let rows = bed
        .control
        .client
        .query(
            "SELECT position, reason, original::text, original_bytes FROM etl.reject ORDER BY position",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0].get::<_, &str>(0), "0:1");
    assert_eq!(rows[0].get::<_, &str>(1), "no such\u{fffd}zone");
    assert_eq!(rows[0].get::<_, &str>(2), r#"{"a": "\u0000", "b": 1.10}"#);
    assert_eq!(rows[1].get::<_, &[u8]>(3), br#"{"a": "#);
    assert_eq!(rows[2].get::<_, &[u8]>(3), [0, 255]);
}

#[tokio::test]
async fn many_rejects_go_in_several_statements_of_one_chunk() {
    let bed = Bed::new("ledger_many_rejects").await;
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    let originals = (0..40_500).map(|_| Original::Columns("{}".into())).collect();
    let loaded = bed.load(&session, &claimed, vec![only_rejects(0, originals, true)]).await.unwrap();
    assert_eq!((loaded.chunks, loaded.counts.rejected), (1, 40_500));
    assert_eq!(bed.number("SELECT count(*) FROM etl.reject").await, 40_500);
}

#[tokio::test]
async fn going_over_max_rejects_rolls_the_chunk_back() {
    let mut bed = Bed::new("ledger_gate").await;
    bed.gate = Gate::new(Limit::Rows(3));
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    let rejects = |number: usize| vec![Original::Columns("{}".into()); number];
    let mut messages = chunk(0, 5, false);
    messages.push(only_rejects(5, rejects(2), false));
    let Message::Rows(rows) = chunk(7, 9, false).remove(0) else { unreachable!() };
    messages.push(Message::Rows(rows));
    let Message::End(mut end) = only_rejects(7, rejects(2), false) else { unreachable!() };
    (end.end, end.counts.read, end.counts.loaded, end.counts.written) = (at(11), 4, 2, 2);
    messages.push(Message::End(end));
    let error = bed.load(&session, &claimed, messages).await.unwrap_err();
    let Error::TooManyRejects(too_many) = &error else { panic!("{error}") };
    assert_eq!((too_many.rejected, too_many.last.len(), too_many.last[1].position.clone()), (4, 2, at(8)));
    assert_eq!(bed.rows().await, (5, 5));
    assert_eq!(bed.ledger().await, (at(7), 5, 2));
    assert_eq!(bed.number("SELECT count(*) FROM etl.reject").await, 2);
}

#[tokio::test]
async fn numbers_that_do_not_add_up_are_a_bug_and_commit_nothing() {
    let bed = Bed::new("ledger_numbers").await;
    for (what, change) in [
        ("a row more read", 0),
        ("fewer rows counted than sent", 1),
        ("rows counted, but none sent", 2),
        ("a reject counted that is not there", 3),
    ] {
        let session = bed.session().await;
        let claimed = bed.claim(&session).await;
        let mut messages = chunk(0, 5, false);
        let Some(Message::End(end)) = messages.last_mut() else { unreachable!() };
        match change {
            0 => end.counts.read += 1,
            1 => (end.counts.read, end.counts.loaded, end.counts.written) = (0, 0, 0),
            3 => (end.counts.loaded, end.counts.rejected) = (4, 1),
            _ => {}
        }
        if change == 2 {
            messages.remove(0);
        }
        let error = bed.load(&session, &claimed, messages).await.unwrap_err();
        assert!(matches!(error, Error::Bug(_)), "{what}: {error}");
        assert_eq!(bed.rows().await, (0, 0), "{what}");
    }
}
