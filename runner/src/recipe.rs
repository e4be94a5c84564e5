//! The recipe: what was typed, in a file, in the environment and as flags, becomes what it means.
//!
//! Must not know: what the settings do. Each stage owns its section's struct; this joins them in layers and
//! tells of all problems at once, each with its line. The work is in the files beside it, `recipe_*.rs`.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::copy::postgres::write::Mode;
pub use crate::recipe_document::{Document, SourceKeys, StepKeys, TableKeys, TargetKeys};
use crate::recipe_error::{Diagnosis, MAX_RECIPE_BYTES};
pub use crate::recipe_error::{Error, Origin, Problem};
use crate::recipe_keys::{self, Keys, NO_PASSWORD, NO_SOURCE_PASSWORD};
use crate::recipe_layers;
use crate::recipe_lines::Index;
pub use crate::recipe_lines::{Lines, Place};
use crate::recipe_name::{name_of, name_of_files};
pub use crate::recipe_run::RunSettings;
use crate::recipe_secret::{has_password, is_address, is_misplaced};
use crate::recipe_settings::{Settings, chosen};
pub use crate::recipe_source::Source;
use crate::recipe_source::{check_tables, check_writes, of_trials, source};
use crate::recipe_steps::{modules, text};
pub use crate::recipe_tables::{Create, Table, Truncate};
use crate::recipe_tables::{check_into, tables};
use crate::{copy, reject, transform};

/// What is moved where, and what happens to it on the way.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The ledger's key.
    pub name: String,
    /// The recipe's file; `None` where flags alone say what to do.
    pub file: Option<PathBuf>,
    /// The folder that relative paths start from.
    pub base: PathBuf,
    /// What the rows are read from.
    pub source: Source,
    /// Where the rows go.
    pub target: Target,
    /// Limits of modules.
    pub transform: transform::Settings,
    /// What is kept of rows that could not be loaded.
    pub rejects: reject::Settings,
    /// How much at once, and the like.
    pub run: RunSettings,
    /// At least one.
    pub tables: Vec<Table>,
    /// Where each key stands in the file.
    pub lines: Lines,
    /// What a user should know who did not ask for it.
    pub note: Option<String>,
}

/// Where the rows go.
#[derive(Clone, Debug)]
pub enum Target {
    /// A database.
    Postgres(copy::postgres::Settings),
    /// Files in a folder, or standard output.
    Files(copy::files::Settings),
}

/// What was said on the command line. Not `Debug`: an address may hold a password, until it is refused.
#[derive(Clone, Default)]
pub struct Flags {
    /// The folder that relative paths of flags start from.
    pub folder: PathBuf,
    /// `--name`.
    pub name: Option<String>,
    /// `--from`: only without a recipe.
    pub from: Option<String>,
    /// `--to`: an address, a folder, or `-` for standard output.
    pub to: Option<String>,
    /// `--into`: only without a recipe.
    pub into: Option<String>,
    /// `--transform`, any number: with a recipe, in place of the chain of its one table.
    pub transforms: Vec<PathBuf>,
    /// Flags that set a key: (flag, key, value), e.g. (`--streams`, `run.streams`, `4`).
    pub set: Vec<(String, String, String)>,
}

/// The longest name of a recipe, in bytes.
const MAX_NAME_BYTES: usize = 100;

impl Recipe {
    /// Reads the recipe at `path`, and what environment and flags say otherwise.
    pub fn load(
        path: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &Flags,
    ) -> Result<Recipe, Error> {
        if is_misplaced(&path.to_string_lossy()) {
            return Err(Error::Address);
        }
        let unreadable = |source| Error::Read { path: path.to_path_buf(), source };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(MAX_RECIPE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_RECIPE_BYTES {
            return Err(Error::TooLarge { path: path.to_path_buf() });
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let base = std::path::absolute(folder.unwrap_or(Path::new("."))).map_err(unreadable)?;
        Recipe::parse(&bytes, path, &base, environment, flags)
    }

    /// The recipe in `bytes`, which stand in the file `path`; its relative paths start from `base`.
    pub fn parse(
        bytes: &[u8],
        path: &Path,
        base: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &Flags,
    ) -> Result<Recipe, Error> {
        let mut diagnosis = Diagnosis::new(Some(path));
        let text = utf8(bytes, path)?;
        let root = DeTable::parse(text).map_err(|error| syntax(text, path, &error))?;
        let root = root.get_ref();
        diagnosis.lines = Lines::of(text, root);
        let keys = Keys::known();
        recipe_keys::check(&mut diagnosis, &keys, root);
        let name = match (&flags.name, root.get("name")) {
            (Some(name), _) => Some(name.clone()),
            (None, Some(name)) => self::text(&mut diagnosis, name.get_ref(), "name"),
            (None, None) => {
                diagnosis.wrong("name", "is missing: it is the key of the load in the ledger");
                None
            }
        };
        let mut tables = tables(&mut diagnosis, root, base);
        override_chain(&mut diagnosis, &mut tables, root, flags);
        let file = recipe_layers::of_file(&mut diagnosis, &keys, root);
        let environment = recipe_layers::of_environment(&mut diagnosis, &keys, environment);
        let layers = vec![file, environment];
        join(diagnosis, &keys, layers, flags, Said { name, file: Some(path), base, tables })
    }

    /// The recipe that flags say without any file.
    pub fn from_flags(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &Flags,
    ) -> Result<Recipe, Error> {
        let mut diagnosis = Diagnosis::new(None);
        let keys = Keys::known();
        let layers = vec![recipe_layers::of_environment(&mut diagnosis, &keys, environment)];
        let to_files = flags.to.as_deref().map_or(!chosen(&layers, "target.postgres"), |to| !is_address(to));
        let from = flags.from.clone().unwrap_or_default();
        let into = flags.into.clone().or_else(|| to_files.then(|| name_of_files(&from)));
        if from.is_empty() {
            diagnosis.wrong_at(
                Origin::Flag("--from".into()),
                "",
                "is missing: name the file to load, or a recipe",
            );
        }
        if into.as_deref() == Some("") || (into.is_none() && !to_files) {
            diagnosis.wrong_at(Origin::Flag("--into".into()), "", "is missing: name the target table");
        }
        let into = into.unwrap_or_default();
        diagnosis.set.insert("tables".into(), Origin::Flag("--into".into()));
        diagnosis.set.insert("tables[0].from".into(), Origin::Flag("--from".into()));
        check_into(&mut diagnosis, "tables", &into);
        let name = flags.name.clone().unwrap_or_else(|| {
            let of_cluster = chosen(&layers, "source.cassandra");
            name_of(&into, &from, (!of_cluster).then_some(&flags.folder))
        });
        let table = Table {
            from,
            into,
            types: Default::default(),
            cassandra: Default::default(),
            transforms: modules(&flags.transforms, &flags.folder),
            round: Vec::new(),
            create: None,
            allow_unlogged: false,
            write: Mode::Append,
            truncate: None,
        };
        let said = Said { name: Some(name), file: None, base: &flags.folder, tables: vec![(0, table)] };
        join(diagnosis, &keys, layers, flags, said)
    }

    /// What decides which rows `table` gets: readable parts in a fixed order, only where something is not as by
    /// default. The bytes of modules are the chain's to tell; streams, hosts, memory and chunks make no other rows.
    pub fn shaping(&self, table: &Table) -> Vec<(String, String)> {
        crate::recipe_shaping::shaping(self, table)
    }
}

/// What is said outside the sections.
struct Said<'a> {
    name: Option<String>,
    file: Option<&'a Path>,
    base: &'a Path,
    /// With their places in the recipe.
    tables: Vec<(usize, Table)>,
}

/// Lays the flags over the other layers, and reads every section.
fn join(
    mut diagnosis: Diagnosis,
    keys: &Keys,
    mut layers: Vec<recipe_layers::Layer>,
    flags: &Flags,
    said: Said<'_>,
) -> Result<Recipe, Error> {
    if let Some(name) = &said.name {
        if flags.name.is_some() {
            diagnosis.set.insert("name".into(), Origin::Flag("--name".into()));
        }
        check_name(&mut diagnosis, name);
    }
    let set = flags.set.iter().cloned().chain(to(&mut diagnosis, flags));
    let flags_layer = recipe_layers::of_flags(&mut diagnosis, keys, &set.collect::<Vec<_>>());
    layers.push(flags_layer);
    let settings = Settings::join(&mut diagnosis, layers);
    let source = source(&mut diagnosis, &settings, said.base);
    check_tables(&mut diagnosis, &source, &said.tables);
    let transform: transform::Settings = settings.section(&mut diagnosis, "transform");
    diagnosis.wrong_in("transform", transform.problems());
    let rejects = settings.section(&mut diagnosis, "rejects");
    let run: RunSettings = settings.section(&mut diagnosis, "run");
    diagnosis.wrong_in("run", run.problems());
    let name = said.name.unwrap_or_default();
    let target = target(&mut diagnosis, &settings, said.base, &name);
    check_writes(&mut diagnosis, &target, &said.tables);
    let (target, note) = of_trials(target, &said.tables, flags.to.is_some(), (said.base, &name));
    let (file, base) = (said.file.map(Path::to_path_buf), said.base.to_path_buf());
    let lines = Lines::default();
    let tables = said.tables.into_iter().map(|(_, table)| table).collect();
    let recipe = Recipe { name, file, base, source, target, transform, rejects, run, tables, lines, note };
    let lines = diagnosis.verdict()?;
    Ok(Recipe { lines, ..recipe })
}

fn utf8<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a str, Error> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let place = Index::of(&String::from_utf8_lossy(valid)).place(valid.len()..valid.len());
        invalid(path, place, "is not UTF-8".into())
    })
}

/// toml's own display shows the line, which may hold a secret; its message does not.
fn syntax(text: &str, path: &Path, error: &toml::de::Error) -> Error {
    let place = Index::of(text).place(error.span().unwrap_or_default());
    invalid(path, place, format!("not TOML: {}", error.message()))
}

fn invalid(path: &Path, place: Place, what: String) -> Error {
    let origin = Origin::File { path: path.to_path_buf(), place: Some(place) };
    Error::Invalid(vec![Problem { origin, key: String::new(), what }])
}

fn check_name(diagnosis: &mut Diagnosis, name: &str) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(allowed) || name.starts_with('.') {
        let what = format!(
            "must be 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_` or `.` (not in front), as it also names files"
        );
        diagnosis.wrong("name", what);
    }
}

/// Flags about tables: `--transform` replaces the chain of a recipe's one table, the others need no recipe.
fn override_chain(
    diagnosis: &mut Diagnosis,
    tables: &mut [(usize, Table)],
    root: &DeTable<'_>,
    flags: &Flags,
) {
    for (flag, value) in [("--from", &flags.from), ("--into", &flags.into)] {
        if value.is_some() {
            let what = "is for a run without a recipe: tables come from the recipe's file only";
            diagnosis.wrong_at(Origin::Flag(flag.into()), "", what);
        }
    }
    if flags.transforms.is_empty() {
        return;
    }
    let count = match root.get("tables").map(|value| value.get_ref()) {
        Some(DeValue::Array(tables)) => tables.len(),
        _ => 0,
    };
    match tables {
        [(_, table)] if count == 1 => table.transforms = modules(&flags.transforms, &flags.folder),
        _ if count == 1 => {}
        _ => {
            let what = format!("replaces the chain of a recipe's one table, and this recipe has {count}");
            diagnosis.wrong_at(Origin::Flag("--transform".into()), "", what);
        }
    }
}

/// `--to` as a flag that sets a key.
fn to(diagnosis: &mut Diagnosis, flags: &Flags) -> Option<(String, String, String)> {
    for (flag, key, value) in &flags.set {
        if key.starts_with("target.") && (key.ends_with(".password") || has_password(value)) {
            diagnosis.wrong_at(Origin::Flag(flag.clone()), key, NO_PASSWORD);
        } else if key == "source.cassandra.password" {
            diagnosis.wrong_at(Origin::Flag(flag.clone()), key, NO_SOURCE_PASSWORD);
        }
    }
    let to = flags.to.as_deref()?;
    let origin = Origin::Flag("--to".into());
    if is_address(to) {
        if has_password(to) {
            diagnosis.wrong_at(origin, "", NO_PASSWORD);
        }
        return Some(("--to".into(), "target.postgres.url".into(), to.into()));
    }
    if to.is_empty() || is_misplaced(to) {
        let what = "must be postgres://…, a folder, or - for standard output";
        diagnosis.wrong_at(origin, "", what);
        return None;
    }
    let dir = if to == "-" { PathBuf::from(to) } else { flags.folder.join(to) };
    Some(("--to".into(), "target.files.dir".into(), dir.to_string_lossy().into_owned()))
}

/// One of the two targets; files beside the recipe where none is named.
fn target(diagnosis: &mut Diagnosis, settings: &Settings, base: &Path, name: &str) -> Target {
    match (settings.has("target.postgres"), settings.has("target.files")) {
        (true, true) => {
            let what = "not together with `target.postgres`: a run has one target";
            diagnosis.wrong("target.files", what);
            Target::Files(copy::files::Settings::default())
        }
        (true, false) => {
            let postgres: copy::postgres::Settings = settings.section(diagnosis, "target.postgres");
            diagnosis.wrong_in("target.postgres", postgres.problems());
            Target::Postgres(postgres)
        }
        (false, has_files) => {
            let mut files: copy::files::Settings = settings.section(diagnosis, "target.files");
            if !settings.has("target.files.dir") {
                files.dir = Path::new("etl-out").join(name);
            } else if files.dir.as_os_str().is_empty() && has_files {
                diagnosis.wrong("target.files.dir", "must not be empty");
            } else if is_misplaced(&files.dir.to_string_lossy()) {
                let what = "must be a folder: the address of a database goes into `target.postgres.url`";
                diagnosis.wrong("target.files.dir", what);
            }
            if files.dir != Path::new("-") {
                files.dir = base.join(&files.dir);
            }
            Target::Files(files)
        }
    }
}
