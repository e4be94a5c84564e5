;; transform takes memory up to 65,536 pages, and traps like an allocator when it gets no more.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(func (export "transform") (param i32 i32 i32) (result i32)
  (loop $more
    (if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) (then unreachable))
    (br_if $more (i32.lt_u (memory.size) (i32.const 65536))))
  (i32.const 0x200))
