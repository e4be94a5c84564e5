//! One live instance of a module, and what it means when a call into it ends badly.
//! Must not know: what columns mean; that is in `lower` and `check`.

use std::sync::Arc;

use wasmtime::component::TypedFunc;
use wasmtime::{FrameInfo, Store, Trap, WasmBacktrace};

use super::contract::{
    Batch, ColumnIn, Field, Output, Plan, PlanIn, PlanOut, Setting, TransformIn, TransformOut,
};
use super::engine::Engine;
use super::error::{Call, Error, Stopped, Why};
use super::host::{Refused, State};
use super::module::Module;
use crate::units::ByteSize;
use crate::untrusted;

/// Compilers write longer names for nobody who reads them.
const MAX_MANGLED_BYTES: usize = 1000;

/// An instance. After a call that failed it answers nothing any more: drop it.
pub(super) struct Guest {
    engine: Engine,
    module: Arc<Module>,
    store: Store<State>,
    plan: TypedFunc<PlanIn<'static>, PlanOut>,
    transform: TypedFunc<TransformIn<'static>, TransformOut>,
}

impl Guest {
    /// Makes an instance, running its start-up code. It may log so many lines.
    pub(super) fn start(engine: &Engine, module: &Arc<Module>, log_lines: u32) -> Result<Guest, Error> {
        let mut store = engine.store(&module.path, log_lines);
        let instance = module.ready.instantiate(&mut store);
        let functions = instance.and_then(|instance| {
            let plan = instance.get_typed_func(&mut store, module.plan)?;
            let transform = instance.get_typed_func(&mut store, module.transform)?;
            Ok((plan, transform))
        });
        match functions {
            Ok((plan, transform)) => {
                let (engine, module) = (engine.clone(), Arc::clone(module));
                Ok(Guest { engine, module, store, plan, transform })
            }
            Err(error) => Err(stopped(engine, module, &mut store, Call::Start, &error)),
        }
    }

    /// Asks what the module makes of these columns.
    pub(super) fn plan(&mut self, input: &[Field], options: &[Setting]) -> Result<Plan, Error> {
        self.ready();
        let plan = self.plan;
        match plan.call(&mut self.store, (input, options)) {
            Ok((Ok(plan),)) => Ok(plan),
            Ok((Err(message),)) => Err(self.answered(Call::Plan, &message)),
            Err(error) => Err(self.stopped(Call::Plan, &error)),
        }
    }

    /// Sends a batch through.
    pub(super) fn transform(&mut self, rows: u32, columns: &[ColumnIn<'_>]) -> Result<Output, Error> {
        self.ready();
        // The function's type has no lifetime of its own: a shorter one will do.
        let transform: TypedFunc<TransformIn<'_>, TransformOut> = self.transform;
        match transform.call(&mut self.store, (Batch { rows, columns },)) {
            Ok((Ok(output),)) => Ok(output),
            Ok((Err(message),)) => Err(self.answered(Call::Transform, &message)),
            Err(error) => Err(self.stopped(Call::Transform, &error)),
        }
    }

    /// An error that blames this module.
    pub(super) fn blame(&self, call: Call, why: Why) -> Error {
        blame(&self.module, call, why, Vec::new())
    }

    /// Linear memory of the instance, in bytes.
    pub(super) fn memory_used(&self) -> usize {
        self.store.data().memory_used()
    }

    /// How many lines it may still log.
    pub(super) fn log_lines(&self) -> u32 {
        self.store.data().log_lines()
    }

    fn ready(&mut self) {
        self.store.data_mut().refused = None;
        self.engine.start_clock(&mut self.store);
    }

    fn answered(&self, call: Call, message: &str) -> Error {
        self.blame(call, Why::Err(untrusted::shown(message, untrusted::MAX_MESSAGE_BYTES)))
    }

    fn stopped(&mut self, call: Call, error: &wasmtime::Error) -> Error {
        stopped(&self.engine, &self.module, &mut self.store, call, error)
    }
}

fn blame(module: &Module, call: Call, why: Why, frames: Vec<String>) -> Error {
    Error::Stopped(Box::new(Stopped { module: module.path.clone(), call, why, rows: None, frames }))
}

fn stopped(
    engine: &Engine,
    module: &Module,
    store: &mut Store<State>,
    call: Call,
    error: &wasmtime::Error,
) -> Error {
    store.data_mut().flush();
    let why = why(engine, store.data().refused, error);
    blame(module, call, why, frames(error))
}

/// What ended the call. A guest whose memory may not grow often traps somewhere else: the refusal is the reason.
fn why(engine: &Engine, refused: Option<Refused>, error: &wasmtime::Error) -> Why {
    let settings = engine.settings();
    let trap = error.downcast_ref::<Trap>();
    match (trap, refused) {
        (Some(Trap::Interrupt), _) => Why::Time(settings.call_timeout),
        (Some(Trap::StackOverflow), _) => Why::Stack(settings.stack),
        (_, Some(Refused::Memory(wanted))) => {
            Why::Memory { limit: settings.memory, wanted: ByteSize(wanted as u64) }
        }
        (_, Some(Refused::Table(wanted))) => {
            Why::Tables { limit: settings.table_elements, wanted: wanted as u64 }
        }
        (_, Some(Refused::Host(wanted))) => Why::Host { wanted: Some(ByteSize(wanted as u64)) },
        (Some(trap), None) => Why::Trap(trap.to_string().trim_start_matches("wasm trap: ").to_owned()),
        (None, None) => {
            // The outer reasons hold names that the module chose.
            let text = root(error);
            if text.contains("fuel allocated for hostcalls") {
                return Why::Output(format!("it answered more than {} (output)", settings.output));
            }
            // Not even the memory that it starts with.
            if text.contains("os error ") {
                return Why::Host { wanted: None };
            }
            Why::Lie(text)
        }
    }
}

/// The innermost of wasmtime's reasons; the outer ones say only that wasm was running.
fn root(error: &wasmtime::Error) -> String {
    untrusted::shown(&error.root_cause().to_string(), untrusted::MAX_MESSAGE_BYTES)
}

/// The functions on the stack, innermost first; the engine keeps a few.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    backtrace.map_or_else(Vec::new, |backtrace| backtrace.frames().iter().map(function).collect())
}

/// A function by the name that its module gives it. Only Rust's are demangled, whose text is bounded: a name of C++ can be
/// written so that it never ends.
fn function(frame: &FrameInfo) -> String {
    let Some(name) = frame.func_name() else { return format!("<wasm function {}>", frame.func_index()) };
    let short = Some(name).filter(|name| name.len() <= MAX_MANGLED_BYTES);
    match short.and_then(|name| rustc_demangle::try_demangle(name).ok()) {
        Some(demangled) => untrusted::name(&format!("{demangled:#}")),
        None => untrusted::name(name),
    }
}
