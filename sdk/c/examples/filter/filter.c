// Keeps the rows whose `id` is even, or odd: a row that is neither emitted nor rejected is filtered.
#include "etl.h"

enum { EVEN, ODD };
static uint32_t id, keep;

// options = { keep = "odd" }
void etl_plan(etl_planner *plan) {
    id = etl_read(plan, "id", ETL_INT64);
    keep = etl_option_choice(plan, "keep", "even|odd");
    etl_keep_rest(plan);
}

void etl_transform(const etl_batch *batch, etl_output *out) {
    const etl_column *ids = etl_input(batch, id);
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (etl_reject_null(out, ids, row)) continue;
        bool odd = etl_get_int64(ids, row) % 2 != 0;
        if (odd == (keep == ODD)) etl_emit(out, row);
    }
}
