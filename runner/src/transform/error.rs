//! What can go wrong in this stage. Never a row's value, except in the words that a module chose itself, which are
//! bounded and escaped.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use crate::units::ByteSize;
use crate::untrusted;

/// What failed in the stage `transform`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// wasmtime does not work on this machine, or its thread could not be started.
    #[error("cannot start the WebAssembly engine: {0}")]
    Engine(String),
    /// The module's file cannot be read.
    #[error("cannot read module {}", path.display())]
    Read {
        /// As the recipe names it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no module that this runner can use.
    #[error("module {} cannot be used: {problem}", path.display())]
    Module {
        /// As the recipe names it.
        path: PathBuf,
        /// What is wrong, by name, and what to do.
        problem: String,
    },
    /// A step does not fit the columns that reach it.
    #[error("transform {number} ({step}): {problem}")]
    Step {
        /// Place in the chain, from 1.
        number: usize,
        /// What kind of step, e.g. `rename`, `flights.wasm`.
        step: String,
        /// What does not fit, by name.
        problem: String,
    },
    /// A module was stopped, or its answer was not believed.
    #[error(transparent)]
    Stopped(Box<Stopped>),
    /// A batch that does not have the columns or rows that were agreed on: a mistake of ours.
    #[error("internal error: {0}")]
    Bug(String),
}

impl Error {
    /// What stopped a module while it had rows of a batch, so that other rows may fare better; `None` for what is nobody's
    /// row. A module that answers `err` means to stop the run.
    pub fn of_rows(&self) -> Option<&Stopped> {
        match self {
            Error::Stopped(stopped) if stopped.call == Call::Transform => {
                stopped.why.code().is_some().then_some(stopped)
            }
            _ => None,
        }
    }

    /// The rows of the batch (from 0, the end not included) that were in the module when it was stopped.
    pub fn rows(&self) -> Option<Range<u32>> {
        match self {
            Error::Stopped(stopped) => stopped.rows.clone(),
            _ => None,
        }
    }
}

/// Where, on what and why a module was stopped.
#[derive(Debug)]
pub struct Stopped {
    /// The module's file.
    pub module: PathBuf,
    /// What was being done.
    pub call: Call,
    /// What happened.
    pub why: Why,
    /// Input rows of the batch, from the first to behind the last that was in the module.
    pub rows: Option<Range<u32>>,
    /// The functions that were running, innermost first.
    pub frames: Vec<String>,
}

impl Stopped {
    /// For a reject: module, reason, functions.
    pub fn reason(&self) -> String {
        let name = self.module.file_name().unwrap_or_default().to_string_lossy();
        let mut reason = format!("module {}: {}", untrusted::name(&name), self.why);
        if !self.frames.is_empty() {
            reason += &format!("; in {}", self.frames.join(" < "));
        }
        reason
    }
}

/// A call into a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Making an instance: memory, data, start-up code.
    Start,
    /// `plan`.
    Plan,
    /// `transform`.
    Transform,
}

impl Call {
    /// In messages.
    pub fn name(self) -> &'static str {
        match self {
            Call::Start => "start-up",
            Call::Plan => "plan",
            Call::Transform => "transform",
        }
    }
}

/// Why a module was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It trapped: a panic, a division by zero, an access outside its memory.
    Trap(String),
    /// It took longer than `call_timeout`.
    Time(crate::units::Span),
    /// It wanted more than `memory`.
    Memory {
        /// The limit.
        limit: ByteSize,
        /// What it would have had.
        wanted: ByteSize,
    },
    /// It wanted more than `table_elements`.
    Tables {
        /// The limit.
        limit: u32,
        /// What it would have had.
        wanted: u64,
    },
    /// The machine had no memory for it, within its limit.
    Host {
        /// What it would have had, where that is known.
        wanted: Option<ByteSize>,
    },
    /// Its calls nest deeper than `stack`.
    Stack(ByteSize),
    /// It answered more than `output` or `rows_factor` allow.
    Output(String),
    /// Its answer breaks the contract.
    Lie(String),
    /// It answered `err`: in its own words, bounded.
    Err(String),
    /// Another instance of it planned something else: it is not a function of its arguments.
    Unsteady,
}

impl Why {
    /// The code of a row that a module cannot take; `None` for what is not about rows.
    pub fn code(&self) -> Option<&'static str> {
        Some(match self {
            Why::Trap(_) => "trap",
            Why::Time(_) => "time_limit",
            Why::Memory { .. } => "memory_limit",
            Why::Tables { .. } => "table_limit",
            Why::Stack(_) => "stack_limit",
            Why::Output(_) => "output_limit",
            Why::Lie(_) => "bad_answer",
            Why::Host { .. } | Why::Err(_) | Why::Unsteady => return None,
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Trap(trap) => write!(f, "it trapped: {trap}"),
            Why::Time(limit) => write!(f, "it took longer than {limit} (call_timeout)"),
            Why::Memory { limit, wanted } => {
                write!(f, "it wanted {wanted} of memory, more than {limit} (memory)")
            }
            Why::Tables { limit, wanted } => {
                write!(f, "it wanted {wanted} table elements, more than {limit} (table_elements)")
            }
            Why::Host { wanted } => {
                f.write_str("this machine has no memory for it")?;
                if let Some(wanted) = wanted {
                    write!(f, ", which would have {wanted}")?;
                }
                f.write_str("; use fewer streams, or a machine with more")
            }
            Why::Stack(limit) => write!(f, "its calls nest deeper than {limit} of stack (stack)"),
            Why::Output(what) => f.write_str(what),
            Why::Lie(what) => write!(f, "its answer breaks the contract: {what}"),
            Why::Err(message) => write!(f, "it answered with an error: {message}"),
            Why::Unsteady => f.write_str(
                "a second instance planned something else for the same columns and options; \
                 a module must be a pure function of them",
            ),
        }
    }
}

/// One line: module, call, reason, rows, functions.
impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "module {} was stopped in {}: {}", self.module.display(), self.call.name(), self.why)?;
        if let Some(rows) = &self.rows {
            write!(f, "; rows {} to {} of the batch", rows.start + 1, rows.end)?;
        }
        if !self.frames.is_empty() {
            write!(f, "; in {}", self.frames.join(" < "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Stopped {}
