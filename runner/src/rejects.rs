//! `etl rejects`: what could not be loaded, by reason and with samples, or all of it in a file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::{ExportFormat, RejectsArgs, Voice};
use crate::copy::postgres::backend::{Backend, Link};
use crate::copy::postgres::connect::Cluster;
use crate::copy::postgres::environment::Environment;
use crate::copy::postgres::rejected::Wanted;
use crate::copy::postgres::{identifier, rejected, table};
use crate::copy::rejected::{CSV_HEADER, Rejected};
use crate::copy::{self, files};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::print;
use crate::prepare::Prepared;
use crate::recipe::{Recipe, Target};
use crate::rejects_summary::{SHOWN_CHARACTERS, Summary};
use crate::target;
use crate::units::grouped;

/// The width where nobody says how wide the screen is, and the least that is of use.
const WIDTH: usize = 100;
const MIN_WIDTH: usize = 40;

/// Runs the command.
pub(crate) async fn rejects(args: &RejectsArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let prepared = Prepared::new(&args.recipe)?;
    let recipe = &prepared.recipe;
    let kept = Kept::open(recipe, args.table.as_deref()).await?;
    if let Some(path) = &args.export {
        export(&kept, recipe, (path, args.format), voice).await?;
        return Ok(ExitCode::Done);
    }
    let mut summary = Summary::new(args.samples as usize);
    kept.each(&recipe.name, Some(SHOWN_CHARACTERS), |rejected| {
        summary.add(rejected);
        Ok(())
    })
    .await?;
    let text = if voice.json { format!("{}\n", summary.json(&recipe.name)) } else { summary.text(width()) };
    print(&text)?;
    Ok(ExitCode::Done)
}

/// Where rejects are kept.
enum Kept {
    /// In the target database; of one table, as the ledger names it, or of all.
    Database { cluster: Box<Cluster>, backend: Backend, table: Option<String> },
    /// In the folders of tables.
    Folders(Vec<PathBuf>),
}

impl Kept {
    async fn open(recipe: &Recipe, only: Option<&str>) -> Result<Kept, Failure> {
        let known: Vec<&str> = recipe.tables.iter().map(|table| table.into.as_str()).collect();
        if let Some(only) = only.filter(|only| !known.contains(only)) {
            let known = known.join(", ");
            return Err(Failure::Usage(format!("the recipe loads no table `{only}`; it loads {known}")));
        }
        match &recipe.target {
            Target::Files(settings) if settings.is_stdout() => {
                let text =
                    "standard output keeps no ledger: its rejects are in etl-rejects-….jsonl beside it";
                Err(Failure::Usage(text.into()))
            }
            Target::Files(settings) => {
                let wanted = known.into_iter().filter(|into| only.is_none_or(|only| only == *into));
                Ok(Kept::Folders(wanted.map(|into| target::folder(&settings.dir, into)).collect()))
            }
            Target::Postgres(settings) => {
                let cluster = Cluster::connect(settings, &Environment::of_the_process(), "rejects").await?;
                let backend = cluster.control.backend()?;
                let table = match only {
                    Some(into) => Some(of_ledger(&cluster, into).await?),
                    None => None,
                };
                Ok(Kept::Database { cluster: Box::new(cluster), backend, table })
            }
        }
    }

    /// Hands them to `each`, with so much of the rows, or with all.
    async fn each(
        &self,
        name: &str,
        length: Option<i32>,
        each: impl FnMut(Rejected) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut each = each;
        match self {
            Kept::Folders(folders) => {
                folders.iter().try_for_each(|folder| files::rejected::each(folder, name, &mut each))
            }
            Kept::Database { cluster, backend, table } => {
                let link = Link { client: &cluster.control.client, backend };
                let wanted = Wanted { name, table: table.as_deref(), original_length: length };
                rejected::each(link, cluster.schema(), wanted, each).await
            }
        }
    }
}

/// What the ledger calls the target table `into`, which may be gone.
async fn of_ledger(cluster: &Cluster, into: &str) -> Result<String, copy::error::Error> {
    if let Some(found) = table::find(&cluster.control, into).await? {
        return Ok(found.name_in_ledger());
    }
    let (schema, name) = identifier::table(into)?;
    Ok(format!("{}.{name}", schema.as_deref().unwrap_or("public")))
}

/// Writes all of them into a new file, or to standard output.
async fn export(
    kept: &Kept,
    recipe: &Recipe,
    (path, format): (&Path, Option<ExportFormat>),
    voice: Voice,
) -> Result<(), Failure> {
    let format = format_of(path, format)?;
    let what = if path == Path::new("-") { "standard output".into() } else { path.display().to_string() };
    let failed = |source: io::Error| Failure::Output { what: what.clone(), source };
    let rows = if path == Path::new("-") {
        match write(kept, recipe, format, BufWriter::new(io::stdout()), &failed).await {
            Ok((rows, _)) => rows,
            // Its reader has seen what it wanted.
            Err(Failure::Output { source, .. }) if source.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(failure) => return Err(failure),
        }
    } else {
        let named = |error: io::Error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::Usage(format!("{what} is there already: name another file")),
            _ => failed(error),
        };
        let file = NewFile::create(path).map_err(named)?;
        let (rows, out) = write(kept, recipe, format, BufWriter::new(&file.file), &failed).await?;
        drop(out);
        file.finish().map_err(named)?;
        rows
    };
    if voice.json && path != Path::new("-") {
        print(&format!("{}\n", json!({"name": recipe.name, "export": what, "rejects": rows})))?;
    } else if !voice.quiet {
        let _ = writeln!(io::stderr(), "{} rejects written to {what}", grouped(rows));
    }
    Ok(())
}

/// A file under another name until it is complete; gone if it is dropped before. Half of the rejects is not taken for all,
/// corrected and sent.
struct NewFile<'a> {
    path: &'a Path,
    part: PathBuf,
    file: File,
}

impl NewFile<'_> {
    /// Refused where one is there: it may hold corrections.
    fn create(path: &Path) -> io::Result<NewFile<'_>> {
        if path.symlink_metadata().is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        // Of a process that was killed and had the same number.
        let _ = fs::remove_file(&part);
        // They hold rows: nobody else's business.
        let file = File::options().write(true).create_new(true).mode(0o600).open(&part)?;
        Ok(NewFile { path, part, file })
    }

    fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        // Renaming alone would replace what came there meanwhile.
        File::create_new(self.path)?;
        fs::rename(&self.part, self.path).inspect_err(|_| {
            let _ = fs::remove_file(self.path);
        })
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        // After a rename there is nothing under this name.
        let _ = fs::remove_file(&self.part);
    }
}

/// How many were written, and where.
async fn write<W: Write>(
    kept: &Kept,
    recipe: &Recipe,
    format: ExportFormat,
    mut out: W,
    failed: &impl Fn(io::Error) -> Failure,
) -> Result<(u64, W), Failure> {
    let mut rows = 0;
    if let ExportFormat::Csv = format {
        out.write_all(CSV_HEADER.as_bytes()).map_err(failed)?;
    }
    let line = |rejected: &Rejected| match format {
        ExportFormat::Jsonl => rejected.json(),
        ExportFormat::Csv => rejected.csv(),
    };
    kept.each(&recipe.name, None, |rejected| {
        rows += 1;
        out.write_all(line(&rejected).as_bytes()).map_err(failed)
    })
    .await?;
    out.flush().map_err(failed)?;
    Ok((rows, out))
}

/// What `--format` says, or the file's ending.
fn format_of(path: &Path, format: Option<ExportFormat>) -> Result<ExportFormat, Failure> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match (format, ending.as_deref()) {
        (Some(format), _) => Ok(format),
        (None, Some("csv")) => Ok(ExportFormat::Csv),
        (None, Some("jsonl" | "ndjson" | "json")) => Ok(ExportFormat::Jsonl),
        (None, _) if path == Path::new("-") => Ok(ExportFormat::Jsonl),
        (None, _) => Err(Failure::Usage(format!(
            "{} ends neither in .jsonl nor in .csv: say which with --format",
            path.display()
        ))),
    }
}

/// Columns of the screen.
fn width() -> usize {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    set.unwrap_or(WIDTH).max(MIN_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_told_by_the_files_ending() {
        let of = |path: &str, format| format_of(Path::new(path), format).ok();
        assert_eq!(of("a/b.JSONL", None), Some(ExportFormat::Jsonl));
        assert_eq!(of("b.csv", None), Some(ExportFormat::Csv));
        assert_eq!(of("-", None), Some(ExportFormat::Jsonl));
        assert_eq!(of("b.txt", None), None);
        assert_eq!(of("b.txt", Some(ExportFormat::Csv)), Some(ExportFormat::Csv));
    }
}
