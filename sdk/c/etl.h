// etl.h: write a module for `etl` in C.
//
// A module is a WebAssembly file that changes rows on their way into a database. It gets rows in batches, a column after the
// other, and gives rows back. This header is all that it needs: no libc, no other file, no tool but clang and its linker.
//
//     #include "etl.h"
//
//     static uint32_t email, trimmed;                              // which column: filled in by etl_plan
//
//     void etl_plan(etl_planner *plan) {                           // once, before the first row
//         email = etl_read(plan, "email", ETL_TEXT);               // what the module reads …
//         trimmed = etl_make(plan, "email", ETL_TEXT, ETL_NOT_NULL); // … what it makes, here in the place of what it read …
//         etl_keep_rest(plan);                                     // … and all other columns stay as they are
//     }
//
//     void etl_transform(const etl_batch *batch, etl_output *out) { // for each batch of rows
//         const etl_column *emails = etl_input(batch, email);
//         for (uint32_t row = 0; row < batch->rows; row++) {
//             if (etl_reject_null(out, emails, row)) continue;     // reject: "email is null"
//             etl_put_text(etl_made(out, trimmed), etl_trim(etl_get_text(emails, row)));
//             etl_emit(out, row);                                  // the row is done
//         }
//     }
//
//     clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -I sdk/c -o trim.wasm trim.c
//
// Rules of the game:
//
// - A module is a pure function of its options and the row. There is no clock, no randomness, no file, no network. Rows come in
//   batches of any size and may be seen again: do not remember them.
// - Bad data is a reject with a reason (etl_reject), never a trap. A mistake in the module (a row that is not in the batch, a value
//   of another type than the column's) is said in the run's log, and the row is a reject.
// - Memory from etl_alloc in etl_plan stays; memory from etl_alloc in etl_transform is gone when the call ends. So is the batch.
//
// The guide with a whole session is docs/modules-c.md. Needs clang 14 or newer; C11. Several C files may include this header.
#ifndef ETL_H
#define ETL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __wasm32__
#error "a module is WebAssembly: compile with clang --target=wasm32"
#endif

// ---- Types ----------------------------------------------------------------------------------------------------------------------

// The type of a column: one of these, or ETL_ARRAY_OF one of these.
typedef uint32_t etl_type;
enum {                // read and written as
    ETL_BOOLEAN,      // bool
    ETL_INT16,        // int16_t
    ETL_INT32,        // int32_t
    ETL_INT64,        // int64_t
    ETL_FLOAT32,      // float
    ETL_FLOAT64,      // double
    ETL_NUMERIC,      // etl_text: an exact decimal, also NaN, Infinity, -Infinity
    ETL_TEXT,         // etl_text
    ETL_BYTES,        // etl_bytes
    ETL_UUID,         // etl_uuid
    ETL_DATE,         // int32_t: days since 1970-01-01; INT32_MAX and INT32_MIN mean infinity and -infinity
    ETL_TIME,         // int64_t: microseconds since midnight
    ETL_TIMESTAMP,    // int64_t: microseconds since 1970-01-01T00:00:00Z; INT64_MAX and INT64_MIN mean infinity and -infinity
    ETL_INTERVAL,     // etl_interval
    ETL_INET,         // etl_text: an IP address, with or without a prefix length
    ETL_JSON,         // etl_text: a document
    ETL_SCALARS       // how many there are
};
// An array of a type, e.g. ETL_ARRAY_OF(ETL_INT16). One dimension: let deeper nesting travel as ETL_JSON.
#define ETL_ARRAY_OF(scalar) ((etl_type)(scalar) | 0x100u)

// UTF-8 of a known length, without a NUL at its end.
typedef struct { const char *ptr; uint32_t len; } etl_text;
typedef struct { const uint8_t *ptr; uint32_t len; } etl_bytes;
// 16 bytes in the order in which they are written.
typedef struct { uint8_t bytes[16]; } etl_uuid;
typedef struct { int32_t months, days; int64_t nanoseconds; } etl_interval;
// The elements `first` to `end` (not included) of an array column.
typedef struct { uint32_t first, end; } etl_span;

// ---- The plan: which columns, which options -------------------------------------------------------------------------------------

typedef struct etl_planner etl_planner;

// You write this. It is called once in each instance of the module, before the first batch. It finds options and columns, and keeps
// in variables of yours what etl_transform needs. What does not fit is collected and told to the user: no need to look for errors.
void etl_plan(etl_planner *plan);

// Reads the input column of this name, which must have this type. Gives its index for etl_input: 0 for the first column read, 1 for
// the next (the same again for the same column).
static inline uint32_t etl_read(etl_planner *plan, const char *name, etl_type type);

enum { ETL_NOT_NULL, ETL_NULLABLE };
// Makes an output column. If the input has a column of this name it takes its place, else it comes behind all others. Gives its
// index for etl_made: 0 for the first column made, 1 for the next.
static inline uint32_t etl_make(etl_planner *plan, const char *name, etl_type type, int nullable);

// The output has all input columns, in their places, but those that are dropped or replaced. They never enter the module, so that
// they cost nothing. Without this the output has only what is made, and what etl_keep names.
static inline void etl_keep_rest(etl_planner *plan);
static inline void etl_keep(etl_planner *plan, const char *name);
static inline void etl_drop(etl_planner *plan, const char *name);

// For modules that fit any table: the input's columns as they are, `etl_field_count` of them, and reading or making one like that.
typedef struct { etl_text name; etl_type type; bool nullable; } etl_field;
static inline uint32_t etl_field_count(const etl_planner *plan);
static inline etl_field etl_field_at(const etl_planner *plan, uint32_t field);
static inline int32_t etl_find(const etl_planner *plan, etl_text name); // -1: there is none
static inline uint32_t etl_read_field(etl_planner *plan, uint32_t field);
static inline uint32_t etl_make_field(etl_planner *plan, etl_field field);

// The recipe's options: each asks for one and gives its value, or the default. An option that nobody asks for is refused.
static inline bool etl_option_boolean(etl_planner *plan, const char *name, bool if_missing);
static inline int64_t etl_option_integer(etl_planner *plan, const char *name, int64_t if_missing);
// A number that a double holds exactly from its decimal form: up to 15 digits, an exponent within -22 and 22.
static inline double etl_option_number(etl_planner *plan, const char *name, double if_missing);
// A string as it is; any other value as JSON text, e.g. ["a","b"]. Stays for as long as the module.
static inline etl_text etl_option_text(etl_planner *plan, const char *name, const char *if_missing);
// One of several words, `even|odd`: gives 0 for the first, which is the default, 1 for the next …
static inline uint32_t etl_option_choice(etl_planner *plan, const char *name, const char *words);
static inline bool etl_has_option(const etl_planner *plan, const char *name);

// Anything else that does not fit, in words for whoever wrote the recipe. All problems are shown at once.
static inline void etl_problem(etl_planner *plan, const char *text);

// ---- The batch: what comes in ---------------------------------------------------------------------------------------------------

typedef struct etl_column etl_column;
typedef struct etl_output etl_output;
typedef struct { uint32_t rows; const etl_column *columns; uint32_t column_count; } etl_batch;

// You write this. It is called for each batch of rows. Each row is to be emitted (etl_emit; several times, if it becomes several),
// or rejected with a reason (etl_reject), or neither: then it is filtered.
void etl_transform(const etl_batch *batch, etl_output *out);

// A column that was read, by the index that etl_read gave.
static inline const etl_column *etl_input(const etl_batch *batch, uint32_t index);

static inline bool etl_is_null(const etl_column *column, uint32_t row);
// The value of a row. NULL gives 0, false or an empty text. Texts point into the batch. Which function reads which type is said
// above; another type than the column's, or a row that it does not have, stops the module.
static inline bool etl_get_boolean(const etl_column *column, uint32_t row);
static inline int16_t etl_get_int16(const etl_column *column, uint32_t row);
static inline int32_t etl_get_int32(const etl_column *column, uint32_t row);
static inline int64_t etl_get_int64(const etl_column *column, uint32_t row);
static inline float etl_get_float32(const etl_column *column, uint32_t row);
static inline double etl_get_float64(const etl_column *column, uint32_t row);
static inline etl_text etl_get_text(const etl_column *column, uint32_t row); // text, numeric, inet, json
static inline etl_bytes etl_get_bytes(const etl_column *column, uint32_t row);
static inline etl_uuid etl_get_uuid(const etl_column *column, uint32_t row);
static inline int32_t etl_get_date(const etl_column *column, uint32_t row);
static inline int64_t etl_get_time(const etl_column *column, uint32_t row);
static inline int64_t etl_get_timestamp(const etl_column *column, uint32_t row);
static inline etl_interval etl_get_interval(const etl_column *column, uint32_t row);
// An array: which rows of etl_elements are its elements. Elements may be NULL.
static inline etl_span etl_get_array(const etl_column *column, uint32_t row);
static inline const etl_column *etl_elements(const etl_column *column);

// ---- The output: what goes out --------------------------------------------------------------------------------------------------

typedef struct etl_builder etl_builder;

// A column that is made, by the index that etl_make gave. Put one value into each for every etl_emit.
static inline etl_builder *etl_made(etl_output *out, uint32_t index);

static inline void etl_put_null(etl_builder *made); // only where the plan says ETL_NULLABLE, and elements of arrays
static inline void etl_put_boolean(etl_builder *made, bool value);
static inline void etl_put_int16(etl_builder *made, int16_t value);
static inline void etl_put_int32(etl_builder *made, int32_t value);
static inline void etl_put_int64(etl_builder *made, int64_t value);
static inline void etl_put_float32(etl_builder *made, float value);
static inline void etl_put_float64(etl_builder *made, double value);
static inline void etl_put_text(etl_builder *made, etl_text value); // text, numeric, inet, json
static inline void etl_put_bytes(etl_builder *made, etl_bytes value);
static inline void etl_put_uuid(etl_builder *made, etl_uuid value);
static inline void etl_put_date(etl_builder *made, int32_t days);
static inline void etl_put_time(etl_builder *made, int64_t microseconds);
static inline void etl_put_timestamp(etl_builder *made, int64_t microseconds);
static inline void etl_put_interval(etl_builder *made, etl_interval value);
// A numeric from a whole number: 1250 with 2 digits behind the point is 12.50.
static inline void etl_put_decimal(etl_builder *made, int64_t value, uint32_t digits);
// An array: put its elements into this builder, then end it.
static inline etl_builder *etl_made_elements(etl_builder *made);
static inline void etl_end_array(etl_builder *made);
// The value of another column of the same type, whatever the type: NULL and arrays too.
static inline void etl_put_copy(etl_builder *made, const etl_column *column, uint32_t row);

// A text in pieces: append to this buffer, then end the value.
typedef struct { uint8_t *ptr; uint32_t len, capacity; } etl_buffer;
static inline etl_buffer *etl_begin_text(etl_builder *made);
static inline void etl_end_text(etl_builder *made);
static inline void etl_append(etl_buffer *buffer, etl_text text);
static inline void etl_append_char(etl_buffer *buffer, char ascii);
static inline void etl_append_int64(etl_buffer *buffer, int64_t value);

// One output row, which comes from this input row: kept columns are taken from there.
static inline void etl_emit(etl_output *out, uint32_t row);
// This input row must not be written. Reasons are counted in the run's report, so let them be short and constant: `email has no @`,
// never the row's own values. Reject a row before anything of it is put or emitted.
static inline void etl_reject(etl_output *out, uint32_t row, const char *reason);
// If the cell is NULL: rejects its row with the reason `NAME is null`, and gives true.
static inline bool etl_reject_null(etl_output *out, const etl_column *column, uint32_t row);
// Stops the run, for what is wrong with the module or its options and cannot be seen from the plan. Not for bad rows.
static inline void etl_stop(etl_output *out, const char *message);

// ---- Helpers --------------------------------------------------------------------------------------------------------------------

static inline etl_text etl_str(const char *text); // a literal as a text
static inline bool etl_same(etl_text a, etl_text b);
static inline bool etl_is(etl_text text, const char *literal);
static inline int32_t etl_find_char(etl_text text, char ascii); // where, or -1
static inline etl_text etl_part(etl_text text, uint32_t start, uint32_t end); // bytes `start` to `end`, as far as there are any
static inline etl_text etl_trim(etl_text text); // without blanks, tabs and line ends around it
static inline bool etl_parse_int64(etl_text text, int64_t *value); // an optional sign and digits, nothing else

// Memory, aligned to 16 bytes and not zeroed. There is no free: see the rules above for how long it lasts.
static inline void *etl_alloc(size_t bytes);

// Lines for the run's log; never put a row's values into one. ETL_DEBUG lines are for your own eyes (`etl run -v`).
enum { ETL_DEBUG, ETL_INFO, ETL_WARN, ETL_ERROR };
static inline void etl_log(uint32_t level, const char *line);
// A mistake in the module: says so in the log and stops.
_Noreturn static inline void etl_bug(const char *message);

// =================================================================================================================================
// From here on: how it is done. Names that end in _ are not for you.
// =================================================================================================================================

// ---- What a freestanding clang may call; weak, so that a libc's own are taken if there is one -----------------------------------

#define ETL_LIBC_ __attribute__((weak, visibility("hidden"), no_builtin))
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *text);

ETL_LIBC_ void *memcpy(void *to, const void *from, size_t n) {
    for (size_t i = 0; i < n; i++) ((char *)to)[i] = ((const char *)from)[i];
    return to;
}
ETL_LIBC_ void *memmove(void *to, const void *from, size_t n) {
    if ((uintptr_t)to < (uintptr_t)from) return memcpy(to, from, n);
    while (n--) ((char *)to)[n] = ((const char *)from)[n];
    return to;
}
ETL_LIBC_ void *memset(void *to, int byte, size_t n) {
    for (size_t i = 0; i < n; i++) ((char *)to)[i] = (char)byte;
    return to;
}
ETL_LIBC_ int memcmp(const void *a, const void *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int difference = ((const uint8_t *)a)[i] - ((const uint8_t *)b)[i];
        if (difference) return difference;
    }
    return 0;
}
ETL_LIBC_ size_t strlen(const char *text) {
    size_t n = 0;
    while (text[n]) n++;
    return n;
}

// ---- The contract's records: the canonical layout is C's ------------------------------------------------------------------------

typedef struct { const void *ptr; uint32_t len; } etl_list_;
typedef struct { etl_text name; uint8_t scalar, array, nullable; } etl_raw_field_;
typedef struct { etl_text name, value; } etl_raw_setting_;
typedef struct { uint8_t is_new; union { uint32_t keep; etl_raw_field_ field; }; } etl_raw_out_;
typedef struct { etl_list_ validity, offsets, data; } etl_raw_column_;
typedef struct { uint32_t row; etl_text reason; } etl_raw_reject_;
typedef struct { uint8_t is_err; union { etl_text error; struct { etl_list_ reads, output; }; }; } etl_raw_plan_;
typedef struct {
    uint8_t is_err;
    union { etl_text error; struct { uint32_t rows; etl_list_ origin, columns, rejects; }; };
} etl_raw_output_;
_Static_assert(sizeof(etl_raw_field_) == 12 && sizeof(etl_raw_out_) == 16 && sizeof(etl_raw_column_) == 24, "layout");
_Static_assert(sizeof(etl_raw_plan_) == 20 && sizeof(etl_raw_output_) == 32 && sizeof(etl_raw_reject_) == 12, "layout");

// ---- What an instance knows -----------------------------------------------------------------------------------------------------

typedef struct { etl_text name, null_reason; etl_type type; uint32_t field; } etl_read_;
typedef struct { etl_field field; uint32_t usual_bytes, usual_elements, usual_element_bytes; } etl_made_;
typedef struct {
    uintptr_t top, floor; // the arena: what is in use, and where it starts anew after a call
    etl_read_ *reads;
    etl_made_ *made;
    uint32_t *order; // the columns made, in the plan's order
    uint32_t read_count, made_count;
    etl_raw_plan_ plan;
    etl_raw_output_ output;
} etl_state_;
__attribute__((weak, visibility("hidden"))) etl_state_ etl_the_;

struct etl_planner {
    const etl_raw_field_ *fields;
    const etl_raw_setting_ *settings;
    uint8_t *keeps; // for each field
    uint8_t *asked; // for each setting
    uint32_t field_count, setting_count, made_capacity;
    bool keeps_rest;
    etl_buffer problems, options;
};
enum { ETL_UNSAID_, ETL_KEEP_, ETL_DROP_ };

struct etl_column {
    const uint8_t *validity; // null: no NULL
    const uint8_t *offsets, *data;
    const etl_column *elements;
    etl_type type;
    uint32_t rows, index;
};

struct etl_builder {
    etl_buffer data;   // values of a fixed width, bits of booleans, bytes of texts
    uint8_t *validity; // from the first NULL on
    uint32_t *offsets;
    etl_builder *elements;
    etl_type type;
    uint32_t width; // 0: texts, arrays, booleans
    uint32_t rows, capacity;
    bool nullable;
};

struct etl_output {
    etl_builder *made;
    uint32_t *origin;
    etl_raw_reject_ *rejects;
    uint32_t batch_rows, rows, capacity, reject_count;
    const char *error;
};

// ---- Log and stop ---------------------------------------------------------------------------------------------------------------

__attribute__((import_module("etl:transform/host@0.1.0"), import_name("log")))
void etl_host_log_(uint32_t level, const char *text, uint32_t len);

static inline void etl_log(uint32_t level, const char *line) {
    etl_host_log_(level, line, strlen(line));
}
// What is rare stays out of the way of what is not.
#define ETL_COLD_ __attribute__((noinline, cold)) static inline
__attribute__((noinline, cold)) _Noreturn static inline void etl_bug(const char *message) {
    etl_log(ETL_ERROR, message);
    __builtin_trap();
}

// ---- The arena: one pointer that moves up, and back after each call -------------------------------------------------------------

extern uint8_t __heap_base; // the linker's: the first byte behind data and stack

ETL_COLD_ void etl_grow_memory_(uintptr_t bytes) {
    size_t pages = (bytes + 65535) >> 16, more = pages < 16 ? 16 : pages;
    if (__builtin_wasm_memory_grow(0, more) == (size_t)-1 && __builtin_wasm_memory_grow(0, pages) == (size_t)-1)
        etl_bug("out of memory");
}
// Has memory up to `end` and takes it.
static inline void etl_raise_(uintptr_t end) {
    uintptr_t have = __builtin_wasm_memory_size(0) << 16; // 0: all 4 GiB
    if (have && end > have) etl_grow_memory_(end - have);
    etl_the_.top = end;
}
static inline void *etl_alloc(size_t bytes) {
    uintptr_t top = etl_the_.top ? etl_the_.top : (uintptr_t)&__heap_base, at = (top + 15) & ~(uintptr_t)15;
    if (at < top || at + bytes < at) etl_bug("out of memory: more than a module can have");
    etl_raise_(at + bytes);
    return (void *)at;
}
// A longer block with the same bytes: where it is, if it is the last one.
ETL_COLD_ void *etl_grow_(void *old, size_t old_bytes, size_t bytes) {
    uintptr_t at = (uintptr_t)old;
    if (old_bytes && at + old_bytes == etl_the_.top && at + bytes > at) {
        etl_raise_(at + bytes);
        return old;
    }
    void *new = etl_alloc(bytes);
    if (old_bytes) __builtin_memcpy(new, old, old_bytes);
    return new;
}
// At least twice the capacity, at least `wanted`, in units of `bytes` each.
static inline uint32_t etl_more_(uint32_t capacity, uint64_t wanted, size_t bytes) {
    uint64_t more = (uint64_t)capacity * 2 < 16 ? 16 : (uint64_t)capacity * 2;
    if (more < wanted) more = wanted;
    if (more * bytes > UINT32_MAX) etl_bug("out of memory: more than a module can have");
    return (uint32_t)more;
}

// ---- Buffers and texts ----------------------------------------------------------------------------------------------------------

ETL_COLD_ void etl_grow_buffer_(etl_buffer *buffer, uint32_t bytes) {
    uint32_t capacity = etl_more_(buffer->capacity, (uint64_t)buffer->len + bytes, 1);
    buffer->ptr = etl_grow_(buffer->ptr, buffer->capacity, capacity);
    buffer->capacity = capacity;
}
static inline void etl_reserve_(etl_buffer *buffer, uint32_t bytes) {
    if (bytes > buffer->capacity - buffer->len) etl_grow_buffer_(buffer, bytes);
}
static inline void etl_append(etl_buffer *buffer, etl_text text) {
    etl_reserve_(buffer, text.len);
    if (text.len) __builtin_memcpy(buffer->ptr + buffer->len, text.ptr, text.len);
    buffer->len += text.len;
}
static inline void etl_append_char(etl_buffer *buffer, char ascii) {
    etl_reserve_(buffer, 1);
    buffer->ptr[buffer->len++] = (uint8_t)ascii;
}
static inline void etl_append_decimal_(etl_buffer *buffer, int64_t value, uint32_t digits) {
    char text[52];
    uint32_t at = sizeof text, digit = 0;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (digits > 30) etl_bug("etl_put_decimal: at most 30 digits behind the point");
    for (; left || digit <= digits; left /= 10, digit++) {
        if (digit == digits && digits) text[--at] = '.';
        text[--at] = (char)('0' + left % 10);
    }
    if (value < 0) text[--at] = '-';
    etl_append(buffer, (etl_text){text + at, (uint32_t)sizeof text - at});
}
static inline void etl_append_int64(etl_buffer *buffer, int64_t value) { etl_append_decimal_(buffer, value, 0); }

static inline etl_text etl_str(const char *text) { return (etl_text){text, (uint32_t)strlen(text)}; }
static inline bool etl_same(etl_text a, etl_text b) {
    if (a.len != b.len) return false;
    for (uint32_t i = 0; i < a.len; i++)
        if (a.ptr[i] != b.ptr[i]) return false;
    return true;
}
static inline bool etl_is(etl_text text, const char *literal) { return etl_same(text, etl_str(literal)); }
static inline int32_t etl_find_char(etl_text text, char ascii) {
    for (uint32_t i = 0; i < text.len; i++)
        if (text.ptr[i] == ascii) return (int32_t)i;
    return -1;
}
static inline etl_text etl_part(etl_text text, uint32_t start, uint32_t end) {
    if (end > text.len) end = text.len;
    if (start > end) start = end;
    return (etl_text){text.ptr + start, end - start};
}
static inline bool etl_is_blank_(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static inline etl_text etl_trim(etl_text text) {
    while (text.len && etl_is_blank_(*text.ptr)) text.ptr++, text.len--;
    while (text.len && etl_is_blank_(text.ptr[text.len - 1])) text.len--;
    return text;
}
static inline bool etl_parse_int64(etl_text text, int64_t *value) {
    bool negative = text.len && *text.ptr == '-';
    if (negative || (text.len && *text.ptr == '+')) text.ptr++, text.len--;
    uint64_t limit = (uint64_t)INT64_MAX + negative, sum = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        uint32_t digit = (uint32_t)(uint8_t)text.ptr[i] - '0';
        if (digit > 9 || sum > (limit - digit) / 10) return false;
        sum = sum * 10 + digit;
    }
    *value = (int64_t)(negative ? 0 - sum : sum);
    return text.len != 0;
}

// ---- The plan -------------------------------------------------------------------------------------------------------------------

ETL_COLD_ void etl_say_(etl_buffer *buffer, const char *text) { etl_append(buffer, etl_str(text)); }
ETL_COLD_ void etl_quote_(etl_buffer *buffer, etl_text name) {
    etl_append_char(buffer, '`');
    etl_append(buffer, name);
    etl_append_char(buffer, '`');
}
ETL_COLD_ void etl_say_type_(etl_buffer *buffer, etl_type type) {
    static const char names[ETL_SCALARS][10] = {"boolean", "int16", "int32", "int64", "float32", "float64", "numeric", "text",
        "bytes", "uuid", "date", "time", "timestamp", "interval", "inet", "json"};
    etl_say_(buffer, (type & 0xff) < ETL_SCALARS ? names[type & 0xff] : "(no type)");
    if (type & 0x100) etl_say_(buffer, "[]");
}
static inline etl_buffer *etl_new_problem_(etl_planner *plan) {
    if (plan->problems.len) etl_say_(&plan->problems, "; ");
    return &plan->problems;
}
static inline void etl_problem(etl_planner *plan, const char *text) { etl_say_(etl_new_problem_(plan), text); }

static inline uint32_t etl_field_count(const etl_planner *plan) { return plan->field_count; }
static inline etl_field etl_field_at(const etl_planner *plan, uint32_t field) {
    if (field >= plan->field_count) etl_bug("etl_field_at: the input has no such column");
    const etl_raw_field_ *raw = &plan->fields[field];
    return (etl_field){raw->name, raw->array ? ETL_ARRAY_OF(raw->scalar) : raw->scalar, raw->nullable};
}
static inline int32_t etl_find(const etl_planner *plan, etl_text name) {
    for (uint32_t i = 0; i < plan->field_count; i++)
        if (etl_same(plan->fields[i].name, name)) return (int32_t)i;
    return -1;
}
ETL_COLD_ void etl_say_there_is_(const etl_planner *plan, etl_buffer *to) {
    etl_say_(to, "; there is ");
    for (uint32_t i = 0; i < plan->field_count && i < 20; i++) {
        if (i) etl_say_(to, ", ");
        etl_append(to, plan->fields[i].name);
    }
    if (!plan->field_count) etl_say_(to, "none");
    if (plan->field_count > 20) etl_say_(to, ", …");
}

static inline uint32_t etl_read_field(etl_planner *plan, uint32_t field) {
    etl_field found = etl_field_at(plan, field);
    for (uint32_t i = 0; i < etl_the_.read_count; i++)
        if (etl_the_.reads[i].field == field) return i;
    etl_buffer reason = {0};
    etl_append(&reason, found.name);
    etl_say_(&reason, " is null");
    etl_the_.reads[etl_the_.read_count] =
        (etl_read_){found.name, {(const char *)reason.ptr, reason.len}, found.type, field};
    return etl_the_.read_count++;
}
static inline uint32_t etl_read(etl_planner *plan, const char *name, etl_type type) {
    int32_t field = etl_find(plan, etl_str(name));
    if (field >= 0 && etl_field_at(plan, (uint32_t)field).type == type) return etl_read_field(plan, (uint32_t)field);
    etl_buffer *to = etl_new_problem_(plan);
    if (field < 0) {
        etl_say_(to, "no column ");
        etl_quote_(to, etl_str(name));
        etl_say_(to, " (");
        etl_say_type_(to, type);
        etl_say_(to, ")");
        etl_say_there_is_(plan, to);
    } else {
        etl_say_(to, "column ");
        etl_quote_(to, etl_str(name));
        etl_say_(to, " is ");
        etl_say_type_(to, etl_field_at(plan, (uint32_t)field).type);
        etl_say_(to, ", this module wants ");
        etl_say_type_(to, type);
    }
    return 0;
}

static inline uint32_t etl_make_field(etl_planner *plan, etl_field field) {
    if ((field.type & 0xff) >= ETL_SCALARS || field.type > ETL_ARRAY_OF(ETL_JSON)) etl_bug("etl_make: no such type");
    if (etl_the_.made_count == plan->made_capacity) {
        uint32_t capacity = etl_more_(plan->made_capacity, 0, sizeof(etl_made_));
        etl_the_.made = etl_grow_(etl_the_.made, plan->made_capacity * sizeof(etl_made_), capacity * sizeof(etl_made_));
        plan->made_capacity = capacity;
    }
    etl_the_.made[etl_the_.made_count] = (etl_made_){.field = field};
    return etl_the_.made_count++;
}
static inline uint32_t etl_make(etl_planner *plan, const char *name, etl_type type, int nullable) {
    return etl_make_field(plan, (etl_field){etl_str(name), type, nullable == ETL_NULLABLE});
}

static inline void etl_keep_rest(etl_planner *plan) { plan->keeps_rest = true; }
ETL_COLD_ void etl_set_keep_(etl_planner *plan, const char *name, uint8_t keep) {
    int32_t field = etl_find(plan, etl_str(name));
    if (field >= 0) {
        plan->keeps[field] = keep;
        return;
    }
    etl_buffer *to = etl_new_problem_(plan);
    etl_say_(to, "no column ");
    etl_quote_(to, etl_str(name));
    etl_say_(to, keep == ETL_KEEP_ ? " to keep" : " to drop");
    etl_say_there_is_(plan, to);
}
static inline void etl_keep(etl_planner *plan, const char *name) { etl_set_keep_(plan, name, ETL_KEEP_); }
static inline void etl_drop(etl_planner *plan, const char *name) { etl_set_keep_(plan, name, ETL_DROP_); }

// ---- Options --------------------------------------------------------------------------------------------------------------------

static inline bool etl_has_option(const etl_planner *plan, const char *name) {
    for (uint32_t i = 0; i < plan->setting_count; i++)
        if (etl_is(plan->settings[i].name, name)) return true;
    return false;
}
// Its value, or false.
ETL_COLD_ bool etl_ask_(etl_planner *plan, const char *name, etl_text *value) {
    if (plan->options.len) etl_say_(&plan->options, ", ");
    etl_quote_(&plan->options, etl_str(name));
    bool found = false;
    for (uint32_t i = 0; i < plan->setting_count; i++) {
        if (!etl_is(plan->settings[i].name, name)) continue;
        plan->asked[i] = found = true;
        *value = plan->settings[i].value;
    }
    return found;
}
ETL_COLD_ void etl_bad_option_(etl_planner *plan, const char *name, const char *problem) {
    etl_buffer *to = etl_new_problem_(plan);
    etl_say_(to, "option ");
    etl_quote_(to, etl_str(name));
    etl_say_(to, problem);
}
static inline bool etl_option_boolean(etl_planner *plan, const char *name, bool if_missing) {
    etl_text value;
    if (!etl_ask_(plan, name, &value)) return if_missing;
    if (!etl_is(value, "true") && !etl_is(value, "false")) etl_bad_option_(plan, name, " must be true or false");
    return etl_is(value, "true");
}
static inline int64_t etl_option_integer(etl_planner *plan, const char *name, int64_t if_missing) {
    etl_text value;
    int64_t number = 0;
    if (!etl_ask_(plan, name, &value)) return if_missing;
    if (!etl_parse_int64(value, &number)) etl_bad_option_(plan, name, " must be a whole number of 64 bits");
    return number;
}
// [sign] digits [. digits] [e [sign] digits]; both the digits and the power of ten are exact doubles, so one operation rounds once.
static inline bool etl_parse_number_(etl_text text, double *value) {
    bool negative = text.len && *text.ptr == '-';
    uint64_t sum = 0;
    int64_t power = 0;
    uint32_t at = negative, digits = 0;
    bool point = false;
    for (; at < text.len; at++) {
        char c = text.ptr[at];
        if (c == '.' && !point) { point = true; continue; }
        if (c < '0' || c > '9') break;
        sum = sum * 10 + (uint64_t)(c - '0');
        power -= point;
        if (sum > 999999999999999) return false;
        digits++;
    }
    if (at < text.len) {
        int64_t exponent;
        if ((text.ptr[at] | 32) != 'e' || !etl_parse_int64(etl_part(text, at + 1, text.len), &exponent)) return false;
        if (exponent < -1000 || exponent > 1000) return false;
        power += exponent;
    }
    if (!digits || power < -22 || power > 22) return false;
    double ten = 1;
    for (int64_t i = power < 0 ? -power : power; i; i--) ten *= 10;
    double number = power < 0 ? (double)sum / ten : (double)sum * ten;
    *value = negative ? -number : number;
    return true;
}
static inline double etl_option_number(etl_planner *plan, const char *name, double if_missing) {
    etl_text value;
    double number = 0;
    if (!etl_ask_(plan, name, &value)) return if_missing;
    if (!etl_parse_number_(value, &number)) etl_bad_option_(plan, name, " must be a number of at most 15 digits");
    return number;
}
static inline etl_text etl_option_text(etl_planner *plan, const char *name, const char *if_missing) {
    etl_text value;
    return etl_ask_(plan, name, &value) ? value : etl_str(if_missing);
}
static inline uint32_t etl_option_choice(etl_planner *plan, const char *name, const char *words) {
    etl_text value, left = etl_str(words);
    if (!etl_ask_(plan, name, &value)) return 0;
    for (uint32_t choice = 0;; choice++) {
        int32_t end = etl_find_char(left, '|');
        if (etl_same(value, etl_part(left, 0, (uint32_t)end))) return choice; // -1 is as far as there are any
        if (end < 0) break;
        left = etl_part(left, (uint32_t)end + 1, left.len);
    }
    etl_bad_option_(plan, name, " must be one of ");
    etl_say_(&plan->problems, words);
    return 0;
}

// ---- Reading --------------------------------------------------------------------------------------------------------------------

static inline const etl_column *etl_input(const etl_batch *batch, uint32_t index) {
    if (index >= batch->column_count) etl_bug("etl_input: the plan reads no such column");
    return &batch->columns[index];
}
static inline uint32_t etl_width_(etl_type type) {
    switch (type) {
    case ETL_INT16: return 2;
    case ETL_INT32: case ETL_FLOAT32: case ETL_DATE: return 4;
    case ETL_INT64: case ETL_FLOAT64: case ETL_TIME: case ETL_TIMESTAMP: return 8;
    case ETL_UUID: case ETL_INTERVAL: return 16;
    default: return 0;
    }
}
static inline bool etl_is_textual_(etl_type type) {
    return type == ETL_TEXT || type == ETL_NUMERIC || type == ETL_INET || type == ETL_JSON;
}
static inline bool etl_bit_(const uint8_t *bits, uint32_t row) { return bits[row >> 3] >> (row & 7) & 1; }
static inline bool etl_is_null(const etl_column *column, uint32_t row) {
    if (row >= column->rows) etl_bug("etl_is_null or etl_get_…: the column has no such row");
    return column->validity && !etl_bit_(column->validity, row);
}
static inline bool etl_get_boolean(const etl_column *column, uint32_t row) {
    if (column->type != ETL_BOOLEAN) etl_bug("etl_get_boolean: the column is of another type");
    return !etl_is_null(column, row) && etl_bit_(column->data, row);
}
#define ETL_GET_(name, ctype, scalar)                                                                                              \
    static inline ctype etl_get_##name(const etl_column *column, uint32_t row) {                                                   \
        ctype value = {0};                                                                                                         \
        if (column->type != scalar) etl_bug("etl_get_" #name ": the column is of another type");                                   \
        if (!etl_is_null(column, row)) __builtin_memcpy(&value, column->data + row * sizeof value, sizeof value);                  \
        return value;                                                                                                              \
    }
ETL_GET_(int16, int16_t, ETL_INT16)
ETL_GET_(int32, int32_t, ETL_INT32)
ETL_GET_(int64, int64_t, ETL_INT64)
ETL_GET_(float32, float, ETL_FLOAT32)
ETL_GET_(float64, double, ETL_FLOAT64)
ETL_GET_(uuid, etl_uuid, ETL_UUID)
ETL_GET_(date, int32_t, ETL_DATE)
ETL_GET_(time, int64_t, ETL_TIME)
ETL_GET_(timestamp, int64_t, ETL_TIMESTAMP)
ETL_GET_(interval, etl_interval, ETL_INTERVAL)
#undef ETL_GET_
static inline etl_span etl_span_(const etl_column *column, uint32_t row) {
    etl_span span = {0, 0};
    if (!etl_is_null(column, row)) __builtin_memcpy(&span, column->offsets + row * sizeof(uint32_t), sizeof span);
    return span;
}
static inline etl_text etl_get_text(const etl_column *column, uint32_t row) {
    if (!etl_is_textual_(column->type)) etl_bug("etl_get_text: the column is of another type");
    etl_span span = etl_span_(column, row);
    return (etl_text){(const char *)column->data + span.first, span.end - span.first};
}
static inline etl_bytes etl_get_bytes(const etl_column *column, uint32_t row) {
    if (column->type != ETL_BYTES) etl_bug("etl_get_bytes: the column is of another type");
    etl_span span = etl_span_(column, row);
    return (etl_bytes){column->data + span.first, span.end - span.first};
}
static inline const etl_column *etl_elements(const etl_column *column) {
    if (!column->elements) etl_bug("etl_elements: the column is no array");
    return column->elements;
}
static inline etl_span etl_get_array(const etl_column *column, uint32_t row) {
    if (!column->elements) etl_bug("etl_get_array: the column is no array");
    return etl_span_(column, row);
}

// ---- Writing --------------------------------------------------------------------------------------------------------------------

static inline etl_builder *etl_made(etl_output *out, uint32_t index) {
    if (index >= etl_the_.made_count) etl_bug("etl_made: the plan makes no such column");
    return &out->made[index];
}
// Memory for one row more at least.
ETL_COLD_ void etl_grow_rows_(etl_builder *made) {
    uint32_t old = made->capacity, capacity = etl_more_(old, 0, 16);
    if (made->width) etl_reserve_(&made->data, capacity * made->width - made->data.len);
    if (made->type == ETL_BOOLEAN) {
        made->data.ptr = etl_grow_(made->data.ptr, old / 8, capacity / 8);
        __builtin_memset(made->data.ptr + old / 8, 0, (capacity - old) / 8);
    }
    if (made->offsets) made->offsets = etl_grow_(made->offsets, (old + 1) * 4, (capacity + 1) * 4);
    if (made->validity) {
        made->validity = etl_grow_(made->validity, old / 8, capacity / 8);
        __builtin_memset(made->validity + old / 8, 0, (capacity - old) / 8);
    }
    made->capacity = capacity;
}
static inline void etl_room_(etl_builder *made) {
    if (made->rows == made->capacity) etl_grow_rows_(made);
}
// The row is complete.
static inline void etl_valid_(etl_builder *made) {
    if (made->validity) made->validity[made->rows >> 3] |= (uint8_t)(1u << (made->rows & 7));
    made->rows++;
}
// A row of text or of an array ends where its column ends now.
static inline void etl_end_(etl_builder *made, uint32_t end) {
    if (end > INT32_MAX) etl_bug("a column of one batch has at most 2 GiB");
    etl_room_(made);
    made->offsets[made->rows + 1] = end;
}
static inline uint32_t etl_end_of_(const etl_builder *made) { return made->elements ? made->elements->rows : made->data.len; }
// Whether something was put or appended since the last row's end.
static inline bool etl_is_open_(const etl_builder *made) {
    return made->offsets && etl_end_of_(made) != made->offsets[made->rows];
}
// The bits of the rows so far, which were all valid.
ETL_COLD_ void etl_start_validity_(etl_builder *made) {
    made->validity = etl_alloc(made->capacity / 8);
    __builtin_memset(made->validity, 0, made->capacity / 8);
    __builtin_memset(made->validity, 0xff, made->rows / 8);
    made->validity[made->rows >> 3] = (uint8_t)((1u << (made->rows & 7)) - 1);
}
static inline void etl_put_null(etl_builder *made) {
    if (!made->nullable) etl_bug("etl_put_null: the plan says ETL_NOT_NULL");
    if (etl_is_open_(made)) etl_bug("etl_put_null: within a text or an array");
    if (made->offsets) etl_end_(made, made->offsets[made->rows]);
    etl_room_(made);
    if (!made->validity) etl_start_validity_(made);
    if (made->width) {
        __builtin_memset(made->data.ptr + made->data.len, 0, made->width);
        made->data.len += made->width;
    }
    made->rows++;
}
static inline void etl_put_boolean(etl_builder *made, bool value) {
    if (made->type != ETL_BOOLEAN) etl_bug("etl_put_boolean: the column is of another type");
    etl_room_(made);
    made->data.ptr[made->rows >> 3] |= (uint8_t)(value << (made->rows & 7));
    etl_valid_(made);
}
#define ETL_PUT_(name, ctype, scalar)                                                                                              \
    static inline void etl_put_##name(etl_builder *made, ctype value) {                                                            \
        if (made->type != scalar) etl_bug("etl_put_" #name ": the column is of another type");                                     \
        etl_room_(made);                                                                                                           \
        __builtin_memcpy(made->data.ptr + made->data.len, &value, sizeof value);                                                   \
        made->data.len += sizeof value;                                                                                            \
        etl_valid_(made);                                                                                                          \
    }
ETL_PUT_(int16, int16_t, ETL_INT16)
ETL_PUT_(int32, int32_t, ETL_INT32)
ETL_PUT_(int64, int64_t, ETL_INT64)
ETL_PUT_(float32, float, ETL_FLOAT32)
ETL_PUT_(float64, double, ETL_FLOAT64)
ETL_PUT_(uuid, etl_uuid, ETL_UUID)
ETL_PUT_(date, int32_t, ETL_DATE)
ETL_PUT_(time, int64_t, ETL_TIME)
ETL_PUT_(timestamp, int64_t, ETL_TIMESTAMP)
ETL_PUT_(interval, etl_interval, ETL_INTERVAL)
#undef ETL_PUT_
static inline etl_buffer *etl_begin_text(etl_builder *made) {
    if (!etl_is_textual_(made->type)) etl_bug("etl_begin_text, etl_put_text or etl_put_decimal: the column is of another type");
    return &made->data;
}
static inline void etl_end_text(etl_builder *made) {
    if (!etl_is_textual_(made->type)) etl_bug("etl_end_text: the column is of another type");
    etl_end_(made, made->data.len);
    etl_valid_(made);
}
static inline void etl_put_text(etl_builder *made, etl_text value) {
    etl_append(etl_begin_text(made), value);
    etl_end_text(made);
}
static inline void etl_put_bytes(etl_builder *made, etl_bytes value) {
    if (made->type != ETL_BYTES) etl_bug("etl_put_bytes: the column is of another type");
    etl_append(&made->data, (etl_text){(const char *)value.ptr, value.len});
    etl_end_(made, made->data.len);
    etl_valid_(made);
}
static inline void etl_put_decimal(etl_builder *made, int64_t value, uint32_t digits) {
    etl_append_decimal_(etl_begin_text(made), value, digits);
    etl_end_text(made);
}
static inline etl_builder *etl_made_elements(etl_builder *made) {
    if (!made->elements) etl_bug("etl_made_elements: the column is no array");
    return made->elements;
}
static inline void etl_end_array(etl_builder *made) {
    etl_end_(made, etl_made_elements(made)->rows);
    etl_valid_(made);
}
static inline void etl_put_scalar_copy_(etl_builder *made, const etl_column *column, uint32_t row) {
    if (etl_is_null(column, row)) {
        etl_put_null(made);
    } else if (made->width) {
        etl_room_(made);
        __builtin_memcpy(made->data.ptr + made->data.len, column->data + row * made->width, made->width);
        made->data.len += made->width;
        etl_valid_(made);
    } else if (made->type == ETL_BOOLEAN) {
        etl_put_boolean(made, etl_get_boolean(column, row));
    } else {
        etl_span span = etl_span_(column, row);
        etl_append(&made->data, (etl_text){(const char *)column->data + span.first, span.end - span.first});
        etl_end_(made, made->data.len);
        etl_valid_(made);
    }
}
static inline void etl_put_copy(etl_builder *made, const etl_column *column, uint32_t row) {
    if (made->type != column->type) etl_bug("etl_put_copy: the columns are of different types");
    if (!made->elements) {
        etl_put_scalar_copy_(made, column, row);
    } else if (etl_is_null(column, row)) {
        etl_put_null(made);
    } else {
        etl_span span = etl_span_(column, row);
        for (uint32_t i = span.first; i < span.end; i++) etl_put_scalar_copy_(made->elements, column->elements, i);
        etl_end_array(made);
    }
}

static inline void etl_emit(etl_output *out, uint32_t row) {
    if (row >= out->batch_rows) etl_bug("etl_emit: the batch has no such row");
    if (out->rows == out->capacity) {
        uint32_t capacity = etl_more_(out->capacity, 0, 4);
        out->origin = etl_grow_(out->origin, out->capacity * 4, capacity * 4);
        out->capacity = capacity;
    }
    out->origin[out->rows++] = row;
}
static inline void etl_reject_as_(etl_output *out, uint32_t row, etl_text reason) {
    if (row >= out->batch_rows) etl_bug("etl_reject: the batch has no such row");
    if (out->reject_count == out->batch_rows) etl_bug("etl_reject: a row is rejected twice");
    if (!out->rejects) out->rejects = etl_alloc(out->batch_rows * sizeof(etl_raw_reject_));
    out->rejects[out->reject_count++] = (etl_raw_reject_){row, reason};
}
static inline void etl_reject(etl_output *out, uint32_t row, const char *reason) { etl_reject_as_(out, row, etl_str(reason)); }
static inline bool etl_reject_null(etl_output *out, const etl_column *column, uint32_t row) {
    if (!etl_is_null(column, row)) return false;
    if (column->index >= etl_the_.read_count) etl_bug("etl_reject_null: for columns, not for elements");
    etl_reject_as_(out, row, etl_the_.reads[column->index].null_reason);
    return true;
}
static inline void etl_stop(etl_output *out, const char *message) { out->error = message; }

// ---- The runner's calls ---------------------------------------------------------------------------------------------------------

#define ETL_EXPORT_(name) __attribute__((weak, export_name(name)))

ETL_EXPORT_("etl_transform_0_1") void etl_export_version_(void);
void etl_export_version_(void) {}

ETL_EXPORT_("cabi_realloc") void *etl_export_realloc_(void *old, size_t old_bytes, size_t align, size_t bytes);
void *etl_export_realloc_(void *old, size_t old_bytes, size_t align, size_t bytes) {
    (void)align; // the contract's are 1 and 4, ours 16
    return bytes <= old_bytes ? old : etl_grow_(old, old_bytes, bytes);
}

// What the plan says, or what does not fit: settled once the author's function is done.
static inline void etl_refuse_options_(etl_planner *plan) {
    for (uint32_t i = 0; i < plan->setting_count; i++) {
        if (plan->asked[i]) continue;
        etl_buffer *to = etl_new_problem_(plan);
        etl_say_(to, "unknown option ");
        etl_quote_(to, plan->settings[i].name);
        etl_say_(to, ": this module takes ");
        if (plan->options.len) etl_append(to, (etl_text){(const char *)plan->options.ptr, plan->options.len});
        else etl_say_(to, "none");
    }
}
static inline void etl_arrange_(etl_planner *plan) {
    uint32_t fields = plan->field_count, made = etl_the_.made_count, count = 0, placed = 0;
    etl_raw_out_ *output = etl_alloc((fields + made) * sizeof *output);
    uint8_t *done = etl_alloc(made);
    __builtin_memset(done, 0, made);
    etl_the_.order = etl_alloc(made * sizeof(uint32_t));
    // Field by field, and a last time for what has no place among them.
    for (uint32_t field = 0; field <= fields; field++) {
        bool replaced = false;
        for (uint32_t i = 0; i < made; i++) {
            const etl_field *new = &etl_the_.made[i].field;
            if (done[i] || (field < fields && !etl_same(new->name, plan->fields[field].name))) continue;
            replaced = done[i] = true;
            etl_the_.order[placed++] = i;
            output[count++] = (etl_raw_out_){.is_new = 1,
                .field = {new->name, (uint8_t)new->type, new->type > 0xff, new->nullable}};
        }
        bool kept = field < fields && (plan->keeps[field] == ETL_KEEP_ || (plan->keeps_rest && !plan->keeps[field]));
        if (kept && !replaced) output[count++] = (etl_raw_out_){.keep = field};
    }
    uint32_t *reads = etl_alloc(etl_the_.read_count * sizeof *reads);
    for (uint32_t i = 0; i < etl_the_.read_count; i++) reads[i] = etl_the_.reads[i].field;
    etl_the_.plan = (etl_raw_plan_){.reads = {reads, etl_the_.read_count}, .output = {output, count}};
}

ETL_EXPORT_("plan") etl_raw_plan_ *etl_export_plan_(
    const etl_raw_field_ *fields, uint32_t field_count, const etl_raw_setting_ *settings, uint32_t setting_count);
etl_raw_plan_ *etl_export_plan_(
    const etl_raw_field_ *fields, uint32_t field_count, const etl_raw_setting_ *settings, uint32_t setting_count) {
    etl_planner plan = {.fields = fields, .field_count = field_count, .settings = settings, .setting_count = setting_count};
    plan.keeps = etl_alloc(field_count);
    plan.asked = etl_alloc(setting_count);
    __builtin_memset(plan.keeps, ETL_UNSAID_, field_count);
    __builtin_memset(plan.asked, 0, setting_count);
    etl_the_.read_count = etl_the_.made_count = 0;
    etl_the_.reads = etl_alloc(field_count * sizeof(etl_read_));
    etl_plan(&plan);
    etl_refuse_options_(&plan);
    if (plan.problems.len)
        etl_the_.plan = (etl_raw_plan_){.is_err = 1, .error = {(const char *)plan.problems.ptr, plan.problems.len}};
    else
        etl_arrange_(&plan);
    return &etl_the_.plan;
}
ETL_EXPORT_("cabi_post_plan") void etl_export_post_plan_(void *result);
void etl_export_post_plan_(void *result) {
    (void)result;
    etl_the_.floor = etl_the_.top; // all that the plan found stays
}

// One column of a batch, and its elements behind it.
static inline void etl_view_(etl_column *view, const etl_raw_column_ *raw, etl_type type, uint32_t rows, uint32_t index) {
    *view = (etl_column){.validity = raw->validity.len ? raw->validity.ptr : 0, .offsets = raw->offsets.ptr,
        .data = raw->data.ptr, .type = type, .rows = rows, .index = index};
}
static inline etl_batch etl_views_(uint32_t rows, const etl_raw_column_ *raw, uint32_t count) {
    etl_column *views = etl_alloc(count * sizeof *views);
    uint32_t at = 0;
    for (uint32_t i = 0; i < etl_the_.read_count; i++) {
        etl_type type = etl_the_.reads[i].type;
        if (at + (type > 0xff) >= count) etl_bug("the batch does not have the columns that the plan reads");
        etl_view_(&views[i], &raw[at++], type, rows, i);
        if (type <= 0xff) continue;
        uint32_t elements;
        __builtin_memcpy(&elements, views[i].offsets + rows * sizeof elements, sizeof elements);
        etl_column *view = etl_alloc(sizeof *view);
        etl_view_(view, &raw[at++], type & 0xff, elements, UINT32_MAX);
        views[i].elements = view;
    }
    return (etl_batch){rows, views, etl_the_.read_count};
}

static inline void etl_open_(etl_builder *made, etl_type type, bool nullable, uint32_t rows, uint32_t bytes) {
    *made = (etl_builder){.type = type, .width = etl_width_(type), .nullable = nullable};
    made->capacity = (rows + 7) & ~7u; // whole bytes of bits
    if (made->width) {
        made->data.ptr = etl_alloc(made->data.capacity = made->capacity * made->width);
    } else if (type == ETL_BOOLEAN) {
        made->data.ptr = etl_alloc(made->capacity / 8);
        __builtin_memset(made->data.ptr, 0, made->capacity / 8);
    } else {
        made->offsets = etl_alloc((made->capacity + 1) * sizeof(uint32_t));
        made->offsets[0] = 0;
        if (type <= 0xff) made->data.ptr = etl_alloc(made->data.capacity = bytes);
    }
}
static inline etl_output etl_open_output_(uint32_t rows) {
    etl_output out = {.batch_rows = rows, .capacity = rows};
    out.made = etl_alloc(etl_the_.made_count * sizeof *out.made);
    out.origin = etl_alloc(rows * sizeof *out.origin);
    for (uint32_t i = 0; i < etl_the_.made_count; i++) {
        // Room for as much as the batch before had.
        const etl_made_ *spec = &etl_the_.made[i];
        etl_open_(&out.made[i], spec->field.type, spec->field.nullable, rows, spec->usual_bytes);
        if (spec->field.type <= 0xff) continue;
        out.made[i].elements = etl_alloc(sizeof(etl_builder));
        etl_open_(out.made[i].elements, spec->field.type & 0xff, true, spec->usual_elements, spec->usual_element_bytes);
    }
    return out;
}

// Whether the rows that are not rejected came out once each, in order: then nothing needs to be said about their origin.
static inline bool etl_is_one_to_one_(const etl_output *out) {
    uint32_t emitted = 0, rejected = 0;
    for (uint32_t row = 0; row < out->batch_rows; row++) {
        if (rejected < out->reject_count && out->rejects[rejected].row == row) rejected++;
        else if (emitted < out->rows && out->origin[emitted] == row) emitted++;
        else return false;
    }
    return emitted == out->rows && rejected == out->reject_count;
}
// Says what is wrong with a made column, if something is.
static inline bool etl_is_complete_(const etl_output *out, uint32_t index, etl_buffer *problem) {
    const etl_builder *made = &out->made[index];
    bool open = etl_is_open_(made) || (made->elements && etl_is_open_(made->elements));
    if (made->rows == out->rows && !open) return true;
    etl_say_(problem, "made column ");
    etl_quote_(problem, etl_the_.made[index].field.name);
    if (open) {
        etl_say_(problem, " has a text or an array without its end (etl_end_text, etl_end_array)");
        return false;
    }
    etl_say_(problem, " has ");
    etl_append_int64(problem, made->rows);
    etl_say_(problem, " values for ");
    etl_append_int64(problem, out->rows);
    etl_say_(problem, " rows: put one into each made column for every etl_emit");
    return false;
}
static inline etl_raw_column_ etl_close_(const etl_builder *made) {
    uint32_t bits = made->rows / 8 + (made->rows % 8 != 0);
    etl_raw_column_ raw = {.data = {made->data.ptr, made->type == ETL_BOOLEAN ? bits : made->data.len}};
    if (made->validity) raw.validity = (etl_list_){made->validity, bits};
    if (made->offsets) raw.offsets = (etl_list_){made->offsets, (made->rows + 1) * 4};
    return raw;
}
static inline uint32_t etl_usual_(uint32_t used) { return used < 1u << 24 ? used + used / 8 : 1u << 24; }
static inline etl_raw_output_ etl_close_output_(const etl_output *out) {
    etl_buffer problem = {0};
    if (out->error) etl_say_(&problem, out->error);
    etl_raw_column_ *columns = etl_alloc(2 * etl_the_.made_count * sizeof *columns);
    uint32_t count = 0;
    for (uint32_t i = 0; i < etl_the_.made_count && !problem.len; i++) {
        etl_made_ *spec = &etl_the_.made[etl_the_.order[i]];
        const etl_builder *made = &out->made[etl_the_.order[i]];
        if (!etl_is_complete_(out, etl_the_.order[i], &problem)) break;
        columns[count++] = etl_close_(made);
        spec->usual_bytes = etl_usual_(made->data.len);
        if (!made->elements) continue;
        columns[count++] = etl_close_(made->elements);
        spec->usual_elements = etl_usual_(made->elements->rows);
        spec->usual_element_bytes = etl_usual_(made->elements->data.len);
    }
    if (problem.len) return (etl_raw_output_){.is_err = 1, .error = {(const char *)problem.ptr, problem.len}};
    etl_raw_output_ raw = {.rows = out->rows, .columns = {columns, count}, .rejects = {out->rejects, out->reject_count}};
    if (!etl_is_one_to_one_(out)) raw.origin = (etl_list_){out->origin, out->rows};
    return raw;
}

ETL_EXPORT_("transform") etl_raw_output_ *etl_export_transform_(uint32_t rows, const etl_raw_column_ *columns, uint32_t count);
etl_raw_output_ *etl_export_transform_(uint32_t rows, const etl_raw_column_ *columns, uint32_t count) {
    if (rows > INT32_MAX / 16) etl_bug("a batch of more rows than a module can hold");
    etl_batch batch = etl_views_(rows, columns, count);
    etl_output out = etl_open_output_(rows);
    etl_transform(&batch, &out);
    etl_the_.output = etl_close_output_(&out);
    return &etl_the_.output;
}
ETL_EXPORT_("cabi_post_transform") void etl_export_post_transform_(void *result);
void etl_export_post_transform_(void *result) {
    (void)result;
    etl_the_.top = etl_the_.floor;
}

#endif
