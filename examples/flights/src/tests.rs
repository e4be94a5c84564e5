//! Flights whose instants are known, and rows that have none.

mod totals;

use super::*;

/// A flight from JFK to Los Angeles on an ordinary day: 9:00 to 12:15 there, both on time.
fn flight() -> Flight<'static> {
    Flight {
        year: 2013,
        month: 1,
        day: 15,
        dep_time: Some(900),
        sched_dep_time: 900,
        dep_delay: Some(0),
        arr_time: Some(1215),
        sched_arr_time: 1215,
        arr_delay: Some(0),
        air_time: Some(350),
        tailnum: Some("N14228"),
        origin: "JFK",
        dest: "LAX",
    }
}

fn flagged(flight: Flight<'_>) -> Result<Timed<'_>, Reject> {
    Ok(flights(flight, &Options { cancelled: Cancelled::Flag })?.expect("flagging filters nothing"))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn reason(flight: Flight<'_>) -> String {
    flagged(flight).unwrap_err().reason().to_owned()
}

#[test]
fn each_end_has_its_own_clock() {
    let timed = flagged(flight()).unwrap();
    assert_eq!(timed.scheduled_departure, at("2013-01-15T14:00:00Z"));
    assert_eq!(timed.departure, Some(at("2013-01-15T14:00:00Z")));
    assert_eq!(timed.scheduled_arrival, at("2013-01-15T20:15:00Z"));
    assert_eq!(timed.arrival, Some(at("2013-01-15T20:15:00Z")));
    assert_eq!(timed.air_time, Some(Interval::from_minutes(350)));
    assert!(!timed.cancelled);
}

#[test]
fn a_flight_that_lands_after_midnight_lands_on_the_next_day() {
    let late = Flight {
        sched_dep_time: 2145,
        dep_time: Some(2150),
        dep_delay: Some(5),
        sched_arr_time: 34,
        arr_time: Some(50),
        dest: "PBI",
        ..flight()
    };
    let timed = flagged(late).unwrap();
    assert_eq!(timed.scheduled_arrival, at("2013-01-16T05:34:00Z"));
    assert_eq!(timed.arrival, Some(at("2013-01-16T05:50:00Z")));
}

#[test]
fn a_delay_moves_the_departure_by_days() {
    let next_day = Flight { sched_dep_time: 2350, dep_time: Some(10), dep_delay: Some(20), ..flight() };
    assert_eq!(flagged(next_day).unwrap().departure, Some(at("2013-01-16T05:10:00Z")));
    let early = Flight { sched_dep_time: 5, dep_time: Some(2355), dep_delay: Some(-10), ..flight() };
    assert_eq!(flagged(early).unwrap().departure, Some(at("2013-01-15T04:55:00Z")));
    let two_days = Flight { dep_time: Some(1000), dep_delay: Some(49 * 60), ..flight() };
    assert_eq!(flagged(two_days).unwrap().departure, Some(at("2013-01-17T15:00:00Z")));
    let midnight = Flight { sched_dep_time: 2359, dep_time: Some(2400), dep_delay: Some(1), ..flight() };
    assert_eq!(flagged(midnight).unwrap().departure, Some(at("2013-01-16T05:00:00Z")));
}

#[test]
fn a_night_when_clocks_are_set_forward_is_an_hour_short() {
    let spring = Flight {
        month: 3,
        day: 9,
        sched_dep_time: 2359,
        dep_time: Some(2359),
        sched_arr_time: 340,
        arr_time: Some(345),
        dest: "MIA",
        ..flight()
    };
    let timed = flagged(spring.clone()).unwrap();
    assert_eq!(timed.departure, Some(at("2013-03-10T04:59:00Z")));
    assert_eq!(timed.arrival, Some(at("2013-03-10T07:45:00Z")));
    // No clock in Florida showed 2:03 that night. The data has such a flight.
    let skipped = Flight { arr_time: Some(203), ..spring };
    assert_eq!(reason(skipped), "clocks were set forward over this time");
}

#[test]
fn a_night_when_clocks_are_set_back_has_an_hour_twice_and_the_first_counts() {
    let autumn = Flight {
        month: 11,
        day: 2,
        sched_dep_time: 1655,
        dep_time: Some(2217),
        dep_delay: Some(322),
        sched_arr_time: 2015,
        arr_time: Some(114),
        ..flight()
    };
    assert_eq!(flagged(autumn).unwrap().arrival, Some(at("2013-11-03T08:14:00Z")));
    let next_morning = Flight { month: 11, day: 3, ..flight() };
    assert_eq!(flagged(next_morning).unwrap().departure, Some(at("2013-11-03T14:00:00Z")));
}

#[test]
fn a_cancelled_flight_is_filtered_or_flagged() {
    let cancelled = Flight { dep_time: None, dep_delay: None, arr_time: None, ..flight() };
    assert_eq!(flights(cancelled.clone(), &Options::default()), Ok(None));
    let timed = flagged(cancelled).unwrap();
    assert_eq!((timed.cancelled, timed.departure, timed.arrival), (true, None, None));
    assert!(Options::default().omitted().contains(&"cancelled"));
}

#[test]
fn airports_without_a_zone_are_rejected() {
    for dest in ["BQN", "PSE", "SJU", "STT", "EEN", ""] {
        assert_eq!(reason(Flight { dest, ..flight() }), "no time zone known for the airport");
    }
}

#[test]
fn impossible_times_and_dates_are_rejected() {
    for time in [2575, 1260, 2401, -1, -100, i32::MAX, i32::MIN] {
        assert_eq!(reason(Flight { sched_dep_time: time, ..flight() }), "impossible time", "{time}");
        assert_eq!(reason(Flight { arr_time: Some(time), ..flight() }), "impossible time", "{time}");
    }
    for (year, month, day) in [(2013, 2, 29), (2013, 13, 1), (2013, 0, 1), (2013, 257, 1), (99_999, 1, 1)] {
        assert_eq!(reason(Flight { year, month, day, ..flight() }), "impossible date");
    }
    assert_eq!(reason(Flight { dep_delay: Some(1), ..flight() }), "dep_time does not fit dep_delay");
    assert_eq!(reason(Flight { dep_delay: Some(i32::MIN), ..flight() }), "dep_time does not fit dep_delay");
}

#[test]
fn tail_numbers_are_tidied() {
    for (tail, tidied) in [(" n14228 ", Some("N14228")), ("N1", Some("N1")), ("  ", None), ("", None)] {
        assert_eq!(flagged(Flight { tailnum: Some(tail), ..flight() }).unwrap().tailnum.as_deref(), tidied);
    }
}
