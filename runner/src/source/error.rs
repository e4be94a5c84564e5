//! What can go wrong in a source, apart from single rows (those are rejects). Must not hold a row's values.

use std::io;
use std::path::PathBuf;

/// An error of stage `source`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting of `[source.csv]` that cannot be used.
    #[error("`source.csv.{key}` {problem}")]
    Setting {
        /// The setting's key.
        key: &'static str,
        /// What is wrong with it and what would be right.
        problem: &'static str,
    },
    /// A path of no file.
    #[error("there is no file `{}`", path.display())]
    NoFile {
        /// As looked for.
        path: PathBuf,
    },
    /// A pattern that matches nothing.
    #[error("no file matches `{pattern}`")]
    NoMatch {
        /// As looked for.
        pattern: String,
    },
    /// A pattern that cannot be understood.
    #[error("`{pattern}` is no pattern of file names")]
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: glob::PatternError,
    },
    /// A directory where a file is needed.
    #[error("`{}` is a directory: name the files in it, for example `{}`", path.display(), path.join("*.csv").display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// A pipe, a socket or a device.
    #[error("`{}` is not a regular file, so it cannot be read in pieces: pipe it in and use `-`", path.display())]
    NotRegular {
        /// What was found.
        path: PathBuf,
    },
    /// A name that cannot be the ledger's key.
    #[error("the name of `{}` is not UTF-8: rename the file", path.display())]
    NameNotUtf8 {
        /// The name, with replacement characters when shown.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read `{file}`")]
    Read {
        /// The file.
        file: String,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// A compressed file that ends early or is damaged.
    #[error(
        "`{file}` cannot be decompressed ({format}): it is cut off or damaged behind byte {byte} of its content"
    )]
    Decompress {
        /// The file.
        file: String,
        /// `gzip` or `zstd`.
        format: &'static str,
        /// Bytes decompressed before that.
        byte: u64,
        /// What the decompressor said.
        #[source]
        source: io::Error,
    },
    /// A gzip file with something else behind it.
    #[error(
        "`{file}` cannot be decompressed (gzip): behind its content, of {byte} bytes, follows something that is no gzip: remove that, or compress the file again"
    )]
    Trailing {
        /// The file.
        file: String,
        /// Bytes decompressed before that.
        byte: u64,
    },
    /// A zstd file that takes more memory than a stream should.
    #[error(
        "`{file}` cannot be decompressed (zstd): its window is larger than 128 MiB; compress it again without `--long`, or unpack it (`zstd -d --long=31`)"
    )]
    Window {
        /// The file.
        file: String,
    },
    /// Nothing in it, not even a header.
    #[error(
        "`{file}` is empty: it has no header (if it is right that there are no rows, name the columns in `source.csv.header`)"
    )]
    Empty {
        /// The file.
        file: String,
    },
    /// A header from which no columns can be made.
    #[error("`{file}` line {line}: {problem}")]
    Header {
        /// The file.
        file: String,
        /// The line where the header begins.
        line: u64,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A type for a column that the file does not have.
    #[error(
        "`types` names the column `{column}`, which `{file}` line {line} does not have: its columns are {columns}"
    )]
    NoColumn {
        /// The file.
        file: String,
        /// The line where the header begins.
        line: u64,
        /// The name in `types`.
        column: String,
        /// The names that there are.
        columns: String,
    },
    /// The file ends inside quotes.
    #[error(
        "`{file}` line {line}: the record that begins here has a quote that is never closed (if quotes have no meaning in this file, set `source.csv.quote = \"\"`)"
    )]
    UnclosedQuote {
        /// The file.
        file: String,
        /// Where the record begins.
        line: u64,
    },
    /// Less in the file than there was when the work was planned.
    #[error(
        "`{file}` ends at byte {size}, but byte {expected} was there before: it changed while it was read, or since"
    )]
    Shrunk {
        /// The file.
        file: String,
        /// Bytes in it now.
        size: u64,
        /// Bytes that should be there.
        expected: u64,
    },
    /// Somebody writes to a file that is loaded, or replaced it.
    #[error(
        "`{file}` changed while it was read: {what}; put it back as it was and the same command continues, give the new rows a file of their own, or load everything again with --fresh"
    )]
    Changed {
        /// The file.
        file: String,
        /// What is different.
        what: String,
    },
    /// Standard input was read already.
    #[error("standard input can be read only once")]
    StdinTaken,
    /// Lines of a file of rejects that cannot be sent.
    #[error("{0}")]
    Corrected(Box<super::BadLines>),
    /// The same of one that was right before.
    #[error("`{file}` line {line}: {problem}: the file changed while it was read")]
    CorrectedSince {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file of rejects without any.
    #[error("`{file}` has no reject in it")]
    NoRejects {
        /// The file.
        file: String,
    },
    /// A reject of a table that the recipe does not load.
    #[error("`{file}` line {line}: the recipe loads no table `{table}`")]
    OfNoTable {
        /// The file.
        file: String,
        /// The first line of that table.
        line: u64,
        /// What it calls the table.
        table: String,
    },
    /// A file of rejects that is compressed.
    #[error("`{file}` is compressed: unpack it")]
    Packed {
        /// The file.
        file: String,
    },
    /// A cluster, or a table in it.
    #[error(transparent)]
    Cassandra(#[from] super::cassandra::Error),
    /// A mistake of ours.
    #[error("internal error in stage source: {0}")]
    Internal(&'static str),
}
