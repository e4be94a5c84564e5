//! Dates, times and timestamps from their text. Pure. Ours, because years go from 4713 BC to 294276, which no
//! common library holds, and because it is the hot path.

const DAY_US: i64 = 86_400_000_000;

/// `YYYY-MM-DD`, years before 1 with ` BC`, or `infinity`: days since 1970.
pub(super) fn date(text: &[u8]) -> Option<i32> {
    let text = text.trim_ascii();
    if let Some(negative) = infinity(text) {
        return Some(if negative { i32::MIN } else { i32::MAX });
    }
    let mut cursor = Cursor(text);
    let day = cursor.day()?;
    let days = i32::try_from(day.since_1970(cursor.era()?)?).ok()?;
    (days.unsigned_abs() < i32::MAX.unsigned_abs()).then_some(days)
}

/// `HH:MM[:SS[.ffffff]]`, up to 24:00: microseconds since midnight.
pub(super) fn time(text: &[u8]) -> Option<i64> {
    let mut cursor = Cursor(text.trim_ascii());
    let time = cursor.time()?;
    cursor.0.is_empty().then_some(time)
}

/// A date, optionally `T` or blanks and a time, optionally an offset, without which it is UTC: microseconds since
/// 1970.
pub(super) fn timestamp(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    if let Some(negative) = infinity(text) {
        return Some(if negative { i64::MIN } else { i64::MAX });
    }
    let mut cursor = Cursor(text);
    let day = cursor.day()?;
    let mut us = 0;
    if cursor.starts_time() {
        us = cursor.time()?;
        us -= cursor.offset()?;
    }
    let us = day.since_1970(cursor.era()?)?.checked_mul(DAY_US)?.checked_add(us)?;
    // The largest and the smallest mean infinity.
    (us.unsigned_abs() < i64::MAX.unsigned_abs()).then_some(us)
}

/// Whether it is negative.
fn infinity(text: &[u8]) -> Option<bool> {
    let (negative, word) = match text {
        [b'-', word @ ..] => (true, word),
        [b'+', word @ ..] => (false, word),
        word => (false, word),
    };
    word.eq_ignore_ascii_case(b"infinity").then_some(negative)
}

/// What is left to read.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

struct Day {
    year: i64,
    month: i64,
    day: i64,
}

impl Day {
    /// Days since 1970; `None` for a day that the calendar does not have.
    fn since_1970(&self, before_christ: bool) -> Option<i64> {
        let Day { year, month, day } = *self;
        if year == 0 {
            return None;
        }
        let year = if before_christ { 1 - year } else { year };
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + i64::from(leap),
            1..=12 => 31,
            _ => return None,
        };
        if !(1..=length).contains(&day) {
            return None;
        }
        // Years that begin in March have the odd day at their end; 400 of them have 146,097 days.
        let year = if month <= 2 { year - 1 } else { year };
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
        Some(era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468)
    }
}

impl Cursor<'_> {
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    /// A number of `least` to `most` digits.
    pub(super) fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let mut value = 0;
        let mut count = 0;
        while let Some(digit) = self.0.get(count).filter(|byte| count < most && byte.is_ascii_digit()) {
            value = value * 10 + i64::from(digit - b'0');
            count += 1;
        }
        self.0 = &self.0[count..];
        (count >= least).then_some(value)
    }

    fn day(&mut self) -> Option<Day> {
        let year = self.digits(4, 7)?;
        let month = self.eat(b'-').then(|| self.digits(1, 2))??;
        let day = self.eat(b'-').then(|| self.digits(1, 2))??;
        Some(Day { year, month, day })
    }

    /// Goes to the time behind a date, if there is one.
    fn starts_time(&mut self) -> bool {
        if self.eat(b'T') || self.eat(b't') {
            return true;
        }
        let rest = self.0.trim_ascii_start();
        let found = rest.len() < self.0.len() && rest.first().is_some_and(u8::is_ascii_digit);
        if found {
            self.0 = rest;
        }
        found
    }

    /// `HH:MM[:SS[.f]]` in microseconds.
    pub(super) fn time(&mut self) -> Option<i64> {
        let hours = self.digits(1, 2)?;
        let minutes = self.eat(b':').then(|| self.digits(2, 2))??;
        let mut us = 0;
        if self.eat(b':') {
            let seconds = self.digits(2, 2)?;
            us = seconds * 1_000_000 + self.microseconds()?;
            // A leap second counts as the first of the next minute, as in PostgreSQL.
            if us > 60_000_000 {
                return None;
            }
        }
        let us = (hours * 60 + minutes) * 60_000_000 + us;
        (minutes < 60 && us <= DAY_US).then_some(us)
    }

    /// A fraction of a second, if there is one, to the nearest microsecond, which may be the next second.
    fn microseconds(&mut self) -> Option<i64> {
        let text = self.0;
        if !self.eat(b'.') {
            return Some(0);
        }
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length <= 6 {
            return Some(self.digits(1, 6)? * 10_i64.pow(6 - u32::try_from(length).ok()?));
        }
        self.0 = &self.0[length..];
        // PostgreSQL's own arithmetic: it decides which ties go up, and a row must not depend on who read it.
        let fraction: f64 = str::from_utf8(&text[..=length]).ok()?.parse().ok()?;
        Some((fraction * 1e6).round_ties_even() as i64)
    }

    /// `Z`, `+HH`, `+HH:MM`, `+HHMM`, `+HH:MM:SS`, also behind a blank, or nothing: microseconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        let rest = self.0.trim_ascii_start();
        let negative = match rest.first() {
            Some(b'Z' | b'z') => {
                self.0 = &rest[1..];
                return Some(0);
            }
            Some(b'+') => false,
            Some(b'-') => true,
            _ => return Some(0),
        };
        self.0 = &rest[1..];
        let hours = self.digits(2, 2)?;
        let mut seconds = 0;
        let mut minutes = 0;
        if self.eat(b':') {
            minutes = self.digits(2, 2)?;
            if self.eat(b':') {
                seconds = self.digits(2, 2)?;
            }
        } else if self.0.first().is_some_and(u8::is_ascii_digit) {
            minutes = self.digits(2, 2)?;
        }
        let total = (hours * 60 + minutes) * 60 + seconds;
        let known = hours < 16 && minutes < 60 && seconds < 60;
        known.then_some(if negative { -total } else { total } * 1_000_000)
    }

    /// Whether ` BC` stands at the end; nothing else may.
    fn era(&mut self) -> Option<bool> {
        let rest = self.0.trim_ascii_start();
        if rest.is_empty() {
            return Some(false);
        }
        (rest.len() < self.0.len() && rest.eq_ignore_ascii_case(b"BC")).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{Timestamp, civil};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_date_is_the_one_that_jiff_knows(days in -719_162i32..2_932_896) {
            let date_of_day = civil::date(1970, 1, 1) + jiff::Span::new().days(days);
            prop_assert_eq!(date(date_of_day.to_string().as_bytes()), Some(days));
        }

        #[test]
        fn every_timestamp_is_the_one_that_jiff_knows(us in -62_135_596_800_000_000i64..253_402_207_200_000_000) {
            let text = Timestamp::from_microsecond(us).unwrap().to_string();
            prop_assert_eq!(timestamp(text.as_bytes()), Some(us));
            let text = text.replace('T', " ").replace('Z', "");
            prop_assert_eq!(timestamp(text.as_bytes()), Some(us));
        }

        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>, digits in "[0-9:. TZ+-]{0,30}") {
            for text in [text.as_slice(), digits.as_bytes()] {
                let _ = (date(text), time(text), timestamp(text));
            }
        }
    }

    const FIVE: i64 = 1_356_998_400_000_000 + 5 * 3_600_000_000;

    #[test]
    fn a_timestamp_without_an_offset_is_utc() {
        for text in
            ["2013-01-01 05:00:00", "2013-01-01T05:00", "2013-1-1  5:00:00.0", " 2013-01-01t05:00:00z "]
        {
            assert_eq!(timestamp(text.as_bytes()), Some(FIVE), "{text}");
        }
        assert_eq!(timestamp(b"2013-01-01"), Some(FIVE - 5 * 3_600_000_000));
    }

    #[test]
    fn an_offset_is_honoured_in_each_of_its_forms() {
        for text in [
            "2013-01-01 05:00:00+00",
            "2013-01-01 14:30:00+09:30",
            "2013-01-01 14:30:00 +0930",
            "2013-01-01T00:00:00-05",
            "2013-01-01T00:00:01-04:59:59",
        ] {
            assert_eq!(timestamp(text.as_bytes()), Some(FIVE), "{text}");
        }
    }

    #[test]
    fn a_fraction_is_rounded_to_microseconds() {
        assert_eq!(time(b"00:00:01.5"), Some(1_500_000));
        assert_eq!(time(b"00:00:00.123456499"), Some(123_456));
        assert_eq!(time(b"00:00:00.1234565"), Some(123_456));
        assert_eq!(time(b"00:00:00.1234575"), Some(123_458));
        // Times a million, its double is a little less than a tie.
        assert_eq!(time(b"00:00:00.0001255"), Some(125));
        assert_eq!(time(b"23:59:59.9999999"), Some(DAY_US));
    }

    #[test]
    fn infinities_and_years_before_christ_are_dates() {
        assert_eq!(date(b"infinity"), Some(i32::MAX));
        assert_eq!(date(b"-Infinity"), Some(i32::MIN));
        assert_eq!(timestamp(b"INFINITY"), Some(i64::MAX));
        assert_eq!(timestamp(b"-infinity"), Some(i64::MIN));
        assert_eq!(date(b"0001-01-01"), Some(-719_162));
        assert_eq!(date(b"0001-12-31 BC"), Some(-719_163));
        assert_eq!(date(b"4714-11-24 BC"), Some(-2_440_588));
        assert_eq!(date(b"5874897-12-31"), Some(2_145_042_905));
        assert_eq!(timestamp(b"0001-12-31 23:59:59.999999+00 bc"), Some(-719_162 * DAY_US - 1));
    }

    #[test]
    fn days_and_times_that_do_not_exist_are_refused() {
        for text in [
            "",
            "2013",
            "2013-02-29",
            "1900-02-29",
            "2013-13-01",
            "2013-00-01",
            "2013-01-00",
            "2013-04-31",
            "0000-01-01",
            "13-01-01",
            "2013/01/01",
            "2013-01-01x",
            "2013-01-01BC",
            "01-02-2013",
            "9999999-01-01",
        ] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
        for text in ["", "5", "24:00:01", "12:60", "12:00:61", "12:00:00Z", "12:00:00.", "12:00 PM", "1:2"] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
        for text in [
            "2013-01-01 25:00",
            "2013-01-01T",
            "2013-01-01 05:00+1",
            "2013-01-01 05:00+16",
            "2013-01-01 05:00 EST",
            "2013-01-01Z",
            "999999-01-01 00:00",
            "2013-01-0105:00",
            "2013-01-01 05:00+01 AD",
        ] {
            assert_eq!(timestamp(text.as_bytes()), None, "{text}");
        }
        assert_eq!(date(b"2000-02-29"), Some(11_016));
    }
}
