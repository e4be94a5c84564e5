//! Connections that end in the middle: nothing is lost, nothing is loaded twice.

#![expect(clippy::unwrap_used, reason = "a helper fails as its test does")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use etl::copy::error::{Class, Error};
use etl::copy::message::Message;
use etl::copy::postgres::claim::Claim;
use etl::copy::state::{Claimed, Loaded};
use etl_tests::bed::until;
use etl_tests::proxy::Proxy;
use tokio::sync::mpsc;

use crate::bed::{Bed, Session, at, chunk};
use crate::claims::wait_until_gone;

/// Sends a committed chunk and the first row of the next one, then leaves the channel to the test.
async fn with_an_open_chunk(
    bed: &Bed,
    session: &Session,
    claimed: &Claimed,
    meanwhile: impl AsyncFnOnce(mpsc::Sender<Message>),
) -> Result<Loaded, Error> {
    let (sender, receiver) = mpsc::channel(1);
    let worker = async {
        for message in chunk(0, 10, false) {
            sender.send(message).await.unwrap();
        }
        sender.send(Message::Rows(Bytes::from_static(b"10,row 10\n"))).await.unwrap();
        until("the first chunk", async || (bed.ledger().await.0 == at(10)).then_some(())).await;
        let copies = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY%'
            AND datname = current_database()";
        until("a COPY", async || (bed.number(copies).await > 0).then_some(())).await;
        meanwhile(sender).await;
    };
    tokio::join!(bed.receive(session, claimed, receiver), worker).0
}

#[tokio::test]
async fn a_backend_that_is_ended_in_a_chunk_loses_that_chunk_alone() {
    let bed = Bed::new("lost_backend").await;
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    let outcome = with_an_open_chunk(&bed, &session, &claimed, async |sender| {
        let ended = format!("SELECT pg_terminate_backend({})::int::bigint", session.backend.pid);
        assert_eq!(bed.number(&ended).await, 1);
        wait_until_gone(&bed, &session).await;
        // What the worker still sends finds nobody: the channel is closed when the stream is.
        let _ = sender.send(Message::Rows(Bytes::from_static(b"11,row 11\n"))).await;
    });
    let error = outcome.await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert_eq!(error.class(), Class::Connection);
    assert_eq!(bed.rows().await, (10, 10));

    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    assert_eq!((&claimed.position, claimed.counts.written), (&at(10), 10));
    bed.load(&session, &claimed, chunk(10, 30, true)).await.unwrap();
    assert_eq!(bed.rows().await, (30, 30));
}

#[tokio::test]
async fn a_zombie_holds_its_split_until_its_backend_is_ended() {
    let bed = Bed::new("lost_zombie").await;
    let zombie = bed.session().await;
    let claimed = bed.claim(&zombie).await;
    let heir = bed.session().await.impatient().await;
    let outcome = with_an_open_chunk(&bed, &zombie, &claimed, async |sender| {
        // The same process on another connection: only the open transaction stands in its way.
        assert_eq!(bed.try_claim(&heir, &bed.owner).await.unwrap(), Claim::Busy);
        assert!(heir.link().terminate_own(&zombie.backend).await.unwrap());
        wait_until_gone(&bed, &zombie).await;
        assert!(!heir.link().terminate_own(&zombie.backend).await.unwrap());
        let taken = bed.claim(&heir).await;
        assert_eq!(taken.position, at(10));
        bed.load(&heir, &taken, chunk(10, 20, true)).await.unwrap();
        drop(sender);
    });
    let error = outcome.await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert_eq!(bed.rows().await, (20, 20));
}

#[tokio::test]
async fn a_commit_without_an_answer_is_in_doubt_and_the_ledger_knows() {
    let bed = Bed::new("lost_doubt").await;
    let server = SocketAddr::from(([127, 0, 0, 1], bed.server.port));
    let proxy = Proxy::start(server, Duration::ZERO).await;
    let url = format!("postgres://{}@127.0.0.1:{}/{}", bed.server.user, proxy.port, bed.database);
    let session = Session::connect(&url).await;
    let claimed = bed.claim(&session).await;
    let outcome = with_an_open_chunk(&bed, &session, &claimed, async |sender| {
        proxy.mute();
        let mut messages = chunk(10, 20, false);
        // The first row is there already.
        messages[0] = Message::Rows((11..20).map(|n| format!("{n},row {n}\n")).collect::<String>().into());
        for message in messages {
            sender.send(message).await.unwrap();
        }
        until("the second chunk", async || (bed.ledger().await.0 == at(20)).then_some(())).await;
        proxy.cut();
    });
    let error = outcome.await.unwrap_err();
    assert!(matches!(error, Error::InDoubt { .. }), "{error}");
    assert_eq!(error.class(), Class::Connection);

    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    assert_eq!(claimed.position, at(20));
    bed.load(&session, &claimed, chunk(20, 30, true)).await.unwrap();
    assert_eq!(bed.rows().await, (30, 30));
    assert_eq!(bed.ledger().await, (at(30), 30, 3));
}
