//! Drives the real `etl` binary: a folder, a recipe, a run, and what came of it.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a run may take whose end a test waits for without looking: a hang has to become a failed test.
pub(crate) const LONGEST_RUN: Duration = Duration::from_secs(600);

/// The binary under test: `ETL_BIN`, or the one that cargo built beside the tests.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ETL_BIN") {
        return path.into();
    }
    let tests = std::env::current_exe().expect("a test has a path");
    let path = tests.parent().and_then(Path::parent).expect("target/debug/deps").join("etl");
    assert!(path.exists(), "{} is missing: run `cargo build -p etl` first", path.display());
    path
}

/// A module that `tests/guests.sh` built from source: `guest("rust", "identity")`.
pub fn guest(language: &str, name: &str) -> PathBuf {
    let folder = std::env::var_os("ETL_GUESTS").expect(
        "ETL_GUESTS is not set: run the tests with `make test`, or tests/guests.sh first and name its folder",
    );
    let path = Path::new(&folder).join(language).join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is missing: run tests/guests.sh", path.display());
    path
}

/// A folder of a test with its files; removed at the end.
pub struct Folder(TempDir);

impl Folder {
    /// A new, empty one.
    #[allow(clippy::new_without_default, reason = "making a folder is no default value")]
    pub fn new() -> Folder {
        Folder(TempDir::new().expect("a temporary folder"))
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, with its folders.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, content).expect("a file");
        path
    }

    /// An `etl` command in this folder, with nothing of the caller's `PG*` and `ETL_*`.
    pub fn etl<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Etl {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("PG") || text.starts_with("ETL_") {
                command.env_remove(&name);
            }
        }
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Etl(command)
    }
}

/// A command that can still be changed.
pub struct Etl(Command);

impl Etl {
    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Etl {
        self.0.env(name, value);
        self
    }

    /// Reads its standard input from a file.
    pub fn stdin_from(mut self, path: &Path) -> Etl {
        self.0.stdin(fs::File::open(path).expect("a file"));
        self
    }

    /// Has its standard input written by the test: [`crate::bed::Process::input`].
    pub fn stdin_piped(mut self) -> Etl {
        self.0.stdin(Stdio::piped());
        self
    }

    /// Writes its standard output there.
    pub fn stdout_to(mut self, path: &Path) -> Etl {
        self.0.stdout(fs::File::options().write(true).open(path).expect("a file"));
        self
    }

    /// Runs it on a terminal at which somebody types an answer when asked. What it says on either output is in `stdout`.
    pub fn on_a_terminal(mut self, asked: &str, typed: &str) -> Ran {
        let words = std::iter::once(self.0.get_program()).chain(self.0.get_args());
        let words: Vec<_> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
        // Of util-linux, which is part of every Debian: it gives a command a terminal, and its exit code back.
        let mut script = Command::new("timeout");
        script.args(["120", "script", "--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
        for (name, value) in self.0.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        script.current_dir(self.0.get_current_dir().expect("a folder")).stdin(Stdio::piped());
        script.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.0 = script;
        let mut child = self.start();
        let (mut keyboard, mut screen) = (child.stdin.take(), child.stdout.take().expect("piped"));
        let (mut said, mut more) = (Vec::new(), [0; 4096]);
        let mut pending = Some(typed);
        loop {
            let length = screen.read(&mut more).expect("a terminal");
            said.extend_from_slice(&more[..length]);
            if length == 0 {
                break;
            }
            if String::from_utf8_lossy(&said).contains(asked)
                && let (Some(typed), Some(keyboard)) = (pending.take(), &mut keyboard)
            {
                keyboard.write_all(typed.as_bytes()).expect("a terminal");
            }
        }
        let mut ran = Ran::of(&child.wait_with_output().expect("a child"));
        ran.stdout = String::from_utf8_lossy(&said).into_owned();
        assert!(pending.is_none(), "nobody was asked: {ran:?}");
        ran
    }

    /// Runs it to its end, which has to come within minutes.
    pub fn run(self) -> Ran {
        let (mut running, started) = (Running::of(self), Instant::now());
        while !running.has_ended() {
            if started.elapsed() > LONGEST_RUN {
                running.kill();
                panic!("etl does not end: {:?}", running.collect());
            }
            thread::sleep(Duration::from_millis(2));
        }
        running.collect()
    }

    /// Starts it, with both outputs piped, unless [`Etl::stdout_to`] says where one goes.
    pub fn start(mut self) -> Child {
        self.0.spawn().expect("etl can be started")
    }
}

/// A started command whose outputs are read all the time: it never waits for the test.
pub(crate) struct Running {
    pub(crate) child: Child,
    outputs: [Listener; 2],
}

impl Running {
    pub(crate) fn of(etl: Etl) -> Running {
        let mut child = etl.start();
        let out = child.stdout.take().map_or_else(|| Listener::to(io::empty()), Listener::to);
        let err = Listener::to(child.stderr.take().expect("piped"));
        Running { child, outputs: [out, err] }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// What it said on standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.outputs[1].said()).into_owned()
    }

    /// Ends it as a crash would, unless it has ended.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child");
    }

    /// Waits for its end.
    pub(crate) fn collect(mut self) -> Ran {
        let status = self.child.wait().expect("a child");
        let [stdout, stderr] = self.outputs.map(Listener::all);
        Ran::of(&Output { status, stdout, stderr })
    }
}

/// Reads a pipe on a thread of its own.
struct Listener {
    said: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl Listener {
    fn to(mut pipe: impl Read + Send + 'static) -> Listener {
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let reading = thread::spawn(move || {
            let mut more = [0; 4096];
            loop {
                match pipe.read(&mut more) {
                    Ok(0) => return,
                    Ok(length) => {
                        heard.lock().unwrap_or_else(PoisonError::into_inner).extend(&more[..length]);
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => panic!("a pipe: {error}"),
                }
            }
        });
        Listener { said, reading }
    }

    fn said(&self) -> MutexGuard<'_, Vec<u8>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(self) -> Vec<u8> {
        self.reading.join().expect("a listener");
        std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// From what the process left.
    pub fn of(output: &Output) -> Ran {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Checks the exit code; a panic of `etl` is never right.
    #[track_caller]
    pub fn code(self, expected: i32) -> Ran {
        assert!(!self.stderr.contains("panicked"), "a panic:\n{}", self.stderr);
        assert_eq!(self.code, Some(expected), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks that standard error says all of this.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Ran {
        for part in parts {
            assert!(self.stderr.contains(part), "does not say {part:?}:\n{}", self.stderr);
        }
        self
    }

    /// Checks that neither output says this.
    #[track_caller]
    pub fn never_says(self, secret: &str) -> Ran {
        assert!(!self.stderr.contains(secret) && !self.stdout.contains(secret), "says {secret:?}: {self:?}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}
