;; transform grows a table for ever.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(table $t 1 funcref)
(func (export "transform") (param i32 i32 i32) (result i32)
  (loop $more
    (if (i32.eq (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1)) (then unreachable))
    (br $more))
  (i32.const 0x200))
