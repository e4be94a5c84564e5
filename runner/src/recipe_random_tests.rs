//! Whatever stands where a recipe is expected: a recipe or an error, never a panic, never a value in a message.

use std::ffi::OsString;

use proptest::prelude::*;

use crate::recipe::{Error, Flags, Recipe};
use crate::recipe_keys::Keys;

fn read(
    text: &[u8],
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &Flags,
) -> Result<Recipe, Error> {
    Recipe::parse(text, "r.toml".as_ref(), "/recipes".as_ref(), environment, flags)
}

/// Text that looks like a recipe: known keys and others, with any values, one of them a secret.
fn like_a_recipe() -> impl Strategy<Value = String> {
    let mut paths = crate::recipe_layers::settings(&Keys::known());
    paths.extend(
        ["name", "tables", "run", "source.csv.x", "target", "'a.b'", "tables.from", "x"].map(str::to_owned),
    );
    let value = prop::sample::select(vec![
        "'hush'",
        "5",
        "-1",
        "1e400",
        "nan",
        "true",
        "2013-01-01",
        "23:59:59",
        "[]",
        "[[1], 'hush']",
        "{}",
        "{ a = 'hush' }",
        "'64 MiB'",
        "'10 s'",
        "99999999999999999999",
        "[{ module = 'hush' }]",
        "0xff",
        "'postgres://a:hush@h/d'",
        "[{ drop = 'hush' }, { rename = { a = 5 } }]",
        "'host=h password=hush'",
    ]);
    let line =
        (prop::sample::select(paths), value.clone()).prop_map(|(key, value)| format!("{key} = {value}\n"));
    let inside = prop::sample::select(vec![
        "from",
        "into",
        "types",
        "transforms",
        "allow_unlogged",
        "create",
        "round",
        "types.a",
        "options",
        "x.x",
    ]);
    let inside = (inside, value).prop_map(|(key, value)| format!("{key} = {value}\n"));
    let tables = prop::collection::vec(prop::collection::vec(inside, 0..5), 0..3);
    (prop::collection::vec(line, 0..6), tables).prop_map(|(lines, tables)| {
        let tables = tables.into_iter().map(|lines| format!("[[tables]]\n{}", lines.concat()));
        lines.concat() + &tables.collect::<String>()
    })
}

fn words(result: Result<Recipe, Error>) -> String {
    match result {
        Ok(recipe) => recipe.shaping(&recipe.tables[0]).len().to_string(),
        Err(error) => error.to_string(),
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_panic(text in "\\PC*|[a-z.=\\[\\]{}'\"# \n0-9-]*") {
        let environment = [("ETL_RUN__STREAMS".into(), text.clone().into())];
        let set = vec![("--set".to_owned(), text.clone(), text.clone())];
        words(read(text.as_bytes(), environment, &Flags { set, ..Flags::default() }));
    }

    #[test]
    fn nothing_like_a_recipe_makes_a_panic_or_shows_a_value(text in like_a_recipe()) {
        let message = words(read(text.as_bytes(), [], &Flags::default()));
        prop_assert!(!message.replace("x.x", "").replace("`hush`", "").contains("hush"), "{}\n{}", text, message);
    }

    #[test]
    fn any_bytes_are_a_recipe_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        words(read(&bytes, [], &Flags::default()));
    }
}
