//! Steps → a chain: which source columns anybody needs, what each module reads and makes, what the target gets.
//! Must not know: batches; `instance` runs them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::contract::{self, Plan, Setting};
use super::engine::Engine;
use super::error::{Call, Error, Why};
use super::guest::Guest;
use super::instance::Instance;
use super::module::Module;
use super::plan::{self, Makes};
use super::{Constant, Step};
use crate::schema::{Field, Scalar, Type};

/// Reasons of rejects that are told apart; what comes behind is `other`. They are for grouping, not for data.
const MAX_REASONS: usize = 100;
const OTHER: &str = "other";

/// A checked chain, from which each stream opens its own instance. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Chain {
    pub(super) inner: Arc<Inner>,
}

/// What the instances of a chain share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) engine: Engine,
    /// Columns there are at some point, the source's first.
    pub(super) slots: Vec<Slot>,
    pub(super) modules: Vec<ModuleStep>,
    /// Slots of the source that are read, ascending: the columns of a batch.
    pub(super) reads: Vec<usize>,
    /// Slots that reach the output.
    pub(super) output: Vec<usize>,
    fields: Vec<Field>,
    source_columns: usize,
    identity: Vec<Identity>,
    reasons: Mutex<HashSet<String>>,
}

/// A column that exists at some point of the chain, under whatever name.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) ty: Type,
    /// Its value, if it is constant.
    pub(super) constant: Option<Constant>,
    /// The slot whose name a module gave to this one.
    replaces: Option<usize>,
}

/// Where a column of the output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is this column of the source, under whatever name.
    Kept(usize),
    /// A module made it, under the name that this column of the source had there.
    Remade(usize),
}

/// A module in the chain.
#[derive(Debug)]
pub(super) struct ModuleStep {
    pub(super) module: Arc<Module>,
    input: Vec<contract::Field>,
    options: Vec<Setting>,
    plan: Plan,
    /// Slots that it sees.
    pub(super) reads: Vec<usize>,
    /// Slots that it makes.
    pub(super) slots: Vec<usize>,
    /// What it makes there.
    pub(super) makes: Vec<Field>,
}

impl ModuleStep {
    /// A fresh instance, planned. It must plan the same as the first one.
    pub(super) fn open(&self, engine: &Engine, log_lines: u32) -> Result<Guest, Error> {
        let mut guest = Guest::start(engine, &self.module, log_lines)?;
        if guest.plan(&self.input, &self.options)? != self.plan {
            return Err(guest.blame(Call::Plan, Why::Unsteady));
        }
        Ok(guest)
    }
}

/// What of a module shapes rows, besides what the recipe says: for the comparison of two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Where it is in the recipe, e.g. `transforms[1].module`: the same bytes under another name make the same rows.
    pub step: String,
    /// Its hash.
    pub content: String,
}

impl Chain {
    /// Loads and compiles the modules, asks each for its plan, and checks step after step against the columns that
    /// reach it.
    pub fn plan(engine: &Engine, steps: &[Step], input: &[Field]) -> Result<Chain, Error> {
        let mut builder = Builder::new(engine, input)?;
        for (index, step) in steps.iter().enumerate() {
            builder.step(index + 1, step)?;
        }
        Ok(Chain { inner: Arc::new(builder.finish(input.len())) })
    }

    /// Source columns that anybody needs: a module reads it, or it reaches the output. Ascending.
    pub fn reads(&self) -> &[usize] {
        &self.inner.reads
    }

    /// The columns that the target gets.
    pub fn output(&self) -> &[Field] {
        &self.inner.fields
    }

    /// Where column `place` of the output comes from; `None` where no column of the source is behind it.
    pub fn origin(&self, place: usize) -> Option<Origin> {
        let mut slot = *self.inner.output.get(place)?;
        let mut remade = false;
        while slot >= self.inner.source_columns {
            slot = self.inner.slots.get(slot)?.replaces?;
            remade = true;
        }
        Some(if remade { Origin::Remade(slot) } else { Origin::Kept(slot) })
    }

    /// The bytes of each module. Steps and options are the recipe's, which says them itself.
    pub fn identity(&self) -> &[Identity] {
        &self.inner.identity
    }

    /// Fresh instances of all modules, for one stream.
    pub fn open(&self) -> Result<Instance, Error> {
        Instance::open(Arc::clone(&self.inner))
    }
}

impl Inner {
    /// Counts reasons that are told apart in the whole run, so that a module cannot flood the report.
    pub(super) fn group(&self, rejects: &mut [(u32, String)]) {
        if rejects.is_empty() {
            return;
        }
        let mut known = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        // The last reason that was found: rejects of a batch mostly share one.
        let mut last = String::new();
        for (_, reason) in rejects {
            if *reason == last {
                continue;
            }
            if known.contains(reason) {
                last.clone_from(reason);
            } else if known.len() < MAX_REASONS {
                known.insert(reason.clone());
            } else {
                OTHER.clone_into(reason);
            }
        }
    }
}

/// The columns as they are after the steps so far.
struct Builder<'a> {
    engine: &'a Engine,
    columns: Vec<(Field, usize)>,
    slots: Vec<Slot>,
    modules: Vec<ModuleStep>,
    identity: Vec<Identity>,
}

impl Builder<'_> {
    fn new<'a>(engine: &'a Engine, input: &[Field]) -> Result<Builder<'a>, Error> {
        let mut names = HashSet::new();
        if let Some(twice) = input.iter().find(|f| !names.insert(f.name.as_str())) {
            return Err(Error::Bug(format!("the source has two columns `{}`", twice.name)));
        }
        let slots = input.iter().map(|f| Slot { ty: f.ty, constant: None, replaces: None }).collect();
        let columns = input.iter().cloned().enumerate().map(|(slot, field)| (field, slot)).collect();
        Ok(Builder { engine, columns, slots, modules: Vec::new(), identity: Vec::new() })
    }

    fn step(&mut self, number: usize, step: &Step) -> Result<(), Error> {
        let (name, done) = match step {
            Step::Module { module, options } => return self.module(number, module, options),
            Step::Rename(names) => ("rename", self.rename(names)),
            Step::Drop(names) => ("drop", self.drop(names)),
            Step::Constant(values) => ("constant", self.constant(values)),
        };
        done.map_err(|problem| Error::Step { number, step: name.into(), problem })
    }

    fn find(&self, name: &str) -> Result<usize, String> {
        let place = self.columns.iter().position(|(field, _)| field.name == name);
        place.ok_or_else(|| {
            let names: Vec<&str> = self.columns.iter().map(|(field, _)| field.name.as_str()).collect();
            format!("there is no column `{name}` here; the columns are {}", names.join(", "))
        })
    }

    fn unique(&self) -> Result<(), String> {
        let mut names = HashSet::new();
        let twice = self.columns.iter().find(|(field, _)| !names.insert(&field.name));
        twice.map_or(Ok(()), |(field, _)| Err(format!("two columns would have the name `{}`", field.name)))
    }

    fn rename(&mut self, names: &[(String, String)]) -> Result<(), String> {
        let mut places = HashMap::new();
        for (old, new) in names {
            plan::fit_for_a_name(new)?;
            if places.insert(self.find(old)?, new).is_some() {
                return Err(format!("column `{old}` is renamed twice"));
            }
        }
        for (place, new) in places {
            self.columns[place].0.name.clone_from(new);
        }
        self.unique()
    }

    fn drop(&mut self, names: &[String]) -> Result<(), String> {
        for name in names {
            let place = self.find(name)?;
            self.columns.remove(place);
        }
        if self.columns.is_empty() { Err("no column would be left".into()) } else { Ok(()) }
    }

    fn constant(&mut self, values: &[(String, Constant)]) -> Result<(), String> {
        for (name, value) in values {
            plan::fit_for_a_name(name)?;
            let ty = Type::of(value.scalar());
            let field = Field { name: name.clone(), ty, nullable: false };
            self.columns.push((field, self.slots.len()));
            self.slots.push(Slot { ty, constant: Some(value.clone()), replaces: None });
        }
        self.unique()
    }

    fn module(&mut self, number: usize, path: &Path, options: &[(String, String)]) -> Result<(), Error> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let module = Module::load(self.engine, path)?;
        let fields: Vec<Field> = self.columns.iter().map(|(field, _)| field.clone()).collect();
        let input: Vec<contract::Field> = fields.iter().map(Into::into).collect();
        // In one order, whatever the recipe's is: a module is a function of its options, not of their order.
        let mut options = options.to_vec();
        options.sort();
        let content = format!("sha256 {}", module.sha256);
        let setting = |(name, value): (String, String)| Setting { name, value };
        let options: Vec<Setting> = options.into_iter().map(setting).collect();
        let mut guest = Guest::start(self.engine, &module, self.engine.settings().log_lines)?;
        let plan = guest.plan(&input, &options)?;
        let checked =
            plan::check(&plan, &fields).map_err(|problem| guest.blame(Call::Plan, Why::Lie(problem)))?;
        let reads = checked.reads.iter().map(|place| self.columns[*place].1).collect();
        let (mut columns, mut slots, mut makes) = (Vec::new(), Vec::new(), Vec::new());
        for out in checked.output {
            match out {
                Makes::Keep(place) => columns.push(self.columns[place].clone()),
                Makes::New(field) => {
                    slots.push(self.slots.len());
                    columns.push((field.clone(), self.slots.len()));
                    let same_name = self.columns.iter().find(|(old, _)| old.name == field.name);
                    let replaces = same_name.map(|(_, slot)| *slot);
                    self.slots.push(Slot { ty: field.ty, constant: None, replaces });
                    makes.push(field);
                }
            }
        }
        self.columns = columns;
        self.modules.push(ModuleStep { module, input, options, plan, reads, slots, makes });
        self.identity.push(Identity { step: format!("transforms[{}].module", number - 1), content });
        tracing::debug!(number, module = name, memory_bytes = guest.memory_used(), "planned");
        Ok(())
    }

    fn finish(self, source_columns: usize) -> Inner {
        let (fields, output): (Vec<Field>, Vec<usize>) = self.columns.into_iter().unzip();
        let needed = self.modules.iter().flat_map(|m| &m.reads).chain(&output).copied();
        let reads: BTreeSet<usize> = needed.filter(|slot| *slot < source_columns).collect();
        Inner {
            engine: self.engine.clone(),
            slots: self.slots,
            modules: self.modules,
            reads: reads.into_iter().collect(),
            output,
            fields,
            source_columns,
            identity: self.identity,
            reasons: Mutex::default(),
        }
    }
}

impl Constant {
    fn scalar(&self) -> Scalar {
        match self {
            Constant::Boolean(_) => Scalar::Boolean,
            Constant::Int64(_) => Scalar::Int64,
            Constant::Float64(_) => Scalar::Float64,
            Constant::Text(_) => Scalar::Text,
            Constant::Date(_) => Scalar::Date,
            Constant::Time(_) => Scalar::Time,
            Constant::Timestamp(_) => Scalar::Timestamp,
        }
    }
}
