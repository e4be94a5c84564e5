// Makes a row of every tag: `red|blue` becomes two rows. One-to-many emits a row several times.
#include "etl.h"

static uint32_t tags, tag;

void etl_plan(etl_planner *plan) {
    tags = etl_read(plan, "tags", ETL_TEXT);
    tag = etl_make(plan, "tag", ETL_TEXT, ETL_NOT_NULL);
    etl_keep_rest(plan);
    etl_drop(plan, "tags");
}

void etl_transform(const etl_batch *batch, etl_output *out) {
    const etl_column *all = etl_input(batch, tags);
    for (uint32_t row = 0; row < batch->rows; row++) {
        etl_text left = etl_get_text(all, row); // empty where it is NULL
        if (left.len == 0) continue;
        for (;;) {
            int32_t bar = etl_find_char(left, '|');
            uint32_t end = bar < 0 ? left.len : (uint32_t)bar;
            etl_put_text(etl_made(out, tag), etl_part(left, 0, end));
            etl_emit(out, row);
            if (bar < 0) break;
            left = etl_part(left, end + 1, left.len);
        }
    }
}
