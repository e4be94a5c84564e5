;; transform divides by zero.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func $ratio (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
(func (export "transform") (param i32 i32 i32) (result i32) (call $ratio (i32.const 0)))
