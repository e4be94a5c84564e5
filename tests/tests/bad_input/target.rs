//! A target that is not there, does not let us in, or does not fit: exit code 5 (2 where the recipe's own words cannot
//! be used), what to do, and nothing loaded. No password is ever said.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use etl_tests::harness::{Folder, Ran};
use etl_tests::server::{DEAD_PORT, PrivateServer, Setup};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::bed::{Bed, HUSH, Recipe, rows};

const PASSWORD: &str = "pa55-hush";

/// A run against `url`, with a password that must stay unsaid.
#[track_caller]
fn run_to(folder: &Folder, url: &str) -> Ran {
    run_with(folder, url, "")
}

/// The same with more lines of `[target.postgres]`.
#[track_caller]
fn run_with(folder: &Folder, url: &str, target: &str) -> Ran {
    folder.write("rows.csv", rows(3));
    let text = format!(
        "name = \"bad\"\n[target.postgres]\nurl = \"{url}\"\n{target}\n\
         [[tables]]\nfrom = \"rows.csv\"\ninto = \"public.t\"\n"
    );
    folder.write("recipe.toml", text);
    let run = folder.etl(["run", "recipe.toml", "-vvv"]).env("PGPASSWORD", PASSWORD).run();
    run.never_says(PASSWORD).never_says(HUSH)
}

#[test]
fn a_host_that_refuses_is_named_with_the_recipes_line() {
    let port = DEAD_PORT;
    let ran = run_to(&Folder::new(), &format!("postgres://etl@127.0.0.1:{port}/db")).code(5);
    let says = format!(
        "error: recipe.toml:3: cannot connect to 127.0.0.1:{port}: connection refused: no server listens there; start it, or correct host and port"
    );
    ran.says(&[&says]);
}

#[test]
fn a_host_that_never_answers_is_given_up_and_all_hosts_are_named() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, dead) = (silent.local_addr().unwrap().port(), DEAD_PORT);
    let soon = "connect_timeout = \"500 ms\"";
    let one = format!("postgres://etl@127.0.0.1:{port}/db");
    run_with(&Folder::new(), &one, soon).code(5).says(&[&format!(
        "recipe.toml:3: cannot connect to 127.0.0.1:{port}: no usable session within 500ms (connect_timeout)"
    )]);
    let two = format!("postgres://etl@127.0.0.1:{port},127.0.0.1:{dead}/db");
    run_with(&Folder::new(), &two, soon).code(5).says(&[
        "cannot connect to any of 2 hosts",
        &format!("127.0.0.1:{port}: no usable"),
        &format!("127.0.0.1:{dead}: connection refused"),
    ]);
}

#[test]
fn a_host_name_that_nobody_knows_is_named() {
    // Longer than a part of a name may be: the resolver knows that without asking anybody.
    let nobody = "x".repeat(64) + ".invalid";
    let ran = run_to(&Folder::new(), &format!("postgres://etl@{nobody}/db")).code(5);
    ran.says(&[&format!("recipe.toml:3: cannot connect to {nobody}:5432: ")]);
}

#[test]
fn a_url_that_cannot_be_read_is_a_mistake_of_the_recipe() {
    let folder = Folder::new();
    for (url, says) in [
        (
            "mysql://etl@127.0.0.1/db",
            "the target's url cannot be read: write postgres://user@host:port/database",
        ),
        ("postgres://etl@127.0.0.1:port/db", "a port is not a number from 1 to 65535"),
        ("postgres://etl@127.0.0.1/db?sslmode=maybe", "this sslmode is not supported: use disable, prefer"),
        ("postgres://etl@127.0.0.1/db?sslmode=verify-full&sslrootcert=/nix.pem", "sslrootcert `/nix.pem`: "),
        ("postgres://etl@127.0.0.1/db?nix=1", "the target's url cannot be read: "),
    ] {
        run_to(&folder, url).code(2).says(&["error: recipe.toml:3: ", says]);
    }
    // Where a flag names the target, the file's line is not to blame.
    let to = ["run", "recipe.toml", "--to", "postgres://etl@127.0.0.1/db?nix=1"];
    folder.etl(to).run().code(2).says(&["error: the target's url cannot be read: "]);
}

/// A server that asks for a password: the right one is `right one`.
fn guarded() -> PrivateServer {
    let hba = "local all all trust\nhost all all all scram-sha-256\n";
    let server = Setup::default().hba(hba).setting("password_encryption", "scram-sha-256").start();
    server.psql("ALTER ROLE etl PASSWORD 'right one'");
    server.psql("CREATE TABLE public.t (id int, name text)");
    server
}

#[test]
fn a_wrong_password_a_missing_one_and_a_missing_database_are_told_apart() {
    let server = guarded();
    let folder = Folder::new();
    let url = server.url("127.0.0.1", "postgres");
    let wrong = run_to(&folder, &url).code(5);
    wrong.says(&["recipe.toml:3: cannot connect to ", "the password of user `etl` is wrong", "28P01"]);
    let none = folder.etl(["run", "recipe.toml"]).env("HOME", folder.path("")).run().code(5);
    none.says(&[
        "the server asks for a password and there is none: set PGPASSWORD or add a line to ~/.pgpass",
    ]);
    let right = |args: &[&str]| {
        folder.etl(args.iter().copied()).env("PGPASSWORD", "right one").run().never_says("right one")
    };
    let nowhere = server.url("127.0.0.1", "nowhere");
    right(&["run", "recipe.toml", "--to", &nowhere])
        .code(5)
        .says(&["there is no database `nowhere`: create it, or name another one"]);
    right(&["run", "recipe.toml", "-vvv"]).code(0);
    // A file that others may read is no secret, and it is said that it is ignored.
    let pgpass = folder.write(".pgpass", format!("127.0.0.1:{}:*:etl:right one\n", server.port));
    let by_file =
        || folder.etl(["run", "recipe.toml"]).env("HOME", folder.path("")).run().never_says("right one");
    std::fs::set_permissions(&pgpass, std::fs::Permissions::from_mode(0o644)).unwrap();
    by_file().code(5).says(&["PGPASSWORD", "chmod 0600"]);
    std::fs::set_permissions(&pgpass, std::fs::Permissions::from_mode(0o600)).unwrap();
    by_file().code(0).says(&["was done before, nothing to load"]);
    // A password in a variable's URL is allowed, and as secret.
    let url = url.replace("etl@", "etl:pa55-hush@");
    let ran = folder.etl(["run", "recipe.toml", "-vvv"]).env("ETL_TARGET__POSTGRES__URL", &url).run();
    ran.code(5)
        .never_says(PASSWORD)
        .says(&["error: cannot connect to ", "the password of user `etl` is wrong"]);
}

#[test]
fn tls_that_is_refused_and_a_wrong_authority_are_told_with_what_to_do() {
    let folder = Folder::new();
    let pair = || {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        (authority.self_signed(&key).unwrap().pem(), Issuer::new(authority, key))
    };
    let ((right, issuer), (wrong, _)) = (pair(), pair());
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["db.example".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    let server = Setup::default()
        .setting("ssl", "on")
        .file("server.crt", &certificate.pem())
        .file("server.key", &key.serialize_pem())
        .hba("local all all trust\nhostssl all all all trust\n")
        .start();
    server.psql("CREATE TABLE public.t (id int, name text)");
    let (right, wrong) = (folder.write("right.pem", right), folder.write("wrong.pem", wrong));
    let url = |host: &str, rest: &str| {
        format!("host={host} hostaddr=127.0.0.1 port={} user=etl dbname=postgres {rest}", server.port)
    };
    let root = |path: &std::path::Path| format!("sslmode=verify-full sslrootcert={}", path.display());
    run_to(&folder, &url("db.example", &root(&wrong))).code(5).says(&[
        "recipe.toml:3: cannot connect to ",
        "the server's certificate is not signed by the authority that we know: name its file with sslrootcert",
    ]);
    run_to(&folder, &url("other.example", &root(&right)))
        .code(5)
        .says(&["the server's certificate is not for `other.example` but for ", "connect by that name"]);
    run_to(&folder, &url("db.example", "sslmode=disable"))
        .code(5)
        .says(&["pg_hba.conf, the user's name and sslmode"]);
    run_to(&folder, &url("db.example", &root(&right))).code(0);
    let plain = Setup::default().start();
    run_to(&folder, &format!("{}?sslmode=require", plain.url("127.0.0.1", "postgres"))).code(5).says(&[
        "the server does not offer TLS: turn it on there, or (on a network that you trust) use sslmode=disable",
    ]);
}

#[tokio::test]
async fn a_table_or_a_column_that_is_missing_is_named_with_its_line() {
    let bed = Bed::new("bad_target_table").await;
    bed.client.batch_execute("CREATE VIEW public.v AS SELECT 1 AS id").await.unwrap();
    let into = |into: &'static str| Recipe { into, ..Recipe::default() };
    bed.run_rows(rows(3), &into("public.tt")).code(5).says(&[
        &bed.line("into ="),
        "there is no table `public.tt` in the target database: create it first",
    ]);
    bed.run_rows(rows(3), &into("public.v")).code(5).says(&[&bed.line("into ="), "`public.v` is a view"]);
    bed.run_rows(format!("id,nam\n1,{HUSH}\n"), &Recipe::default()).code(5).says(&[
        "table public.t has no column `nam`: add it there, drop it here with { drop = [\"nam\"] }, or rename it to `name`",
    ]);
    bed.client.batch_execute("ALTER TABLE public.t ADD must int NOT NULL").await.unwrap();
    bed.run_rows(rows(3), &Recipe::default()).code(5).says(&[
        &bed.line("into ="),
        "column `must` of public.t is NOT NULL, has no default, and nothing fills it",
    ]);
    bed.is_untouched().await;
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named_before_a_row_moves() {
    let bed = Bed::new("bad_target_rights").await;
    let role = "bad_target_reader";
    let drop = format!("DROP ROLE IF EXISTS {role}");
    bed.client.batch_execute(&drop).await.unwrap();
    bed.client
        .batch_execute(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON public.t TO {role}"))
        .await
        .unwrap();
    let (_, hosts) = bed.url.split_once('@').unwrap();
    let url = format!("postgres://{role}@{hosts}");
    bed.run_rows(rows(3), &Recipe { url: &url, ..Recipe::default() }).code(5).says(&[
        "2 problems",
        &format!("{} no permission to insert into public.t: GRANT INSERT", bed.line("into =")),
        "cannot make the ledger's schema `etl`: grant CREATE on the database",
    ]);
    bed.is_untouched().await;
    bed.client
        .batch_execute(&format!("GRANT INSERT ON public.t TO {role}; CREATE SCHEMA etl"))
        .await
        .unwrap();
    let says = "no USAGE privilege on the ledger's schema `etl`: grant it, or set another schema";
    bed.run().code(5).says(&[says]);
    bed.command(&["check"]).run().code(11).says(&[says]);
    bed.client.batch_execute(&format!("GRANT USAGE ON SCHEMA etl TO {role}")).await.unwrap();
    let says =
        "cannot make the ledger's tables: grant CREATE on schema `etl`, or set another schema for the ledger";
    bed.run().code(5).says(&[says]);
    bed.command(&["check"]).run().code(11).says(&[says]);
    bed.client.batch_execute(&format!("GRANT CREATE ON SCHEMA etl TO {role}")).await.unwrap();
    bed.command(&["check"]).run().code(0);
    bed.run().code(0);
    bed.has_exactly(1..=3).await;
    bed.client.batch_execute(&format!("DROP OWNED BY {role}; {drop}")).await.unwrap();
}

#[tokio::test]
async fn a_refused_row_is_told_without_its_values() {
    let bed = Bed::new("bad_target_constraint").await;
    bed.client.batch_execute("ALTER TABLE public.t ADD CONSTRAINT small CHECK (id < 7)").await.unwrap();
    let ran = bed.run_rows(rows(9), &Recipe::default()).code(7);
    ran.says(&[
        "rows.csv line 8: server: SQLSTATE 23514 (check_violation), table `t`, constraint `small`",
        "hint: raise max_rejects to keep such rows as rejects and load the others, or let the table take them",
    ]);
    bed.has_exactly(1..=6).await;
    assert_eq!(bed.ledger().await, (6, 0, 1));
    // The hint says how to go on, and it is so.
    bed.client.batch_execute("ALTER TABLE public.t DROP CONSTRAINT small").await.unwrap();
    bed.run().code(0);
    bed.has_exactly(1..=9).await;
}
