;; transform calls itself for ever.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func $deeper (export "transform") (param i32 i32 i32) (result i32)
  (i32.add (i32.const 1) (call $deeper (local.get 0) (local.get 1) (local.get 2))))
