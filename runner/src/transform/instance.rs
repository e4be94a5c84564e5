//! The chain of one stream: a batch goes through all steps and comes out with what became of each of its rows.
//!
//! Columns stay where they are until somebody needs them: each is remembered with the point of the chain where it was
//! made, and gathered once, by all origins since then together. Native steps cost nothing here.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt32Array, new_empty_array,
};

use super::Constant;
use super::chain::{Inner, ModuleStep};
use super::check::{self, Answer};
use super::error::{Call, Error, Stopped, Why};
use super::gather::{Map, gather, gathered_bytes};
use super::guest::Guest;
use super::lower;

/// One stream's instances of all modules of a chain. After an error it is of no more use until it is opened again.
pub struct Instance {
    pub(super) chain: Arc<Inner>,
    guests: Vec<Guest>,
    /// Columns of constants made so far, by slot: cut to a batch's rows without a copy.
    constants: Vec<Option<ArrayRef>>,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// What became of a batch. Every input row is in `columns`, in `rejects`, or counted in `filtered`; never in two.
#[derive(Debug)]
pub struct Outcome {
    /// Rows in `columns`.
    pub rows: usize,
    /// In the order of [`super::Chain::output`].
    pub columns: Vec<ArrayRef>,
    /// The input row of each output row; `None`: the same rows in the same order.
    pub origin: Option<Vec<u32>>,
    /// Input rows that a module rejected, with its reason; ascending, each once.
    pub rejects: Vec<(u32, String)>,
    /// How many input rows were left out on purpose.
    pub filtered: u32,
}

impl Instance {
    pub(super) fn open(chain: Arc<Inner>) -> Result<Instance, Error> {
        let log_lines = chain.engine.settings().log_lines;
        let open = |step: &ModuleStep| step.open(&chain.engine, log_lines);
        let guests: Result<Vec<_>, _> = chain.modules.iter().map(open).collect();
        let constants = vec![None; chain.slots.len()];
        Ok(Instance { guests: guests?, constants, chain })
    }

    /// Drops the instances, and makes new ones. They may log what those had left: a module that fails again and again
    /// shall not flood the log.
    pub fn reopen(&mut self) -> Result<(), Error> {
        let left: Vec<u32> = self.guests.drain(..).map(|guest| guest.log_lines()).collect();
        let steps = self.chain.modules.iter().zip(left);
        let guests: Result<Vec<_>, _> =
            steps.map(|(step, left)| step.open(&self.chain.engine, left)).collect();
        self.guests = guests?;
        Ok(())
    }

    /// Linear memory of all modules, in bytes.
    pub fn memory_used(&self) -> usize {
        self.guests.iter().map(Guest::memory_used).sum()
    }

    /// Sends `rows` rows through; `columns` in the order of [`super::Chain::reads`].
    pub fn apply(&mut self, rows: usize, columns: &[ArrayRef]) -> Result<Outcome, Error> {
        let chain = Arc::clone(&self.chain);
        let wrong = columns.len() != chain.reads.len() || columns.iter().any(|c| c.len() != rows);
        let Some(batch_rows) = u32::try_from(rows).ok().filter(|_| !wrong) else {
            let (found, wanted) = (columns.len(), chain.reads.len());
            return Err(Error::Bug(format!(
                "{found} columns for a chain of {wanted}, or not {rows} rows each"
            )));
        };
        let mut flow = Flow::new(&chain, batch_rows, columns, &mut self.constants);
        for (step, guest) in chain.modules.iter().zip(&mut self.guests) {
            flow.module(step, guest).map_err(|error| flow.locate(error))?;
        }
        flow.finish()
    }
}

/// A batch on its way.
struct Flow<'a> {
    chain: &'a Inner,
    constants: &'a mut [Option<ArrayRef>],
    batch_rows: u32,
    /// Rows there are now.
    rows: u32,
    /// Columns that exist now, by slot, each with the point where its rows were what they are in it.
    columns: Vec<Option<(ArrayRef, usize)>>,
    /// From the rows of now to those of each point. Point 0 is the batch.
    maps: Vec<Map>,
    /// The last module that made several rows of one.
    repeater: Option<&'a ModuleStep>,
    /// Bytes of repeated columns so far.
    repeated_bytes: u64,
    rejects: Vec<(u32, String)>,
}

impl<'a> Flow<'a> {
    fn new(
        chain: &'a Inner,
        batch_rows: u32,
        batch: &[ArrayRef],
        constants: &'a mut [Option<ArrayRef>],
    ) -> Flow<'a> {
        let mut columns = vec![None; chain.slots.len()];
        for (slot, array) in chain.reads.iter().zip(batch) {
            columns[*slot] = Some((Arc::clone(array), 0));
        }
        let (rows, maps) = (batch_rows, vec![Map::Same]);
        let rejects = Vec::new();
        Flow { chain, constants, batch_rows, rows, columns, maps, repeater: None, repeated_bytes: 0, rejects }
    }

    fn module(&mut self, step: &'a ModuleStep, guest: &mut Guest) -> Result<(), Error> {
        if self.rows == 0 {
            for (slot, field) in step.slots.iter().zip(&step.makes) {
                self.columns[*slot] = Some((new_empty_array(&field.ty.arrow()), self.maps.len() - 1));
            }
            return Ok(());
        }
        let answer = self.ask(step, guest)?;
        self.follow(answer.origin.as_ref());
        self.rows = u32::try_from(answer.rows).unwrap_or(u32::MAX);
        if answer.repeats {
            self.repeater = Some(step);
            self.bound_rows(step)?;
        }
        for (slot, array) in step.slots.iter().zip(answer.columns) {
            self.columns[*slot] = Some((array, self.maps.len() - 1));
        }
        Ok(())
    }

    /// Calls the module, checks its answer, and takes its rejects.
    fn ask(&mut self, step: &ModuleStep, guest: &mut Guest) -> Result<Answer, Error> {
        let mut inputs = Vec::with_capacity(step.reads.len());
        for slot in &step.reads {
            inputs.push(self.column(*slot)?);
        }
        let mut lowered = Vec::with_capacity(inputs.len() * 2);
        for (slot, array) in step.reads.iter().zip(&inputs) {
            let ty = self.chain.slots[*slot].ty;
            lower::lower(ty, array, &mut lowered)
                .ok_or_else(|| Error::Bug(format!("a column of {ty} came as {}", array.data_type())))?;
        }
        let columns: Vec<_> = lowered.iter().map(lower::Lowered::column).collect();
        let output = guest.transform(self.rows, &columns)?;
        let limit = self.chain.engine.settings().output;
        let mut answer = check::check(output, &step.makes, self.rows, limit)
            .map_err(|why| guest.blame(Call::Transform, why))?;
        self.chain.group(&mut answer.rejects);
        let rejects = std::mem::take(&mut answer.rejects);
        self.reject(rejects, &mut answer)?;
        Ok(answer)
    }

    /// Notes rejects by their row of the batch. If that row became several, all of them go.
    fn reject(&mut self, rejects: Vec<(u32, String)>, answer: &mut Answer) -> Result<(), Error> {
        let first = &self.maps[0];
        self.rejects.extend(rejects.into_iter().map(|(row, reason)| (first.at(row), reason)));
        // Of several reasons for one row the first counts.
        self.rejects.sort_by_key(|(row, _)| *row);
        self.rejects.dedup_by_key(|(row, _)| *row);
        if self.repeater.is_none() || self.rejects.is_empty() {
            return Ok(());
        }
        let mut rejected = vec![false; self.batch_rows as usize];
        self.rejects.iter().for_each(|(row, _)| rejected[*row as usize] = true);
        let before = |row: u32| answer.origin.as_ref().map_or(row, |o| o.values()[row as usize]);
        let rows = u32::try_from(answer.rows).unwrap_or(u32::MAX);
        let left: UInt32Array = (0..rows).filter(|row| !rejected[first.at(before(*row)) as usize]).collect();
        if left.len() == answer.rows {
            return Ok(());
        }
        answer.rows = left.len();
        answer.origin = Some(left.values().iter().map(|row| before(*row)).collect());
        let left = Map::of(left);
        for column in &mut answer.columns {
            *column = gather(column, &left).map_err(Error::Bug)?;
        }
        Ok(())
    }

    /// The rows of now become those of `origin`: a new point.
    fn follow(&mut self, origin: Option<&UInt32Array>) {
        let Some(origin) = origin else { return };
        for map in &mut self.maps {
            *map = map.then(origin);
        }
        self.maps.push(Map::Same);
    }

    /// A column with the rows of now.
    fn column(&mut self, slot: usize) -> Result<ArrayRef, Error> {
        if let Some(value) = &self.chain.slots[slot].constant {
            return self.constant(slot, value);
        }
        let missing = || Error::Bug(format!("column {slot} is used before it is there"));
        let (array, point) = self.columns[slot].clone().ok_or_else(missing)?;
        let map = self.maps[point].clone();
        if matches!(map, Map::Same) {
            return Ok(array);
        }
        if let (Map::Rows(rows), Some(step)) = (&map, self.repeater) {
            let bytes = gathered_bytes(&array, rows.rows.values());
            self.bound_bytes(step, bytes)?;
        }
        let gathered = gather(&array, &map).map_err(Error::Bug)?;
        let now = self.maps.len() - 1;
        self.columns[slot] = Some((Arc::clone(&gathered), now));
        Ok(gathered)
    }

    fn constant(&mut self, slot: usize, value: &Constant) -> Result<ArrayRef, Error> {
        let rows = self.rows as usize;
        // Counted also where it is there from a batch before: else it would depend on that one what this may become.
        if let Some(step) = self.repeater {
            self.bound_bytes(step, width(value) * rows as u64)?;
        }
        if let Some(array) = self.constants[slot].as_ref().filter(|array| array.len() >= rows) {
            return Ok(array.slice(0, rows));
        }
        let array = repeat(value, rows);
        self.constants[slot] = Some(Arc::clone(&array));
        Ok(array)
    }

    /// Counted for each row of the batch, all modules so far together: what becomes of a row does not depend on the
    /// rows beside it.
    fn bound_rows(&self, step: &ModuleStep) -> Result<(), Error> {
        let limit = self.chain.engine.settings().rows_factor;
        let mut copies = vec![0_u32; self.batch_rows as usize];
        (0..self.rows).for_each(|row| copies[self.maps[0].at(row) as usize] += 1);
        match copies.into_iter().max() {
            Some(most) if most > limit => Err(self
                .over(step, format!("a row became {most} rows; at most {limit} are allowed (rows_factor)"))),
            _ => Ok(()),
        }
    }

    /// Repeated rows can become any number of bytes.
    fn bound_bytes(&mut self, step: &ModuleStep, bytes: u64) -> Result<(), Error> {
        let limit = self.chain.engine.settings().output;
        self.repeated_bytes = self.repeated_bytes.saturating_add(bytes);
        if self.repeated_bytes <= limit.0 {
            return Ok(());
        }
        let (rows, bytes) = (self.rows, self.repeated_bytes);
        Err(self.over(
            step,
            format!("the columns that it keeps would have {bytes} bytes in {rows} rows, more than {limit} (output)"),
        ))
    }

    /// The batch became too much with this module.
    fn over(&self, step: &ModuleStep, what: String) -> Error {
        let (module, rows) = (step.module.path.clone(), Some(0..self.batch_rows));
        let why = Why::Output(what);
        Error::Stopped(Box::new(Stopped { module, call: Call::Transform, why, rows, frames: Vec::new() }))
    }

    /// Adds which rows of the batch were in the module.
    fn locate(&self, error: Error) -> Error {
        let Error::Stopped(mut stopped) = error else { return error };
        let rows = (0..self.rows).map(|row| self.maps[0].at(row));
        let (first, last) = rows.fold((u32::MAX, 0), |(low, high), row| (low.min(row), high.max(row)));
        stopped.rows = Some(first.min(last)..last + 1);
        Error::Stopped(stopped)
    }

    fn finish(mut self) -> Result<Outcome, Error> {
        let output = &self.chain.output;
        let mut columns = Vec::with_capacity(output.len());
        for slot in output {
            columns.push(self.column(*slot)?);
        }
        let (origin, filtered) = match &self.maps[0] {
            Map::Same => (None, 0),
            Map::Rows(map) => {
                let rows = &map.rows;
                let mut emitted = vec![false; self.batch_rows as usize];
                rows.values().iter().for_each(|row| emitted[*row as usize] = true);
                let emitted = emitted.iter().filter(|emitted| **emitted).count();
                let filtered = self.batch_rows as usize - emitted - self.rejects.len();
                (Some(rows.values().to_vec()), u32::try_from(filtered).unwrap_or(u32::MAX))
            }
        };
        Ok(Outcome { rows: self.rows as usize, columns, origin, rejects: self.rejects, filtered })
    }
}

/// Bytes of a constant in each row.
fn width(value: &Constant) -> u64 {
    match value {
        Constant::Text(text) => text.len() as u64 + 4,
        Constant::Boolean(_) => 1,
        Constant::Date(_) => 4,
        Constant::Int64(_) | Constant::Float64(_) | Constant::Time(_) | Constant::Timestamp(_) => 8,
    }
}

/// A column of one value. A batch usually has at most 1,024 rows, so one array serves them all.
fn repeat(value: &Constant, rows: usize) -> ArrayRef {
    match value {
        Constant::Boolean(value) => Arc::new(BooleanArray::from(vec![*value; rows])),
        Constant::Int64(value) => Arc::new(Int64Array::from_value(*value, rows)),
        Constant::Float64(value) => Arc::new(Float64Array::from_value(*value, rows)),
        Constant::Text(value) => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, rows))),
        Constant::Date(value) => Arc::new(Date32Array::from_value(*value, rows)),
        Constant::Time(value) => Arc::new(Time64MicrosecondArray::from_value(*value, rows)),
        Constant::Timestamp(value) => Arc::new(TimestampMicrosecondArray::from_value(*value, rows)),
    }
}
