//! A module, loaded: read, made a component, compiled (or found in the cache), linked, its functions checked.
//! Must not know: batches, columns.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use super::contract::{PlanIn, PlanOut, TransformIn, TransformOut};
use super::engine::Engine;
use super::error::Error;
use super::host::State;
use super::scan::{Scan, scan};
use super::{onramp, signature};
use crate::untrusted;

/// The largest module: an interpreter with its library has 20 MB.
const MAX_MODULE_BYTES: u64 = 128 << 20;

/// A compiled module, from which instances are made.
pub(super) struct Module {
    pub(super) path: PathBuf,
    /// Of the file, in hex.
    pub(super) sha256: String,
    pub(super) ready: InstancePre<State>,
    pub(super) plan: ComponentExportIndex,
    pub(super) transform: ComponentExportIndex,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("path", &self.path)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

/// A module's file, read but not believed.
pub(super) struct Bytes {
    pub(super) bytes: Vec<u8>,
    pub(super) hash: [u8; 32],
}

impl Bytes {
    pub(super) fn sha256(&self) -> String {
        self.hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Module {
    pub(super) fn load(engine: &Engine, path: &Path) -> Result<Arc<Module>, Error> {
        let file = read(path)?;
        engine.module(file.hash, || {
            let problem = |problem| Error::Module { path: path.to_owned(), problem };
            let scanned = scan(&file.bytes).map_err(problem)?;
            Module::compile(engine, path, &file, &scanned)
        })
    }

    pub(super) fn compile(
        engine: &Engine,
        path: &Path,
        file: &Bytes,
        scanned: &Scan,
    ) -> Result<Module, Error> {
        let problem = |problem| Error::Module { path: path.to_owned(), problem };
        let component = onramp::to_component(&file.bytes, scanned).map_err(problem)?;
        let compiled = Component::from_binary(engine.wasm(), &component)
            .map_err(|e| problem(format!("it is not valid: {}", chain(&e))))?;
        let plan = export::<PlanIn<'static>, PlanOut>(engine, &compiled, "plan", signature::PLAN);
        let transform = export::<TransformIn<'static>, TransformOut>(
            engine,
            &compiled,
            "transform",
            signature::TRANSFORM,
        );
        let (plan, transform) = (plan.map_err(problem)?, transform.map_err(problem)?);
        let ready = engine.linker().instantiate_pre(&compiled);
        let ready = ready.map_err(|e| problem(format!("its imports do not fit: {}", chain(&e))))?;
        Ok(Module { path: path.to_owned(), sha256: file.sha256(), ready, plan, transform })
    }
}

/// wasmtime's words about a module: bounded, because they may hold names from it.
pub(super) fn chain(error: &wasmtime::Error) -> String {
    untrusted::shown(&format!("{error:#}"), untrusted::MAX_MESSAGE_BYTES)
}

/// Where a function is, if it is there and has the contract's type.
fn export<Params, Return>(
    engine: &Engine,
    component: &Component,
    name: &str,
    wanted: &str,
) -> Result<ComponentExportIndex, String>
where
    Params: wasmtime::component::ComponentNamedList + wasmtime::component::Lower,
    Return: wasmtime::component::ComponentNamedList + wasmtime::component::Lift,
{
    let ty = component.component_type();
    let Some(export) = ty.get_export(engine.wasm(), name) else {
        let exports: Vec<&str> = ty.exports(engine.wasm()).map(|(name, _)| name).collect();
        return Err(format!("it exports no function `{name}`; it exports {}", untrusted::names(exports)));
    };
    let ComponentItem::ComponentFunc(func) = export.ty else {
        return Err(format!("its export `{name}` is no function; the contract wants {wanted}"));
    };
    if func.async_() || func.typecheck::<Params, Return>(&ty.instance_type()).is_err() {
        let found = untrusted::shown(&signature::of(&func), untrusted::MAX_MESSAGE_BYTES);
        return Err(format!("its export `{name}` is {found}; the contract wants {wanted}"));
    }
    component.get_export_index(None, name).ok_or_else(|| format!("its export `{name}` cannot be found"))
}

/// Reads a module's file, at most [`MAX_MODULE_BYTES`].
pub(super) fn read(path: &Path) -> Result<Bytes, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let problem = |problem| Error::Module { path: path.to_owned(), problem };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(problem("it is a folder; name the .wasm file in it".into()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_MODULE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_MODULE_BYTES {
        return Err(problem(format!("it is too large: more than {} MiB", MAX_MODULE_BYTES >> 20)));
    }
    let hash = Sha256::digest(&bytes).into();
    Ok(Bytes { bytes, hash })
}
