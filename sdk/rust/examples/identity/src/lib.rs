//! Gives every row back as it came. `name` goes through the module, all other columns go around it.

use etl_sdk::{Input, Output, Reject};

#[derive(Input, Output)]
#[etl(keep_rest)]
struct Row<'a> {
    name: Option<&'a str>,
}

#[etl_sdk::transform]
fn identity(row: Row<'_>) -> Result<Row<'_>, Reject> {
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_as_it_is() {
        for name in [None, Some(""), Some(" Ada ")] {
            assert_eq!(identity(Row { name }).unwrap().name, name);
        }
    }
}
