;; What most guests share. The honest plan: read column 0, make one nullable text column `made`.
;; The honest answer to a batch of two rows: "ab", "c".
(memory (export "memory") 1)
(func (export "etl_transform_0_1"))

(global $top (mut i32) (i32.const 0x8000))
(func $alloc (export "cabi_realloc") (param i32 i32 i32) (param $len i32) (result i32) (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
  (global.set $top (i32.add (local.get $at) (local.get $len)))
  (block $enough (loop $more
    (br_if $enough (i32.le_u (global.get $top) (i32.shl (memory.size) (i32.const 16))))
    (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
    (br $more)))
  (local.get $at))
(func $reset (param i32) (global.set $top (i32.const 0x8000)))
(export "cabi_post_plan" (func $reset))
(export "cabi_post_transform" (func $reset))

;; result<plan, string> at 0x100: ok, reads, output
(data (i32.const 0x100) (i32 0  0x140 1  0x150 1))
(data (i32.const 0x140) (i32 0))
;; out: new, name, scalar (7 = text), array, nullable
(data (i32.const 0x150) (i32 1  0x180 4) (i8 7 0 1))
(data (i32.const 0x180) "made")

;; result<output, string> at 0x200: ok, rows, origin, columns, rejects
(data (i32.const 0x200) (i32 0  2  0 0  0x240 1  0 0))
;; column: validity, offsets, data
(data (i32.const 0x240) (i32 0 0  0x280 12  0x2a0 3))
(data (i32.const 0x280) (i32 0 2 3))
(data (i32.const 0x2a0) "abc")
