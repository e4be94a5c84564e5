//! Any text is a recipe or an error that says where it stands. A first line such as `# ETL_RUN__STREAMS=4` is a variable.

#![no_main]

use etl::recipe::{Flags, Recipe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let variable = data.split(|byte| *byte == b'\n').next().and_then(|line| str::from_utf8(line).ok());
    let environment = variable.and_then(|line| line.strip_prefix("# ETL_")?.split_once('='));
    let environment = environment.map(|(name, value)| (format!("ETL_{name}").into(), value.into()));
    match Recipe::parse(data, "r.toml".as_ref(), "/recipes".as_ref(), environment, &Flags::default()) {
        Ok(recipe) => {
            assert!(!recipe.name.is_empty() && !recipe.tables.is_empty());
            for table in &recipe.tables {
                let _ = recipe.shaping(table);
            }
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains("r.toml") || message.contains("ETL_"), "{message}");
        }
    }
});
