//! The folders of a run's tables, looked at before anything is written: each table has one of its own, inside of the
//! target's, that holds nothing of another load.
//!
//! Must not know: what is written into them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::copy::error::Error;
use crate::copy::files::{self, Held};
use crate::copy::ledger::RunKey;
use crate::job::{Job, Problem};
use crate::target;

/// What a folder holds of a load before.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) folder: PathBuf,
    pub(crate) held: Held,
}

/// What the folder of a job below `dir` holds of the load `name`; standard output holds nothing.
pub(crate) fn kept(dir: &Path, name: &str, job: &Job) -> Result<Option<Kept>, Error> {
    if dir == Path::new("-") {
        return Ok(None);
    }
    let folder = target::folder(dir, &job.into);
    let key = RunKey { name: name.into(), target: job.into.clone() };
    Ok(files::held(&folder, &key)?.map(|held| Kept { folder, held }))
}

/// Everything that keeps the tables of the load `name` out of their folders below `dir`.
pub(crate) fn problems(dir: &Path, name: &str, jobs: &[Option<Job>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut taken: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (index, job) in jobs.iter().enumerate() {
        let Some(job) = job else { continue };
        let mut problem = |text| problems.push(Problem::target(&format!("tables[{index}].into"), text));
        let folder = target::folder(dir, &job.into);
        if dir == Path::new("-") {
            if index > 0 {
                problem("standard output takes one table, and the recipe has several".into());
            }
        } else if folder.parent() != Some(dir) || folder.file_name().is_none() {
            problem(format!(
                "`{}` names no folder of its own in {}: call it something else",
                job.into,
                dir.display()
            ));
        } else if let Some(other) = taken.insert(folder.clone(), &job.into) {
            problem(format!(
                "{} goes into the folder of {other}, {}: `/` in a name becomes `_`",
                job.into,
                folder.display()
            ));
        } else if let Err(error) = kept(dir, name, job) {
            problems.push(Problem { key: format!("tables[{index}].into"), kind: error.into() });
        }
    }
    problems
}
