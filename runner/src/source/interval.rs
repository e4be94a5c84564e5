//! Intervals from their text: PostgreSQL's own style and ISO 8601's. Pure.

use arrow_buffer::IntervalMonthDayNano;

use super::time::Cursor;

const SECOND_NS: i64 = 1_000_000_000;

/// `1 year 2 mons -3 days 04:05:06.789`, or `P1Y2M-3DT4H5M6.789S`. Hours, minutes and seconds may have a
/// fraction, of up to nine digits; years, months, weeks and days may not: a fraction of a month is not an exact span.
pub(super) fn interval(text: &[u8]) -> Option<IntervalMonthDayNano> {
    let text = text.trim_ascii();
    let mut total = Total::default();
    match text {
        [b'P' | b'p', rest @ ..] => iso(rest, &mut total)?,
        _ => words(text, &mut total)?,
    }
    Some(IntervalMonthDayNano::new(
        i32::try_from(total.months).ok()?,
        i32::try_from(total.days).ok()?,
        total.nanoseconds,
    ))
}

#[derive(Default)]
struct Total {
    months: i64,
    days: i64,
    nanoseconds: i64,
}

#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Days(i64),
    Seconds(i64),
}

/// A number with its sign and its fraction in billionths, which has the same sign.
struct Number {
    whole: i64,
    billionths: i64,
}

impl Total {
    fn add(&mut self, number: &Number, unit: Unit) -> Option<()> {
        let (sum, factor) = match unit {
            Unit::Seconds(factor) => {
                let billionths = number.billionths.checked_mul(factor)?;
                let whole = number.whole.checked_mul(factor)?.checked_mul(SECOND_NS)?;
                self.nanoseconds = self.nanoseconds.checked_add(whole.checked_add(billionths)?)?;
                return Some(());
            }
            Unit::Months(factor) => (&mut self.months, factor),
            Unit::Days(factor) => (&mut self.days, factor),
        };
        *sum = sum.checked_add(number.whole.checked_mul(factor)?)?;
        (number.billionths == 0).then_some(())
    }
}

/// Twelve digits are more than any part that fits has.
fn number(cursor: &mut Cursor<'_>) -> Option<Number> {
    let negative = cursor.eat(b'-');
    if !negative {
        cursor.eat(b'+');
    }
    let whole = cursor.digits(1, 12)?;
    let mut billionths = 0;
    if cursor.eat(b'.') {
        let before = cursor.0.len();
        billionths = cursor.digits(1, 9)?;
        for _ in before - cursor.0.len()..9 {
            billionths *= 10;
        }
    }
    let sign = if negative { -1 } else { 1 };
    Some(Number { whole: sign * whole, billionths: sign * billionths })
}

fn iso(text: &[u8], total: &mut Total) -> Option<()> {
    let mut cursor = Cursor(text);
    let mut in_time = false;
    let mut parts = 0;
    while !cursor.0.is_empty() {
        if !in_time && (cursor.eat(b'T') || cursor.eat(b't')) {
            in_time = true;
            parts = 0;
            continue;
        }
        let number = number(&mut cursor)?;
        let (unit, rest) = cursor.0.split_first()?;
        cursor.0 = rest;
        let unit = match (in_time, unit.to_ascii_uppercase()) {
            (false, b'Y') => Unit::Months(12),
            (false, b'M') => Unit::Months(1),
            (false, b'W') => Unit::Days(7),
            (false, b'D') => Unit::Days(1),
            (true, b'H') => Unit::Seconds(3600),
            (true, b'M') => Unit::Seconds(60),
            (true, b'S') => Unit::Seconds(1),
            _ => return None,
        };
        total.add(&number, unit)?;
        parts += 1;
    }
    (parts > 0).then_some(())
}

fn words(text: &[u8], total: &mut Total) -> Option<()> {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        if word.contains(&b':') {
            clock(word, total)?;
            continue;
        }
        let mut cursor = Cursor(word);
        let number = number(&mut cursor)?;
        // The unit may stand right behind the number.
        let unit = if cursor.0.is_empty() { words.next()? } else { cursor.0 };
        total.add(&number, unit_of(unit)?)?;
    }
    Some(())
}

/// `[-]HH:MM[:SS[.f]]`, with any number of hours; the sign is that of all of it.
fn clock(word: &[u8], total: &mut Total) -> Option<()> {
    let negative = word.first() == Some(&b'-');
    let mut cursor = Cursor(word);
    if !cursor.eat(b'-') {
        cursor.eat(b'+');
    }
    let hours = cursor.digits(1, 9)?;
    let minutes = cursor.eat(b':').then(|| cursor.digits(2, 2))??;
    let mut seconds = Number { whole: 0, billionths: 0 };
    if cursor.eat(b':') {
        cursor.0.first().filter(|byte| byte.is_ascii_digit())?;
        seconds = number(&mut cursor)?;
    }
    if minutes > 59 || seconds.whole > 59 || !cursor.0.is_empty() {
        return None;
    }
    let sign = if negative { -1 } else { 1 };
    seconds.whole = sign * (seconds.whole + (hours * 60 + minutes) * 60);
    seconds.billionths *= sign;
    total.add(&seconds, Unit::Seconds(1))
}

fn unit_of(word: &[u8]) -> Option<Unit> {
    let word = word.to_ascii_lowercase();
    Some(match word.as_slice() {
        b"millennium" | b"millennia" | b"millenniums" => Unit::Months(12_000),
        b"century" | b"centuries" => Unit::Months(1200),
        b"decade" | b"decades" => Unit::Months(120),
        b"year" | b"years" | b"yr" | b"yrs" | b"y" => Unit::Months(12),
        b"month" | b"months" | b"mon" | b"mons" => Unit::Months(1),
        b"week" | b"weeks" | b"w" => Unit::Days(7),
        b"day" | b"days" | b"d" => Unit::Days(1),
        b"hour" | b"hours" | b"hr" | b"hrs" | b"h" => Unit::Seconds(3600),
        b"minute" | b"minutes" | b"min" | b"mins" | b"m" => Unit::Seconds(60),
        b"second" | b"seconds" | b"sec" | b"secs" | b"s" => Unit::Seconds(1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is(text: &str, months: i32, days: i32, nanoseconds: i64) {
        let expected = IntervalMonthDayNano::new(months, days, nanoseconds);
        assert_eq!(interval(text.as_bytes()), Some(expected), "{text}");
    }

    #[test]
    fn both_styles_say_the_same() {
        let clock = (4 * 3600 + 5 * 60 + 6) * SECOND_NS + 789_000_000;
        is("1 year 2 mons 3 days 04:05:06.789", 14, 3, clock);
        is("P1Y2M3DT4H5M6.789S", 14, 3, clock);
        is("-1 years -2 mons +3 days -04:05:06.789", -14, 3, -clock);
        is("P-1Y-2M3DT-4H-5M-6.789S", -14, 3, -clock);
        is("90 min", 0, 0, 5400 * SECOND_NS);
        is("2h 1.5s", 0, 0, 7_201_500_000_000);
        is("PT0S", 0, 0, 0);
        is("1 week", 0, 7, 0);
        is("100:00", 0, 0, 360_000 * SECOND_NS);
        is("-00:00:00.000000001", 0, 0, -1);
    }

    #[test]
    fn what_is_no_exact_span_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "1",
            "1.5 days",
            "P1.5M",
            "1 fortnight",
            "04:60",
            "04:05:60",
            "04:05:-6",
            "1 day ago",
            "P1H",
            "PT1D",
            "99999999999 days",
            "9999999999 hours",
            "1 2 days",
            "1 day x",
            "4:5:6",
            "00:00:00.0000000001",
        ] {
            assert_eq!(interval(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>, like in "P?[0-9]{0,14}[YMDTHS.: -]{0,3}[0-9]{0,14}(day|S|:00)?") {
            let _ = (interval(&text), interval(like.as_bytes()));
        }
    }
}
