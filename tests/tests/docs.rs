//! What the documentation says is so: commands, flags, keys, exit codes, dependencies, rights, queries.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use etl::exit_code::ExitCode;
use etl_tests::harness::{Folder, guest};
use etl_tests::postgres::Server;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root").to_path_buf()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The pages that people write or read: README.md and docs/*.md, by name.
fn pages() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("docs")).expect("docs/");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> =
        names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    names.sort();
    names.push("README.md".into());
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

fn help(args: &[&str]) -> String {
    Folder::new().etl(args).run().code(0).stdout
}

/// The first words of the lines under `Commands:`.
fn commands() -> Vec<String> {
    let help = help(&["--help"]);
    let list = help.split("\nCommands:\n").nth(1).expect("a list of commands");
    let lines = list.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_whitespace().next()).map(String::from).collect()
}

/// `--from`, `-q`, … that a help text begins a line with.
fn flags(help: &str) -> BTreeSet<String> {
    let starts = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = starts.flat_map(|line| line.split("  ").next().unwrap_or(line).split([' ', ',', '.']));
    words.filter(|word| word.len() > 1 && word.starts_with('-')).map(String::from).collect()
}

#[test]
fn every_command_and_flag_of_the_help_is_in_the_docs() {
    let docs = read("docs/commands.md");
    let commands = commands();
    assert!(commands.len() >= 5, "{commands:?}");
    let mut seen = BTreeSet::new();
    for command in &commands {
        assert!(docs.contains(&format!("etl {command} ")), "docs/commands.md lacks `etl {command}`");
        if command != "help" {
            seen.extend(flags(&help(&[command, "--help"])));
        }
    }
    seen.extend(flags(&help(&["--help"])));
    assert!(seen.contains("--fresh") && seen.contains("-q") && seen.len() > 15, "{seen:?}");
    let told = |flag: &str| docs.contains(&format!("`{flag}`")) || docs.contains(&format!("`{flag} "));
    let missing: Vec<&String> = seen.iter().filter(|flag| !told(flag)).collect();
    assert!(missing.is_empty(), "docs/commands.md lacks {missing:?}");
}

#[test]
fn every_flag_that_the_docs_tell_of_is_one() {
    let known: BTreeSet<String> = commands()
        .iter()
        .filter(|command| *command != "help")
        .flat_map(|command| flags(&help(&[command, "--help"])))
        .chain(flags(&help(&["--help"])))
        .collect();
    let docs = read("docs/commands.md");
    let rows = docs.lines().filter(|line| line.starts_with("| `-"));
    let told = rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2));
    let told: Vec<&str> = told.map(|flag| flag.split(' ').next().unwrap_or(flag)).collect();
    assert!(told.len() > 15, "{told:?}");
    let unknown: Vec<&&str> = told.iter().filter(|flag| !known.contains(**flag)).collect();
    assert!(unknown.is_empty(), "docs/commands.md tells of {unknown:?}");
}

#[test]
fn the_docs_have_every_exit_code_once_and_no_other() {
    let docs = read("docs/exit-codes.md");
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse::<u8>().ok());
    assert_eq!(rows.collect::<Vec<_>>(), ExitCode::ALL.map(|code| code as u8));
}

#[test]
fn every_key_that_a_page_names_is_one() {
    let reference = read("docs/recipe.md");
    let mut broken = Vec::new();
    let mut count = 0;
    for (name, text) in pages() {
        for word in text.split('`').skip(1).step_by(2) {
            let is_key = word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'.');
            let sections = [
                "run.",
                "rejects.",
                "transform.",
                "source.csv.",
                "source.cassandra.",
                "target.postgres.",
                "target.files.",
            ];
            if is_key && sections.iter().any(|section| word.starts_with(section)) && !word.ends_with(".wit") {
                count += 1;
                let variable = format!("`ETL_{}`", word.to_ascii_uppercase().replace('.', "__"));
                if !reference.contains(&variable) {
                    broken.push(format!("{name}: {word}"));
                }
            }
        }
    }
    assert!(count > 10, "{count} keys found");
    assert!(broken.is_empty(), "no such key in docs/recipe.md:\n  {}", broken.join("\n  "));
}

#[test]
fn every_page_can_be_found_from_the_readme_or_the_index() {
    let (readme, index) = (read("README.md"), read("docs/README.md"));
    assert!(readme.contains("(docs/README.md)"));
    for (name, _) in pages() {
        let Some(page) = name.strip_prefix("docs/").filter(|page| *page != "README.md") else { continue };
        let named = index.contains(page) || readme.contains(&name);
        assert!(named, "{name} is in neither README.md nor docs/README.md");
    }
    let index = read("docs/decisions/README.md");
    for entry in fs::read_dir(root().join("docs/decisions")).expect("docs/decisions") {
        let page = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        assert!(page == "README.md" || index.contains(&format!("({page})")), "{page} is not in its index");
    }
}

#[test]
fn the_commands_that_pages_show_are_there() {
    let makefile = read("Makefile");
    let mut shown = BTreeSet::new();
    for (name, text) in pages() {
        for line in text.lines().map(str::trim) {
            if let Some(target) = line.strip_prefix("make ") {
                let target = target.split(' ').next().unwrap_or_default();
                assert!(makefile.contains(&format!("\n{target}:")), "{name}: make {target}");
                shown.insert(target.to_owned());
            }
            for (at, _) in line.match_indices("tests/").filter(|(at, _)| !line[..*at].ends_with("tests/")) {
                let path = line[at..].split(|c: char| c.is_whitespace() || "`)|;,".contains(c)).next();
                let path = path.unwrap_or_default().trim_end_matches('.');
                if path.ends_with(".sh") {
                    assert!(root().join(path).is_file(), "{name}: {path}");
                }
            }
        }
    }
    assert!(shown.contains("demo") && shown.contains("test"), "{shown:?}");
}

/// The text of all files below a folder that end in `.rs`.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let texts = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return sources(&path);
        }
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        if is_rust { fs::read_to_string(&path).expect("a source") } else { String::new() }
    });
    texts.collect()
}

#[test]
fn every_test_that_the_guarantees_name_is_one() {
    let tests = sources(&root().join("tests/tests"));
    let page = read("docs/guarantees.md");
    // A name that is a sentence: four words or more.
    let words = page.split('`').skip(1).step_by(2);
    let named: BTreeSet<&str> =
        words.filter(|word| !word.contains(' ') && word.matches('_').count() > 3).collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        let test = format!("test]\nasync fn {name}()");
        assert!(
            tests.contains(&test) || tests.contains(&test.replace("async ", "")),
            "docs/guarantees.md names a test {name}, which is none"
        );
    }
}

#[test]
fn the_list_of_dependencies_is_that_of_the_runner() {
    let manifest = read("runner/Cargo.toml");
    let mut section = "";
    let mut used = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if let (true, Some((name, _))) = (section.ends_with("dependencies]"), line.split_once(" = ")) {
            used.insert(name.to_owned());
        }
    }
    assert!(used.len() > 30, "{used:?}");
    let page = read("docs/decisions/dependencies.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let listed = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let listed: BTreeSet<String> = listed.map(String::from).collect();
    assert_eq!(listed, used, "docs/decisions/dependencies.md and runner/Cargo.toml");
}

/// The blocks of `sql` on a page.
fn sql(page: &str) -> Vec<String> {
    let text = read(page);
    let blocks = text.split("```sql\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_bytes_of_a_module_behind_another_step_are_compared_and_its_name_is_not() {
    let folder = Folder::new();
    folder.write("people.csv", "id,name\n1,Ann\n");
    let recipe = |module: &str| {
        let steps = format!("transforms = [{{ drop = [\"id\"] }}, {{ module = \"{module}\" }}]");
        folder.write(
            "recipe.toml",
            format!("name = \"people\"\n[[tables]]\nfrom = \"people.csv\"\ninto = \"people\"\n{steps}\n"),
        );
    };
    let module = fs::read(guest("rust", "identity")).unwrap();
    folder.write("a.wasm", &module);
    folder.write("b.wasm", &module);
    folder.write("c.wasm", [&module[..], &[0, 2, 1, b'x']].concat());
    recipe("a.wasm");
    folder.etl(["run"]).run().code(0);
    recipe("b.wasm");
    folder.etl(["run"]).run().code(0).says(&["was done before"]);
    recipe("c.wasm");
    folder.etl(["run"]).run().code(9).says(&["transforms[1].module changed (sha256 "]);
}

#[tokio::test]
async fn a_table_whose_row_level_security_applies_is_refused_before_a_row_moves() {
    let server = Server::of_the_test_run();
    let admin = server.database("docs_row_security").await;
    let table =
        "DO $$ BEGIN CREATE ROLE etl_docs_plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        CREATE TABLE public.people (id int); ALTER TABLE people ENABLE ROW LEVEL SECURITY;
        CREATE POLICY everything ON people USING (true); GRANT INSERT ON people TO etl_docs_plain;
        CREATE SCHEMA etl; GRANT USAGE, CREATE ON SCHEMA etl TO etl_docs_plain";
    admin.batch_execute(table).await.unwrap();
    let folder = Folder::new();
    folder.write("people.csv", "id\n1\n");
    let url = |user: &str| {
        server
            .url("127.0.0.1", "docs_row_security")
            .replace(&format!("//{}@", server.user), &format!("//{user}@"))
    };
    let check = |url: &str| {
        folder.etl(["check", "--from", "people.csv", "--into", "public.people", "--to", url]).run()
    };
    check(&url("etl_docs_plain")).code(11).says(&["row-level security", "public.people"]);
    check(&url(&server.user)).code(0);
}

#[tokio::test]
async fn the_rights_that_the_docs_name_are_enough_and_their_queries_run() {
    let server = Server::of_the_test_run();
    let admin = server.database("docs_rights").await;
    let role = "DO $$ BEGIN CREATE ROLE loader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        REVOKE CREATE ON SCHEMA public FROM public;
        CREATE TABLE public.people (id int PRIMARY KEY, name text NOT NULL, born date)";
    admin.batch_execute(role).await.unwrap();
    let grants = sql("docs/targets.md").into_iter().find(|block| block.contains("GRANT")).expect("grants");
    let folder = Folder::new();
    folder.write("people.csv", "id,name,born\n1,Ann,1990-01-02\n2,Bob,\nx,Eve,\n");
    let url =
        server.url("127.0.0.1,127.0.0.2", "docs_rights").replace(&format!("//{}@", server.user), "//loader@");
    let recipe = format!(
        "name = \"people\"\n[target.postgres]\nurl = \"{url}\"\n[run]\nmax_rejects = 1\n[[tables]]\n\
         from = \"people.csv\"\ninto = \"public.people\"\ntypes = {{ id = \"int32\" }}\n"
    );
    folder.write("recipe.toml", recipe);
    folder.etl(["check"]).run().code(11).says(&["`loader`", "grant CREATE"]);
    admin.batch_execute(&grants).await.unwrap();
    folder.etl(["check"]).run().code(0);
    folder.etl(["run"]).run().code(8);
    let rows = admin.query("SELECT id, name FROM public.people ORDER BY id", &[]).await.unwrap();
    let rows: Vec<(i32, &str)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [(1, "Ann"), (2, "Bob")]);

    let queries: Vec<String> = ["docs/exactly-once.md", "docs/targets.md"]
        .into_iter()
        .flat_map(sql)
        .filter(|q| *q != grants)
        .collect();
    assert!(queries.len() >= 4, "{queries:?}");
    for query in queries {
        admin.batch_execute(&query).await.unwrap_or_else(|error| panic!("{error}:\n{query}"));
    }
    let columns = "SELECT table_name::text, column_name::text FROM information_schema.columns
        WHERE table_schema = 'etl' AND table_name <> 'node_check'";
    let page = read("docs/exactly-once.md");
    for row in admin.query(columns, &[]).await.unwrap() {
        let (table, column): (&str, &str) = (row.get(0), row.get(1));
        let part = page.split(&format!("**`{table}`**")).nth(1).unwrap_or_else(|| panic!("no table {table}"));
        let part = part.split("\n**").next().unwrap_or(part);
        // A load's key is told once, for all tables.
        let key =
            ["name", "target"].contains(&column) && page.contains("`name` and `target` are a load's key");
        assert!(key || part.contains(&format!("`{column}`")), "docs/exactly-once.md lacks {table}.{column}");
    }
}
