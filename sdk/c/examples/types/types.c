// Reads and writes a column of every type, and an array of each, so that every cell goes through the module.
#include "etl.h"

// A type's name in columns, its constant, and the functions that read and write it.
#define TYPES(EACH)                                                                                                                \
    EACH(boolean, ETL_BOOLEAN, boolean)                                                                                            \
    EACH(int16, ETL_INT16, int16)                                                                                                  \
    EACH(int32, ETL_INT32, int32)                                                                                                  \
    EACH(int64, ETL_INT64, int64)                                                                                                  \
    EACH(float32, ETL_FLOAT32, float32)                                                                                            \
    EACH(float64, ETL_FLOAT64, float64)                                                                                            \
    EACH(numeric, ETL_NUMERIC, text)                                                                                               \
    EACH(text, ETL_TEXT, text)                                                                                                     \
    EACH(bytes, ETL_BYTES, bytes)                                                                                                  \
    EACH(uuid, ETL_UUID, uuid)                                                                                                     \
    EACH(date, ETL_DATE, date)                                                                                                     \
    EACH(time, ETL_TIME, time)                                                                                                     \
    EACH(timestamp, ETL_TIMESTAMP, timestamp)                                                                                      \
    EACH(interval, ETL_INTERVAL, interval)                                                                                         \
    EACH(inet, ETL_INET, text)                                                                                                     \
    EACH(json, ETL_JSON, text)

// Columns are read and made in one order, so that a column has the same index here and there: first the values, then the arrays.
void etl_plan(etl_planner *plan) {
#define VALUE(name, type, access)                                                                                                  \
    etl_read(plan, "c_" #name, type);                                                                                              \
    etl_make(plan, "c_" #name, type, ETL_NULLABLE);
#define ARRAY(name, type, access)                                                                                                  \
    etl_read(plan, "a_" #name, ETL_ARRAY_OF(type));                                                                                \
    etl_make(plan, "a_" #name, ETL_ARRAY_OF(type), ETL_NULLABLE);
    TYPES(VALUE)
    TYPES(ARRAY)
    etl_keep_rest(plan);
}

// One function for each type: a cell, and an array of such cells.
#define CELL(name, type, access)                                                                                                   \
    static void cell_##name(etl_builder *to, const etl_column *from, uint32_t row) {                                               \
        if (etl_is_null(from, row)) etl_put_null(to);                                                                              \
        else etl_put_##access(to, etl_get_##access(from, row));                                                                    \
    }                                                                                                                              \
    static void array_##name(etl_builder *to, const etl_column *from, uint32_t row) {                                              \
        if (etl_is_null(from, row)) {                                                                                              \
            etl_put_null(to);                                                                                                      \
            return;                                                                                                                \
        }                                                                                                                          \
        etl_span span = etl_get_array(from, row);                                                                                  \
        for (uint32_t at = span.first; at < span.end; at++) cell_##name(etl_made_elements(to), etl_elements(from), at);            \
        etl_end_array(to);                                                                                                         \
    }
TYPES(CELL)

void etl_transform(const etl_batch *batch, etl_output *out) {
    for (uint32_t row = 0; row < batch->rows; row++) {
#define COPY_CELL(name, type, access) cell_##name(etl_made(out, type), etl_input(batch, type), row);
#define COPY_ARRAY(name, type, access)                                                                                             \
    array_##name(etl_made(out, ETL_SCALARS + type), etl_input(batch, ETL_SCALARS + type), row);
        TYPES(COPY_CELL)
        TYPES(COPY_ARRAY)
        etl_emit(out, row);
    }
}
