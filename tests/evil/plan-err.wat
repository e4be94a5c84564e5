;; A refusal to plan.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(data (i32.const 0x100) (i32 1  0x300 20))
(data (i32.const 0x300) "needs column `email`")
