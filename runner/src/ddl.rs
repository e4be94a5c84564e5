//! `etl ddl`: prints the statements that make the target's tables.

use std::io::{self, Write};

use serde_json::json;

use crate::cli::{ColumnNames, DdlArgs, TargetKind, Voice};
use crate::copy::postgres::connect::Cluster;
use crate::copy::postgres::create_table::{Creation, Flavor, Names, Style};
use crate::copy::postgres::environment::Environment;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::job::Job;
use crate::job_create::creation;
use crate::output::print;
use crate::prepare::Prepared;
use crate::recipe::{Recipe, Target};
use crate::untrusted::one_line;

/// Runs the command.
pub(crate) async fn ddl(args: &DdlArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let prepared = Prepared::new(&args.recipe)?;
    let (jobs, flavor) = tokio::join!(prepared.jobs(), flavor(args, &prepared.recipe, voice));
    if args.tablets.is_some() && flavor == Flavor::PostgreSql {
        return Err(Failure::Usage("--tablets is for YugabyteDB: say --for yugabytedb as well".into()));
    }
    let names = match args.names {
        ColumnNames::Fold => Names::Folded,
        ColumnNames::Quote => Names::Quoted,
    };
    let style = Style { flavor, names, tablets: args.tablets };
    let (mut made, mut problems) = (Vec::new(), Vec::new());
    for (index, job) in jobs?.into_iter().enumerate() {
        match job.map(|job| (creation(&job, index, style), job)) {
            Ok((Ok(creation), job)) => made.push((job, creation)),
            Ok((Err(found), _)) => problems.extend(found),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(prepared.failure(problems));
    }
    let text = if voice.json { as_json(&made, flavor) } else { as_sql(&made, flavor) };
    print(&(text + "\n"))?;
    Ok(ExitCode::Done)
}

/// What the flag says, else what the target is, if it answers.
async fn flavor(args: &DdlArgs, recipe: &Recipe, voice: Voice) -> Flavor {
    match (args.target, &recipe.target) {
        (Some(TargetKind::Postgresql), _) | (None, Target::Files(_)) => Flavor::PostgreSql,
        (Some(TargetKind::Yugabytedb), _) => Flavor::YugabyteDb,
        (None, Target::Postgres(settings)) => {
            match Cluster::connect(settings, &Environment::of_the_process(), "ddl").await {
                Ok(cluster) => Flavor::of(&cluster.control),
                Err(error) => {
                    if !voice.quiet {
                        let _ = writeln!(
                            io::stderr(),
                            "note: written for PostgreSQL, because the target does not say what it is ({error}); --for says it"
                        );
                    }
                    Flavor::PostgreSql
                }
            }
        }
    }
}

fn as_sql(made: &[(Job, Creation)], flavor: Flavor) -> String {
    let mut statements = Vec::with_capacity(made.len());
    for (job, creation) in made {
        let mut text =
            format!("-- {} -> {}, for {}\n", one_line(&job.from), one_line(&job.into), flavor.name());
        for note in &creation.notes {
            text += &format!("-- {note}\n");
        }
        statements.push(format!("{text}{};", creation.statement));
    }
    statements.join("\n\n")
}

fn as_json(made: &[(Job, Creation)], flavor: Flavor) -> String {
    let tables = made.iter().map(|(job, creation)| {
        let Creation { statement, notes, .. } = creation;
        json!({"from": job.from, "into": job.into, "statement": statement, "notes": notes})
    });
    json!({"for": flavor.name(), "tables": tables.collect::<Vec<_>>()}).to_string()
}
