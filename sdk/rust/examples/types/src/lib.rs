//! Reads and writes a column of every type, and an array of each, so that every cell goes through the module.

use etl_sdk::{Date, Inet, Input, Interval, Json, Numeric, Output, Reject, Time, Timestamp, Uuid};

#[derive(Input, Output)]
#[etl(keep_rest)]
struct Row<'a> {
    c_boolean: Option<bool>,
    c_int16: Option<i16>,
    c_int32: Option<i32>,
    c_int64: Option<i64>,
    c_float32: Option<f32>,
    c_float64: Option<f64>,
    c_numeric: Option<Numeric<&'a str>>,
    c_text: Option<&'a str>,
    c_bytes: Option<&'a [u8]>,
    c_uuid: Option<Uuid>,
    c_date: Option<Date>,
    c_time: Option<Time>,
    c_timestamp: Option<Timestamp>,
    c_interval: Option<Interval>,
    c_inet: Option<Inet<&'a str>>,
    c_json: Option<Json<&'a str>>,
    a_boolean: Option<Vec<Option<bool>>>,
    a_int16: Option<Vec<Option<i16>>>,
    a_int32: Option<Vec<Option<i32>>>,
    a_int64: Option<Vec<Option<i64>>>,
    a_float32: Option<Vec<Option<f32>>>,
    a_float64: Option<Vec<Option<f64>>>,
    a_numeric: Option<Vec<Option<Numeric<&'a str>>>>,
    a_text: Option<Vec<Option<&'a str>>>,
    a_bytes: Option<Vec<Option<&'a [u8]>>>,
    a_uuid: Option<Vec<Option<Uuid>>>,
    a_date: Option<Vec<Option<Date>>>,
    a_time: Option<Vec<Option<Time>>>,
    a_timestamp: Option<Vec<Option<Timestamp>>>,
    a_interval: Option<Vec<Option<Interval>>>,
    a_inet: Option<Vec<Option<Inet<&'a str>>>>,
    a_json: Option<Vec<Option<Json<&'a str>>>>,
}

#[etl_sdk::transform]
fn types(row: Row<'_>) -> Result<Row<'_>, Reject> {
    Ok(row)
}
