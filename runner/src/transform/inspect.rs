//! What a module needs and makes, for people: `etl inspect`.

use std::path::Path;

use serde::Serialize;

use super::engine::Engine;
use super::error::Error;
use super::module::{self, Module};
use super::onramp;
use super::scan::scan;
use crate::untrusted;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A component, as component toolchains make it.
    Component,
    /// A plain core module; the runner makes a component of it.
    CoreModule,
    /// A core module for WASI preview 1, which gets an adapter.
    Wasi,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Component => "a component",
            Kind::CoreModule => "a plain core module",
            Kind::Wasi => "a core module for WASI preview 1",
        })
    }
}

/// What is known of a module without running it. All names come from the module, bounded and escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// What kind of file it is.
    pub kind: Kind,
    /// Why it cannot be used with this runner, if so.
    pub problem: Option<String>,
    /// The contract it was built for, e.g. `0.1`; none where only a toolchain's metadata knows.
    pub contract: Option<String>,
    /// What it wants from outside, e.g. `log from etl:transform/host@0.1.0 (i32 i32 i32) -> ()`.
    pub imports: Vec<String>,
    /// Functions and other things it exports, with the type of a core module's functions.
    pub exports: Vec<String>,
    /// Size of the file.
    pub bytes: u64,
    /// Of the file, in hex.
    pub sha256: String,
    /// A core module's memory at its start, in bytes.
    pub memory_bytes: Option<u64>,
    /// The size that its memory declares as its largest, in bytes.
    pub memory_max_bytes: Option<u64>,
    /// What built it: field, tool, version.
    pub producers: Vec<(String, String, String)>,
}

/// Looks into the module at `path`. A file that is not WebAssembly is an error; one that breaks the contract is
/// described, with its problem.
pub fn inspect(engine: &Engine, path: &Path) -> Result<Inspection, Error> {
    let file = module::read(path)?;
    let scan = scan(&file.bytes).map_err(|problem| Error::Module { path: path.to_owned(), problem })?;
    let problem = match Module::compile(engine, path, &file, &scan) {
        Ok(_) => None,
        Err(Error::Module { problem, .. }) => Some(problem),
        Err(other) => return Err(other),
    };
    let kind = match () {
        () if scan.component => Kind::Component,
        () if onramp::is_wasi(&scan) => Kind::Wasi,
        () => Kind::CoreModule,
    };
    let usable = problem.is_none().then_some(onramp::CONTRACT);
    let import = |i: &super::scan::Import| {
        let (from, name) = (untrusted::name(&i.from), untrusted::name(&i.name));
        if name.is_empty() { from } else { format!("{name} from {from} {}", untrusted::name(&i.ty)) }
    };
    let function = |(name, ty): (&String, &String)| {
        format!("{} {}", untrusted::name(name), untrusted::name(ty)).trim_end().to_owned()
    };
    let others = scan.others.iter().map(|name| untrusted::name(name));
    Ok(Inspection {
        kind,
        problem,
        contract: scan.version.or(usable).map(|v| v.to_string()),
        imports: scan.imports.iter().map(import).collect(),
        exports: scan.functions.iter().map(function).chain(others).collect(),
        bytes: file.bytes.len() as u64,
        sha256: file.sha256(),
        memory_bytes: scan.memory.map(|m| m.0),
        memory_max_bytes: scan.memory.and_then(|m| m.1),
        producers: scan.producers,
    })
}
