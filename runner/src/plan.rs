//! `etl plan`: shows splits, streams and nodes without loading anything.

use std::io;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use crate::cli::{RecipeArgs, Voice};
use crate::copy::postgres::nodes::Node;
use crate::copy::postgres::placement::Placement;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::job::Job;
use crate::job_units::{Cutting, JobUnit};
use crate::load;
use crate::output::print;
use crate::prepare::Prepared;
use crate::recipe::Recipe;
use crate::source::Opened;
use crate::source::cassandra::Ring;
use crate::split::{Split, TokenSplit, largest_first, split_bytes};
use crate::tiling::{Cut, Found, tile};
use crate::tiling_ring::{TABLE_SPLIT_BYTES, tile_known};
use crate::units::{grouped, size};
use crate::untrusted::shown;

/// Splits of one source that are shown by name; the others are counted.
const SHOWN: usize = 5;

/// The longest path that a file can have.
const MAX_SOURCE_BYTES: usize = 4096;

/// Runs the command.
pub(crate) async fn plan(args: &RecipeArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let prepared = Prepared::new(args)?;
    let found = prepared.find().await?;
    if !found.problems.is_empty() {
        return Err(prepared.failure(found.problems));
    }
    let recipe = &prepared.recipe;
    let mut planned = Vec::new();
    for job in &found.jobs {
        for unit in &job.units {
            let splits = splits(recipe, unit).await?;
            planned.push(Planned { source: unit.unit.key(), job, splits });
        }
    }
    let nodes: Vec<String> =
        found.database.iter().flat_map(|(connected, _)| connected.nodes.iter().map(Node::address)).collect();
    let total: usize = planned.iter().map(|planned| planned.splits.len().max(1)).sum();
    let streams = (recipe.run.streams as usize).min(total);
    let placed = placed(streams, nodes.len());
    if voice.json {
        print(&format!("{}\n", json(&planned, &nodes, &placed)))?;
        return Ok(ExitCode::Done);
    }
    let mut text: String = planned.iter().map(Planned::text).collect();
    for (node, streams) in nodes.iter().zip(&placed) {
        text += &format!("node {node}: {streams} streams\n");
    }
    let wanted = recipe.run.streams;
    if streams < wanted as usize {
        text += &format!(
            "note: {total} splits keep {streams} of {wanted} streams busy; a smaller run.split_bytes makes more\n"
        );
    }
    print(&text)?;
    Ok(ExitCode::Done)
}

/// A source with its splits.
struct Planned<'a> {
    source: &'a str,
    job: &'a Job,
    splits: Vec<Shown>,
}

/// A split, in words and as JSON.
struct Shown {
    words: String,
    json: serde_json::Value,
}

impl Planned<'_> {
    fn text(&self) -> String {
        let Planned { source, job, splits } = self;
        let count = match splits.len() {
            0 => "one split, read from its beginning".into(),
            1 => "1 split".into(),
            more => format!("{} splits", grouped(more as u64)),
        };
        // A file may be called anything.
        let source = shown(source, MAX_SOURCE_BYTES);
        let mut text = format!("{source} -> {}: {count}\n", job.target_and_mode());
        for split in splits.iter().take(SHOWN) {
            text += &format!("  {}\n", split.words);
        }
        if splits.len() > SHOWN {
            text += &format!("  … and {} more\n", grouped((splits.len() - SHOWN) as u64));
        }
        text
    }
}

/// The splits that a run would make, in its order; none for a file that can only be read from its beginning.
async fn splits(recipe: &Recipe, unit: &JobUnit) -> Result<Vec<Shown>, Failure> {
    let wanted = recipe.run.split_bytes.map(|size| size.0);
    match (&unit.unit, &unit.cutting) {
        (_, Cutting::Records { file, dialect }) => {
            let size = file.fingerprint().size;
            let split_bytes = wanted.unwrap_or_else(|| split_bytes(size, recipe.run.streams as usize));
            let cut = Cut { dialect: *dialect, split_bytes, from: unit.body.clone() };
            let mut splits = Vec::new();
            let found = |found: Found| -> Result<bool, io::Error> {
                splits.extend(found.splits.iter().map(of_file));
                Ok(true)
            };
            let scan = |error| crate::feed::Error::Scan { file: file.key.clone(), error };
            let opened =
                Opened::open(file).map_err(|error| load::Error::from(crate::feed::Error::Source(error)))?;
            tile(&opened.file(), cut, &AtomicBool::new(false), found)
                .map_err(|error| load::Error::from(scan(error)))?;
            Ok(splits)
        }
        (_, Cutting::Ring(table)) => {
            let ring = table.ring().await;
            let split_bytes = wanted.unwrap_or(TABLE_SPLIT_BYTES);
            let splits = tile_known(table, &ring, split_bytes, recipe.run.streams as usize);
            let order = largest_first(&splits);
            Ok(order.into_iter().filter_map(|at| splits.get(at)).map(|split| of_ring(split, &ring)).collect())
        }
        _ => Ok(Vec::new()),
    }
}

fn of_file(split: &Split) -> Shown {
    let (start, end) = (&split.start, &split.end);
    let bytes = size(end.byte() - start.byte());
    Shown {
        words: format!("from byte {}, line {}: {bytes}", grouped(start.byte()), grouped(start.line())),
        json: json!({"byte": start.byte(), "line": start.line(), "end": end.byte()}),
    }
}

fn of_ring(split: &TokenSplit, ring: &Ring) -> Shown {
    let owners = split.owners.and_then(|set| ring.owners.get(set.0 as usize));
    let bytes = split.bytes.map_or("size unknown".into(), |bytes| format!("about {}", size(bytes)));
    let nodes = owners.map_or("several owners".into(), |owners| format!("owned by {}", owners.join(", ")));
    Shown {
        words: format!("behind token {} up to {}: {bytes}, {nodes}", split.start, split.end),
        json: json!({"token": split.start, "end": split.end, "bytes": split.bytes, "owners": owners}),
    }
}

fn placed(streams: usize, nodes: usize) -> Vec<usize> {
    let mut placement = Placement::new(nodes);
    (0..streams).for_each(|_| {
        placement.choose();
    });
    placement.streams().collect()
}

fn json(planned: &[Planned<'_>], nodes: &[String], placed: &[usize]) -> serde_json::Value {
    let sources: Vec<_> = planned
        .iter()
        .map(|Planned { source, job, splits }| {
            let splits: Vec<_> = splits.iter().map(|split| &split.json).collect();
            json!({"file": source, "into": job.into, "write": job.write.name(), "splits": splits})
        })
        .collect();
    let nodes: Vec<_> = nodes
        .iter()
        .zip(placed)
        .map(|(address, streams)| json!({"address": address, "streams": streams}))
        .collect();
    json!({"files": sources, "nodes": nodes})
}
