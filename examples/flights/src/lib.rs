//! Flights from New York: local clock readings become instants, minutes become intervals, tail numbers are tidied.
//!
//! In the data a time is what a clock at that airport showed, as a number: `517` is 5:17. The date is that of the scheduled
//! departure. So the day and the instant of everything else have to be found, with the airport's time zone.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use etl_sdk::{Input, Interval, Output, Reject};
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

/// What we read. All of it is replaced by the columns below, but for the two airports.
#[derive(Clone, Input)]
#[etl(drop)]
struct Flight<'a> {
    year: i32,
    month: i32,
    day: i32,
    dep_time: Option<i32>, // no departure: the flight was cancelled
    sched_dep_time: i32,
    dep_delay: Option<i32>, // minutes; negative = early
    arr_time: Option<i32>,  // no arrival: it was diverted, or cancelled
    sched_arr_time: i32,
    arr_delay: Option<i32>,
    air_time: Option<i32>,
    tailnum: Option<&'a str>,
    #[etl(keep)]
    origin: &'a str,
    #[etl(keep)]
    dest: &'a str,
}

/// What we make. Carrier, flight number, distance and whatever else the file has stay as they are.
#[derive(Debug, PartialEq, Output)]
#[etl(keep_rest)]
struct Timed<'a> {
    scheduled_departure: Timestamp,
    departure: Option<Timestamp>,
    scheduled_arrival: Timestamp,
    arrival: Option<Timestamp>,
    dep_delay: Option<Interval>,
    arr_delay: Option<Interval>,
    air_time: Option<Interval>,
    tailnum: Option<Cow<'a, str>>,
    cancelled: bool,
}

/// `options = { cancelled = "flag" }`
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Options {
    cancelled: Cancelled,
}

/// What becomes of flights that never left.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Cancelled {
    /// They are not loaded.
    #[default]
    Filter,
    /// They are loaded, and a column says which they are.
    Flag,
}

impl Options {
    /// Columns of `Timed` that nobody needs with these options.
    fn omitted(&self) -> &'static [&'static str] {
        match self.cancelled {
            Cancelled::Filter => &["cancelled"],
            Cancelled::Flag => &[],
        }
    }
}

#[etl_sdk::transform(omit = Options::omitted)]
fn flights<'a>(flight: Flight<'a>, options: &Options) -> Result<Option<Timed<'a>>, Reject> {
    let cancelled = flight.dep_time.is_none();
    if cancelled && matches!(options.cancelled, Cancelled::Filter) {
        return Ok(None);
    }
    let (origin, dest) = (zone(flight.origin)?, zone(flight.dest)?);
    let scheduled = on(date(&flight)?, flight.sched_dep_time)?;
    let scheduled_departure = instant(origin, scheduled)?;
    let departure = match flight.dep_time {
        Some(time) => Some(instant(origin, delayed(scheduled, flight.dep_delay.unwrap_or(0), time)?)?),
        None => None,
    };
    let arrival = match flight.arr_time {
        Some(time) => Some(next(dest, departure.unwrap_or(scheduled_departure), time)?),
        None => None,
    };
    Ok(Some(Timed {
        scheduled_departure,
        departure,
        scheduled_arrival: next(dest, scheduled_departure, flight.sched_arr_time)?,
        arrival,
        dep_delay: flight.dep_delay.map(Interval::from_minutes),
        arr_delay: flight.arr_delay.map(Interval::from_minutes),
        air_time: flight.air_time.map(Interval::from_minutes),
        tailnum: flight.tailnum.map(tidy).filter(|tail| !tail.is_empty()),
        cancelled,
    }))
}

/// The time zone of an airport, from the table that came with the data: its first and its last column.
fn zone(airport: &str) -> Result<&'static TimeZone, Reject> {
    static ZONES: LazyLock<HashMap<&str, TimeZone>> = LazyLock::new(|| {
        let names = include_str!("../data/airports.csv").lines();
        let names = names.filter_map(|line| line.split_once(',').zip(line.rsplit_once(',')));
        let zones = TimeZoneDatabase::bundled();
        names.filter_map(|((faa, _), (_, zone))| Some((faa, zones.get(zone).ok()?))).collect()
    });
    ZONES.get(airport).ok_or(Reject::new("no time zone known for the airport"))
}

fn date(flight: &Flight<'_>) -> Result<Date, Reject> {
    let part = |number: i32| i8::try_from(number).unwrap_or(-1);
    let year = i16::try_from(flight.year).map_err(|_| "impossible date")?;
    Date::new(year, part(flight.month), part(flight.day)).map_err(|_| "impossible date".into())
}

/// `517` is 5:17 of that day, `2400` its end.
fn on(day: Date, time: i32) -> Result<DateTime, Reject> {
    match (time / 100, time % 100) {
        (hour @ 0..=23, minute @ 0..=59) => Ok(day.at(hour as i8, minute as i8, 0, 0)),
        (24, 0) => Ok(day.tomorrow().map_err(|_| "impossible date")?.at(0, 0, 0, 0)),
        _ => Err("impossible time".into()),
    }
}

/// What the clock showed so many minutes after another reading. Gives the day of `time`, which may be that of days later.
fn delayed(scheduled: DateTime, minutes: i32, time: i32) -> Result<DateTime, Reject> {
    let actual = scheduled.checked_add(minutes.minutes()).map_err(|_| "impossible date")?;
    let shown = on(actual.date(), time)?.time();
    if shown == actual.time() { Ok(actual) } else { Err("dep_time does not fit dep_delay".into()) }
}

/// When the clock showed that. When clocks are set back it does so twice, and we take the first time.
fn instant(zone: &TimeZone, shown: DateTime) -> Result<Timestamp, Reject> {
    let there = zone.to_ambiguous_timestamp(shown);
    match there.offset() {
        AmbiguousOffset::Gap { .. } => Err("clocks were set forward over this time".into()),
        _ => there.earlier().map_err(|_| "impossible date".into()),
    }
}

/// The first time after `start` that a clock shows `time`: a flight that lands after midnight lands on the next day.
fn next(zone: &TimeZone, start: Timestamp, time: i32) -> Result<Timestamp, Reject> {
    let local = zone.to_datetime(start);
    let mut shown = on(local.date(), time)?;
    if shown < local {
        shown = shown.checked_add(1.day()).map_err(|_| "impossible date")?;
    }
    instant(zone, shown)
}

/// `" n14228"` is `N14228`.
fn tidy(tail: &str) -> Cow<'_, str> {
    let tail = tail.trim();
    if tail.bytes().any(|byte| byte.is_ascii_lowercase()) {
        tail.to_ascii_uppercase().into()
    } else {
        tail.into()
    }
}

#[cfg(test)]
mod tests;
