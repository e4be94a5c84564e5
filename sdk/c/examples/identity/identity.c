// Gives every row back as it came. `name` goes through the module, all other columns go around it.
#include "etl.h"

static uint32_t name, same_name;

void etl_plan(etl_planner *plan) {
    name = etl_read(plan, "name", ETL_TEXT);
    same_name = etl_make(plan, "name", ETL_TEXT, ETL_NULLABLE);
    etl_keep_rest(plan);
}

void etl_transform(const etl_batch *batch, etl_output *out) {
    const etl_column *names = etl_input(batch, name);
    etl_builder *same_names = etl_made(out, same_name);
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (etl_is_null(names, row)) etl_put_null(same_names);
        else etl_put_text(same_names, etl_get_text(names, row));
        etl_emit(out, row);
    }
}
