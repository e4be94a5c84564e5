;; WASI preview 1 for modules whose toolchain cannot do without it: a core module that imports only the guest's memory
;; and one host function for standard output and error. The same answers in every instance of every run: a clock that
;; starts at a fixed time and steps with each look, seeded randomness, no files, arguments, environment or sockets.
;; The functions that only say "no" are added from a table.
(import "env" "memory" (memory 0))
(import "etl:wasi/stdio@0.1.0" "print" (func $print (param i32 i32 i32)))
(global $now (mut i64) (i64.const 1700000000000000000))
(global $seed (mut i64) (i64.const 0x9E3779B97F4A7C15))

;; Two counts of zero: no arguments, no environment.
(func $zeros (param i32 i32) (result i32)
  (i32.store (local.get 0) (i32.const 0))
  (i32.store (local.get 1) (i32.const 0))
  (i32.const 0))
(func (export "args_sizes_get") (param i32 i32) (result i32) (call $zeros (local.get 0) (local.get 1)))
(func (export "environ_sizes_get") (param i32 i32) (result i32) (call $zeros (local.get 0) (local.get 1)))
(func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
(func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

(func (export "sched_yield") (result i32) (i32.const 0))
(func (export "proc_exit") (param i32) unreachable)

;; A microsecond passes with each look.
(func (export "clock_res_get") (param i32 i32) (result i32)
  (i64.store (local.get 1) (i64.const 1000))
  (i32.const 0))
(func (export "clock_time_get") (param i32 i64 i32) (result i32)
  (global.set $now (i64.add (global.get $now) (i64.const 1000)))
  (i64.store (local.get 2) (global.get $now))
  (i32.const 0))

;; splitmix64, one byte a step: only start-up asks for a few.
(func (export "random_get") (param $at i32) (param $left i32) (result i32) (local $z i64)
  (block $done (loop $next
    (br_if $done (i32.eqz (local.get $left)))
    (global.set $seed (i64.add (global.get $seed) (i64.const 0x9E3779B97F4A7C15)))
    (local.set $z (global.get $seed))
    (local.set $z (i64.mul (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 30)))
                           (i64.const 0xBF58476D1CE4E5B9)))
    (local.set $z (i64.mul (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 27)))
                           (i64.const 0x94D049BB133111EB)))
    (i64.store8 (local.get $at) (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 31))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br $next)))
  (i32.const 0))

;; 0, 1 and 2 are character devices (2) that can be written (right 64); nothing else is open (8 = badf).
(func (export "fd_fdstat_get") (param $fd i32) (param $at i32) (result i32)
  (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
  (i64.store (local.get $at) (i64.const 2))
  (i64.store offset=8 (local.get $at) (i64.const 64))
  (i64.store offset=16 (local.get $at) (i64.const 0))
  (i32.const 0))
(func (export "fd_write") (param $fd i32) (param $piece i32) (param $left i32) (param $written i32) (result i32)
  (local $sum i32)
  (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
  (block $done (loop $next
    (br_if $done (i32.eqz (local.get $left)))
    (call $print (local.get $fd) (i32.load (local.get $piece)) (i32.load offset=4 (local.get $piece)))
    (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $piece))))
    (local.set $piece (i32.add (local.get $piece) (i32.const 8)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br $next)))
  (i32.store (local.get $written) (local.get $sum))
  (i32.const 0))

;; Every subscription (48 bytes) has happened (32 bytes) at once; one on a clock moves the clock to its deadline.
(func (export "poll_oneoff") (param $in i32) (param $out i32) (param $left i32) (param $count i32) (result i32)
  (i32.store (local.get $count) (local.get $left))
  (block $done (loop $next
    (br_if $done (i32.eqz (local.get $left)))
    (if (i32.eqz (i32.load8_u offset=8 (local.get $in))) (then
      (if (i32.and (i32.load16_u offset=40 (local.get $in)) (i32.const 1))
        (then (if (i64.gt_u (i64.load offset=24 (local.get $in)) (global.get $now))
          (then (global.set $now (i64.load offset=24 (local.get $in))))))
        (else (global.set $now (i64.add (global.get $now) (i64.load offset=24 (local.get $in))))))))
    (i64.store (local.get $out) (i64.load (local.get $in)))
    (i64.store offset=8 (local.get $out) (i64.const 0))
    (i64.store offset=16 (local.get $out) (i64.const 0))
    (i64.store offset=24 (local.get $out) (i64.const 0))
    (i32.store8 offset=10 (local.get $out) (i32.load8_u offset=8 (local.get $in)))
    (local.set $in (i32.add (local.get $in) (i32.const 48)))
    (local.set $out (i32.add (local.get $out) (i32.const 32)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br $next)))
  (i32.const 0))
