;; transform logs what is no UTF-8, in a function with the name of another failure.
(module
  (import "etl:transform/host@0.1.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "etl_transform_0_1"))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x8000))
  (data (i32.const 0x100) (i32 0  0x140 1  0x150 1))
  (data (i32.const 0x150) (i32 0 0))
  (data (i32.const 0x300) "\ff\fe")
  (func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
  (func $"os error 1: fuel allocated for hostcalls" (call $log (i32.const 2) (i32.const 0x300) (i32.const 2)))
  (func (export "transform") (param i32 i32 i32) (result i32)
    (call $"os error 1: fuel allocated for hostcalls")
    (i32.const 0x200)))
