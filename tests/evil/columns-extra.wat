;; Two columns where the plan makes one.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(data (i32.const 0x200) (i32 0  2  0 0  0x240 2  0 0))
(data (i32.const 0x258) (i32 0 0  0x280 12  0x2a0 3))
