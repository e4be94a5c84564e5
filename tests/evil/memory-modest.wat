;; Honest: transform asks for far too much memory, gets none, and goes on without.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32)
  (drop (memory.grow (i32.const 65000)))
  (i32.const 0x200))
