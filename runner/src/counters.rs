//! What happened to the rows, counted by input row.

use std::ops::AddAssign;

/// Always: `read = loaded + filtered + rejected + skipped`, by the row of the source (a fan-out counts once).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows of the source, undecodable ones too; not blank lines.
    pub read: u64,
    /// Rows of which at least one row went to the target.
    pub loaded: u64,
    /// Rows that a module left out on purpose.
    pub filtered: u64,
    /// Rows that ended as rejects.
    pub rejected: u64,
    /// Rows whose key was there already (write mode `skip`).
    pub skipped: u64,
    /// Rows sent to COPY: more than `loaded` where a module fans out.
    pub written: u64,
}

impl Counts {
    /// Whether every row read is accounted for.
    pub fn balanced(&self) -> bool {
        self.read == self.loaded + self.filtered + self.rejected + self.skipped
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.read += other.read;
        self.loaded += other.loaded;
        self.filtered += other.filtered;
        self.rejected += other.rejected;
        self.skipped += other.skipped;
        self.written += other.written;
    }
}
