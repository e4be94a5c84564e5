;; Four billion rows, of no row.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(data (i32.const 0x200) (i32 0  -1  0 0  0x240 1  0 0))
