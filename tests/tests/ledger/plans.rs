//! Runs: started once, continued, refused when something differs, forgotten; their sources and splits.

use etl::copy::drift::Part;
use etl::copy::error::{Class, Error};
use etl::copy::postgres::claim::Owner;
use etl::copy::postgres::empty::Emptying;
use etl::copy::postgres::plan::{Opening, TableId};
use etl::copy::state::{NewSplit, Started};

use crate::bed::{Bed, at, chunk, key, parts, source};

#[tokio::test]
async fn a_run_is_new_then_continued_then_finished_then_open_again_with_a_new_source() {
    let bed = Bed::new("plans_life").await;
    let parts = parts();
    let open = || bed.plan.open(bed.control.link(), bed.opening(&bed.owner, &parts, false));
    assert!(matches!(open().await.unwrap(), Started::Continued(standing) if standing.splits == (1, 0)));
    let unfinished = bed.plan.finish(bed.control.link()).await.unwrap();
    assert_eq!(unfinished.finished, None);
    let session = bed.session().await;
    bed.load(&session, &bed.claim(&session).await, chunk(0, 10, true)).await.unwrap();
    assert!(bed.plan.finish(bed.control.link()).await.unwrap().finished.is_some());
    let Started::Finished(standing) = open().await.unwrap() else { panic!() };
    assert_eq!((standing.counts.written, standing.splits, standing.sources), (10, (1, 1), (1, 1)));

    let mut second = source();
    second.source = "b.csv".into();
    assert!(bed.plan.add_source(bed.control.link(), &second).await.unwrap().1);
    assert!(matches!(open().await.unwrap(), Started::Continued(standing) if standing.sources == (2, 1)));
    assert_eq!(bed.plan.finish(bed.control.link()).await.unwrap().finished, None);
}

#[tokio::test]
async fn a_run_with_other_settings_is_refused_with_each_difference_named() {
    let bed = Bed::new("plans_drift").await;
    let other = [("types", "{a: int32}"), ("transforms[1].module flights.wasm", "sha256 ab12")]
        .map(|(name, value)| Part { name: name.into(), value: value.into() });
    let same = parts();
    let open = |parts, table| {
        bed.plan.open(bed.control.link(), Opening { table, ..bed.opening(&bed.owner, parts, false) })
    };
    let error = open(&other, bed.table).await.unwrap_err();
    assert_eq!(error.class(), Class::Drift);
    let text = error.to_string();
    assert!(text.contains("types changed ({} → {a: int32})"), "{text}");
    assert!(text.contains("transforms[1].module flights.wasm added (sha256 ab12)"), "{text}");
    assert!(text.contains("go back to what it was, or load everything again with --fresh"), "{text}");

    bed.control.client.batch_execute("TRUNCATE public.t").await.unwrap();
    let truncated = TableId::read(bed.control.link(), "public.t", false).await.unwrap();
    let text = open(&same, truncated).await.unwrap_err().to_string();
    assert!(text.contains("public.t was truncated"), "{text}");

    let again = "DROP TABLE public.t; CREATE TABLE public.t (id integer, name text)";
    bed.control.client.batch_execute(again).await.unwrap();
    let made_again = TableId::read(bed.control.link(), "public.t", false).await.unwrap();
    let text = open(&same, made_again).await.unwrap_err().to_string();
    assert!(text.contains("public.t was dropped and made again"), "{text}");
}

#[tokio::test]
async fn fresh_forgets_the_run_and_leaves_its_rows() {
    let bed = Bed::new("plans_fresh").await;
    let session = bed.session().await;
    let claimed = bed.claim(&session).await;
    bed.load(&session, &claimed, chunk(0, 10, false)).await.unwrap();
    let standing = bed.plan.standing(bed.control.link()).await.unwrap().unwrap();
    assert_eq!(standing.counts.written, 10);

    // Not while another process is at work.
    let (other, parts) = (Owner::new(), parts());
    let fresh = || bed.plan.open(bed.control.link(), bed.opening(&other, &parts, true));
    let error = fresh().await.unwrap_err();
    assert_eq!(error.class(), Class::Busy);
    assert!(error.to_string().contains("another process loads `run` (through test)"), "{error}");

    bed.plan.release(session.link(), &bed.owner, &claimed.key, claimed.epoch).await.unwrap();
    assert!(matches!(fresh().await.unwrap(), Started::New(_)));
    assert!(bed.plan.sources(bed.control.link()).await.unwrap().is_empty());
    assert!(bed.plan.splits(bed.control.link()).await.unwrap().is_empty());
    assert_eq!(bed.rows().await, (10, 10));

    // Who still believes to own a split finds out.
    let error = bed.load(&session, &claimed, chunk(10, 20, false)).await.unwrap_err();
    assert!(matches!(error, Error::Clash { .. }), "{error}");
    assert_eq!(bed.rows().await, (10, 10));
}

#[tokio::test]
async fn of_processes_that_add_the_same_source_or_splits_one_wins_and_the_others_adopt() {
    let bed = Bed::new("plans_race").await;
    let mut new = source();
    new.source = "b.csv".into();
    let mut racers = Vec::new();
    for number in 0..8 {
        let session = bed.session().await;
        let (plan, mut mine) = (bed.plan.clone(), new.clone());
        mine.fingerprint = format!("{{\"from\":{number}}}");
        racers.push(tokio::spawn(async move {
            let (stored, won) = plan.add_source(session.link(), &mine).await.unwrap();
            // Each cuts in another place.
            let middle = at(number + 1);
            let splits = [
                NewSplit { start: at(0), end: Some(middle.clone()) },
                NewSplit { start: middle, end: Some(at(20)) },
            ];
            let cut =
                plan.append_splits(session.link(), "b.csv", &at(0), &splits, &at(20), false).await.unwrap();
            (stored.fingerprint, won, cut)
        }));
    }
    let mut outcomes = Vec::new();
    for racer in racers {
        outcomes.push(racer.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|outcome| outcome.1).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.2).count(), 1);
    assert!(outcomes.iter().all(|outcome| outcome.0 == outcomes[0].0));

    let link = bed.control.link();
    let rest = [NewSplit { start: at(20), end: None }];
    assert!(!bed.plan.append_splits(link, "b.csv", &at(7), &rest, &at(30), true).await.unwrap());
    assert!(bed.plan.append_splits(link, "b.csv", &at(20), &rest, &at(30), true).await.unwrap());
    assert!(!bed.plan.append_splits(link, "b.csv", &at(30), &rest, &at(30), true).await.unwrap());
    let splits = bed.plan.splits(link).await.unwrap();
    let splits: Vec<_> = splits.iter().filter(|split| split.key.source == "b.csv").collect();
    assert_eq!(splits.len(), 3);
    for pair in splits.windows(2) {
        assert_eq!(pair[0].end.as_ref(), Some(&pair[1].key.start));
    }
    assert_eq!(splits[2].end, None);
    let stored = bed.plan.sources(link).await.unwrap().pop().unwrap();
    assert_eq!((stored.tiled_to, stored.tiled), (at(30), true));
}

/// A split that goes while its source stays is a part that nobody loads.
#[tokio::test]
async fn a_source_is_forgotten_only_whole_and_only_where_nothing_of_it_is_committed() {
    let bed = Bed::new("plans_drop").await;
    let link = bed.control.link();
    let mut two = source();
    two.source = "0.csv".into();
    assert!(bed.plan.add_source(link, &two).await.unwrap().1);
    let cut = [NewSplit { start: at(0), end: Some(at(10)) }, NewSplit { start: at(10), end: None }];
    let known = async || {
        let sources = bed.plan.sources(link).await.unwrap();
        let splits = bed.plan.splits(link).await.unwrap();
        (
            sources.into_iter().map(|source| source.source).collect::<Vec<_>>(),
            splits.into_iter().map(|split| split.key.source).collect::<Vec<_>>(),
        )
    };
    assert!(bed.plan.append_splits(link, "0.csv", &at(0), &cut[..1], &at(10), false).await.unwrap());
    assert!(!bed.plan.drop_source(link, "0.csv").await.unwrap(), "it is cut up to its middle");
    assert_eq!(known().await.1, ["0.csv", "a.csv"]);
    assert!(bed.plan.append_splits(link, "0.csv", &at(10), &cut[1..], &at(30), true).await.unwrap());
    let all =
        (vec!["0.csv".to_owned(), "a.csv".into()], vec!["0.csv".to_owned(), "0.csv".into(), "a.csv".into()]);

    // Two splits, of which nothing is committed; then one of them is done.
    assert!(!bed.plan.drop_source(link, "0.csv").await.unwrap());
    assert_eq!(known().await, all);
    let session = bed.session().await;
    let first = bed.claim(&session).await;
    assert_eq!((first.key.source.as_str(), &first.key.start), ("0.csv", &at(0)));
    bed.load(&session, &first, chunk(0, 10, true)).await.unwrap();
    assert!(!bed.plan.drop_source(link, "0.csv").await.unwrap());
    assert_eq!(known().await, all);

    // One split, of which nothing is committed, and a source that has none yet.
    assert!(bed.plan.drop_source(link, "a.csv").await.unwrap());
    let mut none = source();
    none.source = "z.csv".into();
    assert!(bed.plan.add_source(link, &none).await.unwrap().1);
    assert!(bed.plan.drop_source(link, "z.csv").await.unwrap());
    assert_eq!(known().await, (vec!["0.csv".to_owned()], vec!["0.csv".to_owned(), "0.csv".into()]));
}

#[tokio::test]
async fn a_fingerprint_can_be_renewed() {
    let bed = Bed::new("plans_fingerprint").await;
    bed.plan.renew_fingerprint(bed.control.link(), "a.csv", r#"{"mtime":7}"#).await.unwrap();
    assert_eq!(bed.plan.sources(bed.control.link()).await.unwrap()[0].fingerprint, r#"{"mtime":7}"#);
}

#[tokio::test]
async fn two_runs_in_one_ledger_do_not_see_each_other() {
    let bed = Bed::new("plans_two").await;
    let mut other = bed.plan.clone();
    other.key = etl::copy::state::RunKey { name: "other".into(), ..key() };
    other.load = None;
    let opening = bed.opening(&bed.owner, &[], false);
    let started = other.open(bed.control.link(), opening).await.unwrap();
    assert!(matches!(started, Started::New(_)));
    assert!(other.splits(bed.control.link()).await.unwrap().is_empty());
    other.forget(bed.control.link(), &bed.owner).await.unwrap();
    assert_eq!(bed.plan.splits(bed.control.link()).await.unwrap().len(), 1);
}

/// Between the question and the run's beginning another process may forget it: nobody was asked about emptying then.
#[tokio::test]
async fn a_table_is_emptied_only_where_the_ledger_begins_and_somebody_said_yes() {
    let bed = Bed::new("plans_empty").await;
    bed.control.client.batch_execute("INSERT INTO public.t VALUES (7, 'there')").await.unwrap();
    let parts = parts();
    let open = async |confirmed| {
        let table = TableId::read(bed.control.link(), "public.t", false).await.unwrap();
        let how = Emptying { statement: "TRUNCATE public.t", confirmed };
        let opening = Opening { table, ..bed.opening(&bed.owner, &parts, false) };
        bed.plan.open_emptied(bed.control.link(), opening, how).await
    };
    for confirmed in [false, true] {
        assert!(
            matches!(open(confirmed).await.unwrap(), (Started::Continued(_), table) if table == bed.table)
        );
    }
    bed.plan.forget(bed.control.link(), &bed.owner).await.unwrap();
    assert_eq!(open(false).await.unwrap_err().class(), Class::Busy);
    assert_eq!(bed.plan.standing(bed.control.link()).await.unwrap(), None);
    assert_eq!(bed.rows().await.0, 1);

    let (started, table) = open(true).await.unwrap();
    assert!(matches!(started, Started::New(_)) && table.oid == bed.table.oid);
    assert_ne!(table.relfilenode, bed.table.relfilenode);
    assert_eq!(bed.rows().await.0, 0);
    // The ledger knows the file behind the TRUNCATE, and not the one before.
    let again = |table| {
        bed.plan.open(bed.control.link(), Opening { table, ..bed.opening(&bed.owner, &parts, false) })
    };
    assert!(matches!(again(table).await.unwrap(), Started::Continued(_)));
    assert_eq!(again(bed.table).await.unwrap_err().class(), Class::Drift);

    // What cannot be emptied is not begun.
    bed.plan.forget(bed.control.link(), &bed.owner).await.unwrap();
    bed.control.client.batch_execute("CREATE TABLE other (t int REFERENCES public.t)").await.unwrap();
    assert_eq!(open(true).await.unwrap_err().class(), Class::Refused);
    assert_eq!(bed.plan.standing(bed.control.link()).await.unwrap(), None);
}
