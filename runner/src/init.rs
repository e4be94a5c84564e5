//! `etl init`: writes a starting recipe for every table of a keyspace.

use std::error::Error as _;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::cli::{InitArgs, Voice};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::init_address::{Address, address};
use crate::init_recipe::{Start, StartColumn, StartTable};
use crate::job::Problem;
use crate::output::print;
use crate::recipe::{Flags, Lines, Recipe, Source};
use crate::source;
use crate::source::cassandra::describe::{Column, Kind};
use crate::source::cassandra::{self, Cluster, Options, Settings, Table, TableName};

/// Runs the command.
pub(crate) async fn init(args: &InitArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let to_stdout = args.output == Path::new("-");
    if !to_stdout && args.output.exists() {
        return Err(is_there(&args.output));
    }
    let address =
        address(&args.source).map_err(|what| Failure::Usage(format!("the source's address {what}")))?;
    let settings = settings(&address)?;
    let cluster = Arc::new(Cluster::open(&settings).await.map_err(of_cluster)?);
    let mut tables = Vec::new();
    for name in Table::all(&cluster, &address.keyspace).await.map_err(of_cluster)? {
        let columns = columns(&cluster, &name).await.map_err(of_cluster)?;
        tables.push(StartTable { name, columns });
    }
    let start = Start { address: &address, cluster: (cluster.name(), cluster.version()), tables };
    if to_stdout {
        print(&start.text())?;
    } else {
        write(&args.output, &start.text())?;
    }
    tell(&start, &args.output, voice, to_stdout)?;
    Ok(ExitCode::Done)
}

/// Those of a recipe that says no more than the address: what the environment says lies over it.
fn settings(address: &Address) -> Result<Settings, Failure> {
    let text = Start { address, cluster: ("", ""), tables: Vec::new() }.text()
        + "\n[[tables]]\nfrom = \"a.b\"\ninto = \"b\"\n";
    let folder = std::env::current_dir()
        .map_err(|error| Failure::Usage(format!("there is no working directory: {error}")))?;
    let name = Path::new("the source's address");
    match Recipe::parse(text.as_bytes(), name, &folder, std::env::vars_os(), &Flags::default())?.source {
        Source::Cassandra(settings) => Ok(*settings),
        Source::Csv(_) => Err(Failure::Internal("an address of a cluster was read as files".into())),
    }
}

/// What a table is made of, or why it cannot be read.
async fn columns(
    cluster: &Arc<Cluster>,
    name: &TableName,
) -> Result<Result<Vec<StartColumn>, String>, cassandra::Error> {
    let table = match Table::open(cluster, name.clone(), Options::default()).await {
        Ok(table) => table,
        Err(
            error @ (cassandra::Error::CompactStorage { .. }
            | cassandra::Error::TooManyColumns { .. }
            | cassandra::Error::Type { .. }),
        ) => {
            let cause = error.source().map_or(String::new(), |cause| format!(": {cause}"));
            return Ok(Err(format!("{error}{cause}")));
        }
        Err(error) => return Err(error),
    };
    let described = &table.description().columns;
    if let Some((key, class)) =
        described.iter().filter(|column| column.is_key()).find_map(|key| Some((key, key.ty.custom()?)))
    {
        return Ok(Err(format!("column `{}` of its key is of the server's own class `{class}`", key.name)));
    }
    let columns = described.iter().zip(table.fields()).map(|(column, field)| StartColumn {
        name: column.name.clone(),
        cql: column.ty.to_string(),
        ty: column.ty.custom().is_none().then(|| field.ty.to_string()),
        part: part(column),
    });
    Ok(Ok(columns.collect()))
}

fn part(column: &Column) -> &'static str {
    match column.kind {
        Kind::Partition => "partition key",
        Kind::Clustering { descending: true } => "clustering, descending",
        Kind::Clustering { descending: false } => "clustering",
        Kind::Static => "static",
        Kind::Regular => "",
    }
}

/// Writes a new file, never over another one.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |source| Failure::Output { what: path.display().to_string(), source };
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(is_there(path)),
        Err(error) => return Err(failed(error)),
    };
    file.write_all(text.as_bytes()).map_err(failed)
}

fn is_there(path: &Path) -> Failure {
    let path = path.display();
    Failure::Usage(format!("{path} is there already: move it away, or name another file with --output"))
}

fn tell(start: &Start<'_>, path: &Path, voice: Voice, to_stdout: bool) -> Result<(), Failure> {
    let unread = start.tables.iter().filter_map(|table| Some((&table.name, table.columns.as_ref().err()?)));
    if voice.json && !to_stdout {
        let unread = unread.map(|(name, reason)| json!({"table": name.to_string(), "reason": reason}));
        let unread: Vec<_> = unread.collect();
        let tables = start.tables.len() - unread.len();
        return print(&format!("{}\n", json!({"recipe": path, "tables": tables, "unreadable": unread})));
    }
    if !voice.quiet {
        let mut err = io::stderr();
        let (tables, unread) = (start.tables.len(), unread.collect::<Vec<_>>());
        let written = if to_stdout { "" } else { &format!("{}: ", path.display()) };
        let _ = writeln!(err, "{written}{} of {tables} tables", tables - unread.len());
        for (name, reason) in unread {
            let _ = writeln!(err, "note: {name} cannot be read: {reason}");
        }
    }
    Ok(())
}

fn of_cluster(error: cassandra::Error) -> Failure {
    let problem = Problem { key: String::new(), kind: source::Error::from(error).into() };
    Failure::Problems { problems: vec![problem], lines: Lines::default(), file: None }
}
