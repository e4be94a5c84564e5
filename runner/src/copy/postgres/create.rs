//! Makes a table that is missing, and tells beforehand whether that could be done. Must not know columns.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::identifier::{self, written};
use super::schema::lost_a_race;
use super::session::Connection;
use super::table::{self, Table, missing};
use crate::copy::error::Error;

/// How often it is tried: processes that start at once can trip over each other.
const ATTEMPTS: u32 = 5;

/// Refuses a table that could not be made, for want of a schema or of rights; makes nothing.
pub async fn check(connection: &Connection, name: &str) -> Result<(), Error> {
    const SQL: &str = "SELECT n.nspname::text, pg_catalog.has_schema_privilege(n.oid, 'CREATE')
        FROM pg_catalog.pg_namespace n WHERE n.nspname = coalesce($1, pg_catalog.current_schema()::text)";
    let failed = |error: &tokio_postgres::Error| connection.error("looking for the table's schema", error);
    let (schema, _) = identifier::table(name)?;
    let rows = connection.client.query_typed(SQL, &[(&schema, Type::TEXT)]).await.map_err(|e| failed(&e))?;
    let Some(row) = rows.first() else {
        return Err(Error::Refused(match schema {
            Some(schema) => {
                format!("there is no schema {0} to make the table in: CREATE SCHEMA {0}", written(&schema))
            }
            None => "there is no schema to make the table in: name it, as in public.flights".into(),
        }));
    };
    let schema: String = row.try_get(0).map_err(|e| failed(&e))?;
    if !row.try_get::<_, bool>(1).map_err(|e| failed(&e))? {
        let schema = written(&schema);
        return Err(Error::Refused(format!(
            "no permission to make a table in schema {schema}: GRANT CREATE ON SCHEMA {schema}"
        )));
    }
    Ok(())
}

/// The table of that name, made by `statement` if it is not there. Two processes may do this at once.
pub async fn ensure(connection: &Connection, name: &str, statement: &str) -> Result<Table, Error> {
    let mut last = None;
    for attempt in 0..ATTEMPTS {
        if let Some(table) = table::find(connection, name).await? {
            return Ok(table);
        }
        if let Err(error) = connection.client.batch_execute(statement).await {
            let error = connection.error("CREATE TABLE", &error);
            if !lost_a_race(&error) {
                return Err(error);
            }
            last = Some(error);
            tokio::time::sleep(Duration::from_millis(20 << attempt)).await;
        }
    }
    match table::find(connection, name).await? {
        Some(table) => Ok(table),
        None => Err(last.unwrap_or(missing(connection, name).await?)),
    }
}
