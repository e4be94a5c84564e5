//! A database, a folder with a recipe and its rows, and runs of `etl` on it. Every row holds [`HUSH`], which no run
//! may say.

use std::fmt::Write as _;
use std::path::Path;

use etl_tests::customers::REJECTS_ELSEWHERE;
use etl_tests::harness::{Etl, Folder, Ran};
use etl_tests::postgres::Server;
use tokio_postgres::Client;

/// In every row: values of rows are in no message.
pub(crate) const HUSH: &str = "hush-7f3a";

/// `id,name` and rows `1..=rows`.
pub(crate) fn rows(rows: u32) -> String {
    (1..=rows).fold("id,name\n".into(), |text, id| text + &row(id))
}

/// One good row.
pub(crate) fn row(id: u32) -> String {
    format!("{id},{HUSH} {id}\n")
}

/// A database of its own with the table `public.t (id int, name text)`, and a folder.
pub(crate) struct Bed {
    pub(crate) folder: Folder,
    pub(crate) client: Client,
    pub(crate) url: String,
}

/// What a recipe says besides the target: nothing, if it is not changed.
#[derive(Clone, Debug)]
pub(crate) struct Recipe<'a> {
    /// More lines of `[target.postgres]`.
    pub(crate) target: &'a str,
    /// Lines of `[run]`.
    pub(crate) run: &'a str,
    /// Lines of `[source.csv]`.
    pub(crate) csv: &'a str,
    /// More lines of the table.
    pub(crate) table: &'a str,
    pub(crate) from: &'a str,
    pub(crate) into: &'a str,
    pub(crate) url: &'a str,
}

impl Default for Recipe<'_> {
    fn default() -> Self {
        Recipe {
            target: "",
            run: "streams = 1\nchunk_rows = 4",
            csv: "",
            table: "",
            from: "rows.csv",
            into: "public.t",
            url: "",
        }
    }
}

impl Bed {
    pub(crate) async fn new(database: &str) -> Bed {
        let server = Server::of_the_test_run();
        let client = server.database(database).await;
        client.batch_execute("CREATE TABLE public.t (id int, name text)").await.unwrap();
        Bed { folder: Folder::new(), client, url: server.url("127.0.0.1", database) }
    }

    /// Writes `recipe.toml`.
    pub(crate) fn recipe(&self, recipe: &Recipe<'_>) {
        let Recipe { target, run, csv, table, from, into, url } = recipe;
        let url = if url.is_empty() { &self.url } else { *url };
        let text = format!(
            "name = \"bad\"\n[target.postgres]\nurl = \"{url}\"\n{target}\n[run]\n{run}\n[source.csv]\n{csv}\n\
             [[tables]]\nfrom = \"{from}\"\ninto = \"{into}\"\n{table}\n"
        );
        self.folder.write("recipe.toml", text);
    }

    /// `etl COMMAND… recipe.toml`.
    pub(crate) fn command(&self, command: &[&str]) -> Etl {
        self.folder.etl(command.iter().copied().chain(["recipe.toml"]))
    }

    /// `etl run recipe.toml`, which never says a value of a row.
    #[track_caller]
    pub(crate) fn run(&self) -> Ran {
        self.command(&["run"]).run().never_says(HUSH)
    }

    /// Writes rows and a recipe, and runs it.
    #[track_caller]
    pub(crate) fn run_rows(&self, rows: impl AsRef<[u8]>, recipe: &Recipe<'_>) -> Ran {
        self.folder.write("rows.csv", rows);
        self.recipe(recipe);
        self.run()
    }

    /// `recipe.toml:LINE: ` of the first line that begins with `start`.
    #[track_caller]
    pub(crate) fn line(&self, start: &str) -> String {
        let text = std::fs::read_to_string(self.folder.path("recipe.toml")).unwrap();
        let index = text.lines().position(|line| line.trim_start().starts_with(start));
        format!("recipe.toml:{}:", index.unwrap_or_else(|| panic!("no line {start}")) + 1)
    }

    /// The ids that are in `public.t`, sorted.
    pub(crate) async fn ids(&self) -> Vec<i32> {
        let rows = self.client.query("SELECT id FROM public.t ORDER BY id", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Whether the rows of `public.t` are whole, not only counted.
    pub(crate) async fn has_exactly(&self, ids: impl IntoIterator<Item = i32>) {
        let expected: Vec<i32> = ids.into_iter().collect();
        assert_eq!(self.ids().await, expected);
        let odd = "SELECT count(*) FROM public.t WHERE name IS DISTINCT FROM $1 || ' ' || id";
        let odd: i64 = self.client.query_one(odd, &[&HUSH]).await.unwrap().get(0);
        assert_eq!(odd, 0, "a row has another content");
    }

    /// What the ledger holds: rows read, rejected, and splits that are not done.
    pub(crate) async fn ledger(&self) -> (i64, i64, i64) {
        let sql = "SELECT coalesce(sum(read), 0)::int8, coalesce(sum(rejected), 0)::int8,
                   count(*) FILTER (WHERE NOT done) FROM etl.ledger";
        let row = self.client.query_one(sql, &[]).await.unwrap();
        (row.get(0), row.get(1), row.get(2))
    }

    /// Whether nothing of the ledger was made: the run ended before it touched the target.
    pub(crate) async fn is_untouched(&self) {
        let sql = "SELECT count(*) FROM pg_namespace WHERE nspname = 'etl'";
        let schemas: i64 = self.client.query_one(sql, &[]).await.unwrap().get(0);
        assert_eq!((schemas, self.ids().await.len()), (0, 0));
    }

    /// Splits that do not have as many rejects of their own as the ledger says, and rejects outside of their split.
    pub(crate) async fn rejects_elsewhere(&self) -> i64 {
        self.client.query_one(REJECTS_ELSEWHERE, &[]).await.unwrap().get(0)
    }

    /// The rejects: `line position stage/code reason original`.
    pub(crate) async fn rejects(&self) -> Vec<String> {
        let sql = "SELECT position, stage, code, reason, original::text, original_bytes, cut FROM etl.reject";
        let mut lines: Vec<(u64, String)> = Vec::new();
        for row in self.client.query(sql, &[]).await.unwrap() {
            let text = |index: usize| row.get::<_, String>(index);
            let mut original = row.get::<_, Option<String>>(4).unwrap_or_default();
            if let Some(bytes) = row.get::<_, Option<Vec<u8>>>(5) {
                let _ = write!(original, "{}", bytes.escape_ascii());
            }
            let cut = if row.get::<_, bool>(6) { " (cut)" } else { "" };
            let line = format!("{} {}/{} {}: {original}{cut}", text(0), text(1), text(2), text(3));
            lines.push((text(0).split(':').next_back().unwrap().parse().unwrap_or(0), line));
        }
        lines.sort();
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

/// Assembles a module of `tests/evil` into the folder, as `NAME.wasm`.
pub(crate) fn guest(folder: &Folder, name: &str) -> std::path::PathBuf {
    let evil = Path::new(env!("CARGO_MANIFEST_DIR")).join("evil");
    let read =
        |name: &str| std::fs::read_to_string(evil.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let text = read(&format!("{name}.wat"));
    let whole =
        if text.contains("\n(module") { text } else { format!("(module {}\n{text})", read("base.wat")) };
    let bytes = wat::parse_str(&whole).unwrap_or_else(|e| panic!("{name}: {e}"));
    folder.write(&format!("{name}.wasm"), bytes)
}
