// Each mode tries another part of the header. tests/tests/conformance/header.rs says what must come out.
#include "etl.h"

#define MODES "copy|numbers|grow|reverse|twice|unbalanced|open|open-array|null|stop|row|type|index|memory"
enum { COPY, NUMBERS, GROW, REVERSE, TWICE, UNBALANCED, OPEN, OPEN_ARRAY, NO_NULL, STOP, ROW, TYPE, INDEX, MEMORY };
static uint32_t mode, field_count, n, t;
static etl_text label;
static etl_buffer summary; // of the options, as they were understood

void etl_plan(etl_planner *plan) {
    mode = etl_option_choice(plan, "mode", MODES);
    label = etl_option_text(plan, "label", "none");
    etl_append(&summary, etl_str(etl_option_boolean(plan, "flag", false) ? "yes " : "no "));
    etl_append_int64(&summary, etl_option_integer(plan, "whole", -7));
    etl_append_char(&summary, ' ');
    etl_append_int64(&summary, (int64_t)(etl_option_number(plan, "number", 0.5) * 1000));
    if (!etl_has_option(plan, "mode") && !etl_has_option(plan, "label")) etl_append(&summary, etl_str(" quiet"));
    if (etl_is(label, "forbidden")) etl_problem(plan, "the label is forbidden");
    if (mode == COPY) {
        // Fits any table: every column is read and made, under its own name.
        field_count = etl_field_count(plan);
        for (uint32_t field = 0; field < field_count; field++) {
            if (etl_read_field(plan, field) != etl_read_field(plan, field)) etl_bug("one column, two indexes");
            etl_make_field(plan, etl_field_at(plan, field));
        }
        return;
    }
    n = etl_read(plan, "n", ETL_INT64);
    t = etl_read(plan, "t", ETL_TEXT);
    etl_keep(plan, "n");
    if (mode == NUMBERS) {
        etl_make(plan, "decimal", ETL_NUMERIC, ETL_NULLABLE);
        etl_make(plan, "written", ETL_TEXT, ETL_NOT_NULL);
        etl_make(plan, "parsed", ETL_INT64, ETL_NULLABLE);
        etl_make(plan, "trimmed", ETL_TEXT, ETL_NOT_NULL);
    } else {
        etl_make(plan, "flags", ETL_BOOLEAN, ETL_NULLABLE);
        etl_make(plan, "shorts", ETL_INT16, ETL_NULLABLE);
        etl_make(plan, "words", ETL_TEXT, ETL_NOT_NULL);
        etl_make(plan, "lists", ETL_ARRAY_OF(ETL_UUID), ETL_NULLABLE);
    }
}

static void numbers(const etl_batch *batch, etl_output *out, uint32_t row) {
    int64_t number = etl_get_int64(etl_input(batch, n), row), parsed;
    etl_text text = etl_get_text(etl_input(batch, t), row);
    if (etl_is_null(etl_input(batch, n), row)) etl_put_null(etl_made(out, 0));
    else etl_put_decimal(etl_made(out, 0), number, 2);
    etl_buffer *written = etl_begin_text(etl_made(out, 1));
    etl_append(written, label);
    etl_append_char(written, ' ');
    etl_append_int64(written, number);
    etl_append_char(written, ' ');
    etl_append(written, (etl_text){(const char *)summary.ptr, summary.len});
    etl_end_text(etl_made(out, 1));
    if (etl_parse_int64(text, &parsed)) etl_put_int64(etl_made(out, 2), parsed);
    else etl_put_null(etl_made(out, 2));
    etl_put_text(etl_made(out, 3), etl_trim(text));
    etl_emit(out, row);
}

// The values of an output row, which all depend on its number.
static void put(etl_output *out, uint32_t number) {
    if (number % 3 == 2) etl_put_null(etl_made(out, 0));
    else etl_put_boolean(etl_made(out, 0), number % 3);
    if (number > 40) etl_put_null(etl_made(out, 1));
    else etl_put_int16(etl_made(out, 1), (int16_t)number);
    etl_buffer *words = etl_begin_text(etl_made(out, 2));
    for (uint32_t i = 0; i < number % 50; i++) etl_append_char(words, (char)('a' + i % 26));
    etl_end_text(etl_made(out, 2));
    etl_builder *lists = etl_made(out, 3);
    for (uint32_t i = 0; i < number % 5; i++) {
        if (i == 3) etl_put_null(etl_made_elements(lists));
        else etl_put_uuid(etl_made_elements(lists), (etl_uuid){{(uint8_t)number, (uint8_t)i}});
    }
    etl_end_array(lists);
}

static void mistake(const etl_batch *batch, etl_output *out) {
    if (mode == UNBALANCED) etl_emit(out, 0);
    if (mode == OPEN) etl_append_char(etl_begin_text(etl_made(out, 2)), 'x');
    if (mode == OPEN_ARRAY) etl_put_null(etl_made_elements(etl_made(out, 3)));
    if (mode == NO_NULL) etl_put_null(etl_made(out, 2));
    if (mode == STOP) etl_stop(out, "there is no table for this label");
    if (mode == ROW) etl_emit(out, batch->rows);
    if (mode == TYPE) etl_get_int32(etl_input(batch, n), 0);
    if (mode == INDEX) etl_is_null(etl_input(batch, n), batch->rows);
    for (; mode == MEMORY;) *(volatile uint8_t *)etl_alloc(1 << 20) = 1;
}

void etl_transform(const etl_batch *batch, etl_output *out) {
    uint32_t number = 0;
    if (mode > TWICE) mistake(batch, out);
    for (uint32_t row = 0; row < batch->rows && mode <= TWICE; row++) {
        if (mode == NUMBERS) {
            numbers(batch, out, row);
        } else if (mode == COPY) {
            for (uint32_t i = 0; i < field_count; i++) etl_put_copy(etl_made(out, i), etl_input(batch, i), row);
            etl_emit(out, row);
        } else {
            // In reverse, every third row is rejected, behind rows that come later; otherwise a row becomes a hundred.
            uint32_t from = mode == REVERSE ? batch->rows - 1 - row : row;
            if (mode == REVERSE && from % 3 == 1) {
                etl_reject(out, from, "every third");
                continue;
            }
            for (uint32_t i = 0; i < (mode == GROW ? 100 : 1); i++) {
                put(out, number++);
                etl_emit(out, from);
            }
            if (mode == TWICE) etl_reject(out, from, "and emitted");
        }
    }
}
