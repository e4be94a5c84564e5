//! `etl inspect`: what a module is, needs and makes.

use crate::cli::{InspectArgs, Voice};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::print;
use crate::transform::{Engine, Settings, inspect as look};
use crate::units::size;

/// Runs the command.
pub(crate) fn inspect(args: &InspectArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let engine = Engine::new(&Settings::default(), None)?;
    let found = look(&engine, &args.module)?;
    if voice.json {
        let text =
            serde_json::to_string_pretty(&found).map_err(|error| Failure::Internal(error.to_string()))?;
        print(&(text + "\n"))?;
    } else {
        let mut text = format!("{}: {}, {}\n", args.module.display(), found.kind, size(found.bytes));
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                text += &format!("  {name:9} {value}\n");
            }
        };
        line("sha256", &found.sha256);
        line("contract", found.contract.as_deref().unwrap_or("none"));
        line("exports", &found.exports.join(", "));
        line("imports", &found.imports.join(", "));
        if let Some(bytes) = found.memory_bytes {
            line("memory", &format!("{} at the start", size(bytes)));
        }
        for (field, name, version) in &found.producers {
            line("made by", &format!("{field}: {name} {version}"));
        }
        line("problem", found.problem.as_deref().unwrap_or_default());
        print(&text)?;
    }
    Ok(if found.problem.is_some() { ExitCode::Module } else { ExitCode::Done })
}
