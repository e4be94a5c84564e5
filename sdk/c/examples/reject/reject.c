// Rejects rows without a usable `email`, each with its reason; all columns stay as they are.
#include "etl.h"

static uint32_t email;

void etl_plan(etl_planner *plan) {
    email = etl_read(plan, "email", ETL_TEXT);
    etl_keep_rest(plan);
}

void etl_transform(const etl_batch *batch, etl_output *out) {
    const etl_column *emails = etl_input(batch, email);
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (etl_reject_null(out, emails, row)) continue; // "email is null"
        if (etl_find_char(etl_get_text(emails, row), '@') < 0) etl_reject(out, row, "email has no @");
        else etl_emit(out, row);
    }
}
