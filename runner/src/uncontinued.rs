//! Why the same command does not continue a load.
//!
//! Must not know: how a load is told about.

/// What of a load is new each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncontinued {
    /// Its source is standard input, which is read once.
    Stdin,
    /// Its target is standard output, which remembers nothing.
    Stdout,
}

impl Uncontinued {
    /// Said in place of the command that continues.
    pub fn told(self) -> &'static str {
        match self {
            Uncontinued::Stdin => {
                "standard input cannot be continued: what was committed stays, and the same rows again would be loaded twice"
            }
            Uncontinued::Stdout => {
                "standard output cannot be continued: what was written stays, and the same command writes every row again"
            }
        }
    }
}
