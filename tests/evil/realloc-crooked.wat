;; cabi_realloc hands out an address that is not aligned.
(module
  (memory (export "memory") 1)
  (func (export "etl_transform_0_1"))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x101))
  (func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0))
  (func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0)))
