;; A reject of a row that the batch does not have.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(data (i32.const 0x200) (i32 0  2  0 0  0x240 1  0x320 1))
(data (i32.const 0x320) (i32 7  0x180 4))
