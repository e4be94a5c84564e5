;; A module of another version of the contract.
(module
  (memory (export "memory") 1)
  (func (export "etl_transform_0_2"))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
  (func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0))
  (func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0)))
