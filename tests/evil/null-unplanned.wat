;; A NULL in a column that was planned without.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(data (i32.const 0x150) (i32 1  0x180 4) (i8 7 0 0))
(data (i32.const 0x240) (i32 0x2c0 1  0x280 12  0x2a0 3))
(data (i32.const 0x2c0) (i8 1))
