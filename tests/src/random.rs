//! Randomness that can be had again: the seed is printed, and `ETL_TEST_SEED` replays it.

use std::hash::{BuildHasher, RandomState};

/// SplitMix64: small, fast, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// From `ETL_TEST_SEED`, or another seed each time. Tests show what they print when they fail.
    #[allow(clippy::print_stdout, reason = "the seed of a failed test has to be known")]
    pub fn of_the_test_run() -> Random {
        let seed = match std::env::var("ETL_TEST_SEED") {
            Ok(seed) => seed.parse().expect("ETL_TEST_SEED is a number"),
            Err(_) => RandomState::new().hash_one(0),
        };
        println!("replay with ETL_TEST_SEED={seed}");
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` - 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// One of several.
    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}
