;; A plan that reads a column that is not there.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(data (i32.const 0x140) (i32 77))
