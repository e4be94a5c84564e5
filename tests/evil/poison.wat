;; Honest, but for rows whose text in the second column begins with one of the letters below. Keeps the first column,
;; makes `made` of the second.
(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0x100))
(data (i32.const 0x100) (i32 0  0x140 1  0x300 2))
(data (i32.const 0x140) (i32 1))
(data (i32.const 0x300) (i32 0 0 0 0  1 0x180 4) (i8 7 0 1))
;; A reject: row, reason.
(data (i32.const 0x500) (i32 0  0x180 4))

(global $calls (mut i32) (i32.const 0))
(func $deeper (param i32) (result i32) (i32.add (i32.const 1) (call $deeper (local.get 0))))

(func (export "transform") (param $rows i32) (param $columns i32) (param i32) (result i32)
  (local $row i32) (local $offset i32) (local $start i32)
  (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
  (i64.store offset=0 (i32.const 0x400) (i64.const 0))
  (i32.store offset=4 (i32.const 0x400) (local.get $rows))
  (i64.store offset=8 (i32.const 0x400) (i64.const 0))
  (i32.store offset=16 (i32.const 0x400) (local.get $columns))
  (i32.store offset=20 (i32.const 0x400) (i32.const 1))
  (i64.store offset=24 (i32.const 0x400) (i64.const 0))
  (local.set $offset (i32.load offset=8 (local.get $columns)))
  (block $done (loop $next
    (br_if $done (i32.eq (local.get $row) (local.get $rows)))
    (local.set $start (i32.add (i32.load offset=16 (local.get $columns)) (i32.load (local.get $offset))))
    (if (i32.lt_s (i32.load (local.get $offset)) (i32.load offset=4 (local.get $offset)))
      (then (call $look (i32.load8_u (local.get $start)) (local.get $row) (local.get $rows)
        (local.get $columns) (local.get $offset) (local.get $start))))
    (local.set $offset (i32.add (local.get $offset) (i32.const 4)))
    (local.set $row (i32.add (local.get $row) (i32.const 1)))
    (br $next)))
  (i32.const 0x400))

(func $look (param $letter i32) (param $row i32) (param $rows i32) (param $columns i32) (param $offset i32) (param $start i32)
  ;; T: traps
  (if (i32.eq (local.get $letter) (i32.const 84)) (then unreachable))
  ;; W: traps in an instance that was used before
  (if (i32.and (i32.eq (local.get $letter) (i32.const 87)) (i32.gt_u (global.get $calls) (i32.const 1))) (then unreachable))
  ;; C: traps in company, not alone
  (if (i32.eq (local.get $letter) (i32.const 67))
    (then (if (i32.gt_u (local.get $rows) (i32.const 1)) (then unreachable))))
  ;; L: loops for ever
  (if (i32.eq (local.get $letter) (i32.const 76)) (then (loop $ever (br $ever))))
  ;; S: calls itself for ever
  (if (i32.eq (local.get $letter) (i32.const 83)) (then (drop (call $deeper (i32.const 0)))))
  ;; M: takes memory until it gets no more
  (if (i32.eq (local.get $letter) (i32.const 77))
    (then (loop $more (br_if $more (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) unreachable))
  ;; N: answers 4294967295 rows
  (if (i32.eq (local.get $letter) (i32.const 78)) (then (i32.store offset=4 (i32.const 0x400) (i32.const -1))))
  ;; A: answers 100 MiB
  (if (i32.eq (local.get $letter) (i32.const 65))
    (then (drop (memory.grow (i32.const 1600))) (i32.store offset=20 (local.get $columns) (i32.const 0x6000000))))
  ;; Z: answers 4 GiB
  (if (i32.eq (local.get $letter) (i32.const 90)) (then (i32.store offset=20 (local.get $columns) (i32.const -1))))
  ;; U: text that is not UTF-8
  (if (i32.eq (local.get $letter) (i32.const 85)) (then (i32.store8 (local.get $start) (i32.const 0xff))))
  ;; B: an offset that goes backwards
  (if (i32.eq (local.get $letter) (i32.const 66)) (then (i32.store offset=4 (local.get $offset) (i32.const -1))))
  ;; O: an offset outside of the data
  (if (i32.eq (local.get $letter) (i32.const 79))
    (then (i32.store offset=4 (local.get $offset) (i32.const 0x7fffffff))))
  ;; V: a validity of 77 bytes
  (if (i32.eq (local.get $letter) (i32.const 86)) (then (i32.store offset=4 (local.get $columns) (i32.const 77))))
  ;; G: an origin outside of the batch
  (if (i32.eq (local.get $letter) (i32.const 71))
    (then
      (i32.store (i32.const 0x600) (local.get $rows))
      (i32.store offset=4 (i32.const 0x400) (i32.const 1))
      (i32.store offset=8 (i32.const 0x400) (i32.const 0x600))
      (i32.store offset=12 (i32.const 0x400) (i32.const 1))))
  ;; H: more origins than rows
  (if (i32.eq (local.get $letter) (i32.const 72))
    (then
      (i32.store offset=8 (i32.const 0x400) (i32.const 0x600))
      (i32.store offset=12 (i32.const 0x400) (i32.add (local.get $rows) (i32.const 1)))))
  ;; E: a row that is both emitted and rejected
  (if (i32.eq (local.get $letter) (i32.const 69))
    (then
      (i32.store (i32.const 0x600) (local.get $row))
      (i32.store (i32.const 0x500) (local.get $row))
      (i32.store offset=4 (i32.const 0x400) (i32.const 1))
      (i32.store offset=8 (i32.const 0x400) (i32.const 0x600))
      (i32.store offset=12 (i32.const 0x400) (i32.const 1))
      (i32.store offset=24 (i32.const 0x400) (i32.const 0x500))
      (i32.store offset=28 (i32.const 0x400) (i32.const 1))))
  ;; J: a reject of no row
  (if (i32.eq (local.get $letter) (i32.const 74))
    (then
      (i32.store (i32.const 0x500) (i32.const 999999))
      (i32.store offset=24 (i32.const 0x400) (i32.const 0x500))
      (i32.store offset=28 (i32.const 0x400) (i32.const 1))))
  ;; X: a column too many, K: none
  (if (i32.eq (local.get $letter) (i32.const 88))
    (then
      (memory.copy (i32.const 0x800) (local.get $columns) (i32.const 24))
      (memory.copy (i32.const 0x818) (local.get $columns) (i32.const 24))
      (i32.store offset=16 (i32.const 0x400) (i32.const 0x800))
      (i32.store offset=20 (i32.const 0x400) (i32.const 2))))
  (if (i32.eq (local.get $letter) (i32.const 75)) (then (i32.store offset=20 (i32.const 0x400) (i32.const 0))))
  ;; Y: a column of another type: no offsets
  (if (i32.eq (local.get $letter) (i32.const 89)) (then (i32.store offset=12 (local.get $columns) (i32.const 0)))))
