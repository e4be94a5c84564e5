//! The oldest PostgreSQL that is accepted and the newest one do what the installed one does: a load is exact, its
//! bad rows are found, crashes are survived, keys are overwritten, rejects are shown.

use std::fmt::Write as _;
use std::time::Duration;

use etl_tests::bed::Bed;
use etl_tests::customers::{self, assert_same, expected, loaded};
use etl_tests::gate::Gate;
use etl_tests::random::Random;
use etl_tests::versions::Version;

#[tokio::test]
async fn a_load_through_a_module_is_exact_and_done_once() {
    for version in Version::ALL {
        let bed = Bed::on(version.server(), "exact").await;
        let customers = customers::csv_with_rejects(5000, 10, 1000);
        bed.sql(customers::TABLE).await;
        bed.sql(&customers.constraint).await;
        bed.folder.write("customers.csv", &customers.file);
        let table = customers::recipe_table("customers.csv");
        bed.recipe(&format!(
            "[run]\nstreams = 3\nchunk_rows = 400\nsplit_bytes = \"64 KiB\"\nmax_rejects = 600\n{table}"
        ));
        bed.folder.etl(["check"]).run().code(0);
        bed.run().code(8);
        customers.is_loaded_by(&bed.client).await;
        assert_eq!(bed.is_finished().await, 5000, "{version:?}");
        assert!(bed.progress().await.splits > 3);
        bed.run().code(8).says(&["was done before, nothing to load"]);
        customers.is_loaded_by(&bed.client).await;
    }
}

/// Rows of several lines in the COPY; what each version says of a bad one is in the words that are read.
const REFUSING: &str = "CREATE TABLE public.t (id int PRIMARY KEY, qty int, note text, day date, tall text);
    INSERT INTO public.t VALUES (-1);
    CREATE INDEX ON public.t (tall)";

#[tokio::test]
async fn exactly_the_refused_rows_are_found_each_with_its_reason() {
    // Incompressible, and larger than a page's third: an index has no room for it.
    let mut random = Random::new(5);
    let tall: String = (0..12_000).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
    let (mut csv, mut bad, mut line) = (String::from("id,qty,note,day,tall\n"), Vec::new(), 2);
    for id in 0..400 {
        let good = format!("{id},1,\"one\ntwo\n\nfour\",2024-02-29,short");
        let (row, code) = match id {
            50 => ("-1,1,\"a\nb\",,\n".into(), "unique_violation"),
            150 => (format!("{id},ten,\"a\nb\",,\n"), "invalid_text_representation"),
            151 => (format!("{id},1,\"a\nb\",2024-02-30,\n"), "datetime_field_overflow"),
            250 => (format!("{id},99999999999,\"a\nb\",,\n"), "numeric_value_out_of_range"),
            399 => (format!("{id},1,\"a\nb\",,{tall}\n"), "program_limit_exceeded"),
            _ => (good + "\n", ""),
        };
        if !code.is_empty() {
            bad.push(format!("{}:{line} server/{code}", csv.len()));
        }
        line += row.matches('\n').count();
        let _ = csv.write_str(&row);
    }
    for version in Version::ALL {
        let bed = Bed::on(version.server(), "refused").await;
        bed.sql(REFUSING).await;
        bed.folder.write("data.csv", &csv);
        bed.recipe(
            "[run]\nstreams = 1\nmax_rejects = 5\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n",
        );
        bed.run().code(8).says(&[
            "server/unique_violation: SQLSTATE 23505 (unique_violation), table `t`, constraint `t_pkey`",
            "server/program_limit_exceeded: SQLSTATE 54000 (program_limit_exceeded)",
        ]);
        let sql = "SELECT position || ' ' || stage || '/' || code FROM etl.reject
            ORDER BY split_part(position, ':', 1)::bigint";
        let rejects = bed.client.query(sql, &[]).await.unwrap();
        let rejects: Vec<String> = rejects.iter().map(|row| row.get(0)).collect();
        assert_eq!(rejects, bad, "{version:?}");
        assert_eq!(bed.number("SELECT count(*) FROM t WHERE id >= 0").await, 395);
        assert_eq!(bed.is_finished().await, 400);
        // The server named the rows: three chunks each. To halve chunks down to them takes far more.
        let chunks = bed.number("SELECT sum(chunks)::bigint FROM etl.ledger").await;
        assert!(chunks <= 16, "{version:?}: {chunks} chunks");
        let shown = bed.folder.etl(["rejects", "recipe.toml"]).env("COLUMNS", "200").run().code(0).stdout;
        assert!(shown.starts_with("public.t: 5 rejects\n"), "{version:?}: {shown}");
        assert!(shown.contains("data.csv line"), "{version:?}: {shown}");
        bed.folder.etl(["rejects", "recipe.toml", "--export", "out.jsonl"]).run().code(0);
        let exported = std::fs::read_to_string(bed.folder.path("out.jsonl")).unwrap();
        assert_eq!(exported.lines().count(), 5);
    }
}

/// PostgreSQL 11 counts rows where an index refuses one, not the lines that they take: the row is looked for.
#[tokio::test]
async fn a_row_of_standard_input_is_found_even_if_the_server_names_another() {
    let rows = (0..20).fold("id,note\n".to_string(), |csv, id| {
        csv + &format!("{},\"one\ntwo\"\n", if id == 15 { 3 } else { id })
    });
    for version in Version::ALL {
        let bed = Bed::on(version.server(), "named").await;
        bed.sql("CREATE TABLE public.t (id int PRIMARY KEY, note text)").await;
        let rows = bed.folder.write("rows", &rows);
        bed.recipe("[run]\nmax_rejects = 9\n[[tables]]\nfrom = \"-\"\ninto = \"public.t\"\n");
        bed.etl([""; 0]).stdin_from(&rows).run().code(8);
        let at_line_32 = "SELECT count(*) FROM etl.reject WHERE split_part(position, ':', 2) = '32'";
        assert_eq!(bed.number(at_line_32).await, 1, "{version:?}");
        assert_eq!(bed.number("SELECT count(*) FROM t").await, 19, "{version:?}");
    }
}

#[tokio::test]
async fn corrected_rows_are_loaded_once() {
    for version in Version::ALL {
        let bed = Bed::on(version.server(), "corrected").await;
        bed.sql("CREATE TABLE public.t (id int PRIMARY KEY, day date)").await;
        bed.folder.write("data.csv", "id,day\n1,2024-02-29\n2,2024-02-30\n3,\n");
        bed.recipe("[run]\nmax_rejects = 5\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n");
        bed.run().code(8);
        bed.folder.etl(["rejects", "recipe.toml", "--export", "out.jsonl"]).run().code(0);
        let exported = std::fs::read_to_string(bed.folder.path("out.jsonl")).unwrap();
        bed.folder.write("out.jsonl", exported.replace("2024-02-30", "2024-03-01"));
        for _ in 0..2 {
            bed.etl(["--rejects", "out.jsonl"]).run().code(8);
            assert_eq!(bed.number("SELECT count(*) FROM t").await, 3, "{version:?}");
            assert_eq!(bed.number("SELECT count(*) FROM t WHERE day = '2024-03-01'").await, 1);
        }
    }
}

#[tokio::test]
async fn a_killed_load_continues_without_a_row_lost_or_doubled() {
    let mut random = Random::of_the_test_run();
    let file = customers::csv(8000);
    for version in Version::ALL {
        let bed = Bed::on(version.server(), "killed").await;
        bed.sql(customers::TABLE).await;
        bed.slow_down(30).await;
        let gate = Gate::close(&bed, "customers").await;
        bed.folder.write("customers.csv", &file);
        let table = customers::recipe_table("customers.csv");
        bed.recipe(&format!("[run]\nstreams = 3\nchunk_rows = 100\n{table}"));
        for kill in 0..4 {
            let before = bed.progress().await;
            gate.open(before.chunks + 4).await;
            let mut etl = bed.start();
            gate.reached(before.chunks + 2, &mut etl).await;
            tokio::time::sleep(Duration::from_millis(random.below(50))).await;
            let ran = etl.kill();
            assert_eq!(ran.code, None, "it ended before kill {kill}: {ran:?}");
            gate.settle().await;
        }
        assert!(bed.progress().await.is_midway(), "{version:?}");
        bed.sql("DROP TRIGGER pause ON customers; DROP TRIGGER pass ON customers").await;
        bed.run().code(0);
        assert_same(&expected(&file), &loaded(&bed.client).await);
        assert_eq!(bed.is_finished().await, 8000, "{version:?}");
    }
}

#[tokio::test]
async fn keys_that_are_there_are_overwritten_or_skipped() {
    for (mode, rows, counted) in [
        ("upsert", "1 last,2 again,3 c,4 d,9 far", "7 rows read: 7 loaded\n"),
        ("skip", "1 a,2 old,3 c,4 d,9 far", "7 rows read: 3 loaded, 4 skipped\n"),
    ] {
        for version in Version::ALL {
            let bed = Bed::on(version.server(), "keys").await;
            bed.sql("CREATE TABLE public.t (id int PRIMARY KEY, v text)").await;
            bed.sql("INSERT INTO public.t VALUES (2, 'old'), (9, 'far')").await;
            bed.folder.write("data.csv", "id,v\n1,a\n2,b\n3,c\n1,again\n2,again\n1,last\n4,d\n");
            bed.recipe(&format!(
                "[run]\nstreams = 1\nchunk_rows = 3\n\
                 [[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\nwrite = \"{mode}\"\n"
            ));
            bed.run().code(0).says(&[counted]);
            let sql = "SELECT string_agg(id || ' ' || v, ',' ORDER BY id) FROM t";
            let found: String = bed.client.query_one(sql, &[]).await.unwrap().get(0);
            assert_eq!(found, rows, "{mode}, {version:?}");
            assert_eq!(bed.is_finished().await, 7);
        }
    }
}

/// All types, arrays of them, a partitioned table that the run makes itself or that is emptied first.
#[tokio::test]
async fn a_table_is_made_with_a_column_of_every_type_and_emptied_once() {
    let types = [
        ("boolean", "true", "t"),
        ("int16", "-32768", "-32768"),
        ("int32", "7", "7"),
        ("int64", "-9223372036854775808", "-9223372036854775808"),
        ("float32", "0.1", "0.1"),
        ("float64", "-1e300", "-1e+300"),
        ("numeric", "1.50", "1.50"),
        ("text", "a", "a"),
        ("bytes", "\\x00ff", "\\x00ff"),
        ("uuid", "00010203-0405-0607-0809-0a0b0c0d0e0f", "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        ("date", "2024-02-29", "2024-02-29"),
        ("time", "05:54:00.5", "05:54:00.5"),
        ("timestamp", "2024-02-29T05:54:00Z", "2024-02-29 05:54:00+00"),
        ("interval", "1 year 2 mons -3 days +04:05:06.5", "1 year 2 mons -3 days +04:05:06.5"),
        ("inet", "10.0.0.0/8", "10.0.0.0/8"),
        ("json", "[1]", "[1]"),
    ];
    let column = |(at, (ty, ..)): (usize, &(&str, &str, &str))| format!("c{at} = \"{ty}\"");
    let header: Vec<String> = (0..types.len()).map(|at| format!("c{at}")).collect();
    let cells: Vec<&str> = types.iter().map(|(_, text, _)| *text).collect();
    let columns: Vec<String> = types.iter().enumerate().map(column).collect();
    for version in Version::ALL {
        let bed = Bed::on(version.server(), "types").await;
        bed.folder.write("data.csv", format!("{}\n{}\n", header.join(","), cells.join(",")));
        bed.recipe(&format!(
            "[[tables]]\nfrom = \"data.csv\"\ninto = \"public.made\"\ncreate = \"if-missing\"\n\
             truncate = \"first-run\"\ntypes = {{ {} }}\n",
            columns.join(", ")
        ));
        bed.etl(["--yes"]).run().code(0);
        bed.etl(["--fresh", "--yes"]).run().code(0);
        bed.sql("SET TimeZone = 'UTC'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 0").await;
        assert_eq!(bed.number("SELECT count(*) FROM made").await, 1, "emptied before it was loaded again");
        for (name, (ty, _, expected)) in header.iter().zip(types) {
            let sql = format!(
                "SELECT CASE WHEN '{ty}' = 'boolean' THEN left({name}::text, 1) ELSE {name}::text END FROM made"
            );
            let found: String = bed.client.query_one(&sql, &[]).await.unwrap().get(0);
            assert_eq!(found, expected, "{ty}, {version:?}");
        }
    }
}
