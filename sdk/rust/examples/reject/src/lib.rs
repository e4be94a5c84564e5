//! Rejects rows without a usable `email`, each with its reason; all columns stay as they are.

use etl_sdk::{Input, Reject, Unchanged};

#[derive(Input)]
struct Row<'a> {
    /// No `Option`, so a NULL rejects its row by itself: "email is null".
    email: &'a str,
}

#[etl_sdk::transform]
fn reject(row: Row<'_>) -> Result<Unchanged, Reject> {
    if row.email.contains('@') { Ok(Unchanged) } else { Err("email has no @".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_needs_an_at_sign() {
        assert_eq!(reject(Row { email: "ada@example.org" }), Ok(Unchanged));
        assert_eq!(reject(Row { email: "ada" }), Err("email has no @".into()));
    }
}
