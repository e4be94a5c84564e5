//! The committed files through the module, against the totals that `expected.py` computed by other means.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cancelled, Flight, Options, Timed, flights};

const EXPECTED: &str = include_str!("../../expected.csv");

type Totals = BTreeMap<String, i64>;

#[test]
fn the_files_give_the_expected_totals() {
    let files = [
        ("flights-2013-01.csv", include_str!("../../data/flights-2013-01.csv")),
        ("flights-clock-changes.csv", include_str!("../../data/flights-clock-changes.csv")),
    ];
    for (name, text) in files {
        for (option, cancelled) in [("flag", Cancelled::Flag), ("filter", Cancelled::Filter)] {
            let mut found = totals(text, &Options { cancelled });
            let expected = expected(name, option);
            for reason in expected.keys().filter(|measure| measure.starts_with("rejected: ")) {
                found.entry(reason.clone()).or_default();
            }
            assert_eq!(found, expected, "{name}, {option}");
        }
    }
}

fn expected(file: &str, option: &str) -> Totals {
    let start = format!("{file},{option},");
    let lines = EXPECTED.lines().filter_map(|line| line.strip_prefix(&start));
    lines
        .map(|line| {
            let (measure, value) = line.rsplit_once(',').unwrap();
            (measure.trim_matches('"').to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// The files have no quotes, so a comma is a comma.
fn totals(text: &str, options: &Options) -> Totals {
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let at = |name| header.iter().position(|column| *column == name).unwrap();
    let (distance, time_hour) = (at("distance"), at("time_hour"));
    let (mut totals, mut tails) = (Totals::new(), BTreeSet::new());
    for measure in ["filtered", "cancelled"] {
        totals.insert(measure.into(), 0);
    }
    for line in lines {
        let mut add = |measure: &str, value: i64| *totals.entry(measure.into()).or_default() += value;
        let number = |name| line[at(name)].parse().ok();
        add("read", 1);
        let flight = Flight {
            year: number("year").unwrap(),
            month: number("month").unwrap(),
            day: number("day").unwrap(),
            dep_time: number("dep_time"),
            sched_dep_time: number("sched_dep_time").unwrap(),
            dep_delay: number("dep_delay"),
            arr_time: number("arr_time"),
            sched_arr_time: number("sched_arr_time").unwrap(),
            arr_delay: number("arr_delay"),
            air_time: number("air_time"),
            tailnum: Some(line[at("tailnum")]).filter(|tail| *tail != "NA"),
            origin: line[at("origin")],
            dest: line[at("dest")],
        };
        match flights(flight, options) {
            Err(reject) => add(&format!("rejected: {}", reject.reason()), 1),
            Ok(None) => add("filtered", 1),
            Ok(Some(timed)) => {
                add("sum of distance", line[distance].parse().unwrap());
                let hour = timed.scheduled_departure.strftime("%Y-%m-%dT%H:00:00Z").to_string();
                add("scheduled_departure in time_hour", i64::from(hour == line[time_hour]));
                count(&timed, &mut totals);
                tails.extend(timed.tailnum.map(String::from));
            }
        }
    }
    totals.insert("distinct tailnum".into(), tails.len() as i64);
    totals
}

fn count(timed: &Timed<'_>, totals: &mut Totals) {
    let mut add = |measure: &str, value: i64| *totals.entry(measure.into()).or_default() += value;
    add("loaded", 1);
    add("cancelled", i64::from(timed.cancelled));
    add("departed", i64::from(timed.departure.is_some()));
    add("arrived", i64::from(timed.arrival.is_some()));
    for (column, instant) in [
        ("scheduled_departure", Some(timed.scheduled_departure)),
        ("departure", timed.departure),
        ("scheduled_arrival", Some(timed.scheduled_arrival)),
        ("arrival", timed.arrival),
    ] {
        add(&format!("sum of {column}, epoch seconds"), instant.map_or(0, |instant| instant.as_second()));
    }
    for (column, interval) in
        [("dep_delay", timed.dep_delay), ("arr_delay", timed.arr_delay), ("air_time", timed.air_time)]
    {
        let minutes = interval.map_or(0, |interval| interval.nanoseconds / 60_000_000_000);
        add(&format!("sum of {column}, minutes"), minutes);
    }
    for (measure, instant, best) in [
        ("first departure, epoch seconds", timed.departure, i64::min as fn(i64, i64) -> i64),
        ("last arrival, epoch seconds", timed.arrival, i64::max),
    ] {
        if let Some(instant) = instant.map(|instant| instant.as_second()) {
            totals
                .entry(measure.into())
                .and_modify(|so_far| *so_far = best(*so_far, instant))
                .or_insert(instant);
        }
    }
}
