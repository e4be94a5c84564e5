//! Steps of the protocol at which a test has the process die, as `kill -9` would have it: no unwinding, nothing is
//! flushed, the kernel closes the connections. `ETL_FAILPOINT=committing:3` dies when a third `COMMIT` is about to be
//! sent; with `committing:3:panic` its thread panics. A release build has none of it.
//!
//! Must not know what happens at a step.

/// A step. What is named by a participle of the present comes before it, one of the past behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The ledger's tables are about to be made.
    TablesMaking,
    /// They are made.
    TablesMade,
    /// The run's row is about to be written.
    RunOpening,
    /// The run's row is there.
    RunOpened,
    /// A source's row is about to be written.
    SourceAdding,
    /// A source's row is there, and none of its splits.
    SourceAdded,
    /// Splits are about to be appended.
    SplitsAdding,
    /// Splits were appended.
    SplitsAdded,
    /// A split is about to be claimed.
    Claiming,
    /// A claim was answered.
    Claimed,
    /// `BEGIN` is about to be sent.
    Beginning,
    /// The ledger row is locked and checked, and `COPY` is open.
    Checked,
    /// Rows of a chunk were sent, more will come.
    Copying,
    /// A chunk's rows are all sent, the end of its `COPY` is not.
    ChunkEnding,
    /// Rejects are about to be sent.
    RejectsKeeping,
    /// Rejects were answered.
    RejectsKept,
    /// The ledger row is about to be moved.
    Advancing,
    /// `COMMIT` is about to be sent.
    Committing,
    /// `COMMIT` is on its way, nobody knows how far.
    CommitSent,
    /// `COMMIT` was answered, and nobody was told.
    Committed,
    /// A split is done, and the next one is not asked for.
    SplitDone,
    /// The run is about to be marked as finished.
    Finishing,
    /// The run is marked as finished, and nobody was told.
    Finished,
    /// What the ledger knows of a load is about to be forgotten.
    Forgetting,
    /// It is forgotten.
    Forgot,
    /// A split that was not finished is about to be given back.
    Releasing,
    /// It was given back.
    Released,
    /// A file of the load before was removed from a folder.
    FileRemoved,
    /// A split's files are on disk, and have not their names yet.
    FilesNaming,
    /// Its rejects have their name, its rows have not.
    RejectsNamed,
    /// All its files have their names, and the folder's ledger does not know.
    FilesNamed,
}

impl Point {
    /// All of them: those of a load into a database in the order in which it comes by, then those of `--fresh`, of a stop
    /// and of folders.
    pub const ALL: [Point; 31] = [
        Point::TablesMaking,
        Point::TablesMade,
        Point::RunOpening,
        Point::RunOpened,
        Point::SourceAdding,
        Point::SourceAdded,
        Point::SplitsAdding,
        Point::SplitsAdded,
        Point::Claiming,
        Point::Claimed,
        Point::Beginning,
        Point::Checked,
        Point::Copying,
        Point::ChunkEnding,
        Point::RejectsKeeping,
        Point::RejectsKept,
        Point::Advancing,
        Point::Committing,
        Point::CommitSent,
        Point::Committed,
        Point::SplitDone,
        Point::Finishing,
        Point::Finished,
        Point::Forgetting,
        Point::Forgot,
        Point::Releasing,
        Point::Released,
        Point::FileRemoved,
        Point::FilesNaming,
        Point::RejectsNamed,
        Point::FilesNamed,
    ];

    /// As `ETL_FAILPOINT` names it.
    pub fn name(self) -> &'static str {
        match self {
            Point::TablesMaking => "tables-making",
            Point::TablesMade => "tables-made",
            Point::RunOpening => "run-opening",
            Point::RunOpened => "run-opened",
            Point::SourceAdding => "source-adding",
            Point::SourceAdded => "source-added",
            Point::SplitsAdding => "splits-adding",
            Point::SplitsAdded => "splits-added",
            Point::Claiming => "claiming",
            Point::Claimed => "claimed",
            Point::Beginning => "beginning",
            Point::Checked => "checked",
            Point::Copying => "copying",
            Point::ChunkEnding => "chunk-ending",
            Point::RejectsKeeping => "rejects-keeping",
            Point::RejectsKept => "rejects-kept",
            Point::Advancing => "advancing",
            Point::Committing => "committing",
            Point::CommitSent => "commit-sent",
            Point::Committed => "committed",
            Point::SplitDone => "split-done",
            Point::Finishing => "finishing",
            Point::Finished => "finished",
            Point::Forgetting => "forgetting",
            Point::Forgot => "forgot",
            Point::Releasing => "releasing",
            Point::Released => "released",
            Point::FileRemoved => "file-removed",
            Point::FilesNaming => "files-naming",
            Point::RejectsNamed => "rejects-named",
            Point::FilesNamed => "files-named",
        }
    }
}

/// Dies here, if `ETL_FAILPOINT` says so.
#[inline]
pub fn hit(point: Point) {
    #[cfg(debug_assertions)]
    armed::hit(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::Point;

    /// How it dies.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Death {
        /// The process, as `kill -9` would have it.
        Abort,
        /// The thread, by a mistake of ours.
        Panic,
    }

    /// Nobody may ever read this: what panics say may hold values of rows.
    const PANIC_WORDS: &str = "hush-4711";

    /// What the variable asks for, and how often its point was passed.
    static ARMED: OnceLock<Option<(Point, u64, Death)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    /// How long bytes may take to the network and the server to its answer: it dies somewhere on the way.
    const ON_ITS_WAY: Duration = Duration::from_millis(2);

    pub(super) fn hit(point: Point) {
        let armed = ARMED.get_or_init(|| {
            let text = std::env::var("ETL_FAILPOINT").ok()?;
            // Whoever mistypes a name must not believe that he tested it.
            Some(parse(&text).unwrap_or_else(|| std::process::abort()))
        });
        let Some((wanted, nth, death)) = *armed else { return };
        if point != wanted || PASSED.fetch_add(1, Ordering::SeqCst) + 1 != nth {
            return;
        }
        assert!(death == Death::Abort, "a mistake of etl, with a row in its words: {PANIC_WORDS}");
        if point == Point::CommitSent {
            // This thread goes on: it is the one that sends.
            std::thread::spawn(|| {
                std::thread::sleep(ON_ITS_WAY);
                std::process::abort();
            });
            return;
        }
        // What was handed to the connections before gets on its way; nothing that comes behind the point does.
        tokio::task::block_in_place(|| std::thread::sleep(ON_ITS_WAY));
        std::process::abort();
    }

    /// `name`, `name:nth`, the first being 1, or `name:nth:panic`.
    pub(super) fn parse(text: &str) -> Option<(Point, u64, Death)> {
        let (text, death) = match text.strip_suffix(":panic") {
            Some(text) => (text, Death::Panic),
            None => (text, Death::Abort),
        };
        let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
        let point = Point::ALL.into_iter().find(|point| point.name() == name)?;
        let nth = nth.parse().ok().filter(|nth| *nth > 0)?;
        Some((point, nth, death))
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::armed::{self, Death};
    use super::{Point, hit};

    #[test]
    fn every_point_is_found_by_its_name_alone_or_with_a_number() {
        for point in Point::ALL {
            assert_eq!(armed::parse(point.name()), Some((point, 1, Death::Abort)));
            let nth = format!("{}:17", point.name());
            assert_eq!(armed::parse(&nth), Some((point, 17, Death::Abort)));
            assert_eq!(armed::parse(&(nth + ":panic")), Some((point, 17, Death::Panic)));
        }
        for wrong in ["", "commit", "committing:", "committing:0", "committing:x", "committing:1:2"] {
            assert_eq!(armed::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_process_without_the_variable_passes_every_point() {
        assert_eq!(std::env::var_os("ETL_FAILPOINT"), None);
        Point::ALL.into_iter().for_each(hit);
    }
}
