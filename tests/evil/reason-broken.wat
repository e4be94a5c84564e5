;; The reason of a reject is not UTF-8.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(data (i32.const 0x200) (i32 0  1  0 0  0x240 1  0x320 1))
(data (i32.const 0x240) (i32 0 0  0x280 8  0x2a0 2))
(data (i32.const 0x320) (i32 1  0x330 1))
(data (i32.const 0x330) "\ff")
