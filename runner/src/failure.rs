//! How a failure is told at the door: the chain of causes, at most one hint, and the exit code.
//!
//! Must not know: how to do anything else.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

use crate::copy::error::Class;
use crate::exit_code::ExitCode;
use crate::job::{Problem, ProblemKind};
use crate::recipe::{self, Lines};
use crate::reject::Stage;
use crate::uncontinued::Uncontinued;
use crate::{copy, feed, load, pipeline, source, stream, transform};

/// Everything that can end a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Recipe(#[from] recipe::Error),
    #[error("{}", listed(problems, lines, file))]
    Problems { problems: Vec<Problem>, lines: Lines, file: Option<String> },
    #[error(transparent)]
    Transform(#[from] transform::Error),
    #[error(transparent)]
    Copy(#[from] copy::error::Error),
    #[error(transparent)]
    Load(Broken),
    #[error("{0}")]
    Usage(String),
    #[error("cannot write {what}")]
    Output { what: String, source: std::io::Error },
    #[error("internal error: {0}")]
    Internal(String),
}

/// What broke a load off.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) error: load::Error,
    /// Why the same command does not continue it, if so.
    pub(crate) uncontinued: Option<Uncontinued>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for Broken {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

impl From<load::Error> for Failure {
    fn from(error: load::Error) -> Self {
        Failure::Load(Broken { error, uncontinued: None })
    }
}

impl Failure {
    /// `error: …` with each cause on a line of its own.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error: {self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            // Writing into a String cannot fail.
            let _ = write!(text, "\n  because {error}");
            cause = error.source();
        }
        text
    }

    /// What to do, where the message itself does not say it.
    pub(crate) fn hint(&self) -> Option<String> {
        if let Failure::Recipe(recipe::Error::Read { .. }) = self {
            return Some("name a recipe, or say what to load with --from, --to and --into".into());
        }
        let uncontinued = match self {
            Failure::Load(broken) => broken.uncontinued,
            _ => None,
        };
        let then = uncontinued.map_or("the same command continues", Uncontinued::told);
        match self.copy()?.class() {
            Class::RefusedRow => Some(
                "too much of standard input would have to be held to search for the row: nothing of that chunk is loaded; make chunk_rows smaller, or write the rows to a file and load that".into(),
            ),
            Class::Rejects if uncontinued.is_some() => {
                Some(format!("raise max_rejects to keep such rows as rejects, let the target take them, or mend the source; {then}"))
            }
            Class::Rejects => Some(rejected(self.copy()?).into()),
            Class::Connection if uncontinued.is_some() => Some(then.into()),
            Class::Connection => Some(format!("once the target answers again, {then}")),
            Class::Passing => Some(format!("{}; {then}", passing(self.copy()?))),
            Class::Clash | Class::Drift | Class::Refused | Class::Settings | Class::Busy | Class::Bug => None,
        }
    }

    fn copy(&self) -> Option<&copy::error::Error> {
        match self {
            Failure::Copy(error) => Some(error),
            Failure::Load(broken) => match &broken.error {
                load::Error::Copy(error)
                | load::Error::Feed(feed::Error::Copy(error))
                | load::Error::Stream(stream::Error::Copy(error)) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }

    /// Documented in `docs/exit-codes.md`.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Recipe(_) | Failure::Usage(_) => ExitCode::Usage,
            Failure::Problems { problems, .. } => problems.first().map_or(ExitCode::Internal, of_problem),
            Failure::Transform(error) => of_transform(error),
            Failure::Copy(error) => of_copy(error),
            Failure::Load(broken) => of_load(&broken.error),
            Failure::Output { .. } => ExitCode::Target,
            Failure::Internal(_) => ExitCode::Internal,
        }
    }
}

fn of_problem(problem: &Problem) -> ExitCode {
    match &problem.kind {
        ProblemKind::Source(error) => of_source(error),
        ProblemKind::Columns { .. } | ProblemKind::SeveralTables { .. } => ExitCode::Source,
        ProblemKind::Transform(error) => of_transform(error),
        ProblemKind::Target(_) => ExitCode::Target,
        ProblemKind::Copy(error) => of_copy(error),
    }
}

fn of_source(error: &source::Error) -> ExitCode {
    match error {
        source::Error::Setting { .. }
        | source::Error::Cassandra(
            source::cassandra::Error::Setting { .. }
            | source::cassandra::Error::Tls { .. }
            | source::cassandra::Error::PasswordFile { .. },
        ) => ExitCode::Usage,
        source::Error::Changed { .. }
        | source::Error::Cassandra(
            source::cassandra::Error::Changed { .. } | source::cassandra::Error::Remade { .. },
        ) => ExitCode::Drift,
        source::Error::Internal(_) | source::Error::Cassandra(source::cassandra::Error::Internal(_)) => {
            ExitCode::Internal
        }
        _ => ExitCode::Source,
    }
}

fn of_transform(error: &transform::Error) -> ExitCode {
    match error {
        // A native step is words of the recipe.
        transform::Error::Step { .. } => ExitCode::Usage,
        transform::Error::Engine(_) | transform::Error::Bug(_) => ExitCode::Internal,
        transform::Error::Read { .. } | transform::Error::Module { .. } | transform::Error::Stopped(_) => {
            ExitCode::Module
        }
    }
}

fn of_copy(error: &copy::error::Error) -> ExitCode {
    match error.class() {
        Class::Clash | Class::Busy => ExitCode::Busy,
        Class::Settings => ExitCode::Usage,
        Class::RefusedRow => ExitCode::RefusedRow,
        Class::Connection | Class::Passing | Class::Refused => ExitCode::Target,
        Class::Drift => ExitCode::Drift,
        Class::Rejects => ExitCode::TooManyRejects,
        Class::Bug => ExitCode::Internal,
    }
}

fn of_load(error: &load::Error) -> ExitCode {
    match error {
        load::Error::Copy(error)
        | load::Error::Feed(feed::Error::Copy(error))
        | load::Error::Stream(stream::Error::Copy(error)) => of_copy(error),
        load::Error::Feed(feed::Error::Source(error)) => of_source(error),
        load::Error::Feed(feed::Error::Scan { .. }) => ExitCode::Source,
        load::Error::Stream(stream::Error::Path(error)) => match error {
            pipeline::Error::Read(error) => of_source(error),
            pipeline::Error::Transform { source, .. } | pipeline::Error::Slow { source, .. } => {
                of_transform(source)
            }
            pipeline::Error::Open(error) => of_transform(error),
            pipeline::Error::Encode(_) | pipeline::Error::Unbalanced { .. } => ExitCode::Internal,
        },
        load::Error::Stream(stream::Error::Thread(_) | stream::Error::Worker(_))
        | load::Error::Internal(_) => ExitCode::Internal,
    }
}

/// What to do about too many rows like the last one.
fn rejected(error: &copy::error::Error) -> &'static str {
    let last = match error {
        copy::error::Error::TooManyRejects(too_many) => too_many.last.last(),
        _ => None,
    };
    match last.map(|note| (note.stage, note.code)) {
        Some((Stage::Transform, "output_limit")) => {
            "raise max_rejects to keep such rows as rejects and load the others: the same command continues; or raise the limit that the reason names, in [transform], and begin again with --fresh, as that makes other rows"
        }
        Some((Stage::Transform, "time_limit" | "memory_limit" | "table_limit" | "stack_limit")) => {
            "raise the limit that the reason names, in [transform], or max_rejects to keep such rows as rejects and load the others: the same command continues; or mend the module and begin again with --fresh"
        }
        Some((Stage::Transform, _)) => {
            "raise max_rejects to keep such rows as rejects and load the others: the same command continues; or mend source or module and begin again with --fresh"
        }
        _ => {
            "raise max_rejects to keep such rows as rejects and load the others, or let the table take them: the same command continues; or mend the source and begin again with --fresh"
        }
    }
}

/// What to do about a server that could not do it for a while.
fn passing(error: &copy::error::Error) -> &'static str {
    let state = match error {
        copy::error::Error::Server(server) => server.state.as_str(),
        _ => "",
    };
    match state {
        "53100" => "make room on the target's disk",
        "53200" => "the target has no memory left: use fewer streams, or give it more",
        "53300" => "use fewer streams, or raise the target's max_connections",
        "55P03" | "55006" => {
            "somebody locks what is needed: end that transaction (pg_stat_activity, pg_locks), or raise lock_timeout"
        }
        "57014" => "somebody cancels our statements, or a time-out does",
        _ => "the target could not do it for a while",
    }
}

/// Each problem on a line, with its place in the recipe.
fn listed(problems: &[Problem], lines: &Lines, file: &Option<String>) -> String {
    let text = |problem: &Problem| {
        let mut text = String::new();
        if let (Some(file), Some(line)) = (file, lines.line_of(&problem.key)) {
            text = format!("{file}:{line}: ");
        }
        text + &problem.text()
    };
    match problems {
        [problem] => text(problem),
        problems => {
            let lines: Vec<String> =
                problems.iter().map(|problem| format!("\n  {}", text(problem))).collect();
            format!("{} problems{}", problems.len(), lines.concat())
        }
    }
}
