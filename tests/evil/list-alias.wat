;; A hundred columns that are all the same mebibyte of memory.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0x200))
(func $fill (local $at i32)
  (drop (memory.grow (i32.const 31)))
  (local.set $at (i32.const 0x1000))
  (loop $next
    (i64.store offset=16 (local.get $at) (i64.const 0x0010000000000000))
    (local.set $at (i32.add (local.get $at) (i32.const 24)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const 0x1960)))))
(start $fill)
(data (i32.const 0x200) (i32 0  2  0 0  0x1000 100  0 0))
