//! A database that cannot hold every character: rows with others are rejects, and their originals come back whole.

use etl_tests::bed::Bed;
use etl_tests::harness::Folder;
use etl_tests::postgres::Server;
use serde_json::Value;

async fn bed(database: &str) -> Bed {
    let server = Server::of_the_test_run();
    let admin = server.client("postgres").await;
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await.unwrap();
    let kind = "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'";
    admin.batch_execute(&format!("CREATE DATABASE {database} {kind}")).await.unwrap();
    let client = server.client(database).await;
    Bed { server, database: database.into(), client, folder: Folder::new() }
}

#[tokio::test]
async fn a_row_with_a_character_that_the_database_has_not_is_a_reject_and_exported_as_it_was() {
    let bed = bed("rejects_latin1").await;
    bed.sql("CREATE TABLE people (id int PRIMARY KEY, name text, pay int)").await;
    // The server refuses line 4, and the source line 6: the reason names a column that the database cannot name.
    bed.folder.write("people.csv", "id,name,pay €\n1,Ada,1\n2,Zoë,2\n3,5 € 𝄞 é,3\n4,Fay,4\n5,Dora €,five\n");
    bed.recipe(
        "[run]\nstreams = 1\nmax_rejects = 5\n[[tables]]\nfrom = \"people.csv\"\ninto = \"public.people\"\n\
         types = { id = \"int32\", \"pay €\" = \"int32\" }\ntransforms = [{ rename = { \"pay €\" = \"pay\" } }]\n",
    );
    bed.run()
        .code(8)
        .says(&["server/untranslatable_character: SQLSTATE 22P05", "column `pay €`: not of type int32"]);
    bed.run().code(8).says(&["was done before"]);
    assert_eq!(bed.number("SELECT count(*) FROM people").await, 3);
    assert_eq!(bed.number("SELECT count(*) FROM people WHERE name = E'Zo\\u00eb'").await, 1);
    assert_eq!(
        bed.number("SELECT count(*) FROM etl.reject WHERE reason LIKE 'column `pay ?`: not%'").await,
        1
    );
    bed.folder.etl(["rejects", "recipe.toml", "--export", "out.jsonl"]).run().code(0);
    let exported = std::fs::read_to_string(bed.folder.path("out.jsonl")).unwrap();
    let rows: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused = rows.iter().find(|row| row["stage"] == "server").unwrap();
    assert_eq!(refused["original"]["name"], "5 € 𝄞 é", "{exported}");
    assert_eq!(refused["original"]["pay €"], 3, "{exported}");
    assert!(exported.contains("5,Dora €,five"), "{exported}");
}

#[tokio::test]
async fn a_file_whose_name_the_database_cannot_hold_is_refused_before_a_row_is_loaded() {
    let bed = bed("rejects_latin1_name").await;
    bed.sql("CREATE TABLE people (id int)").await;
    bed.folder.write("5€.csv", "id\n1\n");
    bed.recipe("[[tables]]\nfrom = \"5€.csv\"\ninto = \"public.people\"\n");
    bed.run().code(5).says(&["SQLSTATE 22P05 (untranslatable_character)"]);
    assert_eq!(bed.number("SELECT count(*) FROM people").await, 0);
}
