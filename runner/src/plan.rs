//! `etl plan`: shows splits, streams and nodes without loading anything.

use std::io::{self, Write};

use serde_json::json;

use crate::cli::{RecipeArgs, Voice};
use crate::copy::postgres::nodes::Node;
use crate::copy::postgres::placement::Placement;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::job::{Cutting, Job, JobUnit};
use crate::prepare::Prepared;
use crate::recipe::Recipe;
use crate::source::{self, Unit};
use crate::split::{Split, split_bytes};
use crate::tiling::{Cut, Found, tile};
use crate::units::{grouped, size};

/// Splits of one file that are shown by name; the others are counted.
const SHOWN: usize = 5;

/// Runs the command.
pub(crate) async fn plan(args: &RecipeArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let prepared = Prepared::new(args)?;
    let found = prepared.find().await?;
    if !found.problems.is_empty() {
        return Err(prepared.failure(found.problems));
    }
    let recipe = &prepared.recipe;
    let mut files = Vec::new();
    for job in &found.jobs {
        for unit in &job.units {
            files.push((job, unit, splits(recipe, unit)?));
        }
    }
    let nodes: Vec<String> =
        found.database.iter().flat_map(|(connected, _)| connected.nodes.iter().map(Node::address)).collect();
    let total: usize = files.iter().map(|(_, _, splits)| splits.len().max(1)).sum();
    let streams = (recipe.run.streams as usize).min(total);
    let placed = placed(streams, nodes.len());
    if voice.json {
        print_json(&files, &nodes, &placed);
        return Ok(ExitCode::Done);
    }
    let mut out = io::stdout();
    for (job, file, splits) in &files {
        let _ = writeln!(out, "{} -> {}: {}", file.unit.key(), job.into, in_words(splits));
        for split in splits.iter().take(SHOWN) {
            let bytes = size(split.end.byte() - split.start.byte());
            let line = grouped(split.start.line());
            let _ = writeln!(out, "  from byte {}, line {line}: {bytes}", grouped(split.start.byte()));
        }
        if splits.len() > SHOWN {
            let _ = writeln!(out, "  … and {} more", grouped((splits.len() - SHOWN) as u64));
        }
    }
    for (node, streams) in nodes.iter().zip(&placed) {
        let _ = writeln!(out, "node {node}: {streams} streams");
    }
    let wanted = recipe.run.streams;
    if streams < wanted as usize {
        let _ = writeln!(
            out,
            "note: {total} splits keep {streams} of {wanted} streams busy; a smaller run.split_bytes makes more"
        );
    }
    Ok(ExitCode::Done)
}

/// The splits that a run would make; none for a file that can only be read from its beginning.
fn splits(recipe: &Recipe, unit: &JobUnit) -> Result<Vec<Split>, Failure> {
    let (Unit::File(file), Cutting::Records { path, dialect }) = (&unit.unit, &unit.cutting) else {
        return Ok(Vec::new());
    };
    let fingerprint =
        source::fingerprint(file).map_err(|error| Failure::Load(crate::feed::Error::Source(error).into()))?;
    let wanted = recipe.run.split_bytes.map(|size| size.0);
    let split_bytes = wanted.unwrap_or_else(|| split_bytes(fingerprint.size, recipe.run.streams as usize));
    let cut = Cut { dialect: *dialect, split_bytes, from: unit.body.clone() };
    let mut splits = Vec::new();
    let found = |found: Found| -> Result<bool, io::Error> {
        splits.extend(found.splits);
        Ok(true)
    };
    let scanned = tile(path, cut, found);
    let scan = |error| crate::feed::Error::Scan { file: file.key.clone(), error };
    scanned.map_err(|error| Failure::Load(scan(error).into()))?;
    Ok(splits)
}

fn placed(streams: usize, nodes: usize) -> Vec<usize> {
    let mut placement = Placement::new(nodes);
    (0..streams).for_each(|_| {
        placement.choose();
    });
    placement.streams().collect()
}

fn in_words(splits: &[Split]) -> String {
    match splits.len() {
        0 => "one split, read from its beginning".into(),
        1 => "1 split".into(),
        more => format!("{} splits", grouped(more as u64)),
    }
}

fn print_json(files: &[(&Job, &JobUnit, Vec<Split>)], nodes: &[String], placed: &[usize]) {
    let split = |split: &Split| json!({"byte": split.start.byte(), "line": split.start.line(), "end": split.end.byte()});
    let files: Vec<_> = files
        .iter()
        .map(|(job, file, splits)| {
            let splits: Vec<_> = splits.iter().map(split).collect();
            json!({"file": file.unit.key(), "into": job.into, "splits": splits})
        })
        .collect();
    let nodes: Vec<_> = nodes
        .iter()
        .zip(placed)
        .map(|(address, streams)| json!({"address": address, "streams": streams}))
        .collect();
    let _ = writeln!(io::stdout(), "{}", json!({"files": files, "nodes": nodes}));
}
