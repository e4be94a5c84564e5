//! Who may load a split, and who finds out that it lost it.

use etl::copy::drift::Part;
use etl::copy::error::{Class, Error};
use etl::copy::postgres::claim::{Claim, Owner};
use etl::copy::state::{NewSplit, Started};
use etl_tests::bed::until;

use crate::bed::{Bed, Session, at, chunk, parts, source};

#[tokio::test]
async fn a_chunk_at_another_epoch_or_position_is_a_clash_and_sends_no_row() {
    let bed = Bed::new("claims_clash").await;
    let (first, second) = (bed.session().await, bed.session().await);
    let stale = bed.claim(&first).await;
    let current = bed.claim(&second).await;
    assert_eq!(current.epoch, stale.epoch + 1);
    let error = bed.load(&first, &stale, chunk(0, 10, false)).await.unwrap_err();
    assert!(matches!(error, Error::Clash { .. }), "{error}");
    assert_eq!(bed.rows().await, (0, 0));

    let mut elsewhere = current.clone();
    elsewhere.position = at(3);
    let error = bed.load(&bed.session().await, &elsewhere, chunk(3, 10, false)).await.unwrap_err();
    assert!(matches!(error, Error::Clash { .. }), "{error}");
    assert_eq!(bed.rows().await, (0, 0));

    bed.load(&second, &current, chunk(0, 10, true)).await.unwrap();
    assert_eq!(bed.rows().await, (10, 10));
}

#[tokio::test]
async fn of_two_workers_on_one_split_exactly_one_commits_each_chunk() {
    let bed = Bed::new("claims_two").await;
    let mut claimed = bed.claim(&bed.session().await).await;
    for round in 0..10 {
        // Both believe to own it: nothing but the chunk's own check stands between them.
        let (one, other) = (bed.session().await, bed.session().await);
        let messages = || chunk(round * 10, round * 10 + 10, false);
        let (a, b) =
            tokio::join!(bed.load(&one, &claimed, messages()), bed.load(&other, &claimed, messages()));
        let (winner, loser) = if a.is_ok() { (a, b) } else { (b, a) };
        assert_eq!(winner.unwrap().position, at(round * 10 + 10));
        let error = loser.unwrap_err();
        assert!(matches!(error, Error::Clash { .. }), "{error}");
        claimed.position = at(round * 10 + 10);
    }
    assert_eq!(bed.rows().await, (100, 100));
    assert_eq!(bed.ledger().await, (at(100), 100, 10));
}

#[tokio::test]
async fn a_split_is_busy_while_its_owner_lives_and_free_when_it_is_gone() {
    let bed = Bed::new("claims_live").await;
    let (first, second, other) = (bed.session().await, bed.session().await, Owner::new());
    let claimed = bed.claim(&first).await;
    assert_eq!(bed.try_claim(&second, &other).await.unwrap(), Claim::Busy);
    bed.plan.release(first.link(), &bed.owner, &claimed.key, claimed.epoch).await.unwrap();
    let Claim::Claimed(taken) = bed.try_claim(&second, &other).await.unwrap() else { panic!() };
    assert_eq!(taken.epoch, claimed.epoch + 1);

    // A release that comes late does not take it away.
    bed.plan.release(first.link(), &bed.owner, &claimed.key, claimed.epoch).await.unwrap();
    assert_eq!(bed.try_claim(&first, &bed.owner).await.unwrap(), Claim::Busy);

    assert!(bed.control.link().terminate_own(&second.backend).await.unwrap());
    wait_until_gone(&bed, &second).await;
    assert!(matches!(bed.try_claim(&first, &bed.owner).await.unwrap(), Claim::Claimed(_)));
}

/// A process that was cut off counts as dead after 30 seconds, and `--fresh` may forget its load while it lives.
#[tokio::test]
async fn a_worker_of_a_load_that_was_forgotten_is_not_taken_for_one_of_the_next() {
    let bed = Bed::new("claims_fresh").await;
    let (first, second, other) = (bed.session().await, bed.session().await, Owner::new());
    let stale = bed.claim(&first).await;
    let cut_off = "UPDATE etl.ledger SET owner_server = 'elsewhere', touched_at = now() - interval '40 s'";
    bed.control.client.batch_execute(cut_off).await.unwrap();
    let control = bed.control.link();
    // Rows may have another shape now.
    let shape = [Part { name: "types".into(), value: "{\"id\": \"text\"}".into() }];
    let next = bed.plan.of_load(&bed.plan.open(control, bed.opening(&other, &shape, true)).await.unwrap());
    next.add_source(control, &source()).await.unwrap();
    let split = NewSplit { start: at(0), end: None };
    assert!(next.append_splits(control, "a.csv", &at(0), &[split], &at(0), true).await.unwrap());
    let Claim::Claimed(current) = next.claim(second.link(), &other, &stale.key, 0).await.unwrap() else {
        panic!()
    };

    let error = bed.load(&first, &stale, chunk(0, 10, false)).await.unwrap_err();
    assert!(matches!(error, Error::Clash { .. }), "{error}");
    assert_eq!(bed.rows().await, (0, 0));
    bed.load(&second, &current, chunk(0, 10, true)).await.unwrap();
    assert_eq!(bed.rows().await, (10, 10));
}

/// Its tasks are those of the load that was forgotten: another module, and other cuts. Nobody owns a split meanwhile.
#[tokio::test]
async fn a_process_of_a_load_that_was_forgotten_gets_nothing_of_the_next_and_adds_nothing_to_it() {
    let bed = Bed::new("claims_forgotten").await;
    let (session, control) = (bed.session().await, bed.control.link());
    let old = &bed.plan;
    let split = old.splits(control).await.unwrap()[0].key.clone();
    let next = old.open(control, bed.opening(&Owner::new(), &parts(), true)).await.unwrap();
    let next = old.of_load(&next);
    next.add_source(control, &source()).await.unwrap();
    let longer = NewSplit { start: at(0), end: Some(at(50)) };
    assert!(next.append_splits(control, "a.csv", &at(0), &[longer], &at(50), false).await.unwrap());

    let busy = |error: Error| {
        assert_eq!(error.class(), Class::Busy);
        assert!(
            error.to_string().contains("run `run` was forgotten by another process (--fresh)"),
            "{error}"
        );
    };
    for epoch in 0..2 {
        busy(old.claim(session.link(), &bed.owner, &split, epoch).await.unwrap_err());
    }
    assert!(old.splits(control).await.unwrap().is_empty() && old.sources(control).await.unwrap().is_empty());
    let cut = [NewSplit { start: at(50), end: None }];
    assert!(!old.append_splits(control, "a.csv", &at(50), &cut, &at(50), true).await.unwrap());
    let mut another = source();
    another.source = "b.csv".into();
    busy(old.add_source(control, &another).await.unwrap_err());
    busy(old.finish(control).await.unwrap_err());
    old.renew_fingerprint(control, "a.csv", r#"{"mtime":7}"#).await.unwrap();

    let sources = next.sources(control).await.unwrap();
    assert_eq!((sources.len(), &sources[0].fingerprint), (1, &source().fingerprint));
    let splits = next.splits(control).await.unwrap();
    assert_eq!((splits.len(), splits[0].epoch, splits[0].end.clone()), (1, 0, Some(at(50))));
    assert!(matches!(next.claim(session.link(), &bed.owner, &split, 0).await.unwrap(), Claim::Claimed(_)));
}

/// Somebody locks what it appends to, so that it is in the middle of its statement.
#[tokio::test]
async fn splits_that_are_added_while_their_load_is_forgotten_are_forgotten_too() {
    let bed = Bed::new("claims_adding").await;
    let (mut locker, adder, control) = (bed.session().await, bed.session().await, bed.control.link());
    let mut another = source();
    another.source = "b.csv".into();
    bed.plan.add_source(control, &another).await.unwrap();
    let lock = locker.client.transaction().await.unwrap();
    lock.execute("SELECT FROM etl.source FOR UPDATE", &[]).await.unwrap();
    let waiting = async |sessions: i64| {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("a session that waits", async || {
            (lock.query_one(sql, &[]).await.ok()?.get::<_, i64>(0) == sessions).then_some(())
        })
        .await;
    };
    let split = [NewSplit { start: at(0), end: None }];
    let (other, parts) = (Owner::new(), parts());
    let start = at(0);
    let add = bed.plan.append_splits(adder.link(), "b.csv", &start, &split, &start, true);
    let forget = async {
        waiting(1).await;
        bed.plan.open(control, bed.opening(&other, &parts, true)).await
    };
    let unlock = async {
        waiting(2).await;
        lock.batch_execute("COMMIT").await.unwrap();
    };
    let (added, forgotten, ()) = tokio::join!(add, forget, unlock);
    assert!(added.unwrap() && matches!(forgotten.unwrap(), Started::New(_)));
    assert_eq!(bed.number("SELECT count(*) FROM etl.source").await, 0);
    assert_eq!(bed.number("SELECT count(*) FROM etl.ledger").await, 0);
}

#[tokio::test]
async fn a_claim_says_why_it_failed() {
    let bed = Bed::new("claims_why").await;
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    let claim = |epoch| bed.plan.claim(session.link(), &bed.owner, &claimed.key, epoch);
    assert_eq!(claim(claimed.epoch - 1).await.unwrap(), Claim::Moved);
    bed.load(&session, &claimed, chunk(0, 1, true)).await.unwrap();
    let Claim::Done(stands) = claim(claimed.epoch).await.unwrap() else { panic!("it is done") };
    assert_eq!((stands.epoch, stands.counts.read), (claimed.epoch, 1));
    bed.control.client.batch_execute("DELETE FROM etl.ledger").await.unwrap();
    assert_eq!(claim(claimed.epoch).await.unwrap_err().class(), Class::Busy);
}

#[tokio::test]
async fn an_owner_on_another_server_lives_for_thirty_seconds_after_its_last_touch() {
    let bed = Bed::new("claims_elsewhere").await;
    let (session, other) = (bed.session().await, Owner::new());
    bed.claim(&session).await;
    let age = |seconds: u32| format!("UPDATE etl.ledger SET touched_at = now() - interval '{seconds} s'");
    bed.control.client.batch_execute("UPDATE etl.ledger SET owner_server = 'elsewhere'").await.unwrap();
    bed.control.client.batch_execute(&age(20)).await.unwrap();
    assert_eq!(bed.try_claim(&session, &other).await.unwrap(), Claim::Busy);
    bed.control.client.batch_execute(&age(40)).await.unwrap();
    bed.plan.touch(bed.control.link(), &bed.owner).await.unwrap();
    assert_eq!(bed.try_claim(&session, &other).await.unwrap(), Claim::Busy);
    bed.control.client.batch_execute(&age(40)).await.unwrap();
    assert!(matches!(bed.try_claim(&session, &other).await.unwrap(), Claim::Claimed(_)));
}

#[tokio::test]
async fn another_backend_with_the_owners_process_id_is_not_the_owner() {
    let bed = Bed::new("claims_pid").await;
    let session = bed.session().await;
    bed.claim(&session).await;
    let earlier = "UPDATE etl.ledger SET owner_backend_start = '2001-01-01 00:00:00.000000'";
    bed.control.client.batch_execute(earlier).await.unwrap();
    assert!(matches!(bed.try_claim(&session, &Owner::new()).await.unwrap(), Claim::Claimed(_)));
}

#[tokio::test]
async fn an_owner_of_another_role_that_cannot_be_seen_lives_for_thirty_seconds() {
    let bed = Bed::new("claims_role").await;
    let owner = bed.session().await;
    bed.claim(&owner).await;
    let role = "DO $$ BEGIN CREATE ROLE etl_claims_plain LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
        GRANT USAGE ON SCHEMA etl TO etl_claims_plain; GRANT ALL ON ALL TABLES IN SCHEMA etl TO etl_claims_plain";
    bed.control.client.batch_execute(role).await.unwrap();
    let url = format!("postgres://etl_claims_plain@127.0.0.1:{}/{}", bed.server.port, bed.database);
    let plain = Session::connect(&url).await;
    assert_eq!(bed.try_claim(&plain, &Owner::new()).await.unwrap(), Claim::Busy);
    let old = "UPDATE etl.ledger SET touched_at = now() - interval '40 s'";
    bed.control.client.batch_execute(old).await.unwrap();
    assert!(matches!(bed.try_claim(&plain, &Owner::new()).await.unwrap(), Claim::Claimed(_)));
}

/// A backend leaves `pg_stat_activity` a moment after it was ended.
pub(crate) async fn wait_until_gone(bed: &Bed, session: &Session) {
    let listed = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", session.backend.pid);
    until("the backend's end", async || (bed.number(&listed).await == 0).then_some(())).await;
}
