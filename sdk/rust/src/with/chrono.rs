//! `chrono`: `DateTime<Utc>`, `NaiveDate`, `NaiveTime`, and `TimeDelta` to be written as an interval. Infinite dates and
//! instants are out of range for them: read ours where those occur.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc};

use crate::Interval;
use crate::read::read_through;
use crate::write::write_through;

const EPOCH: NaiveDate = DateTime::UNIX_EPOCH.naive_utc().date();

read_through!(DateTime<Utc>, crate::Timestamp, |ours| DateTime::from_timestamp_micros(ours.0));
write_through!(DateTime<Utc>, crate::Timestamp);
read_through!(NaiveDate, crate::Date, |ours| EPOCH
    .checked_add_signed(TimeDelta::try_days(ours.0.into()).unwrap_or(TimeDelta::MAX)));
write_through!(NaiveDate, crate::Date);
read_through!(NaiveTime, crate::Time, |ours| time(ours));
write_through!(NaiveTime, crate::Time);
write_through!(TimeDelta, Interval);

fn time(ours: crate::Time) -> Option<NaiveTime> {
    let seconds = u32::try_from(ours.0.div_euclid(1_000_000)).ok()?;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, ours.0.rem_euclid(1_000_000) as u32 * 1_000)
}

impl From<DateTime<Utc>> for crate::Timestamp {
    fn from(theirs: DateTime<Utc>) -> Self {
        crate::Timestamp(theirs.timestamp_micros())
    }
}

impl From<NaiveDate> for crate::Date {
    fn from(theirs: NaiveDate) -> Self {
        // chrono's dates span 191 million days, an i32 has room for them.
        crate::Date((theirs - EPOCH).num_days() as i32)
    }
}

impl From<NaiveTime> for crate::Time {
    fn from(theirs: NaiveTime) -> Self {
        // A leap second is a nanosecond over 999,999,999: it becomes the next second, as in PostgreSQL.
        crate::Time(
            i64::from(theirs.num_seconds_from_midnight()) * 1_000_000
                + i64::from(theirs.nanosecond()) / 1_000,
        )
    }
}

impl From<TimeDelta> for Interval {
    /// Durations beyond 292 years are cut there.
    fn from(theirs: TimeDelta) -> Self {
        let bounded =
            theirs.num_nanoseconds().unwrap_or(if theirs < TimeDelta::zero() { i64::MIN } else { i64::MAX });
        Interval { nanoseconds: bounded, ..Interval::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_go_there_and_back() {
        for ours in [0, -1, 19_000, -719_528, 2_932_896] {
            let theirs = EPOCH.checked_add_signed(TimeDelta::days(ours.into())).unwrap();
            assert_eq!(crate::Date::from(theirs).0, ours);
        }
        for ours in [0, 1, 999_999, 1_000_000, 86_399_999_999] {
            assert_eq!(time(crate::Time(ours)).map(|theirs| crate::Time::from(theirs).0), Some(ours));
        }
        for outside in [-1, 86_400_000_000, i64::MAX, i64::MIN] {
            assert_eq!(time(crate::Time(outside)), None);
        }
    }
}
