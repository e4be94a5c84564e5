//! The benchmarks' and tests' customers: a deterministic CSV file of any length, about 180 bytes a row, with
//! quotes, newlines, NULLs and multi-byte UTF-8 where real files have them. The same row number gives the same row.

use std::io::{self, Write};

use crate::random::Random;

/// The header line.
pub const HEADER: &str = "id,account,name,email,age,amount_cents,created_at,tags,active,note\n";

const FIRST: [&str; 12] = [
    "Ada", "Grace", "Edsger", "Barbara", "Donald", "Jürgen", "Zoë", "Tony", "Frances", "Niklaus", "Leslie",
    "Mei",
];
const LAST: [&str; 12] = [
    "Lovelace",
    "Hopper",
    "Dijkstra",
    "Liskov",
    "Knuth",
    "Müller-Öz",
    "O'Neil",
    "Hoare",
    "Allen",
    "Wirth",
    "Lamport",
    "李",
];
const WORDS: [&str; 16] = [
    "paid", "late", "twice", "the", "invoice", "of", "March", "was", "returned", "by", "post", "call",
    "back", "after", "noon", "please",
];

/// Writes row `number` (from 0), with its line end.
pub fn row(number: u64, to: &mut impl Write) -> io::Result<()> {
    let mut random = Random::new(number.wrapping_mul(0xD134_2543_DE82_EF95));
    let (high, low) = (random.number(), random.number());
    let (first, last) = (random.pick(&FIRST), random.pick(&LAST));
    write!(
        to,
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x},{},  {first} {last} ,{}.{number}@Example{}.COM,{},",
        high >> 32,
        (high >> 16) & 0xffff,
        (high >> 4) & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff,
        1_000_000_000 + number,
        first.to_uppercase(),
        random.below(50),
        18 + random.below(80),
    )?;
    if random.below(32) > 0 {
        write!(to, "{}", random.below(2_000_000) as i64 - 500_000)?;
    }
    let (day, second) = (random.below(28) + 1, random.below(86_400));
    write!(
        to,
        ",20{:02}-{:02}-{day:02}T{:02}:{:02}:{:02}Z,",
        10 + random.below(15),
        1 + random.below(12),
        second / 3600,
        second / 60 % 60,
        second % 60
    )?;
    write!(to, "\"[\"\"{}\"\",\"\"{}\"\"]\",", random.pick(&WORDS), random.pick(&WORDS))?;
    write!(to, "{},", if random.below(3) > 0 { "Y" } else { "N" })?;
    note(&mut random, to)?;
    to.write_all(b"\n")
}

/// Free text: plain, empty, NULL, or quoted with a comma, quotes or a newline inside.
fn note(random: &mut Random, to: &mut impl Write) -> io::Result<()> {
    match random.below(8) {
        0 => Ok(()),
        1 => to.write_all(b"\"\""),
        2 => {
            write!(to, "\"{}, {} \"\"{}\"\"\"", random.pick(&WORDS), random.pick(&WORDS), random.pick(&WORDS))
        }
        3 => write!(to, "\"{}\n{} {}\"", random.pick(&WORDS), random.pick(&WORDS), random.pick(&WORDS)),
        _ => {
            for _ in 0..7 {
                write!(to, "{} ", random.pick(&WORDS))?;
            }
            to.write_all(random.pick(&WORDS).as_bytes())
        }
    }
}

/// Writes the header and rows `0..rows`.
pub fn file(rows: u64, to: &mut impl Write) -> io::Result<()> {
    to.write_all(HEADER.as_bytes())?;
    (0..rows).try_for_each(|number| row(number, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_about_180_bytes_and_always_the_same() {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        file(10_000, &mut first).unwrap();
        file(10_000, &mut second).unwrap();
        assert_eq!(first, second);
        let mean = first.len() / 10_000;
        assert!((150..210).contains(&mean), "{mean} bytes a row");
    }
}
