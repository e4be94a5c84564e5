//! Rejects read back from a folder: those of the splits that are done.
//!
//! Must not know: what is done with them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::manifest::Manifest;
use crate::copy::error::Error;
use crate::copy::rejected::{Rejected, unhex};
use crate::reject::Original;

/// A line holds at most 64 KiB of a row, which JSON may write six times as long.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// A line of `NUMBER.rejects.jsonl`.
#[derive(Deserialize)]
struct Line<'a> {
    position: String,
    stage: String,
    code: String,
    reason: String,
    cut: bool,
    #[serde(borrow)]
    original: Option<&'a RawValue>,
    original_bytes: Option<String>,
}

/// Hands the rejects of the load `name` in the table's folder `dir` to `each`, in order. A folder that is not there, or
/// was never begun, has none.
pub fn each<E: From<Error>>(
    dir: &Path,
    name: &str,
    mut each: impl FnMut(Rejected) -> Result<(), E>,
) -> Result<(), E> {
    let path = dir.join("etl.json");
    let manifest = Manifest::read(&path).map_err(|error| Error::io("reading", &path, error))?;
    let Some(manifest) = manifest.filter(|manifest| manifest.name == name) else { return Ok(()) };
    for (index, split) in manifest.splits.iter().enumerate().filter(|(_, split)| split.rejected > 0) {
        let path = dir.join(format!("{:06}.rejects.jsonl", index + 1));
        let failed = |error| Error::io("reading", &path, error);
        let mut file = BufReader::new(File::open(&path).map_err(failed)?);
        let mut text = Vec::new();
        loop {
            text.clear();
            if (&mut file).take(MAX_LINE_BYTES).read_until(b'\n', &mut text).map_err(failed)? == 0 {
                break;
            }
            let line: Line<'_> = serde_json::from_slice(&text).map_err(|_| {
                failed(io::Error::new(io::ErrorKind::InvalidData, "a line that is no reject"))
            })?;
            each(Rejected {
                table: manifest.target.clone(),
                source: split.source.clone(),
                position: line.position,
                stage: line.stage,
                code: line.code,
                reason: line.reason,
                cut: line.cut,
                original: match (line.original.filter(|json| json.get() != "null"), line.original_bytes) {
                    (Some(json), _) => Original::Columns(json.get().into()),
                    (None, Some(hex)) => unhex(&hex).map_or(Original::Nothing, Original::Bytes),
                    (None, None) => Original::Nothing,
                },
            })?;
        }
    }
    Ok(())
}
