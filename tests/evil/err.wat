;; An error in words, control characters among them.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(data (i32.const 0x200) (i32 1  0x300 14))
(data (i32.const 0x300) "bad \1b[31m row!")
