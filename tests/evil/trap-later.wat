;; Honest for two batches, then transform traps.
(global $calls (mut i32) (i32.const 0))
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func $third unreachable)
(func (export "transform") (param i32 i32 i32) (result i32)
  (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
  (if (i32.gt_u (global.get $calls) (i32.const 2)) (then (call $third)))
  (i32.const 0x200))
