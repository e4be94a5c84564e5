//! The types that Rust's standard library has no equal of: newtypes of what travels.
//!
//! Must not know: columns. Conversions to other crates' types are in `with`.

/// A PostgreSQL `numeric`, exact, as text: `-12.50`, `NaN`, `Infinity`. Read as `Numeric<&str>`, written as any string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numeric<T = String>(pub T);

/// An IP address with an optional prefix length, as text: `10.0.0.0/8`, `::1`. Read as `Inet<&str>`, written as any string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inet<T = String>(pub T);

/// A JSON document, as text. Read as `Json<&str>`, written as any string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<T = String>(pub T);

/// A whole number of units of 10^-`DIGITS`, written as `numeric` without a detour: `Scaled::<2>(1250)` is `12.50`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scaled<const DIGITS: usize>(pub i64);

/// A value written as `text` as it displays itself, without a string in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Displayed<T>(pub T);

/// A UUID, its bytes in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

/// Days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

impl Date {
    /// PostgreSQL's `infinity`: after every day.
    pub const INFINITY: Date = Date(i32::MAX);
    /// PostgreSQL's `-infinity`: before every day.
    pub const NEG_INFINITY: Date = Date(i32::MIN);
}

/// Microseconds since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// Microseconds since 1970-01-01T00:00:00Z: PostgreSQL's `timestamptz`, or a `timestamp` taken as UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// PostgreSQL's `infinity`: after every instant.
    pub const INFINITY: Timestamp = Timestamp(i64::MAX);
    /// PostgreSQL's `-infinity`: before every instant.
    pub const NEG_INFINITY: Timestamp = Timestamp(i64::MIN);
}

/// PostgreSQL's `interval`: three parts, because months and days differ in length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months, 12 of them a year.
    pub months: i32,
    /// Days of any number of hours.
    pub days: i32,
    /// Nanoseconds; PostgreSQL keeps microseconds.
    pub nanoseconds: i64,
}

impl Interval {
    /// So many minutes of 60 seconds.
    pub const fn from_minutes(minutes: i32) -> Interval {
        Interval { months: 0, days: 0, nanoseconds: minutes as i64 * 60_000_000_000 }
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Interval {
        let [a, b, c, d, e, f, g, h, nanoseconds @ ..] = bytes;
        Interval {
            months: i32::from_le_bytes([a, b, c, d]),
            days: i32::from_le_bytes([e, f, g, h]),
            nanoseconds: i64::from_le_bytes(nanoseconds),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.months.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.days.to_le_bytes());
        bytes[8..].copy_from_slice(&self.nanoseconds.to_le_bytes());
        bytes
    }
}
