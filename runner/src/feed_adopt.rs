//! Taking up what a run reads: what the ledger knows of each file or table is adopted, what is new is added, and what
//! is no longer what the ledger was made from is refused before a row moves.
//!
//! Must not know: how splits are made and loaded.

use crate::copy;
use crate::copy::ledger::{Gate, Ledger, Source, Split};
use crate::feed::Error;
use crate::job::{Cutting, Job, JobUnit};
use crate::source::{self, Fingerprint, Unit};
use crate::split::split_bytes;

/// A file or table with what the ledger says about it.
#[derive(Debug)]
pub(crate) struct Adopted {
    /// Index into the run's tables.
    pub(crate) table: usize,
    pub(crate) unit: JobUnit,
    /// Bytes of the file.
    size: u64,
    pub(crate) source: Source,
    /// Splits that the ledger held when it was adopted, done ones too.
    pub(crate) splits: Vec<Split>,
}

impl Adopted {
    /// Whether nothing is left to load of it.
    pub(crate) fn is_done(&self) -> bool {
        self.source.tiled && self.splits.iter().all(|split| split.done)
    }

    /// Bytes of it that are still to be read, where its size counts.
    pub(crate) fn bytes_left(&self) -> Option<u64> {
        let Cutting::Records { .. } = &self.unit.cutting else { return None };
        let done: u64 = self.splits.iter().map(|split| split.position.byte() - split.key.start.byte()).sum();
        Some(self.size.saturating_sub(self.unit.body.byte()).saturating_sub(done))
    }

    /// How many splits are left of it at most: more streams than that have nothing to do.
    pub(crate) fn most_splits(&self) -> u64 {
        let known = self.splits.iter().filter(|split| !split.done).count() as u64;
        let new = match (self.source.tiled, &self.unit.cutting) {
            (true, _) => 0,
            (false, Cutting::Never) => 1,
            // Cuts lie at multiples of the size, so one part more at either end.
            (false, Cutting::Records { .. }) => {
                let left = self.size.saturating_sub(self.source.tiled_to.byte());
                left / self.source.split_bytes.max(1) + 2
            }
        };
        known + new
    }
}

/// Adds what is new to the ledger and compares the rest with what it was.
pub(crate) async fn adopt(
    table: usize,
    job: &Job,
    ledger: &Ledger,
    gate: &Gate,
    wanted_split_bytes: Option<u64>,
    streams: usize,
) -> Result<Vec<Adopted>, Error> {
    let stored = ledger.sources().await?;
    let splits = ledger.splits().await?;
    // Rejects of a file count on when it is done and gone.
    splits.iter().for_each(|split| gate.holds(ledger.target(), &split.key, &split.counts));
    let of = |key: &str| splits.iter().filter(|split| split.key.source == key).cloned().collect::<Vec<_>>();
    for source in &stored {
        let unfinished = !source.tiled || of(&source.source).iter().any(|split| !split.done);
        if unfinished && !job.units.iter().any(|unit| unit.unit.key() == source.source) {
            return Err(vanished(job, &source.source));
        }
    }
    let mut adopted = Vec::new();
    for unit in &job.units {
        let Unit::File(file) = &unit.unit;
        let now = source::fingerprint(file)?;
        let known = stored.iter().find(|source| source.source == file.key).cloned();
        let source = match known {
            Some(source) => source,
            None => {
                let wanted = wanted_split_bytes.unwrap_or_else(|| split_bytes(now.size, streams));
                add(ledger, unit, &now, wanted).await?
            }
        };
        compare(ledger, &source, &now).await?;
        let splits = of(&source.source);
        adopted.push(Adopted { table, unit: unit.clone(), size: now.size, splits, source });
    }
    Ok(adopted)
}

async fn add(ledger: &Ledger, unit: &JobUnit, now: &Fingerprint, split_bytes: u64) -> Result<Source, Error> {
    let source = Source {
        source: unit.unit.key().into(),
        fingerprint: json(now),
        split_bytes,
        tiled_to: unit.body.clone(),
        tiled: false,
    };
    Ok(ledger.add_source(&source).await?.0)
}

fn vanished(job: &Job, key: &str) -> Error {
    let text = format!(
        "{key} was begun and is not among the files of `{}` any more: put it back, or load everything again with --fresh",
        job.from
    );
    copy::error::Error::Drift(text).into()
}

/// A struct of numbers and texts always has a JSON form.
fn json(fingerprint: &Fingerprint) -> String {
    serde_json::to_string(fingerprint).unwrap_or_default()
}

/// Refuses a file with another content; another time of modification alone is taken note of.
async fn compare(ledger: &Ledger, source: &Source, now: &Fingerprint) -> Result<(), Error> {
    let then: Option<Fingerprint> = serde_json::from_str(&source.fingerprint).ok();
    if then.as_ref().is_some_and(|then| then == now) {
        return Ok(());
    }
    if then.as_ref().is_some_and(|then| then.same_content(now)) {
        return Ok(ledger.renew_fingerprint(&source.source, &json(now)).await?);
    }
    let how = match then {
        Some(then) if then.size != now.size => format!("had {} bytes and has {} now", then.size, now.size),
        _ => "has another content now".into(),
    };
    let text = format!(
        "{} changed since it was begun: it {how}; put it back as it was, give the new rows a file of their own, or load everything again with --fresh",
        source.source
    );
    Err(copy::error::Error::Drift(text).into())
}
