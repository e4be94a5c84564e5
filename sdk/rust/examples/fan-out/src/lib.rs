//! Makes a row of every tag: `red|blue` becomes two rows. One-to-many returns a `Vec`.

use etl_sdk::{Input, Output, Reject};

#[derive(Input)]
struct Row<'a> {
    #[etl(drop)]
    tags: Option<&'a str>,
}

#[derive(Debug, PartialEq, Output)]
#[etl(keep_rest)]
struct Tag<'a> {
    tag: &'a str,
}

#[etl_sdk::transform]
fn fan_out(row: Row<'_>) -> Result<Vec<Tag<'_>>, Reject> {
    let tags = row.tags.unwrap_or_default();
    if tags.is_empty() {
        return Ok(Vec::new());
    }
    Ok(tags.split('|').map(|tag| Tag { tag }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_is_a_row_and_no_tags_are_none() {
        let tags = |tags| -> Vec<&str> { fan_out(Row { tags }).unwrap().iter().map(|row| row.tag).collect() };
        assert_eq!(tags(Some("red|blue")), ["red", "blue"]);
        assert_eq!(tags(Some("red||")), ["red", "", ""]);
        assert_eq!(tags(Some("")), [""; 0]);
        assert_eq!(tags(None), [""; 0]);
    }
}
