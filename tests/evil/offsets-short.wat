;; Two offsets for two rows.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(data (i32.const 0x240) (i32 0 0  0x280 8  0x2a0 3))
