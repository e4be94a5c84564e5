;; Start-up code that never ends.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(func $spin (loop $again (br $again)))
(start $spin)
