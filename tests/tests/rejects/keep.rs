//! `[rejects] keep`: private data stays out of the ledger, and what is kept makes no other rows.

use super::bed::{bed, recipe};

#[tokio::test]
async fn nothing_of_a_row_is_kept_where_the_recipe_says_so() {
    for (number, keep) in ["none", "keys"].into_iter().enumerate() {
        let more = format!("[rejects]\nkeep = \"{keep}\"");
        let bed = bed(&format!("rejects_keep_{number}"), &more).await;
        bed.run().code(8).says(&["6 rejected"]);
        // Files have no key: both keep the same of them.
        let kept =
            "SELECT count(*) FROM etl.reject WHERE original IS NOT NULL OR original_bytes IS NOT NULL OR cut";
        assert_eq!(bed.number(kept).await, 0);
        let told = "SELECT count(*) FROM etl.reject WHERE position ~ '^[0-9]+:[0-9]+$' AND reason <> ''";
        assert_eq!(bed.number(told).await, 6);
        let ran = bed.folder.etl(["rejects", "recipe.toml"]).run().code(0);
        assert!(ran.stdout.contains("people.csv line 3\n"), "{}", ran.stdout);
        for value in ["Bob", "Cleo", "ora", "none,"] {
            assert!(!ran.stdout.contains(value), "{}", ran.stdout);
        }
    }
}

#[tokio::test]
async fn what_is_kept_can_be_changed_in_the_middle_of_a_load() {
    let bed = bed("rejects_keep_changed", "chunk_rows = 1").await;
    bed.etl(["--max-rejects", "2"]).run().code(7);
    recipe(&bed, "chunk_rows = 1\n[rejects]\nkeep = \"none\"");
    bed.run().code(8);
    assert_eq!(bed.number("SELECT count(*) FROM people").await, 2);
    let whole = bed.number("SELECT count(*) FROM etl.reject WHERE original_bytes IS NOT NULL").await;
    let bare = bed.number("SELECT count(*) FROM etl.reject WHERE coalesce(original::text, '') = '' AND original_bytes IS NULL").await;
    assert!(whole > 0 && whole <= 2 && whole + bare == 6, "{whole} whole, {bare} bare");
}

#[tokio::test]
async fn a_word_that_is_none_of_three_is_refused_with_its_line() {
    let bed = bed("rejects_keep_word", "[rejects]\nkeep = \"some\"").await;
    bed.run().code(2).says(&["recipe.toml:8:", "`rejects.keep`", "full", "keys", "none"]);
}
