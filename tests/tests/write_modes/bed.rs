//! What these tests stand on: a recipe with one table in a mode, and what is looked at behind its run.

use etl_tests::bed::Bed;
use etl_tests::customers::{Row, rows_of};

/// From one row for each chunk to all rows in one.
pub(crate) const CHUNKS: [u32; 4] = [1, 2, 7, 100_000];

/// `recipe.toml`: `data.csv` into `public.t`.
pub(crate) fn recipe(bed: &Bed, mode: &str, run: &str, table: &str) {
    bed.recipe(&format!(
        "[run]\n{run}\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\nwrite = \"{mode}\"\n{table}\n"
    ));
}

/// A database with `public.t`, and `data.csv`.
pub(crate) async fn bed(database: &str, ddl: &str, csv: impl AsRef<[u8]>) -> Bed {
    let bed = Bed::new(database).await;
    bed.sql(ddl).await;
    bed.folder.write("data.csv", csv);
    bed
}

/// The rows of `public.t`, each as one text, sorted.
pub(crate) async fn rows(bed: &Bed, columns: &str) -> Vec<String> {
    let cells = |row: Row| -> Vec<String> { row.into_iter().map(Option::unwrap_or_default).collect() };
    let rows = rows_of(&bed.client, &format!("SELECT {columns} FROM public.t")).await;
    rows.into_iter().map(|row| cells(row).join(" ")).collect()
}

/// read, loaded, filtered, rejected, skipped, written: of all splits, which are done and add up.
pub(crate) async fn counts(bed: &Bed) -> [i64; 6] {
    bed.is_finished().await;
    let sql = "SELECT sum(read)::bigint, sum(loaded)::bigint, sum(filtered)::bigint, sum(rejected)::bigint, \
               sum(skipped)::bigint, sum(written)::bigint FROM etl.ledger";
    let row = bed.client.query_one(sql, &[]).await.unwrap();
    std::array::from_fn(|at| row.get(at))
}

/// Forgets what was loaded: the next run is the first.
pub(crate) async fn forget(bed: &Bed) {
    bed.sql("DROP SCHEMA IF EXISTS etl CASCADE").await;
}
