;; A plan with a type that the contract does not have.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(data (i32.const 0x150) (i32 1  0x180 4) (i8 99 0 1))
