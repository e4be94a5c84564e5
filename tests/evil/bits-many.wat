;; Honest, but for each of two rows `made` is an array of 37 million booleans: 9 MiB here, 450 MB in CSV.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(data (i32.const 0x150) (i32 1  0x180 4) (i8 0 1 1))
(data (i32.const 0x200) (i32 0  2  0 0  0x240 2  0 0))
;; Two rows of half of them, and their bits.
(data (i32.const 0x240) (i32 0 0  0x280 12  0 0))
(data (i32.const 0x258) (i32 0 0  0 0  0x10000 9437184))
(data (i32.const 0x280) (i32 0 37748736 75497472))
(func (export "transform") (param i32 i32 i32) (result i32)
  (drop (memory.grow (i32.const 144)))
  (i32.const 0x200))
