//! Arrays of floats into columns of pgvector's types. The extension is not here: a type of its name keeps the text that
//! the extension would read, and a constraint on the column says what that text must be.

use etl_tests::customers::rows_of;

use crate::bed::Load;

/// pgvector's types in the search path; what is written into them is compared as `real[]`.
const TYPES: [&str; 3] = ["vector", "halfvec", "sparsevec"];
const NUMBERS: &str = r"^\[[0-9.e+-]+(,[0-9.e+-]+)*\]$";

async fn load(name: &str) -> Load {
    let load = Load::new(name).await;
    for ty in TYPES {
        load.bed
            .sql(&format!(
                "CREATE TYPE {ty}; \
                 CREATE FUNCTION {ty}_in(cstring) RETURNS {ty} LANGUAGE internal IMMUTABLE STRICT AS 'textin'; \
                 CREATE FUNCTION {ty}_out({ty}) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'; \
                 CREATE TYPE {ty} (INPUT = {ty}_in, OUTPUT = {ty}_out, LIKE = text)"
            ))
            .await;
    }
    load
}

#[tokio::test]
async fn vectors_of_floats_are_loaded_as_pgvector_reads_them_and_others_become_rejects() {
    let load = load("vectors").await;
    let check = |column: &str| format!("CHECK ({column}::text ~ '{NUMBERS}')");
    load.tables(
        "t",
        "(id int PRIMARY KEY, v vector<float, 3>, d list<double>, f list<float>, plain vector<float, 3>)",
        &format!(
            "(id int, v vector {}, d halfvec {}, f halfvec {}, plain real[])",
            check("v"),
            check("d"),
            check("f")
        ),
    )
    .await;
    for values in [
        "1, [1, 2.5, 1E-10], [0.1, -7], [3.14], [1, 2, 3]",
        "2, [-3.4028235E38, 1E-45, 16777217], [1E10], [0.333333333], [NaN, 2, 3]",
        "3, null, null, null, null",
        // pgvector has none of these.
        "4, [1, NaN, 3], [1], [1], [1, 2, 3]",
        "5, [1, 2, 3], [1, Infinity], [1], [1, 2, 3]",
        "6, [1, 2, 3], [1], [-Infinity], [1, 2, 3]",
    ] {
        load.keyspace.cql(&format!("INSERT INTO t (id, v, d, f, plain) VALUES ({values})")).await;
    }
    let refused = ["column `d` is float64[] and would be rounded by halfvec", "column `f` is float32[]"];
    load.load("t").code(5).says(&refused);
    load.recipe("", &format!("{}round = [\"d\", \"f\"]\n", load.table("t")));
    let report = load.bed.etl(["--json", "--max-rejects", "9"]).run().code(8).json();
    let rejects = report["rejects"].as_array().unwrap();
    assert!(rejects.iter().all(|group| group["code"] == "bad_vector"), "{rejects:?}");
    assert_eq!(load.bed.number("SELECT count(*) FROM etl.reject WHERE code = 'bad_vector'").await, 3);
    let as_array = |column: &str, ty: &str| format!("translate({column}::text, '[]', '{{}}')::{ty}[]");
    let sql = format!(
        "SELECT id, {}, {}, {}, plain FROM t",
        as_array("v", "real"),
        as_array("d", "float8"),
        as_array("f", "real")
    );
    let loaded = rows_of(&load.bed.client, &sql).await;
    assert_eq!(loaded.len(), 3);
    load.same("SELECT id, v, d, f, plain FROM t WHERE id IN (1, 2, 3)", &sql, &[]).await;
}

#[tokio::test]
async fn what_is_no_vector_of_floats_is_refused_with_what_to_do() {
    let load = load("no_vectors").await;
    let cql = "(id int PRIMARY KEY, s vector<float, 3>, i list<int>, j vector<int, 2>, t text)";
    load.tables("t", cql, "(id int, s sparsevec, i vector, j vector, t vector)").await;
    load.keyspace.cql("INSERT INTO t (id, t) VALUES (1, '[1,2]')").await;
    let says = [
        "column `s` is float32[] and does not load into sparsevec (public.t): make the column `vector`",
        "column `i` is int32[] and does not load into vector (public.t): make the elements float32 in a module",
        "column `j` is json and does not load into vector",
    ];
    load.load("t").code(5).says(&says);
    // Text is what a vector's text is.
    load.recipe("", &format!("{}transforms = [{{ drop = [\"s\", \"i\", \"j\"] }}]\n", load.table("t")));
    load.bed.run().code(0);
    assert_eq!(load.bed.number("SELECT count(*) FROM t WHERE t::text = '[1,2]'").await, 1);
}
