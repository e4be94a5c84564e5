//! The exit codes, a sentence each. Scripts depend on them: a number never changes its meaning.

/// How `etl` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All rows are loaded, or were before; or the reader of standard output has seen what it wanted.
    Done = 0,
    /// A mistake of `etl` itself.
    Internal = 1,
    /// The command line, the recipe or the environment is wrong; nothing was touched.
    Usage = 2,
    /// The source is missing, unreadable or malformed as a whole.
    Source = 3,
    /// A module was refused, or failed while it ran.
    Module = 4,
    /// The target cannot be reached, refuses what is asked, or lacks space; or what was asked for cannot be written.
    Target = 5,
    /// The target refused a row; its chunk was rolled back.
    RefusedRow = 6,
    /// More rows were rejected than the recipe allows; the chunk in hand was rolled back.
    TooManyRejects = 7,
    /// All rows are loaded but some, which ended as rejects within what the recipe allows.
    DoneWithRejects = 8,
    /// Recipe, module, source or target changed since the load began; chunks that were committed before it was noticed
    /// stay.
    Drift = 9,
    /// Another `etl run` is at work on what is left; this one loaded nothing twice.
    Busy = 10,
    /// `etl check` found problems.
    Problems = 11,
    /// Stopped by Ctrl-C or SIGTERM; the same command continues.
    Interrupted = 130,
}

impl ExitCode {
    /// All of them, ascending.
    pub const ALL: [ExitCode; 13] = [
        ExitCode::Done,
        ExitCode::Internal,
        ExitCode::Usage,
        ExitCode::Source,
        ExitCode::Module,
        ExitCode::Target,
        ExitCode::RefusedRow,
        ExitCode::TooManyRejects,
        ExitCode::DoneWithRejects,
        ExitCode::Drift,
        ExitCode::Busy,
        ExitCode::Problems,
        ExitCode::Interrupted,
    ];

    /// The sentence in `docs/exit-codes.md`.
    pub fn sentence(self) -> &'static str {
        match self {
            ExitCode::Done => {
                "All rows are loaded, or were before; or the reader of standard output went away: it has seen what it wanted."
            }
            ExitCode::Internal => "A mistake of `etl` itself. Please report it.",
            ExitCode::Usage => {
                "The command line, the recipe or the environment is wrong. Nothing was touched."
            }
            ExitCode::Source => {
                "The source is missing, unreadable or malformed as a whole. Chunks that were committed before stay; the same command continues, unless it reads standard input or writes standard output, or a file that was begun had to be changed: that needs `--fresh`."
            }
            ExitCode::Module => {
                "A module was refused, or failed while it ran. Chunks that were committed before stay."
            }
            ExitCode::Target => {
                "The target cannot be reached, refuses what is asked, or lacks space; or a report or standard output cannot be written. Chunks that were committed before stay; the same command continues, unless it reads standard input or writes standard output."
            }
            ExitCode::RefusedRow => {
                "The target refused a row of standard input of which more was not committed than is held (64 MiB), so that it cannot be searched for. Its chunk was rolled back; chunks that were committed before stay."
            }
            ExitCode::TooManyRejects => {
                "More rows were rejected than `max_rejects` or `max_rejects_percent` allows. The chunk in hand was rolled back; chunks that were committed before stay."
            }
            ExitCode::DoneWithRejects => {
                "All rows are loaded but some, which ended as rejects within what the recipe allows."
            }
            ExitCode::Drift => {
                "Recipe, module, source or target changed since the load began. Chunks that were committed before it was noticed stay: go back, or start over with `--fresh`."
            }
            ExitCode::Busy => "Another `etl run` is at work on what is left. This one loaded nothing twice.",
            ExitCode::Problems => "`etl check` found problems. Nothing was touched.",
            ExitCode::Interrupted => {
                "Stopped by Ctrl-C or SIGTERM. No partial chunk; the same command continues, unless it reads standard input or writes standard output."
            }
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_in_the_docs_with_its_sentence() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/exit-codes.md");
        let docs = std::fs::read_to_string(path).unwrap();
        for code in ExitCode::ALL {
            let row = format!("| {} | {} |", code as u8, code.sentence());
            assert!(docs.contains(&row), "docs/exit-codes.md lacks the row\n{row}");
        }
    }
}
