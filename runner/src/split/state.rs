//! The CSV parser's state as far as it decides where records start, and what bytes do to it. Must not know
//! blocks, offsets or lines.

use crate::dialect::Dialect;

/// Where the parser stands between two bytes. `csv-core` has more states; those that treat every next byte
/// alike are one here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A quote opens a quoted cell: at the start of a record or a cell. Behind a closing quote too: a second
    /// quote there leads back into the cell (it was a doubled one), and any other byte goes on unquoted.
    Start,
    /// Inside an unquoted cell, where a quote is a byte like any other.
    Unquoted,
    /// Inside quotes: only a quote or an escape matters.
    Quoted,
    /// Inside quotes, behind an escape: the next byte does not matter, whether it is escaped or data as the escape is.
    Escaped,
}

impl State {
    /// All of them, each at the place of its number.
    pub(crate) const ALL: [State; 4] = [State::Start, State::Unquoted, State::Quoted, State::Escaped];

    /// Whether a line end here belongs to a cell.
    pub fn in_quotes(self) -> bool {
        matches!(self, State::Quoted | State::Escaped)
    }

    /// The state behind `byte`; the order of the questions is `csv-core`'s, so that it also holds where two
    /// bytes of a dialect are the same.
    fn step(self, dialect: &Dialect, byte: u8) -> State {
        let is_quote = dialect.quote == Some(byte);
        match self {
            State::Start if is_quote => State::Quoted,
            State::Start | State::Unquoted if ends_cell(dialect, byte) => State::Start,
            State::Start | State::Unquoted => State::Unquoted,
            State::Quoted if is_quote => State::Start,
            State::Quoted if dialect.escape == Some(byte) => State::Escaped,
            State::Quoted | State::Escaped => State::Quoted,
        }
    }
}

/// Whether `byte` outside quotes ends the cell.
pub(crate) fn ends_cell(dialect: &Dialect, byte: u8) -> bool {
    byte == dialect.delimiter || byte == b'\n' || byte == b'\r'
}

/// What a stretch of the file does to the parser: a state behind it for each state before it.
/// Two bits for each [`State`], the lowest for the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect(u8);

impl Effect {
    /// Of no bytes at all.
    pub const NONE: Effect = Effect(0b11_10_01_00);

    /// Of one byte.
    pub(crate) fn of(dialect: &Dialect, byte: u8) -> Effect {
        Effect::new(|state| state.step(dialect, byte))
    }

    /// The same state, whatever it was before.
    pub(crate) fn always(state: State) -> Effect {
        Effect(state as u8 * 0b01_01_01_01)
    }

    /// The state behind it, if that is the same whatever it was before.
    #[inline]
    pub(crate) fn only(self) -> Option<State> {
        let first = self.on(State::Start);
        (self == Effect::always(first)).then_some(first)
    }

    pub(crate) fn new(behind: impl Fn(State) -> State) -> Effect {
        Effect(State::ALL.iter().fold(0, |bits, &state| bits | ((behind(state) as u8) << (2 * state as u8))))
    }

    /// The state behind the stretch.
    pub fn on(self, before: State) -> State {
        State::ALL[usize::from(self.0 >> (2 * before as u8) & 3)]
    }

    /// Of this stretch and the one that follows it.
    pub fn then(self, next: Effect) -> Effect {
        Effect::new(|state| next.on(self.on(state)))
    }

    /// The states before the stretch that end up outside quotes, as bits.
    pub(crate) fn outside_quotes(self) -> Entries {
        Entries(State::ALL.iter().fold(0, |bits, &s| bits | (u8::from(!self.on(s).in_quotes()) << s as u8)))
    }
}

/// For every effect before it, the effect with a further stretch behind it: composition as one load, because
/// the scan does it at every quote.
pub(crate) struct Then([Effect; 256]);

impl Then {
    pub(crate) fn new(next: Effect) -> Then {
        let mut all = [Effect::NONE; 256];
        for (before, slot) in (0..=u8::MAX).zip(&mut all) {
            *slot = Effect(before).then(next);
        }
        Then(all)
    }

    #[inline]
    pub(crate) fn after(&self, before: Effect) -> Effect {
        self.0[usize::from(before.0)]
    }
}

/// A set of states that a block may be entered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entries(u8);

impl Entries {
    pub(crate) fn has(self, state: State) -> bool {
        self.0 & (1 << state as u8) != 0
    }
}
