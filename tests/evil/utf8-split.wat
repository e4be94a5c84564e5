;; Text that is UTF-8 as a whole, cut inside a character.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(data (i32.const 0x2a0) "a\c3\a9")
