//! What one instance of a module may use of the host: memory and tables within limits, and a log. All that a module
//! can reach from inside is here.

use std::path::Path;

use wasmtime::component::{Linker, WasmList, WasmStr};
use wasmtime::{ResourceLimiter, StoreContextMut};

use super::contract::Level;
use super::onramp::CONTRACT;
use super::settings::Settings;
use super::wasi::STDIO;
use crate::untrusted;

/// The longest line of a module in our log.
const MAX_LINE_BYTES: usize = 1000;
/// Core instances, memories and tables that one component may have: interpreters are linked from a dozen modules.
const MAX_PARTS: usize = 100;

/// The host's side of one instance.
#[derive(Debug)]
pub(super) struct State {
    module: String,
    /// In bytes.
    memory: Quota,
    /// In elements.
    tables: Quota,
    log: Log,
    /// What was refused during the current call.
    pub(super) refused: Option<Refused>,
}

/// A growth that was refused. Of what is over a limit the guest only sees -1, and often traps much later.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    /// Bytes of memory that it would have had, more than its limit.
    Memory(usize),
    /// Elements that its tables would have had, more than their limit.
    Table(usize),
    /// Bytes of memory that it would have had, within its limit: the machine has none.
    Host(usize),
}

impl State {
    pub(super) fn new(module: &Path, settings: &Settings, log_lines: u32) -> Self {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        State {
            module: untrusted::name(&name),
            memory: Quota { limit: usize::try_from(settings.memory.0).unwrap_or(usize::MAX), used: 0 },
            tables: Quota { limit: settings.table_elements as usize, used: 0 },
            log: Log { left: log_lines, half: [String::new(), String::new()] },
            refused: None,
        }
    }

    /// Linear memory of the instance, in bytes.
    pub(super) fn memory_used(&self) -> usize {
        self.memory.used
    }

    /// How many lines it may still log.
    pub(super) fn log_lines(&self) -> u32 {
        self.log.left
    }

    /// Writes out lines that were printed without an end, e.g. before a trap.
    pub(super) fn flush(&mut self) {
        for stream in 0..2 {
            let line = std::mem::take(&mut self.log.half[stream]);
            if !line.is_empty() {
                self.log_line(Level::Info, &line);
            }
        }
    }

    fn log_line(&mut self, level: Level, line: &str) {
        if self.log.left == 0 {
            return;
        }
        let line = untrusted::shown(line, MAX_LINE_BYTES);
        let (module, says) = (self.module.as_str(), level.name());
        match level {
            Level::Debug => tracing::debug!(target: "etl::module", module, "{says}: {line}"),
            _ => tracing::info!(target: "etl::module", module, "{says}: {line}"),
        }
        self.log.left -= 1;
        if self.log.left == 0 {
            tracing::info!(target: "etl::module", module, "log_lines reached; what it logs from here on is dropped");
        }
    }

    /// Adds printed bytes to the half line of its stream and logs the lines that are whole.
    fn print(&mut self, stream: usize, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            if self.log.left == 0 {
                return;
            }
            let half = &mut self.log.half[stream];
            let room = MAX_LINE_BYTES.saturating_sub(half.len()) + 1;
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            half.push_str(&String::from_utf8_lossy(&text[..text.len().min(room)]));
            if piece.ends_with(b"\n") {
                let line = std::mem::take(half);
                self.log_line(Level::Info, &line);
            }
        }
    }
}

/// What an instance may still log, and the lines of standard output and error that have no end yet.
#[derive(Debug)]
struct Log {
    left: u32,
    half: [String; 2],
}

/// What all memories, or all tables, of an instance may use together, and do.
#[derive(Debug)]
struct Quota {
    limit: usize,
    used: usize,
}

impl Quota {
    /// One of them grows: false where its `own` limit is less, and as an error what would be used where that is over
    /// ours.
    fn grow(&mut self, current: usize, desired: usize, own: Option<usize>) -> Result<bool, usize> {
        if own.is_some_and(|own| desired > own) {
            return Ok(false);
        }
        let wanted = self.used.saturating_add(desired.saturating_sub(current));
        if wanted > self.limit {
            return Err(wanted);
        }
        self.used = wanted;
        Ok(true)
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        own: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.memory.grow(current, desired, own).unwrap_or_else(|wanted| {
            self.refused = Some(Refused::Memory(wanted));
            false
        }))
    }

    /// Nothing over the module's own or our limit comes here: the machine has no more. The call ends at once, as no answer
    /// may depend on that.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = Some(Refused::Host(self.memory.used));
        Err(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        own: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.tables.grow(current, desired, own).unwrap_or_else(|wanted| {
            self.refused = Some(Refused::Table(wanted));
            false
        }))
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
    }
}

/// Everything that a module can import.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    linker.instance(&format!("etl:transform/types@{CONTRACT}.0"))?;
    linker.instance(&format!("etl:transform/host@{CONTRACT}.0"))?.func_wrap("log", log)?;
    linker.instance(STDIO)?.func_wrap("print", print)?;
    Ok(linker)
}

fn log(mut store: StoreContextMut<'_, State>, (level, text): (Level, WasmStr)) -> wasmtime::Result<()> {
    if store.data().log.left == 0 {
        return Ok(());
    }
    let text = text.to_str(&store)?;
    let text: String = text.chars().take(MAX_LINE_BYTES + 1).collect();
    for line in text.lines() {
        store.data_mut().log_line(level, line);
    }
    Ok(())
}

fn print(mut store: StoreContextMut<'_, State>, (fd, bytes): (u32, WasmList<u8>)) -> wasmtime::Result<()> {
    if store.data().log.left == 0 {
        return Ok(());
    }
    let bytes = bytes.as_le_slice(&store);
    let bytes = bytes[..bytes.len().min(64 * MAX_LINE_BYTES)].to_vec();
    store.data_mut().print(usize::from(fd == 2), &bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(memory: u64, lines: u32) -> State {
        let memory = crate::units::ByteSize(memory);
        let settings = Settings { memory, table_elements: 10, ..Settings::default() };
        State::new(Path::new("dir/a.wasm"), &settings, lines)
    }

    #[test]
    fn the_limit_is_for_all_memories_of_an_instance_together() {
        let mut state = state(1000, 1);
        assert!(state.memory_growing(0, 600, None).unwrap());
        assert!(!state.memory_growing(0, 600, None).unwrap());
        assert!(matches!(state.refused, Some(Refused::Memory(1200))));
        assert!(state.memory_growing(600, 1000, None).unwrap());
        assert_eq!(state.memory_used(), 1000);
    }

    #[test]
    fn memory_that_the_machine_has_not_ends_the_call_and_is_recorded() {
        let mut state = state(1000, 1);
        assert!(state.memory_growing(0, 600, Some(600)).unwrap());
        assert!(state.memory_grow_failed(wasmtime::Error::msg("no")).is_err());
        assert!(matches!(state.refused, Some(Refused::Host(600))));
    }

    #[test]
    fn growth_over_a_modules_own_limit_is_refused_and_no_limit_of_ours() {
        let mut state = state(1000, 1);
        assert!(!state.memory_growing(0, 601, Some(600)).unwrap());
        assert!(!state.memory_growing(0, 1001, Some(600)).unwrap());
        assert!(!state.table_growing(0, 11, Some(5)).unwrap());
        assert!(state.refused.is_none() && state.memory_used() == 0);
    }

    #[test]
    fn the_limit_of_table_elements_is_for_all_tables_together() {
        let mut state = state(1000, 1);
        assert!(state.table_growing(0, 6, None).unwrap());
        assert!(!state.table_growing(0, 5, None).unwrap());
        assert!(matches!(state.refused, Some(Refused::Table(11))));
        assert!(state.table_growing(6, 10, None).unwrap());
    }

    #[test]
    fn printed_pieces_become_lines_and_lines_are_counted() {
        let mut state = state(1000, 3);
        state.print(1, b"half");
        assert_eq!((state.log.left, state.log.half[1].as_str()), (3, "half"));
        state.print(1, b" and half\nmore\n");
        assert_eq!((state.log.left, state.log.half[1].as_str()), (1, ""));
        state.print(0, &[b'x'; 5000]);
        assert!(state.log.half[0].len() <= MAX_LINE_BYTES + 1);
        state.flush();
        assert_eq!(state.log.left, 0);
        state.print(0, b"dropped\n");
        assert!(state.log.half[0].is_empty());
    }
}
