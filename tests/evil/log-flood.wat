;; Honest, but transform logs a hundred thousand lines of 30,000 bytes, control characters among them.
(module
  (import "etl:transform/host@0.1.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "etl_transform_0_1"))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x8000))
  (data (i32.const 0x100) (i32 0  0x140 1  0x150 1))
  (data (i32.const 0x150) (i32 0 0))
  (data (i32.const 0x200) (i32 0  2  0 0  0 0  0 0))
  (data (i32.const 0x300) "\1b[31mred")
  (func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
  (func (export "transform") (param i32 i32 i32) (result i32) (local $left i32)
    (local.set $left (i32.const 100000))
    (loop $next
      (call $log (i32.const 2) (i32.const 0x300) (i32.const 30000))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i32.const 0x200)))
