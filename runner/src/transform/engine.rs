//! One wasmtime engine for the run: its configuration, the thread that makes time-outs happen, and the cache of
//! compiled modules. Must not know: batches, columns.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{Cache, CacheConfig, Config, Store};

use super::error::Error;
use super::host::{self, State};
use super::module::Module;
use super::settings::Settings;

/// How often the epoch moves: time-outs are exact to this.
const TICK: Duration = Duration::from_millis(10);
/// The most functions that an error lists.
const MAX_FRAMES: usize = 8;

/// The engine of a run. Cheap to clone; the last clone ends its thread.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    wasm: wasmtime::Engine,
    linker: Linker<State>,
    settings: Settings,
    modules: Mutex<HashMap<[u8; 32], Arc<Module>>>,
    cache: Option<Cache>,
    _ticker: Ticker,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts the engine. Compiled modules are kept in `cache_dir`, if the settings allow it; a folder that cannot be
    /// used, or that others can write into, is only warned about.
    pub fn new(settings: &Settings, cache_dir: Option<PathBuf>) -> Result<Engine, Error> {
        let problem = |error: wasmtime::Error| Error::Engine(format!("{error:#}"));
        let cache = cache_dir.filter(|_| settings.cache).and_then(|dir| match cache(&dir) {
            Ok(cache) => Some(cache),
            Err(reason) => {
                tracing::warn!("compiled modules are not kept in {}: {reason}", dir.display());
                None
            }
        });
        let wasm = wasmtime::Engine::new(&config(settings, cache.clone())).map_err(problem)?;
        let linker = host::linker(&wasm).map_err(problem)?;
        let ticker = Ticker::start(wasm.clone()).map_err(|e| Error::Engine(e.to_string()))?;
        let settings = settings.clone();
        let modules = Mutex::default();
        Ok(Engine { inner: Arc::new(Inner { wasm, linker, settings, modules, cache, _ticker: ticker }) })
    }

    /// How many modules came compiled from the cache, and how many had to be compiled.
    pub fn cache_hits_and_misses(&self) -> (usize, usize) {
        self.inner.cache.as_ref().map_or((0, 0), |c| (c.cache_hits(), c.cache_misses()))
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(super) fn wasm(&self) -> &wasmtime::Engine {
        &self.inner.wasm
    }

    pub(super) fn linker(&self) -> &Linker<State> {
        &self.inner.linker
    }

    /// A store for one instance of `module`: limited in memory, tables, what is lifted from it, time, and what it logs.
    pub(super) fn store(&self, module: &Path, log_lines: u32) -> Store<State> {
        let settings = self.settings();
        let mut store = Store::new(&self.inner.wasm, State::new(module, settings, log_lines));
        store.limiter(|state| state);
        // Lists of a guest may all alias one buffer: this bounds what is copied out of it, for each call.
        store.set_hostcall_fuel(usize::try_from(settings.output.0).unwrap_or(usize::MAX));
        self.start_clock(&mut store);
        store
    }

    /// Gives the store `call_timeout` from now on.
    pub(super) fn start_clock(&self, store: &mut Store<State>) {
        let ticks = self.settings().call_timeout.0.as_nanos().div_ceil(TICK.as_nanos());
        store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX / 2) + 1);
    }

    /// The module with these bytes, compiled at most once in a run.
    pub(super) fn module(
        &self,
        hash: [u8; 32],
        load: impl FnOnce() -> Result<Module, Error>,
    ) -> Result<Arc<Module>, Error> {
        let mut modules = self.inner.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(&hash) {
            return Ok(Arc::clone(module));
        }
        let module = Arc::new(load()?);
        modules.insert(hash, Arc::clone(&module));
        Ok(module)
    }
}

fn config(settings: &Settings, cache: Option<Cache>) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // The same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .concurrency_support(false)
        .max_wasm_stack(usize::try_from(settings.stack.0).unwrap_or(usize::MAX))
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(MAX_FRAMES))
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable)
        .cache(cache);
    config
}

/// wasmtime's own cache of compiled modules. What is in there is run as it is, so nobody else may write it.
fn cache(dir: &Path) -> Result<Cache, String> {
    private_folder(dir)?;
    let mut config = CacheConfig::new();
    config.with_directory(dir);
    // Otherwise it packs a module again, for seconds of CPU, once it was used 256 times.
    config.with_optimized_compression_usage_counter_threshold(u64::MAX);
    Cache::new(config).map_err(|e| format!("{e:#}"))
}

/// Makes the folder, for us alone; refuses one that is somebody else's or that others may write.
fn private_folder(dir: &Path) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let text = |error: std::io::Error| error.to_string();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(text)?;
    let folder = fs::metadata(dir).map_err(text)?;
    let probe = dir.join(format!(".probe-{}-{:?}", std::process::id(), std::thread::current().id()));
    let file = fs::File::create(&probe).and_then(|f| f.metadata());
    match fs::remove_file(&probe) {
        // wasmtime tidies the folder behind our back, of what it does not know.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(text(error)),
        _ => {}
    }
    if folder.uid() != file.map_err(text)?.uid() {
        return Err("the folder belongs to somebody else".into());
    }
    if folder.mode() & 0o022 != 0 {
        return Err("others may write into the folder (chmod go-w)".into());
    }
    Ok(())
}

/// The thread that moves the epoch. It runs no guest code and ends when dropped.
struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(wasm: wasmtime::Engine) -> std::io::Result<Ticker> {
        let (stop, stopped) = channel();
        let tick = move || tick(&wasm, &stopped);
        let thread = std::thread::Builder::new().name("etl-epoch".into()).spawn(tick)?;
        Ok(Ticker { stop: Some(stop), thread: Some(thread) })
    }
}

fn tick(wasm: &wasmtime::Engine, stopped: &Receiver<()>) {
    while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        wasm.increment_epoch();
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was printed already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn the_ticker_moves_the_epoch_and_ends_with_the_engine() {
        let engine = Engine::new(&Settings::default(), None).unwrap();
        let weak = engine.wasm().weak();
        drop(engine);
        assert!(weak.upgrade().is_none(), "the thread still holds the engine");
    }

    #[test]
    fn a_cache_folder_that_others_may_write_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("a/b");
        private_folder(&inside).unwrap();
        assert_eq!(fs::metadata(&inside).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(private_folder(&inside).unwrap_err().contains("others may write"));
        assert_eq!(fs::read_dir(&inside).unwrap().count(), 0, "the probe is left behind");
    }

    #[test]
    fn a_cache_folder_that_somebody_tidies_meanwhile_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for file in fs::read_dir(folder.path()).unwrap().flatten() {
                        let _ = fs::remove_file(file.path());
                    }
                }
            });
            let refused: Vec<String> =
                (0..2000).filter_map(|_| private_folder(folder.path()).err()).collect();
            done.store(true, Ordering::Relaxed);
            assert_eq!(refused, [""; 0]);
        });
    }

    #[test]
    fn a_cache_folder_that_cannot_be_made_is_no_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        Engine::new(&Settings::default(), Some(file.path().join("x"))).unwrap();
    }
}
