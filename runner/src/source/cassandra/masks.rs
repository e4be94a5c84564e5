//! Columns that a cluster shows masked (Cassandra 5.0, dynamic data masking), and whether we see what is behind the
//! masks. Must not know which columns are read.
//!
//! Source: `system_schema.column_masks`; the permission UNMASK of a table, its keyspace or all of them, which a role
//! has itself or by a role that was granted to it; superusers have it, and so has everybody where nothing is granted
//! (AllowAllAuthorizer).

use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::value::{CqlValue, Row};

use super::Error;
use super::name::{TableName, quoted};

/// The columns of a table that are shown masked to `user`, which is who logged in, if anybody.
pub(super) async fn masked(
    session: &Session,
    name: &TableName,
    user: Option<&str>,
) -> Result<Vec<String>, Error> {
    let query =
        "SELECT column_name FROM system_schema.column_masks WHERE keyspace_name = ? AND table_name = ?";
    // Other servers have no such table.
    let Some(answer) = ask(session, query, (&name.keyspace, &name.table)).await? else {
        return Ok(Vec::new());
    };
    let columns = answer.into_rows_result().map_err(|_| Error::BrokenPage)?;
    let columns = columns.rows::<(String,)>().map_err(|_| Error::BrokenPage)?;
    let columns: Result<Vec<_>, _> = columns.map(|row| row.map(|(column,)| column)).collect();
    let columns = columns.map_err(|_| Error::BrokenPage)?;
    if columns.is_empty() || unmasks(session, name, user).await? {
        return Ok(Vec::new());
    }
    Ok(columns)
}

/// Whether we see what is behind the masks of a table.
async fn unmasks(session: &Session, name: &TableName, user: Option<&str>) -> Result<bool, Error> {
    let Some(user) = user else {
        // Whom nobody knows has no roles to list; but a certificate may log in as well, and we do not know whom.
        return Ok(ask(session, "LIST ROLES", ()).await?.is_none());
    };
    let roles = ask(session, &format!("LIST ROLES OF {}", quoted(user)), ()).await?;
    if roles.is_some_and(has_superuser) {
        return Ok(true);
    }
    let table = format!("{}.{}", quoted(&name.keyspace), quoted(&name.table));
    let granted = ask(session, &format!("LIST UNMASK ON {table} OF {}", quoted(user)), ()).await?;
    // Refused where there are no grants; no rows, and not even an answer for rows, where there is none for us.
    Ok(granted.is_none_or(|granted| granted.into_rows_result().is_ok_and(|rows| rows.rows_num() > 0)))
}

/// Whether a superuser is among the roles.
fn has_superuser(roles: QueryResult) -> bool {
    let Ok(roles) = roles.into_rows_result() else { return false };
    let Some((column, _)) = roles.column_specs().get_by_name("super") else { return false };
    let Ok(mut rows) = roles.rows::<Row>() else { return false };
    rows.any(|row| row.is_ok_and(|row| row.columns.get(column) == Some(&Some(CqlValue::Boolean(true)))))
}

/// The answer to a query; none if the server does not know what is asked for, or does not tell us.
async fn ask(
    session: &Session,
    query: &str,
    values: impl SerializeRow,
) -> Result<Option<QueryResult>, Error> {
    match session.query_unpaged(query, values).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if is_refusal(&error) => Ok(None),
        Err(error) => Err(Error::asking(error)),
    }
}

fn is_refusal(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::Invalid | DbError::Unauthorized,
            _
        ))
    )
}
