//! One pass over a block of a CSV file, for every state that the parser may enter it in. Must not know what is
//! before the block or behind it.
//!
//! Only quotes and escapes change whether a line end counts, so the scan goes from one to the next; what is
//! between two is a gap, whose effect follows from its last byte alone. Nothing is guessed: the effect carries
//! all entry states at once. Where quotes are dense, 64 bytes are taken at a time: mostly every quote in them
//! either opens or closes, and then the inside of quotes is a matter of counting; where one does neither, or an
//! escape is among them, they are walked one by one.

use std::ops::Range;

use memchr::{memchr, memchr2};

use super::state::{Effect, Entries, State, Then, ends_cell};
use super::word::{Word, each, odd_so_far, places};
use crate::dialect::Dialect;

/// What one pass needs to know, made once for a file; threads share it.
pub struct Scanner {
    split_bytes: u64,
    quote: Option<u8>,
    /// Only where it means something: with quotes, and another byte than they.
    escape: Option<u8>,
    /// Which of the gap's effects a byte gives when it is the gap's last: a row of `gap` and `event`.
    class: [u8; 256],
    /// Effect of a gap.
    gap: [Effect; CLASSES],
    /// Effect of a gap and the quote behind it, then of a gap and the escape behind it.
    event: [[Then; CLASSES]; 2],
}

/// No gap (its "last" byte is a quote or an escape) · a gap that ends with a delimiter or a line end · any other.
const CLASSES: usize = 3;
const NO_GAP: u8 = 0;
const ENDS_CELL: u8 = 1;
const IN_CELL: u8 = 2;

/// What one block holds, whatever state the parser enters it in. A few hundred bytes.
#[derive(Clone, Debug)]
pub struct Summary {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) effect: Effect,
    /// Line ends in the block: `\n`, and `\r` that is neither followed by `\n` nor the block's last byte.
    pub(crate) lines: u64,
    pub(crate) starts_with_lf: bool,
    pub(crate) ends_with_cr: bool,
    /// For each entry state in ascending order: the first record start, and the first at or behind each multiple
    /// of `split_bytes`. Others may be among them.
    pub(crate) cuts: Vec<Cut>,
}

/// A record's start in a block (or right behind it).
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// From the block's start, at least 1.
    pub(crate) at: usize,
    /// Line ends in the block before it.
    pub(crate) lines: u64,
    /// It is a record's start for these only.
    pub(crate) entries: Entries,
}

impl Scanner {
    /// For a file written in `dialect`, none of whose bytes is a line end, cut about every `split_bytes`.
    pub fn new(dialect: Dialect, split_bytes: u64) -> Scanner {
        let quote = dialect.quote;
        let escape = dialect.escape.filter(|_| quote.is_some()).filter(|&escape| Some(escape) != quote);
        let dialect = Dialect { escape, ..dialect };
        let class = std::array::from_fn(|byte| match u8::try_from(byte).unwrap_or_default() {
            byte if Some(byte) == quote || Some(byte) == escape => NO_GAP,
            byte if ends_cell(&dialect, byte) => ENDS_CELL,
            _ => IN_CELL,
        });
        let line_end = Effect::of(&dialect, b'\n');
        let other = (0..=u8::MAX).find(|&byte| class[usize::from(byte)] == IN_CELL).unwrap_or_default();
        let gap = [Effect::NONE, line_end, Effect::of(&dialect, other)];
        let event = [quote, escape].map(|byte| {
            let event = byte.map_or(Effect::NONE, |byte| Effect::of(&dialect, byte));
            gap.map(|gap| Then::new(gap.then(event)))
        });
        Scanner { split_bytes: split_bytes.max(1), quote, escape, class, gap, event }
    }

    /// Reads a block that starts at the file's byte `offset`. Blocks may have any size; 256 KiB keeps the second
    /// look at the bytes in the cache.
    pub fn scan(&self, offset: u64, block: &[u8]) -> Summary {
        let mut cuts = Cuts::new(self, offset, block);
        let effect = self.walk(block, &mut cuts);
        let (cuts, lines) = cuts.finish();
        Summary {
            offset,
            len: block.len() as u64,
            effect,
            lines,
            starts_with_lf: block.first() == Some(&b'\n'),
            ends_with_cr: block.last() == Some(&b'\r'),
            cuts,
        }
    }

    /// Over stretches without quotes as fast as `memchr` goes, and over the rest in words.
    fn walk(&self, block: &[u8], cuts: &mut Cuts) -> Effect {
        let mut effect = Effect::NONE;
        let mut at = 0;
        while let Some(found) = self.find_event(&block[at..]) {
            effect = self.step(at..at + found, [], effect, cuts);
            at += found;
            while let Some(word) = block[at..].first_chunk() {
                let quotes = self.quote.map_or(0, |quote| places(word, quote));
                let escapes = self.escape.map_or(0, |escape| places(word, escape));
                if quotes | escapes == 0 {
                    break;
                }
                let quick = if escapes == 0 { self.alternate(at, word, quotes, effect, cuts) } else { None };
                effect = quick.unwrap_or_else(|| {
                    self.step(
                        at..at + word.len(),
                        each(quotes | escapes).map(|place| at + place),
                        effect,
                        cuts,
                    )
                });
                at += word.len();
            }
            if block.len() - at < size_of::<Word>() {
                let events = (at..block.len())
                    .filter(|&at| Some(block[at]) == self.quote || Some(block[at]) == self.escape);
                return self.step(at..block.len(), events, effect, cuts);
            }
        }
        self.step(at..block.len(), [], effect, cuts)
    }

    fn find_event(&self, bytes: &[u8]) -> Option<usize> {
        match (self.quote, self.escape) {
            (None, _) => None,
            (Some(quote), None) => memchr(quote, bytes),
            (Some(quote), Some(escape)) => memchr2(quote, escape, bytes),
        }
    }

    /// From quote (or escape) to quote, over the gaps between.
    fn step(
        &self,
        part: Range<usize>,
        events: impl IntoIterator<Item = usize>,
        before: Effect,
        cuts: &mut Cuts,
    ) -> Effect {
        let [at_quote, at_escape] = &self.event;
        let block = cuts.block;
        let mut effect = before;
        let mut gap = part.start;
        for event in events {
            if event >= cuts.wanted {
                cuts.search(gap..event, effect.outside_quotes());
            }
            let last = if event == part.start { NO_GAP } else { self.class[usize::from(block[event - 1])] };
            let steps = if Some(block[event]) == self.quote { at_quote } else { at_escape };
            effect = steps[usize::from(last)].after(effect);
            gap = event + 1;
        }
        if part.is_empty() {
            return effect;
        }
        if part.end >= cuts.wanted {
            cuts.search(gap..part.end, effect.outside_quotes());
        }
        effect.then(self.gap[usize::from(self.class[usize::from(block[part.end - 1])])])
    }

    /// The effect with a word behind it in which every quote opens or closes; none if that is not so for a state
    /// before it, or if there may be a wanted cut in it.
    #[inline]
    fn alternate(&self, at: usize, word: &Word, quotes: u64, before: Effect, cuts: &Cuts) -> Option<Effect> {
        let odd = odd_so_far(quotes);
        let end = at + word.len();
        let line_ends = if end < cuts.wanted { 0 } else { places(word, b'\n') | places(word, b'\r') };
        if let Some(state) = before.only() {
            return self.alternate_from(state, word, quotes, odd, line_ends).map(Effect::always);
        }
        let mut behind = [State::Start; 4];
        for (state, next) in State::ALL.into_iter().zip(cuts.next) {
            let line_ends = if end < next { 0 } else { line_ends };
            behind[state as usize] = self.alternate_from(before.on(state), word, quotes, odd, line_ends)?;
        }
        Some(Effect::new(|state| behind[state as usize]))
    }

    #[inline]
    fn alternate_from(
        &self,
        state: State,
        word: &Word,
        quotes: u64,
        odd: u64,
        line_ends: u64,
    ) -> Option<State> {
        let inside = match state {
            State::Start | State::Unquoted => odd,
            State::Quoted => !odd,
            State::Escaped => return None,
        };
        let closing = quotes & !inside;
        // A quote opens behind one that closed (the two are a doubled one) ...
        let may_open = closing << 1 | u64::from(state == State::Start);
        // ... or at the start of a cell.
        let opens = |place: usize| place > 0 && self.class[usize::from(word[place - 1])] == ENDS_CELL;
        if line_ends & !inside != 0 || !each(quotes & inside & !may_open).all(opens) {
            return None;
        }
        let last = word.len() - 1;
        Some(if inside >> last != 0 {
            State::Quoted
        } else if closing >> last != 0 || self.class[usize::from(word[last])] == ENDS_CELL {
            State::Start
        } else {
            State::Unquoted
        })
    }
}

/// The cuts found so far, and what is still wanted.
struct Cuts<'a> {
    offset: u64,
    block: &'a [u8],
    split_bytes: u64,
    /// For each entry state, from the block's start: the next cut wanted is the first at or behind this.
    next: [usize; 4],
    /// The smallest of `next`.
    wanted: usize,
    found: Vec<Cut>,
}

impl<'a> Cuts<'a> {
    fn new(scanner: &Scanner, offset: u64, block: &'a [u8]) -> Self {
        let next = State::ALL.map(|state| match state {
            State::Quoted if scanner.quote.is_none() => usize::MAX,
            State::Escaped if scanner.escape.is_none() => usize::MAX,
            _ => 1,
        });
        Cuts { offset, block, split_bytes: scanner.split_bytes, next, wanted: 1, found: Vec::new() }
    }

    /// Looks for wanted record starts in a gap, which is outside quotes for `entries`.
    #[cold]
    fn search(&mut self, gap: Range<usize>, entries: Entries) {
        let inside = |state: &State| entries.has(*state);
        loop {
            let wanted = State::ALL.iter().filter(|s| inside(s)).map(|&s| self.next[s as usize]).min();
            let Some(from) = wanted.map(|at| gap.start.max(at - 1)).filter(|&from| from < gap.end) else {
                break;
            };
            let Some(at) = self.behind_line_end(from..gap.end) else { break };
            self.found.push(Cut { at, lines: 0, entries });
            let next = self.next_multiple(at);
            for state in State::ALL.iter().filter(|s| inside(s)) {
                self.next[*state as usize] = self.next[*state as usize].max(next);
            }
        }
        self.wanted = self.next.into_iter().min().unwrap_or(usize::MAX);
    }

    /// The end of the first line end that starts in `range`. A `\r` that ends the block is left to the tiler,
    /// which will see whether the next block starts with `\n`.
    fn behind_line_end(&self, range: Range<usize>) -> Option<usize> {
        let at = range.start + memchr2(b'\n', b'\r', &self.block[range])?;
        match (self.block[at], self.block.get(at + 1)) {
            (b'\n', _) => Some(at + 1),
            (_, Some(b'\n')) => Some(at + 2),
            (_, Some(_)) => Some(at + 1),
            (_, None) => None,
        }
    }

    /// The first multiple of `split_bytes` in the file behind `at`, from the block's start.
    fn next_multiple(&self, at: usize) -> usize {
        let number = ((self.offset + at as u64) / self.split_bytes).checked_add(1);
        let multiple = number.and_then(|number| number.checked_mul(self.split_bytes));
        multiple.and_then(|byte| usize::try_from(byte - self.offset).ok()).unwrap_or(usize::MAX)
    }

    /// The cuts with their lines, and the line ends of the whole block.
    fn finish(mut self) -> (Vec<Cut>, u64) {
        let (mut counted, mut lines) = (0, 0);
        for cut in &mut self.found {
            lines += line_ends(self.block, counted..cut.at);
            cut.lines = lines;
            counted = cut.at;
        }
        (self.found, lines + line_ends(self.block, counted..self.block.len()))
    }
}

/// So many sums of 0 or 1 fit into a byte; with byte lanes, counting is vector code.
const LANES: usize = 255;

/// Line ends in a part of the block; a `\r` that ends the block is not counted, because what follows decides.
fn line_ends(block: &[u8], part: Range<usize>) -> u64 {
    let Some(behind) = block.get(part.start + 1..) else { return 0 };
    let lines = &block[part];
    let followed = lines.len().min(behind.len());
    let mut count = 0;
    for (bytes, next) in lines[..followed].chunks(LANES).zip(behind.chunks(LANES)) {
        let ends = |(&byte, &next): (&u8, &u8)| {
            u8::from(byte == b'\n') | u8::from(byte == b'\r') & u8::from(next != b'\n')
        };
        count += u64::from(bytes.iter().zip(next).map(ends).sum::<u8>());
    }
    count + lines[followed..].iter().filter(|&&byte| byte == b'\n').count() as u64
}
