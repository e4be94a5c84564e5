;; plan traps, two functions deep.
(func $explode unreachable)
(func (export "plan") (param i32 i32 i32 i32) (result i32) (call $explode) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
