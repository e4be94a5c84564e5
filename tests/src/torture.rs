//! Loads that are killed again and again, at steps of the protocol or at any moment, and continued by the same
//! command. How often, and when, comes from a seed that is printed for each load.
//!
//! Must not know what is loaded, and how it is compared.

use std::time::Duration;

use etl::failpoint::Point;

use crate::bed::{Bed, Process, until};
use crate::harness::Ran;
use crate::random::Random;

/// Steps at the start of a load, before a row moves.
const START: [Point; 8] = [
    Point::TablesMaking,
    Point::TablesMade,
    Point::RunOpening,
    Point::RunOpened,
    Point::SourceAdding,
    Point::SourceAdded,
    Point::SplitsAdding,
    Point::SplitsAdded,
];

/// Steps that each chunk comes by.
const CHUNK: [Point; 8] = [
    Point::Beginning,
    Point::Checked,
    Point::Copying,
    Point::ChunkEnding,
    Point::Advancing,
    Point::Committing,
    Point::CommitSent,
    Point::Committed,
];

/// Steps of chunks that have rejects.
const REJECTS: [Point; 2] = [Point::RejectsKeeping, Point::RejectsKept];

/// Steps that each split comes by.
const SPLIT: [Point; 3] = [Point::Claiming, Point::Claimed, Point::SplitDone];

const END: [Point; 2] = [Point::Finishing, Point::Finished];

/// Steps of `--fresh`.
pub const FRESH: [Point; 2] = [Point::Forgetting, Point::Forgot];

/// Steps of a run that is asked to stop.
pub const STOP: [Point; 2] = [Point::Releasing, Point::Released];

/// Steps of a folder as the target; the last is one of `--fresh`.
pub const FOLDER: [Point; 4] =
    [Point::FilesNaming, Point::RejectsNamed, Point::FilesNamed, Point::FileRemoved];

/// Steps that each load into a database comes by, in their order.
pub fn points_of_a_load() -> impl Iterator<Item = Point> {
    Point::ALL
        .into_iter()
        .filter(|point| !FRESH.contains(point) && !STOP.contains(point) && !FOLDER.contains(point))
}

/// How often a run may find that what a killed one left is not free yet.
const PATIENCE: usize = 12;

/// What is killed.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many chunks it has, about.
    pub chunks: i64,
    /// The exit code of its end.
    pub code: i32,
}

/// How much torture is asked for.
#[derive(Debug)]
pub struct Torture {
    /// Kills in all, over as many loads as it takes.
    kills: u64,
    killed: u64,
    loads: u64,
    seeds: Random,
    /// The one load that is asked for again.
    replay: Option<u64>,
}

impl Torture {
    /// So many kills, or `ETL_TORTURE_KILLS`. `ETL_TORTURE_SEED` asks for the one load with that seed instead.
    pub fn of(kills: u64) -> Torture {
        let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
        let replay = number("ETL_TORTURE_SEED");
        let seeds = if replay.is_some() { Random::new(0) } else { Random::of_the_test_run() };
        let kills = number("ETL_TORTURE_KILLS").unwrap_or(kills);
        Torture { kills, killed: 0, loads: 0, seeds, replay }
    }

    /// What the next load's kills are chosen by; none when there were enough.
    #[allow(clippy::print_stdout, reason = "the seed of a load that failed has to be known")]
    pub fn next_load(&mut self) -> Option<Random> {
        // A load may be over early, by chance. That they are killed less than four times each, all in all, is none: there
        // are no failpoints, or loads are over too soon.
        let (killed, loads) = (self.killed, self.loads);
        assert!(killed + 8 >= 4 * loads, "{killed} kills in {loads} loads: is it a debug build?");
        let enough = if self.replay.is_some() { self.loads > 0 } else { self.killed >= self.kills };
        if enough {
            println!("{killed} kills in {loads} loads");
            return None;
        }
        let seed = self.replay.unwrap_or_else(|| self.seeds.number());
        self.loads += 1;
        println!("load {} after {} kills: replay it with ETL_TORTURE_SEED={seed}", self.loads, self.killed);
        Some(Random::new(seed))
    }

    /// Runs the bed's recipe to its end, with 8 to 10 kills on the way.
    pub async fn load(&mut self, bed: &Bed, load: Load, random: &mut Random) {
        let wanted = 8 + random.below(3);
        let mut kills = 0;
        // Runs that found everything busy, or had ended before they were killed, are no kills.
        for _ in 0..2 * wanted {
            if kills == wanted {
                break;
            }
            let ran = kill(bed, load, random, (kills, wanted)).await;
            match ran.code {
                None => kills += 1,
                Some(10) => {}
                Some(code) if code == load.code => break,
                other => panic!("exit code {other:?}: {ran:?}"),
            }
            is_whole(bed, random).await;
        }
        self.killed += kills;
        finish(bed, load.code).await;
    }
}

/// Runs the bed's recipe until it is done, as often as killed ones may stand in its way.
pub async fn finish(bed: &Bed, code: i32) {
    for _ in 0..PATIENCE {
        let ran = bed.start().finish().await;
        if ran.code != Some(10) {
            ran.code(code);
            return;
        }
    }
    panic!("what a killed run left is still not free");
}

/// Starts a run that dies at a point, the `nth` time that it comes by, if it does.
pub async fn die_at(bed: &Bed, point: Point, nth: u64) -> Ran {
    let armed = format!("{}:{nth}", point.name());
    let ran = Process::of(bed.etl([""; 0]).env("ETL_FAILPOINT", armed)).finish().await;
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    ran
}

/// One run that is to be killed.
async fn kill(bed: &Bed, load: Load, random: &mut Random, (kills, wanted): (u64, u64)) -> Ran {
    let before = bed.progress().await;
    // What is left, shared between the kills that are left.
    let left = (load.chunks - before.chunks).max(0) as u64;
    let share = (left / (wanted - kills + 1)).max(1);
    let mut pick = |points: &[Point]| points[random.below(points.len() as u64) as usize];
    // Later there may be no more of it: whatever is there already is not made again.
    if kills == 0 && before.splits == 0 {
        let point = pick(&START);
        return die_at(bed, point, 1).await;
    }
    if kills + 1 == wanted {
        let point = pick(&END);
        return die_at(bed, point, 1).await;
    }
    match random.below(8) {
        0 => die_at(bed, SPLIT[random.below(3) as usize], 1 + random.below(2)).await,
        1 => die_at(bed, REJECTS[random.below(2) as usize], 1).await,
        2..=4 => die_at(bed, CHUNK[random.below(8) as usize], 1 + random.below(share)).await,
        5 => {
            let etl = bed.start();
            tokio::time::sleep(Duration::from_millis(random.below(400))).await;
            etl.kill()
        }
        _ => {
            let mut etl = bed.start();
            let threshold = before.chunks + random.below(share) as i64;
            let reached = async || bed.progress().await.chunks > threshold;
            until("chunks", async || (reached().await || etl.has_ended()).then_some(())).await;
            tokio::time::sleep(Duration::from_millis(random.below(30))).await;
            etl.kill()
        }
    }
}

/// The rows of every split add up, and the rejects are as many as the ledger says. Sometimes right behind the kill,
/// while backends are still at work; one snapshot is always whole.
async fn is_whole(bed: &Bed, random: &mut Random) {
    tokio::time::sleep(Duration::from_millis(random.below(50))).await;
    if bed.progress().await.splits == 0 {
        return;
    }
    let broken = "SELECT (SELECT count(*) FROM etl.ledger WHERE read <> loaded + filtered + rejected + skipped) \
                  + abs((SELECT count(*) FROM etl.reject) \
                        - (SELECT coalesce(sum(rejected), 0) FROM etl.ledger))::bigint";
    assert_eq!(
        bed.number(broken).await,
        0,
        "splits that do not add up, or rejects that the ledger does not know"
    );
}
