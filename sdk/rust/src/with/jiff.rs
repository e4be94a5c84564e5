//! `jiff`: `Timestamp`, `civil::Date`, `civil::Time`, and `SignedDuration` to be written as an interval. Infinite dates and
//! instants are out of range for them: read ours where those occur.

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp};

use crate::Interval;
use crate::read::read_through;
use crate::write::write_through;

const DAY_NANOSECONDS: i64 = 86_400_000_000_000;
/// 1970-01-01 in days since 0000-03-01, as the calculation below counts.
const EPOCH: i32 = 719_468;

read_through!(Timestamp, crate::Timestamp, |ours| Timestamp::from_microsecond(ours.0).ok());
write_through!(Timestamp, crate::Timestamp);
read_through!(Date, crate::Date, |ours| date(ours));
write_through!(Date, crate::Date);
read_through!(Time, crate::Time, |ours| time(ours));
write_through!(Time, crate::Time);
write_through!(SignedDuration, Interval);

fn date(ours: crate::Date) -> Option<Date> {
    // Howard Hinnant's civil_from_days: years begin in March, so that the leap day is the last.
    let days = ours.0.checked_add(EPOCH)?;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) =
        (year + era * 400 + i32::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
    Date::new(i16::try_from(year).ok()?, month as i8, day as i8).ok()
}

fn time(ours: crate::Time) -> Option<Time> {
    let nanoseconds = ours.0.checked_mul(1_000).filter(|n| (0..DAY_NANOSECONDS).contains(n))?;
    let (seconds, subseconds) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    Time::new(hour as i8, minute as i8, second as i8, subseconds as i32).ok()
}

impl From<Timestamp> for crate::Timestamp {
    fn from(theirs: Timestamp) -> Self {
        crate::Timestamp(theirs.as_microsecond())
    }
}

impl From<Date> for crate::Date {
    fn from(theirs: Date) -> Self {
        // The way back of `date`, after the same author.
        let (month, day) = (i32::from(theirs.month()), i32::from(theirs.day()));
        let year = i32::from(theirs.year()) - i32::from(month <= 2);
        let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
        let day_of_era = year * 365 + year / 4 - year / 100 + day_of_year;
        crate::Date(era * 146_097 + day_of_era - EPOCH)
    }
}

impl From<Time> for crate::Time {
    fn from(theirs: Time) -> Self {
        let seconds =
            (i64::from(theirs.hour()) * 60 + i64::from(theirs.minute())) * 60 + i64::from(theirs.second());
        crate::Time(seconds * 1_000_000 + i64::from(theirs.subsec_nanosecond()) / 1_000)
    }
}

impl From<SignedDuration> for Interval {
    /// Durations beyond 292 years are cut there.
    fn from(theirs: SignedDuration) -> Self {
        let bounded = theirs.as_nanos().clamp(i64::MIN.into(), i64::MAX.into());
        Interval { nanoseconds: bounded as i64, ..Interval::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_goes_there_and_back() {
        let first = crate::Date::from(Date::MIN).0;
        assert_eq!(crate::Date::from(Date::constant(1970, 1, 1)).0, 0);
        let mut day = Date::MIN;
        for ours in first.. {
            assert_eq!((date(crate::Date(ours)), crate::Date::from(day).0), (Some(day), ours));
            match day.tomorrow() {
                Ok(next) => day = next,
                Err(_) => break,
            }
        }
        assert_eq!(date(crate::Date::INFINITY), None);
        assert_eq!(date(crate::Date::NEG_INFINITY), None);
    }

    #[test]
    fn times_go_there_and_back_and_none_is_beyond_midnight() {
        for ours in [0, 1, 999_999, 1_000_000, 86_399_999_999] {
            assert_eq!(time(crate::Time(ours)).map(|theirs| crate::Time::from(theirs).0), Some(ours));
        }
        for outside in [-1, 86_400_000_000, i64::MAX, i64::MIN] {
            assert_eq!(time(crate::Time(outside)), None);
        }
    }
}
